package agent

import (
	"bytes"
	"flag"
	"fmt"
	"image/jpeg"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/capture/demo/demotest"
	"camward/video"
)

var pictures = flag.String("pictures", "", "folder of the pictures for BenchmarkDecide; empty: ffmpeg makes them")

// decideSizes are those of cameras.
var decideSizes = [][2]int{{320, 240}, {640, 480}, {1280, 720}, {1920, 1080}}

// A decider takes pictures the way from the camera's bytes to the decision and its trace, as pipeline.detect does. Nothing is recorded.
type decider struct {
	luma   lumaReader
	p      *pipeline
	frames []*video.Frame
	n      int // pictures taken
	moving int // of them, those in which something moved
}

func newDecider(tb testing.TB, frames []*video.Frame) *decider {
	c := DefaultCamera()
	c.Name, c.Source = "front", "demo:"
	p, err := newPipeline(c, "000000000001", noSpool{}, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	return &decider{p: p, frames: frames}
}

// step is the whole of what is done for one picture.
func (d *decider) step() error {
	f := d.frames[d.n%len(d.frames)]
	f.Mono = time.Duration(d.n) * time.Second / demotest.Rate
	plane, err := d.luma.read(f)
	if err != nil {
		return err
	}
	d.p.decide(f, plane)
	if d.p.motion.Moving {
		d.moving++
	}
	d.n++
	return nil
}

// learn shows all pictures once, so that buffers have their size and the detector knows the place.
func (d *decider) learn(tb testing.TB) {
	for range d.frames {
		if err := d.step(); err != nil {
			tb.Fatal(err)
		}
	}
}

// A course is something that is done with picture n.
type course struct {
	name string
	do   func(n int) error
}

// decideWays are camward's, the whole and its two parts, and the yardsticks for the camera's format.
func decideWays(tb testing.TB, frames []*video.Frame) []course {
	whole, part := newDecider(tb, frames), newDecider(tb, frames)
	whole.learn(tb)
	part.learn(tb)
	var luma lumaReader
	planes := make([]video.Plane, len(frames))
	for i, f := range frames {
		p, err := luma.read(f)
		if err != nil {
			tb.Fatal(err)
		}
		planes[i].Resize(p.Width, p.Height)
		copy(planes[i].Pix, p.Pix)
	}
	return append([]course{
		{"decide", func(int) error { return whole.step() }},
		{"part=luma", func(n int) error { _, err := luma.read(frames[n]); return err }},
		{"part=detector", func(n int) error {
			part.n++
			part.p.detector.Step(time.Duration(part.n)*time.Second/demotest.Rate, &planes[n])
			return nil
		}},
	}, yardsticks(tb, frames)...)
}

// yardsticks are a full decode by image/jpeg and libjpeg-turbo's to an eighth for MJPEG, a copy of the bytes for raw pictures.
func yardsticks(tb testing.TB, frames []*video.Frame) []course {
	if frames[0].Format.FourCC != video.MJPEG {
		dst := make([]byte, len(frames[0].Data))
		return []course{{"yardstick=copy", func(n int) error { copy(dst, frames[n].Data); return nil }}}
	}
	ways := []course{{"yardstick=image-jpeg", func(n int) error {
		_, err := jpeg.Decode(bytes.NewReader(frames[n].Data))
		return err
	}}}
	if eighth := turboEighth(tb, frames[0].Format.Width, frames[0].Format.Height); eighth != nil {
		ways = append(ways, course{"yardstick=turbo-eighth", func(n int) error { return eighth(frames[n].Data) }})
	}
	return ways
}

// BenchmarkDecide's figure is one picture, from the bytes that the camera sent to the detector's decision.
func BenchmarkDecide(b *testing.B) {
	for _, c := range demotest.Cameras {
		for _, s := range decideSizes {
			b.Run(fmt.Sprintf("camera=%s/res=%dx%d", c, s[0], s[1]), func(b *testing.B) {
				d := newDecider(b, demotest.Film(b, *pictures, c, s[0], s[1]))
				d.learn(b)
				size := 0
				for _, f := range d.frames {
					size += len(f.Data)
				}
				b.SetBytes(int64(size / len(d.frames)))
				b.ReportAllocs()
				d.moving = 0
				n := 0
				for b.Loop() {
					if err := d.step(); err != nil {
						b.Fatal(err)
					}
					n++
				}
				b.ReportMetric(float64(d.moving)/float64(n), "moving")
			})
		}
	}
}

// BenchmarkDecideQuickest runs camward's way, its parts and the yardsticks in turn, and reports for each the mean over the pictures of the
// quickest time that a picture took, in milliseconds. That holds on a busy machine too.
func BenchmarkDecideQuickest(b *testing.B) {
	for _, c := range demotest.Cameras {
		for _, s := range decideSizes {
			b.Run(fmt.Sprintf("camera=%s/res=%dx%d", c, s[0], s[1]), func(b *testing.B) {
				frames := demotest.Film(b, *pictures, c, s[0], s[1])
				ways := decideWays(b, frames)
				best := make([][]time.Duration, len(ways))
				for i := range best {
					best[i] = make([]time.Duration, len(frames))
				}
				for n := 0; b.Loop(); n++ {
					n := n % len(frames)
					for i, w := range ways {
						begin := time.Now()
						if err := w.do(n); err != nil {
							b.Fatal(err)
						}
						if t := time.Since(begin); best[i][n] == 0 || t < best[i][n] {
							best[i][n] = t
						}
					}
				}
				for i, w := range ways {
					b.ReportMetric(meanMS(best[i]), "ms-"+w.name)
				}
			})
		}
	}
}

func meanMS(times []time.Duration) float64 {
	var sum time.Duration
	n := 0
	for _, t := range times {
		if t > 0 {
			sum += t
			n++
		}
	}
	return sum.Seconds() * 1000 / float64(max(n, 1))
}

func TestFromBytesToDecisionNothingIsAllocated(t *testing.T) {
	for _, c := range demotest.Cameras {
		frames := demotest.Film(t, "", c, 320, 240)
		d := newDecider(t, frames)
		d.learn(t)
		d.moving = 0
		if n := testing.AllocsPerRun(1, func() { d.learn(t) }); n != 0 {
			t.Errorf("%s: %v allocations in %d pictures, want 0", c, n, len(frames))
		}
		if d.moving == 0 {
			t.Errorf("%s: nothing moved, so that half of the detector was at rest", c)
		}
	}
}
