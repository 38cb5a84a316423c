package mp4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"camward/video"
)

func TestPlayersSeeEveryPictureAtItsTime(t *testing.T) {
	for _, rotation := range []int{0, 90, 180, 270} {
		t.Run(fmt.Sprint(rotation), func(t *testing.T) {
			packets := h264Packets(t, 322, 242, 50, 15)
			track := trackOf(t, packets[0])
			track.Rotation = rotation
			track.Created = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
			end := packets[49].Mono + frame15
			name, cuts := writeFile(t, track, packets, end)
			p := ffprobe(t, name)
			if len(p.pts) != 50 || p.width != 322 || p.height != 242 || p.rotation != rotation {
				t.Fatalf("ffprobe: %d frames, %d x %d, rotation %d", len(p.pts), p.width, p.height, p.rotation)
			}
			for i, pts := range p.pts {
				if want := (packets[i].Mono - packets[0].Mono).Seconds(); math.Abs(pts-want) > 1e-5 {
					t.Errorf("frame %d at %.6f s, want %.6f", i, pts, want)
				}
				if p.keys[i] != (i%15 == 0) {
					t.Errorf("frame %d: key %v", i, p.keys[i])
				}
			}
			if want := (end - packets[0].Mono).Seconds(); math.Abs(p.duration-want) > 1e-3 {
				t.Errorf("duration %.6f s, want %.6f", p.duration, want)
			}
			if len(cuts) != 1+4 {
				t.Errorf("%d fragments, want one a key picture: 4", len(cuts)-1)
			}
		})
	}
}

func TestReadGivesBackWhatWasWritten(t *testing.T) {
	packets := h264Packets(t, 160, 120, 40, 15)
	track := trackOf(t, packets[0])
	track.Rotation = 270
	name, _ := writeFile(t, track, packets, packets[39].Mono+time.Second)
	b := contents(t, name)
	f := readFile(t, b)
	want := packets[39].Mono + time.Second - packets[0].Mono
	if f.Width != 160 || f.Height != 120 || f.Rotation != 270 || f.Codec != "avc1" || f.Whole != int64(len(b)) ||
		!near(f.Duration, want) || !bytes.Equal(f.SPS, track.SPS) || !bytes.Equal(f.PPS, track.PPS) {
		t.Errorf("Read: %d x %d, rotation %d, %s, whole %d of %d, %v (want %v)",
			f.Width, f.Height, f.Rotation, f.Codec, f.Whole, len(b), f.Duration, want)
	}
	if len(f.Samples) != len(packets) {
		t.Fatalf("%d samples, want %d", len(f.Samples), len(packets))
	}
	for i, p := range packets {
		got, err := f.Packet(bytes.NewReader(b), i)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(units(got.Data), units(p.Data)) || got.Key != p.Key || got.Seq != uint64(i) || !near(got.Mono, p.Mono-packets[0].Mono) {
			t.Errorf("packet %d: %d bytes at %v, key %v; want %d at %v, %v",
				i, len(got.Data), got.Mono, got.Key, len(p.Data), p.Mono-packets[0].Mono, p.Key)
		}
	}
	info, err := Header(bytes.NewReader(b), int64(len(b)))
	if err != nil || info != (Info{Width: 160, Height: 120, Rotation: 270, Duration: info.Duration, Codec: "avc1"}) || !near(info.Duration, want) {
		t.Errorf("Header: %+v, %v", info, err)
	}
}

// near allows for the rounding to ticks of 11 us.
func near(a, b time.Duration) bool { return (a - b).Abs() <= 12*time.Microsecond }

// units makes streams comparable: start codes may have three bytes or four.
func units(annexB []byte) []byte {
	return bytes.ReplaceAll(annexB, []byte{0, 0, 0, 1}, []byte{0, 0, 1})
}

