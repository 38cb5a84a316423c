package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"camward/video"
)

// marks plays a recording and reads the numbers in its pictures.
func marks(t *testing.T, p Playback) (seen []uint32, shares []float64, err error) {
	t.Helper()
	p.Progress = func(share float64) { shares = append(shares, share) }
	err = p.Play(t.Context(), func(f *video.Frame) error {
		if want := time.Duration(len(seen)) * 100 * time.Millisecond; (f.Mono-want).Abs() > time.Millisecond || f.Seq != uint64(len(seen)) {
			t.Errorf("picture %d is number %d at %v", len(seen), f.Seq, f.Mono)
		}
		seen = append(seen, markOf(t, f))
		return nil
	})
	return seen, shares, err
}

func allInOrder(t *testing.T, seen []uint32) {
	t.Helper()
	if len(seen) != testFrames {
		t.Fatalf("%d pictures, want %d", len(seen), testFrames)
	}
	for i, n := range seen {
		if n != uint32(i) {
			t.Fatalf("picture %d is number %d", i, n)
		}
	}
}

func TestARecordingIsReadFromAPipeAsFromItsFile(t *testing.T) {
	fast := append(h264Args[:len(h264Args):len(h264Args)], "-movflags", "+faststart")
	fragmented := append(h264Args[:len(h264Args):len(h264Args)], "-movflags", "frag_keyframe+empty_moov")
	rawAVI := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	for name, args := range map[string][]string{"a.mjpeg": mjpegArgs, "a.avi": mjpegArgs, "h264.avi": rawAVI, "fast.mp4": fast, "fragmented.mp4": fragmented, "a.mkv": h264Args, "a.ts": h264Args} {
		t.Run(name, func(t *testing.T) {
			path := ffmpeg(t, name, args...)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			option := ""
			if name == "a.mjpeg" {
				option = "?fps=10"
			}
			seen, shares, err := marks(t, Playback{Path: path + option})
			if err != nil {
				t.Fatal(err)
			}
			allInOrder(t, seen)
			if known := !strings.HasSuffix(name, "mkv") && !strings.HasSuffix(name, "ts") && name != "h264.avi"; known != (shares[len(shares)-1] == 1) || !known && shares[0] != -1 {
				t.Errorf("from its file the progress is %v", shares)
			}
			seen, shares, err = marks(t, Playback{Path: "-" + option, Stream: iotest.HalfReader(bytes.NewReader(b))})
			if err != nil {
				t.Fatal(err)
			}
			allInOrder(t, seen)
			if shares[0] != -1 || shares[len(shares)-1] != -1 {
				t.Errorf("from a pipe the progress is %v", shares)
			}
		})
	}
}

