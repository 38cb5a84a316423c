package mp4

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

var recorded = []string{"fragmented.mp4", "faststart.mp4", "frag-after-moov.mp4", "sound.mp4", "rotated.mp4"}

func TestFilesOfOthersAreReadAsFFprobeReadsThem(t *testing.T) {
	for _, name := range recorded {
		t.Run(name, func(t *testing.T) {
			name := filepath.Join("testdata", name)
			b := contents(t, name)
			f := readFile(t, b)
			rotation := map[bool]int{true: 90}[filepath.Base(name) == "rotated.mp4"]
			if f.Width != 64 || f.Height != 48 || f.Rotation != rotation || f.Codec != "avc1" || f.Whole != int64(len(b)) {
				t.Errorf("%d x %d, rotation %d, %s, whole %d of %d", f.Width, f.Height, f.Rotation, f.Codec, f.Whole, len(b))
			}
			want := probePackets(t, name)
			if len(f.Samples) != len(want) {
				t.Fatalf("%d samples, ffprobe has %d", len(f.Samples), len(want))
			}
			for i, p := range want {
				s := f.Samples[i]
				if s.Offset != p.pos || s.Size != p.size || s.Key != p.key || math.Abs(s.Time.Seconds()-p.pts) > 1e-5 {
					t.Errorf("sample %d: %+v, ffprobe %+v", i, s, p)
				}
			}
			info, err := Header(bytes.NewReader(b), int64(len(b)))
			if err != nil || info.Width != 64 || info.Height != 48 || info.Rotation != rotation || (info.Duration-f.Duration).Abs() > 200*time.Millisecond {
				t.Errorf("Header: %+v, %v; Read's duration %v", info, err, f.Duration)
			}
		})
	}
}

type probePacket struct {
	pos  int64
	size int
	pts  float64
	key  bool
}

