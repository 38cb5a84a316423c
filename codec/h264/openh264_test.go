//go:build cgo

package h264

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"camward/video"
)

const frame15 = time.Second / 15

func newEncoder(t testing.TB, cfg Config) *Encoder {
	t.Helper()
	e, err := NewEncoder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func newDecoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func encodeAll(t testing.TB, e *Encoder, pics []video.I420) []video.Packet {
	t.Helper()
	out := make([]video.Packet, len(pics))
	for i := range pics {
		p, err := e.Encode(&pics[i], time.Hour+time.Duration(i)*frame15, uint64(i), false)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = p
	}
	return out
}

func nalTypes(annexB []byte) (types []int) {
	for nal := range NALs(annexB) {
		types = append(types, int(nal[0]&0x1f))
	}
	return types
}

func TestDecodedPicturesResembleTheEncoded(t *testing.T) {
	for _, size := range [][2]int{{640, 480}, {1280, 720}, {320, 180}, {162, 98}, {16, 16}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, h := size[0], size[1]
			pics := testPictures(t, w, h, 20)
			packets := encodeAll(t, newEncoder(t, Config{Width: w, Height: h, Rate: 15, Bitrate: 4*w*h + 50_000, KeyInterval: 15}), pics)
			d := newDecoder(t)
			var got video.I420
			for i, p := range packets {
				ok, err := d.Decode(p.Data, &got)
				if err != nil || !ok {
					t.Fatalf("picture %d: ok %v, %v", i, ok, err)
				}
				if got.Width != w || got.Height != h {
					t.Fatalf("picture %d is %d x %d", i, got.Width, got.Height)
				}
				if q := psnr(&pics[i], &got); q < 28 {
					t.Errorf("picture %d: PSNR %.1f dB, want at least 28", i, q)
				}
			}
		})
	}
}

func TestOddSizesAreCroppedToEven(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][2]int{{321, 241}, {17, 17}, {640, 479}, {639, 480}} {
		w, h := size[0], size[1]
		var pic, got video.I420
		pic.Resize(w, h)
		for i := range pic.Y {
			pic.Y[i] = byte(80 + i/w/4 + r.IntN(4))
		}
		for i := range pic.U {
			pic.U[i], pic.V[i] = 100, 150
		}
		p := encodeAll(t, newEncoder(t, Config{Width: w, Height: h, Rate: 15, Bitrate: 1_000_000}), []video.I420{pic})[0]
		if ok, err := newDecoder(t).Decode(p.Data, &got); err != nil || !ok {
			t.Fatalf("%d x %d: ok %v, %v", w, h, ok, err)
		}
		if got.Width != w&^1 || got.Height != h&^1 {
			t.Errorf("%d x %d came back as %d x %d", w, h, got.Width, got.Height)
		}
		if q := psnr(&pic, &got); q < 30 {
			t.Errorf("%d x %d: PSNR %.1f dB", w, h, q)
		}
	}
}

func TestKeyPicturesComeAtTheIntervalAndWhenForced(t *testing.T) {
	pics := testPictures(t, 320, 240, 30)
	e := newEncoder(t, Config{Width: 320, Height: 240, Rate: 15, Bitrate: 500_000, KeyInterval: 10})
	var keys []int
	for i := range pics {
		p, err := e.Encode(&pics[i], time.Duration(i)*frame15, uint64(i), i == 14)
		if err != nil {
			t.Fatal(err)
		}
		types := nalTypes(p.Data)
		want := []int{1}
		if p.Key {
			keys = append(keys, i)
			want = []int{nalSPS, nalPPS, nalSliceIDR}
		}
		if !slices.Equal(types, want) {
			t.Errorf("picture %d (key %v) has NAL types %v, want %v", i, p.Key, types, want)
		}
	}
	if want := []int{0, 10, 14, 24}; !slices.Equal(keys, want) {
		t.Errorf("key pictures %v, want %v", keys, want)
	}
}

func TestSceneCutDoesNotAddKeyPictures(t *testing.T) {
	pics := testPictures(t, 160, 120, 6)
	for j := range pics[3].Y { // a negative
		pics[3].Y[j] = 255 - pics[3].Y[j]
	}
	for i, p := range encodeAll(t, newEncoder(t, Config{Width: 160, Height: 120, Rate: 15, Bitrate: 500_000}), pics) {
		if p.Key != (i == 0) {
			t.Errorf("picture %d: key %v", i, p.Key)
		}
	}
}

func TestParameterSetsStayTheSame(t *testing.T) {
	for _, full := range []bool{false, true} {
		pics := testPictures(t, 320, 240, 12)
		e := newEncoder(t, Config{Width: 320, Height: 240, Rate: 15, Bitrate: 500_000, KeyInterval: 4, FullRange: full})
		var first []byte
		for _, p := range encodeAll(t, e, pics) {
			if !p.Key {
				continue
			}
			sps, pps := ParameterSets(p.Data)
			both := append(slices.Clone(sps), pps...)
			if first == nil {
				first = both
			}
			if !bytes.Equal(both, first) {
				t.Fatalf("parameter sets changed: %x, first %x", both, first)
			}
			got, err := ParseSPS(sps)
			if err != nil {
				t.Fatal(err)
			}
			want := SPS{Profile: 66, Constraints: 0xc0, Level: got.Level, Width: 320, Height: 240, FullRange: full}
			if got != want {
				t.Errorf("SPS %+v, want %+v", got, want)
			}
		}
	}
}