func TestFragmentsStartAtKeyPicturesAndLastASecond(t *testing.T) {
	packets := h264Packets(t, 64, 48, 60, 60)
	tests := map[string]struct {
		step time.Duration
		keys int // key picture every so many
		want []int
	}{
		"key every second":         {frame15, 15, []int{15, 15, 15, 15}},
		"key a little late":        {frame15 + frame15/40, 15, []int{15, 15, 15, 15}},
		"key every half second":    {frame15, 8, []int{8, 8, 8, 8, 8, 8, 8, 4}},
		"no key but the first":     {frame15, 60, []int{15, 15, 15, 15}},
		"slow camera":              {2 * time.Second, 3, append(bytesOf(1, 59), 1)},
		"two pictures per second":  {time.Second / 2, 60, bytesOf(2, 30)},
		"faster than fragments go": {time.Millisecond, 60, []int{60}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for i := range packets {
				packets[i].Mono = time.Duration(i) * test.step
				packets[i].Key = i%test.keys == 0
			}
			var sizes []int
			w, err := NewWriter(io.Discard, trackOf(t, packets[0]))
			if err != nil {
				t.Fatal(err)
			}
			w.OnFragment(func() error { sizes = append(sizes, 0); return nil })
			counted := 0
			for _, p := range packets {
				before := len(w.samples)
				if err := w.Write(p); err != nil {
					t.Fatal(err)
				}
				if len(w.samples) <= before {
					sizes[len(sizes)-1] = before
					counted += before
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			sizes[len(sizes)-1] = len(packets) - counted
			if fmt.Sprint(sizes) != fmt.Sprint(test.want) {
				t.Errorf("fragments of %v pictures, want %v", sizes, test.want)
			}
		})
	}
}

func bytesOf(v, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestEachFragmentIsOneWrite(t *testing.T) {
	packets := h264Packets(t, 64, 48, 45, 15)
	var writes [][]byte
	w, err := NewWriter(writerFunc(func(b []byte) (int, error) {
		writes = append(writes, bytes.Clone(b))
		return len(b), nil
	}), trackOf(t, packets[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(0); err != nil {
		t.Fatal(err)
	}
	if len(writes) != 4 {
		t.Fatalf("%d writes, want the header's and 3", len(writes))
	}
	for i, b := range writes[1:] {
		if string(b[4:8]) != "moof" {
			t.Errorf("write %d begins with %q", i+1, b[4:8])
		}
	}
	// A writer without WriteAt leaves the duration open; it is found from the fragments.
	all := bytes.Join(writes, nil)
	info, err := Header(bytes.NewReader(all), int64(len(all)))
	if err != nil || info.Duration < 2900*time.Millisecond || info.Duration > 3100*time.Millisecond {
		t.Errorf("Header: %+v, %v", info, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestACamerasLongGOPIsCutIntoFragmentsWithTrueFlags(t *testing.T) {
	for _, profile := range []string{"baseline", "main", "high"} {
		packets := x264Packets(t, 320, 240, 60, 50, profile)
		name, ends := writeFile(t, trackOf(t, packets[0]), packets, 0)
		p := ffprobe(t, name)
		if len(p.pts) != 60 || len(ends)-1 < 4 {
			t.Errorf("%s: %d frames in %d fragments", profile, len(p.pts), len(ends)-1)
		}
		for i, s := range readFile(t, contents(t, name)).Samples {
			if want := i%50 == 0; s.Key != want || p.keys[i] != want {
				t.Errorf("%s: sample %d: key %v, ffprobe %v, want %v", profile, i, s.Key, p.keys[i], want)
			}
		}
	}
}

func TestFlushMakesTheFilePlayableAndWritingGoesOn(t *testing.T) {
	packets := h264Packets(t, 64, 48, 20, 20)
	for i := range packets {
		packets[i].Mono = time.Duration(i) * frame15
	}
	name := filepath.Join(t.TempDir(), "clip.mp4")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWriter(f, trackOf(t, packets[0]))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if !near(w.Duration(), max(p.Mono+frame15, time.Second/25)) && i > 0 {
			t.Errorf("after %d pictures Duration is %v", i+1, w.Duration())
		}
		if i == 6 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if p := ffprobe(t, name); len(p.pts) != 7 || math.Abs(p.duration-7.0/15) > 0.001 {
				t.Errorf("after Flush: %d frames, %v s", len(p.pts), p.duration)
			}
		}
	}
	if err := errors.Join(w.Flush(), w.Flush(), w.Close(0)); err != nil {
		t.Fatal(err)
	}
	if p := ffprobe(t, name); len(p.pts) != 20 || math.Abs(p.duration-20.0/15) > 0.001 {
		t.Errorf("after Close: %d frames, %v s", len(p.pts), p.duration)
	}
	if err := w.Write(packets[0]); err == nil {
		t.Error("Write after Close succeeded")
	}
}

func TestRefusedPacketsChangeNothing(t *testing.T) {
	packets := h264Packets(t, 64, 48, 10, 5)
	other := h264Packets(t, 96, 48, 1, 1)[0]
	var out bytes.Buffer
	w, err := NewWriter(&out, trackOf(t, packets[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(packets[1]); err == nil {
		t.Error("a file began without a key picture")
	}
	later := func(p video.Packet) video.Packet { p.Mono += 3 * time.Second; return p }
	for i, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		before := w.Duration()
		if err := w.Write(later(other)); !errors.Is(err, ErrParameterSets) {
			t.Errorf("other parameter sets: %v", err)
		}
		for name, bad := range map[string]video.Packet{
			"same time": p,
			"earlier":   {Data: p.Data, Mono: p.Mono - time.Millisecond},
			"before":    {Data: p.Data, Mono: 0},
			"empty":     later(video.Packet{}),
			"no slice":  later(video.Packet{Data: []byte{0, 0, 0, 1, 6, 5, 1, 0, 0x80}}),
			"too late":  {Data: p.Data, Mono: p.Mono + 100*time.Hour},
		} {
			if err := w.Write(bad); err == nil {
				t.Errorf("after packet %d: %s was accepted", i, name)
			}
		}
		if w.Duration() != before {
			t.Errorf("a refused packet changed the duration to %v", w.Duration())
		}
	}
	if err := w.Close(0); err != nil {
		t.Fatal(err)
	}
	if f := readFile(t, out.Bytes()); len(f.Samples) != 10 {
		t.Errorf("%d samples, want 10", len(f.Samples))
	}
}

func TestWriteErrorsAreFinal(t *testing.T) {
	packets := h264Packets(t, 64, 48, 40, 15)
	full := errors.New("disk full")
	n := 0
	w, err := NewWriter(writerFunc(func(b []byte) (int, error) {
		if n++; n == 2 {
			return 10, full
		}
		return len(b), nil
	}), trackOf(t, packets[0]))
	if err != nil {
		t.Fatal(err)
	}
	var got error
	for _, p := range packets {
		got = w.Write(p)
	}
	if !errors.Is(got, full) || !errors.Is(w.Flush(), full) || !errors.Is(w.Close(0), full) || n != 2 {
		t.Errorf("error %v, %d writes", got, n)
	}

	w, err = NewWriter(io.Discard, trackOf(t, packets[0]))
	if err != nil {
		t.Fatal(err)
	}
	w.OnFragment(func() error { return full })
	for _, p := range packets {
		got = w.Write(p)
	}
	if !errors.Is(got, full) {
		t.Errorf("OnFragment's error: got %v", got)
	}
}

func TestBadTracksAreRefused(t *testing.T) {
	good := trackOf(t, h264Packets(t, 64, 48, 1, 1)[0])
	for name, spoil := range map[string]func(*Track){
		"no size":        func(t *Track) { t.Width = 0 },
		"too large":      func(t *Track) { t.Height = 65536 },
		"rotation":       func(t *Track) { t.Rotation = 45 },
		"no SPS":         func(t *Track) { t.SPS = nil },
		"SPS and PPS":    func(t *Track) { t.SPS, t.PPS = t.PPS, t.SPS },
		"with startcode": func(t *Track) { t.PPS = append([]byte{0, 0, 1}, t.PPS...) },
	} {
		bad := good
		spoil(&bad)
		var out bytes.Buffer
		if _, err := NewWriter(&out, bad); err == nil || out.Len() > 0 {
			t.Errorf("%s: error %v, %d bytes written", name, err, out.Len())
		}
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	packets := h264Packets(t, 160, 120, 30, 15)
	w, err := NewWriter(io.Discard, trackOf(t, packets[0]))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	next := func() {
		p := packets[i%30]
		p.Mono = time.Duration(i) * frame15
		i++
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	for range 60 {
		next()
	}
	if n := testing.AllocsPerRun(100, next); n != 0 {
		t.Errorf("%v allocations a packet, want 0", n)
	}
}

func BenchmarkWriter(b *testing.B) {
	packets := h264Packets(b, 640, 480, 30, 15)
	size := 0
	for _, p := range packets {
		size += len(p.Data)
	}
	w, err := NewWriter(io.Discard, trackOf(b, packets[0]))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	base := time.Duration(0)
	for b.Loop() {
		for i, p := range packets {
			p.Mono = base + time.Duration(i)*frame15
			if err := w.Write(p); err != nil {
				b.Fatal(err)
			}
		}
		base += 2 * time.Second
	}
}