func probePackets(t *testing.T, name string) (packets []probePacket) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-show_packets", "-of", "json", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var j struct {
		Packets []struct {
			Pos, Size, Flags string
			PTS              string `json:"pts_time"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(out, &j); err != nil {
		t.Fatal(err)
	}
	for _, p := range j.Packets {
		pos, err1 := strconv.ParseInt(p.Pos, 10, 64)
		size, err2 := strconv.Atoi(p.Size)
		pts, err3 := strconv.ParseFloat(p.PTS, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		packets = append(packets, probePacket{pos: pos, size: size, pts: pts, key: p.Flags[0] == 'K'})
	}
	return packets
}

func TestPacketsOfOthersDecode(t *testing.T) {
	for _, name := range recorded {
		b := contents(t, filepath.Join("testdata", name))
		f := readFile(t, b)
		var stream []byte
		for i := range f.Samples {
			p, err := f.Packet(bytes.NewReader(b), i)
			if err != nil {
				t.Fatal(err)
			}
			stream = append(stream, p.Data...)
		}
		cmd := exec.Command("ffprobe", "-v", "error", "-f", "h264", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "-")
		cmd.Stdin = bytes.NewReader(stream)
		out, err := cmd.CombinedOutput()
		if got := string(bytes.TrimSpace(out)); err != nil || got != strconv.Itoa(len(f.Samples)) {
			t.Errorf("%s: ffprobe decodes %q, %v; want %d frames", name, got, err, len(f.Samples))
		}
	}
}

func TestACutFileIsReadToItsLastWholeFragment(t *testing.T) {
	packets := h264Packets(t, 96, 64, 60, 15)
	name, ends := writeFile(t, trackOf(t, packets[0]), packets, 0)
	all := contents(t, name)
	var cuts []int64
	for _, e := range ends {
		cuts = append(cuts, e-1, e, e+1, e+7, e+8, e+100)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		cuts = append(cuts, r.Int64N(int64(len(all))))
	}
	for _, cut := range cuts {
		cut = min(cut, int64(len(all)))
		i, exact := slices.BinarySearch(ends, cut)
		if !exact {
			i--
		}
		f, err := Read(bytes.NewReader(all[:cut]), cut)
		if i < 0 {
			if !errors.Is(err, ErrNoHeader) {
				t.Errorf("cut at %d within the header: %v", cut, err)
			}
			continue
		}
		if err != nil || f.Whole != ends[i] || len(f.Samples) != 15*i {
			t.Fatalf("cut at %d: whole %d, %d samples, %v; want %d, %d", cut, f.Whole, len(f.Samples), err, ends[i], 15*i)
		}
	}
}

func TestARepairedFilePlaysWithItsDuration(t *testing.T) {
	packets := h264Packets(t, 96, 64, 60, 15)
	for i := range packets {
		packets[i].Mono = time.Duration(i) * frame15
	}
	name, ends := writeFile(t, trackOf(t, packets[0]), packets, 0)
	all := contents(t, name)
	blank := header(trackOf(t, packets[0]), 0)
	tests := map[string]struct {
		data  []byte
		whole int // fragments
	}{
		"cut in data":          {all[:ends[2]+500], 2},
		"cut in a moof":        {all[:ends[3]+30], 3},
		"intact":               {all, 4},
		"zeros behind":         {slices.Concat(all[:ends[3]], make([]byte, 5000)), 3},
		"zeros for data":       {slices.Concat(all[:ends[3]+300], make([]byte, int(ends[4]-ends[3])-300)), 3},
		"zeros for two":        {slices.Concat(all[:ends[1]+300], make([]byte, int(ends[2]-ends[1])-300), all[ends[2]:ends[2]+300]), 1},
		"garbage behind":       {slices.Concat(all[:ends[2]], bytes.Repeat([]byte("\xffjunk\x00"), 99)), 2},
		"header only":          {all[:ends[0]], 0},
		"header and half moof": {all[:ends[0]+10], 0},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			data := append(slices.Clone(blank), test.data[len(blank):]...) // as before Close
			name := filepath.Join(t.TempDir(), "crashed.mp4")
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := Repair(f, int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			b := contents(t, name)
			if int64(len(b)) != ends[test.whole] || len(got.Samples) != 15*test.whole {
				t.Fatalf("%d bytes, %d samples; want %d, %d", len(b), len(got.Samples), ends[test.whole], 15*test.whole)
			}
			info, err := Header(bytes.NewReader(b[:len(blank)]), int64(len(blank)))
			if want := time.Duration(test.whole) * time.Second; err != nil || !near(info.Duration, want) {
				t.Errorf("the header gives %v, %v; want %v", info.Duration, err, want)
			}
			if test.whole > 0 {
				if p := ffprobe(t, name); len(p.pts) != 15*test.whole || math.Abs(p.duration-float64(test.whole)) > 0.001 {
					t.Errorf("ffprobe: %d frames, %v s", len(p.pts), p.duration)
				}
			}
			if _, err := Repair(f, int64(len(b))); err != nil || !bytes.Equal(contents(t, name), b) {
				t.Errorf("repairing again changed something: %v", err)
			}
		})
	}
}

func TestACutOrdinaryFileKeepsThePicturesItHas(t *testing.T) {
	b := contents(t, "testdata/faststart.mp4")
	all := readFile(t, b)
	last := all.Samples[10]
	f := readFile(t, b[:last.Offset+int64(last.Size)-1])
	if len(f.Samples) != 10 || f.Whole >= last.Offset {
		t.Errorf("%d samples, whole %d", len(f.Samples), f.Whole)
	}
	b = contents(t, "testdata/rotated.mp4") // header behind
	if _, err := Read(bytes.NewReader(b[:3000]), 3000); !errors.Is(err, ErrNoHeader) {
		t.Errorf("header missing: %v", err)
	}
	if _, err := Repair(nopWriter{bytes.NewReader(b)}, int64(len(b))); err == nil {
		t.Error("Repair accepted an ordinary file")
	}
}

// nopWriter is a RandomAccess that must not be changed.
type nopWriter struct{ *bytes.Reader }

func (nopWriter) WriteAt([]byte, int64) (int, error) { panic("WriteAt") }
func (nopWriter) Truncate(int64) error               { panic("Truncate") }

func TestWhatIsNoMP4IsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":         nil,
		"zeros":         make([]byte, 5000),
		"text":          bytes.Repeat([]byte("hello "), 1000),
		"JPEG":          append([]byte{0xff, 0xd8, 0xff, 0xe0}, make([]byte, 1000)...),
		"ftyp only":     []byte("\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"),
		"empty moov":    []byte("\x00\x00\x00\x08moov"),
		"endless moov":  []byte("\x00\x00\x00\x00moov\x00\x00"),
		"64-bit length": []byte("\x00\x00\x00\x01moov\xff\xff\xff\xff\xff\xff\xff\xff"),
	} {
		if _, err := Read(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%s: Read succeeded", name)
		}
		if _, err := Header(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%s: Header succeeded", name)
		}
	}
	if _, err := Read(bytes.NewReader(make([]byte, 10)), 100); err == nil || errors.Is(err, ErrNoHeader) {
		t.Errorf("a reader shorter than said: %v", err)
	}
}

// A table that claims more than the file can hold must not be believed.
func TestClaimedCountsDoNotAllocate(t *testing.T) {
	b := slices.Clone(contents(t, "testdata/faststart.mp4"))
	for _, typ := range []string{"stsz", "stts", "ctts", "stsc", "stco", "stss"} {
		c := slices.Clone(b)
		at := bytes.Index(c, []byte(typ)) + 8
		if typ == "stsz" {
			binary.BigEndian.PutUint32(c[at:], 1) // all samples of one byte
			at += 4
		}
		for _, n := range []uint32{1 << 20, 1 << 31, math.MaxUint32} {
			binary.BigEndian.PutUint32(c[at:], n)
			f, err := Read(bytes.NewReader(c), int64(len(c)))
			if err == nil && len(f.Samples) > len(c) {
				t.Errorf("%s with %d entries: %d samples from %d bytes", typ, n, len(f.Samples), len(c))
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range recorded {
		f.Add(contents(f, filepath.Join("testdata", name)))
	}
	packets := h264Packets(f, 32, 32, 6, 3)
	name, _ := writeFile(f, trackOf(f, packets[0]), packets, 0)
	f.Add(contents(f, name))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if file.Whole < 0 || file.Whole > int64(len(b)) || file.Duration < 0 {
			t.Fatalf("whole %d of %d, duration %v", file.Whole, len(b), file.Duration)
		}
		for i, s := range file.Samples {
			if s.Offset < 0 || s.Size <= 0 || s.Offset+int64(s.Size) > int64(len(b)) || s.Time < 0 || s.Duration < 0 {
				t.Fatalf("sample %d: %+v of %d bytes", i, s, len(b))
			}
			if i < 50 {
				file.Packet(bytes.NewReader(b), i)
			}
		}
		again, err := Read(bytes.NewReader(b[:file.Whole]), file.Whole)
		if err == nil && again.fragmented && len(again.Samples) > len(file.Samples) {
			t.Fatalf("%d samples, %d after trimming", len(file.Samples), len(again.Samples))
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, name := range recorded {
		f.Add(contents(f, filepath.Join("testdata", name)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if info, err := Header(bytes.NewReader(b), int64(len(b))); err == nil && info.Duration < 0 {
			t.Fatalf("%+v", info)
		}
	})
}