func TestPacketsCarryStampsAndOwnTheirData(t *testing.T) {
	pics := testPictures(t, 160, 120, 3)
	e := newEncoder(t, Config{Width: 160, Height: 120, Rate: 15, Bitrate: 200_000})
	packets := encodeAll(t, e, pics)
	kept := bytes.Clone(packets[0].Data)
	if p := packets[2]; p.Seq != 2 || p.Mono != time.Hour+2*frame15 {
		t.Errorf("packet has seq %d, mono %v", p.Seq, p.Mono)
	}
	if _, err := e.Encode(&pics[0], 2*time.Hour, 9, true); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(packets[0].Data, kept) {
		t.Error("a later Encode changed an earlier packet")
	}
}

func TestBitrateIsKeptAndCanBeChanged(t *testing.T) {
	pics := testPictures(t, 640, 480, 90)
	size := func(packets []video.Packet) (n int) {
		for _, p := range packets {
			n += len(p.Data)
		}
		return 8 * n * 15 / len(packets)
	}
	e := newEncoder(t, Config{Width: 640, Height: 480, Rate: 15, Bitrate: 1_500_000, KeyInterval: 15})
	if got := size(encodeAll(t, e, pics)); got < 1_000_000 || got > 1_950_000 {
		t.Errorf("%d bit/s, want about 1500000", got)
	}
	if err := e.SetBitrate(600_000); err != nil {
		t.Fatal(err)
	}
	if got := size(encodeAll(t, e, pics)); got < 400_000 || got > 900_000 {
		t.Errorf("%d bit/s after SetBitrate, want about 600000", got)
	}
	if err := e.SetBitrate(0); err == nil {
		t.Error("SetBitrate(0) was accepted")
	}
}

