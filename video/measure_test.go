package video

import (
	"bytes"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
)

// blurred lets ffmpeg make pictures of luma in full range, one for each sigma, with a filter behind the blur.
func blurred(t *testing.T, source, size string, sigmas []float64, filter string) (pictures []Plane) {
	t.Helper()
	var graph, stack strings.Builder
	fmt.Fprintf(&graph, "format=gray,split=%d", len(sigmas))
	for i := range sigmas {
		fmt.Fprintf(&graph, "[in%d]", i)
	}
	for i, sigma := range sigmas {
		fmt.Fprintf(&graph, ";[in%d]gblur=sigma=%g:steps=3,%s[out%d]", i, sigma, filter, i)
		fmt.Fprintf(&stack, "[out%d]", i)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", source+"=s="+size, "-frames:v", "1",
		"-filter_complex", fmt.Sprintf("%s;%svstack=%d", &graph, &stack, len(sigmas)), "-pix_fmt", "gray", "-f", "rawvideo", "-")
	var fault bytes.Buffer
	cmd.Stderr = &fault
	out, err := cmd.Output()
	var w, h int
	fmt.Sscanf(size, "%dx%d", &w, &h)
	if err != nil || len(out) != w*h*len(sigmas) {
		t.Fatalf("ffmpeg: %v, %d bytes: %s", err, len(out), fault.String())
	}
	for i := range sigmas {
		pictures = append(pictures, Plane{Pix: out[i*w*h:][:w*h], Width: w, Height: h, Stride: w})
	}
	return pictures
}

func TestFocusFallsAsThePictureBlurs(t *testing.T) {
	sigmas := []float64{0.01, 0.5, 0.8, 1.2, 2, 3, 5, 8}
	for _, picture := range []string{"testsrc2 640x480", "mandelbrot 640x480", "testsrc2 1280x720"} {
		source, size, _ := strings.Cut(picture, " ")
		var clean []float64
		for _, worse := range []struct {
			name, filter string
			within       float64 // of the clean picture's figure
		}{
			{"clean", "null", 0},
			{"darker", "lutyuv=y=val*0.4", 0.03},
			{"less contrast, brighter", "lutyuv=y=val*0.6+90", 0.03},
			{"noise", "noise=alls=10:all_seed=1", 0.1},
			{"much noise", "noise=alls=25:all_seed=2", 0.2},
		} {
			if clean != nil && size != "640x480" {
				continue // large pictures are slow to make
			}
			t.Run(picture+" "+worse.name, func(t *testing.T) {
				var got []float64
				for i, p := range blurred(t, source, size, sigmas, worse.filter) {
					sigma := sigmas[i]
					var m Measure
					m.Look(&p, true)
					got = append(got, m.Focus)
					if i > 0 && m.Focus > 0.95*got[i-1] {
						t.Errorf("sigma %v has %.2f, sigma %v %.2f", sigmas[i-1], got[i-1], sigma, m.Focus)
					}
					if clean != nil && sigma <= 2 && math.Abs(m.Focus/clean[i]-1) > worse.within {
						t.Errorf("sigma %v has %.2f, %.2f when clean", sigma, m.Focus, clean[i])
					}
				}
				if clean == nil {
					clean = got
				}
				t.Logf("%.2f", got)
			})
		}
	}
}

func TestFocusFallsInPicturesThatTheCameraCompressed(t *testing.T) {
	last := math.Inf(1)
	for _, sigma := range []float64{0.3, 0.8, 1.5, 3, 6} {
		cmd := exec.Command("sh", "-c", fmt.Sprintf(`ffmpeg -v error -f lavfi -i testsrc2=s=640x480 -vf gblur=sigma=%g:steps=3,noise=alls=8:all_seed=1 -frames:v 1 -q:v 7 -f mjpeg - |
			ffmpeg -v error -f mjpeg -i - -pix_fmt gray -f rawvideo -`, sigma))
		out, err := cmd.Output()
		if err != nil || len(out) != 640*480 {
			t.Fatalf("ffmpeg: %v, %d bytes", err, len(out))
		}
		var m Measure
		m.Look(&Plane{Pix: out, Width: 640, Height: 480, Stride: 640}, true)
		if m.Focus > 0.9*last {
			t.Errorf("sigma %v: %.2f after %.2f", sigma, m.Focus, last)
		}
		last = m.Focus
	}
}

func TestExposureIsThatOfThePicture(t *testing.T) {
	var p Plane
	p.Resize(64, 32)
	p.Stride, p.Pix = 80, make([]byte, 80*32)
	for y := range 32 {
		for x := range 80 {
			switch {
			case x >= 64: // beside the picture
				p.Pix[y*80+x] = 255
			case y < 8:
				p.Pix[y*80+x] = 3
			case y < 12:
				p.Pix[y*80+x] = 250
			default:
				p.Pix[y*80+x] = 128
			}
		}
	}
	var m Measure
	m.Look(&p, true)
	want := Measure{Focus: m.Focus, Mean: (8*3 + 4*250 + 20*128) / 32.0 / 255, Dark: 0.25, Bright: 0.125}
	want.Histogram[0], want.Histogram[16], want.Histogram[31] = 0.25, 0.625, 0.125
	if math.Abs(m.Mean-want.Mean) > 1e-9 {
		t.Errorf("mean %v, want %v", m.Mean, want.Mean)
	}
	m.Mean = want.Mean
	if m != want {
		t.Errorf("got %+v", m)
	}
	for i, v := range p.Pix {
		p.Pix[i] = v/128*219 + 16 // black and white of limited range
	}
	if m.Look(&p, false); m.Dark != 0.25 || m.Bright != 0.75 || m.Mean != 0.75 {
		t.Errorf("limited range: %+v", m)
	}
}

func TestAPictureWithNothingInItHasNoFocus(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {1, 1}, {2, 9}, {3, 3}, {640, 480}} {
		var p Plane
		p.Resize(size[0], size[1])
		for i := range p.Pix {
			p.Pix[i] = 99
		}
		var m Measure
		if m.Look(&p, true); m.Focus != 0 || math.IsNaN(m.Mean) {
			t.Errorf("%v: %+v", size, m)
		}
	}
}

func TestMeasuringDoesNotAllocate(t *testing.T) {
	var p Plane
	p.Resize(320, 240)
	var m Measure
	if n := testing.AllocsPerRun(10, func() { m.Look(&p, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMeasure(b *testing.B) {
	var p Plane
	p.Resize(640, 480)
	for i := range p.Pix {
		p.Pix[i] = byte(i * i >> 7)
	}
	b.Run("look", func(b *testing.B) {
		var m Measure
		b.SetBytes(int64(len(p.Pix)))
		b.ReportAllocs()
		for b.Loop() {
			m.Look(&p, true)
		}
	})
	b.Run("yardstick=copy", func(b *testing.B) {
		to := make([]byte, len(p.Pix))
		b.SetBytes(int64(len(p.Pix)))
		for b.Loop() {
			copy(to, p.Pix)
		}
	})
}
