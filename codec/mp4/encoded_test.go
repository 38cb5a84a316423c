//go:build cgo

package mp4

import (
	"bytes"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// The whole way of a clip: pictures, encoder, file, ffprobe, and back to pictures.
func TestEncodedPicturesComeBackOutOfTheFile(t *testing.T) {
	const width, height, n = 322, 242, 40
	e, err := h264.NewEncoder(h264.Config{Width: width, Height: height, Rate: 15, Bitrate: 800_000, KeyInterval: 15, FullRange: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var packets []video.Packet
	for i := range n {
		p, err := e.Encode(bars(width, height, i), time.Hour+time.Duration(i)*frame15, uint64(i), false)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
	name, _ := writeFile(t, trackOf(t, packets[0]), packets, time.Hour+n*frame15)
	if p := ffprobe(t, name); len(p.pts) != n || p.width != width || p.height != height || math.Abs(p.duration-n/15.0) > 0.001 {
		t.Errorf("ffprobe: %d frames, %d x %d, %v s", len(p.pts), p.width, p.height, p.duration)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=color_range,color_space,profile", "-of", "csv=p=0", name).CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "Constrained Baseline,pc,smpte170m" {
		t.Errorf("ffprobe: %q, %v", got, err)
	}
	decodeAndCompare(t, contents(t, name), n)
}

func decodeAndCompare(t *testing.T, file []byte, n int) {
	t.Helper()
	d, err := h264.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f := readFile(t, file)
	var got video.I420
	for i := range n {
		p, err := f.Packet(bytes.NewReader(file), i)
		if err != nil {
			t.Fatal(err)
		}
		ok, err := d.Decode(p.Data, &got)
		if err != nil || !ok || !got.FullRange {
			t.Fatalf("picture %d: ok %v, %v, full range %v", i, ok, err, got.FullRange)
		}
		want := bars(got.Width, got.Height, i)
		var sum float64
		for j := range want.Y {
			diff := float64(want.Y[j]) - float64(got.Y[j])
			sum += diff * diff
		}
		if q := 10 * math.Log10(255*255*float64(len(want.Y))/sum); q < 30 {
			t.Errorf("picture %d: PSNR %.1f dB, want at least 30", i, q)
		}
	}
}

// bars is a picture of soft bars that have moved i steps.
func bars(width, height, i int) *video.I420 {
	var p video.I420
	p.Resize(width, height)
	for y := range height {
		for x := range width {
			p.Y[y*width+x] = byte(128 + 100*math.Sin(float64(x+3*i)/9) + 20*math.Cos(float64(y)/5))
		}
	}
	for j := range p.U {
		p.U[j], p.V[j] = byte(100+i), 140
	}
	return &p
}