func TestWrongPicturesAreRefused(t *testing.T) {
	e := newEncoder(t, Config{Width: 64, Height: 48, Rate: 15, Bitrate: 100_000})
	tests := map[string]func(*video.I420){
		"other size":    func(p *video.I420) { p.Resize(48, 64) },
		"no planes":     func(p *video.I420) { p.Y, p.U, p.V = nil, nil, nil },
		"short luma":    func(p *video.I420) { p.Y = p.Y[:len(p.Y)-1] },
		"short chroma":  func(p *video.I420) { p.V = p.V[:len(p.V)-1] },
		"narrow stride": func(p *video.I420) { p.YStride = 63 },
		"no stride":     func(p *video.I420) { p.CStride = 0 },
	}
	for name, spoil := range tests {
		var p video.I420
		p.Resize(64, 48)
		spoil(&p)
		if _, err := e.Encode(&p, 0, 0, false); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPaddedPlanesAreEncodedAlike(t *testing.T) {
	pic := testPictures(t, 64, 48, 1)[0]
	wide := video.I420{Width: 64, Height: 48, YStride: 80, CStride: 50}
	pad := func(src []byte, width, height, stride int) []byte {
		dst := make([]byte, stride*(height-1)+width) // the last line has no padding
		for y := range height {
			copy(dst[y*stride:], src[y*width:][:width])
		}
		return dst
	}
	wide.Y, wide.U, wide.V = pad(pic.Y, 64, 48, 80), pad(pic.U, 32, 24, 50), pad(pic.V, 32, 24, 50)
	cfg := Config{Width: 64, Height: 48, Rate: 15, Bitrate: 100_000}
	a := encodeAll(t, newEncoder(t, cfg), []video.I420{pic})[0]
	b := encodeAll(t, newEncoder(t, cfg), []video.I420{wide})[0]
	if !bytes.Equal(a.Data, b.Data) {
		t.Error("padding changed the encoded picture")
	}
}

func TestUseAfterCloseIsAnError(t *testing.T) {
	e, err := NewEncoder(Config{Width: 64, Height: 48, Rate: 15, Bitrate: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	e.Close()
	var p video.I420
	p.Resize(64, 48)
	if _, err := e.Encode(&p, 0, 0, false); err == nil {
		t.Error("Encode after Close succeeded")
	}
	if err := e.SetBitrate(100_000); err == nil {
		t.Error("SetBitrate after Close succeeded")
	}
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	d.Close()
	if _, err := d.Decode([]byte{0, 0, 1, 9}, &p); err == nil {
		t.Error("Decode after Close succeeded")
	}
}

func TestEncodeAllocatesOnlyThePacket(t *testing.T) {
	pics := testPictures(t, 320, 240, 1)
	e := newEncoder(t, Config{Width: 320, Height: 240, Rate: 15, Bitrate: 500_000})
	i := 0
	n := testing.AllocsPerRun(50, func() {
		i++
		if _, err := e.Encode(&pics[0], time.Duration(i)*frame15, uint64(i), i%10 == 0); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1 {
		t.Errorf("%v allocations a picture, want 1", n)
	}
}

// x264 makes what a camera with a better encoder would: main and high profile, several
// reference pictures, CABAC, B pictures.
func TestDecoderReadsOtherEncodersStreams(t *testing.T) {
	tests := map[string][]string{
		"baseline": {"-profile:v", "baseline"},
		"main":     {"-profile:v", "main", "-bf", "0"},
		"high":     {"-profile:v", "high", "-bf", "0", "-x264-params", "slices=3"},
		"high, B":  {"-profile:v", "high", "-bf", "2"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			pics := testPictures(t, 320, 240, 20)
			var raw bytes.Buffer
			for _, p := range pics {
				raw.Write(p.Y)
				raw.Write(p.U)
				raw.Write(p.V)
			}
			cmd := exec.Command("ffmpeg", slices.Concat(strings.Fields("-v error -f rawvideo -s 320x240 -r 15 -pix_fmt yuv420p -i - -c:v libx264 -crf 20 -g 10"),
				args, strings.Fields("-f h264 -"))...)
			cmd.Stdin = &raw
			stream, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			d := newDecoder(t)
			var got video.I420
			shown := 0
			show := func(ok bool, err error) bool {
				if err != nil {
					t.Fatalf("after %d pictures: %v", shown, err)
				}
				if ok {
					if q := psnr(&pics[shown], &got); q < 30 {
						t.Errorf("picture %d: PSNR %.1f dB", shown, q)
					}
					shown++
				}
				return ok
			}
			for _, au := range accessUnits(stream) {
				show(d.Decode(au, &got))
			}
			for show(d.Flush(&got)) {
			}
			if shown != len(pics) {
				t.Errorf("%d pictures, want %d", shown, len(pics))
			}
		})
	}
}

// accessUnits cuts a stream before each first slice of a picture (first_mb_in_slice is 0, so
// the bit after the NAL header is set) or the SPS that precedes it.
func accessUnits(stream []byte) (units [][]byte) {
	var au []byte
	coded := false
	for nal := range NALs(stream) {
		typ := nal[0] & 0x1f
		slice := typ == 1 || typ == nalSliceIDR
		if coded && (!slice || nal[1]&0x80 != 0) {
			units = append(units, au)
			au, coded = nil, false
		}
		coded = coded || slice
		au = append(append(au, 0, 0, 0, 1), nal...)
	}
	return append(units, au)
}

func TestDamagedStreamGivesErrorsUntilTheNextKeyPicture(t *testing.T) {
	pics := testPictures(t, 320, 240, 20)
	packets := encodeAll(t, newEncoder(t, Config{Width: 320, Height: 240, Rate: 15, Bitrate: 500_000, KeyInterval: 10}), pics)
	d := newDecoder(t)
	var got video.I420
	for i, p := range packets {
		data := p.Data
		if i == 3 {
			data = data[:len(data)/2]
		}
		ok, err := d.Decode(data, &got)
		if i < 3 || i >= 10 {
			if err != nil || !ok || psnr(&pics[i], &got) < 28 {
				t.Errorf("picture %d: ok %v, %v", i, ok, err)
			}
		} else if i == 3 && ok {
			t.Error("half a picture was shown")
		}
	}
	for _, junk := range [][]byte{{0}, []byte("not video at all"), bytes.Repeat([]byte{0, 0, 1, 0x65, 0xff}, 50)} {
		if ok, _ := d.Decode(junk, &got); ok {
			t.Errorf("%q gave a picture", junk)
		}
	}
}

func TestDecoderFollowsAChangeOfSize(t *testing.T) {
	d := newDecoder(t)
	var got video.I420
	for _, size := range [][2]int{{320, 240}, {640, 480}, {160, 120}} {
		w, h := size[0], size[1]
		e := newEncoder(t, Config{Width: w, Height: h, Rate: 15, Bitrate: 1_000_000, FullRange: w == 640})
		for i, p := range encodeAll(t, e, testPictures(t, w, h, 3)) {
			ok, err := d.Decode(p.Data, &got)
			if err != nil || !ok || got.Width != w || got.Height != h || got.FullRange != (w == 640) {
				t.Errorf("%dx%d picture %d: ok %v, %v, %dx%d full range %v", w, h, i, ok, err, got.Width, got.Height, got.FullRange)
			}
		}
	}
}

func TestBackendNamesTheVersion(t *testing.T) {
	if !strings.HasPrefix(Backend, "OpenH264 ") || strings.Count(Backend, ".") != 2 || strings.ContainsAny(Backend, "()") {
		t.Errorf("Backend is %q", Backend)
	}
}

func FuzzDecoderSurvivesAnyBytes(f *testing.F) {
	pics := testPictures(f, 64, 48, 2)
	for _, p := range encodeAll(f, newEncoder(f, Config{Width: 64, Height: 48, Rate: 15, Bitrate: 100_000}), pics) {
		f.Add(p.Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDecoder(t)
		var got video.I420
		if ok, err := d.Decode(b, &got); ok && (err != nil || len(got.Y) != got.Width*got.Height) {
			t.Errorf("ok with %v, %d x %d", err, got.Width, got.Height)
		}
	})
}