func TestWhatCannotBeReadFromAPipeIsSaid(t *testing.T) {
	whole, err := os.ReadFile(ffmpeg(t, "a.mp4", h264Args...))
	if err != nil {
		t.Fatal(err)
	}
	long := append([]byte("RIFF\xff\xff\xff\xffAVI JUNK\x00\x00\x20\x00"), make([]byte, 1<<21)...)
	for name, tt := range map[string]struct {
		bytes []byte
		want  string
	}{
		"MP4 with its index at the end": {whole, "+faststart"},
		"nothing":                       {nil, "empty"},
		"text":                          {[]byte("Dear Sir or Madam,\n"), "not a video that ffmpeg can read"},
		"AVI header without end":        {append(long, "LIST\x04\x00\x00\x00movi"...), "longer than 1 MiB"},
		"JPEG headers alone":            {[]byte("\xff\xd8\xff\xe0\x00\x02\xff\xd9"), "holds no picture"},
	} {
		err := Playback{Path: "-", Stream: bytes.NewReader(tt.bytes)}.Play(t.Context(), func(*video.Frame) error { return nil })
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("the pipe broke")
	if err := (Playback{Path: "-", Stream: iotest.ErrReader(broken)}).Play(t.Context(), func(*video.Frame) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestAPipeThatSaysNothingEndsWithItsContext(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	b, err := os.ReadFile(ffmpeg(t, "a.mkv", h264Args...))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		w.Write(b[:len(b)/2])
		cancel()
		w.Close()
	}()
	if err := (Playback{Path: "-", Stream: r}).Play(ctx, func(*video.Frame) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// grey is the luma of the scene.
func grey() (b []byte) {
	const picture = testWidth * testHeight
	for rest := scene(); len(rest) > 0; rest = rest[picture*3/2:] {
		b = append(b, rest[:picture]...)
	}
	return b
}

func TestRawPicturesAreReadFromFileAndPipe(t *testing.T) {
	raw := Raw{Size{testWidth, testHeight}, 10}
	path := filepath.Join(t.TempDir(), "100%?.gray")
	for _, cut := range []int{0, 1000} {
		b := grey()
		b = append(b, b[:cut]...)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, p := range []Playback{{Path: path}, {Path: "-", Stream: iotest.OneByteReader(bytes.NewReader(b[:0:0]))}, {Path: "-", Stream: bytes.NewReader(b)}} {
			var warned []string
			p.Raw, p.Warn = raw, func(s string) { warned = append(warned, s) }
			seen, shares, err := marks(t, p)
			if r, ok := p.Stream.(*bytes.Reader); p.Stream != nil && !ok {
				if err == nil || !strings.Contains(err.Error(), "empty") {
					t.Errorf("nothing: %v", err)
				}
				continue
			} else if ok && r.Len() > 0 {
				t.Errorf("%d bytes are left", r.Len())
			}
			if err != nil {
				t.Fatal(err)
			}
			allInOrder(t, seen)
			if cut == 0 && len(warned) > 0 || cut > 0 && (len(warned) != 1 || !strings.Contains(warned[0], "1000 of 76800 bytes")) {
				t.Errorf("%d bytes too many: warned %q", cut, warned)
			}
			if last := shares[len(shares)-1]; (p.Stream == nil) != (last > 0.9) || p.Stream != nil && last != -1 {
				t.Errorf("the progress is %v", shares)
			}
		}
	}
}

func TestRawPicturesThatAreNoneAreRefused(t *testing.T) {
	small, _ := os.ReadFile("testdata/small.mjpeg")
	avi, _ := os.ReadFile("testdata/small.avi")
	for name, tt := range map[string]struct {
		bytes []byte
		want  string
	}{
		"JPEG":                  {small, "JPEG pictures, not raw pictures: leave --raw out"},
		"AVI":                   {avi, "an AVI file, not raw pictures"},
		"MP4":                   {[]byte("\x00\x00\x00\x18ftypisomxxxxxxxxxxxx"), "an MP4 file, not raw pictures"},
		"less than one picture": {make([]byte, 20000), "not even one picture of 160x120: there are 20000 of 19200 bytes"},
	} {
		if name == "less than one picture" {
			tt.bytes, tt.want = tt.bytes[:19000], "not even one picture of 160x120: there are 19000 of 19200 bytes"
		}
		err := Playback{Path: "-", Stream: bytes.NewReader(tt.bytes), Raw: Raw{Size{160, 120}, 10}}.Play(t.Context(), func(*video.Frame) error { return nil })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Playback{Path: filepath.Join(t.TempDir(), "none"), Raw: Raw{Size{160, 120}, 10}}).Play(t.Context(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestASizeAndRateIsRead(t *testing.T) {
	for text, want := range map[string]Raw{
		"640x480@15": {Size{640, 480}, 15}, "1920x1080@12.5": {Size{1920, 1080}, 12.5}, "321x241@30000/1001": {Size{321, 241}, 30000.0 / 1001}, "96x96@0.5": {Size{96, 96}, 0.5},
	} {
		if got, err := ParseRaw(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "such as 640x480@15", "640x480": "such as 640x480@15", "640@15": "such as", "@15": "such as", "x@15": "such as", "-640x480@15": "such as", "640x480x3@15": "such as",
		"64x48@15": "64x48 is outside 96x96..8192x8192", "9000x480@15": "outside", "0x0@15": "outside", "640x480@": "not a rate", "640x480@fast": "not a rate", "640x480@0": "0 is outside 0.5..240",
		"640x480@-5": "outside", "640x480@NaN": "outside", "640x480@inf": "outside", "640x480@1/0": "outside", "640x480@0/0": "outside", "640x480@1/2/3": "not a rate", "640x480@15 ": "not a rate",
	} {
		if got, err := ParseRaw(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzRaw(f *testing.F) {
	for _, s := range []string{"640x480@15", "1x1@1", "640x480@30000/1001", "640x480@1e9", "@", "x@/", "640x480@0x1p4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRaw(s)
		if err != nil {
			return
		}
		if s := r.Size; s.Width < minRawSide || s.Height < minRawSide || s.Width > maxRawSide || s.Height > maxRawSide || !(r.Rate >= minRawRate && r.Rate <= maxRawRate) {
			t.Errorf("%q is %v", s, r)
		}
		if again, err := ParseRaw(r.String()); err != nil || again.Size != r.Size || math.Abs(again.Rate-r.Rate) > 1e-4*r.Rate {
			t.Errorf("%q is %v, and that is %v, %v", s, r, again, err)
		}
	})
}
