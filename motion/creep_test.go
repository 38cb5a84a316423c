package motion

import (
	"fmt"
	"math"
	"testing"
	"time"

	"camward/video"
)

// soft draws a plain box over p whose sides lie between samples, as a lens draws what moves by less than one.
func soft(p *video.Plane, x0, y0, x1, y1, level float64) {
	for y := int(y0 * float64(p.Height)); y < int(y1*float64(p.Height)); y++ {
		for x := range p.Width {
			share := min(x1*float64(p.Width), float64(x+1)) - max(x0*float64(p.Width), float64(x))
			if v := &p.Pix[y*p.Stride+x]; share > 0 {
				*v = uint8(float64(*v)*(1-share) + level*share)
			}
		}
	}
}

func TestWhatCreepsIsFound(t *testing.T) {
	for _, level := range []float64{60, 150} {
		for _, fps := range []float64{5, 10, 15} {
			t.Run(fmt.Sprintf("level %v at %v", level, fps), func(t *testing.T) {
				t.Parallel()
				d, err := New(Default())
				if err != nil {
					t.Fatal(err)
				}
				w := world{noise: 3}
				var p video.Plane
				p.Resize(80, 60)
				var j Joiner
				var found []Interval
				for n := range int(60 * fps) {
					at := float64(n) / fps
					w.render(&p, at, uint32(n)*7919)
					x := 0.3 + 0.2/64*min(30, max(0, at-10)) // a fifth of a cell a second, which the background follows
					soft(&p, x, 0.5, x+0.3, 0.62, level)
					soft(&p, x+0.02, 0.4, x+0.2, 0.5, 90)
					if i, ok := j.Add(seconds(at), d.Step(seconds(at), &p)); ok {
						found = append(found, i)
					}
				}
				if len(found) == 0 || found[0].Start < 10*time.Second || found[0].Start > 18*time.Second {
					t.Fatalf("got %v, want motion from 10 to 18 s on", found)
				}
				if last := found[len(found)-1]; last.End > 48*time.Second {
					t.Errorf("got motion up to %v, but nothing moves after 40 s", last.End)
				}
			})
		}
	}
}

func TestWhatOnlyChangesSlowlyDoesNotCreep(t *testing.T) {
	passes := across(8, 5, 180)
	tests := []struct {
		name  string
		world world
		last  time.Duration // after which nothing moves
	}{
		{name: "dusk", world: world{noise: 4, light: func(t float64) float64 { return 1 - 0.6*min(1, t/60) }}},
		{name: "a quarter of the picture grows darker", world: world{noise: 4, patch: func(t float64) float64 { return 1 - 0.4*min(1, max(0, t-10)/60) }}},
		{name: "light comes and goes", world: world{noise: 4, patch: func(t float64) float64 { return 1 + 0.2*math.Sin(t/4) }}},
		{name: "heavy noise", world: world{noise: 20}},
		{name: "a person has passed", world: world{noise: 4, boxes: []func(float64) worldBox{passes}}, last: 15 * time.Second},
		{name: "something was left", world: world{noise: 4, boxes: []func(float64) worldBox{parked(10, 1000)}}, last: 15 * time.Second},
		{name: "something was taken away", world: world{noise: 4, boxes: []func(float64) worldBox{parked(0, 10)}}, last: 15 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := show(t, Default(), &tt.world, 80, 60, 10, 70)
			for _, i := range s.intervals {
				if i.End > tt.last {
					t.Errorf("got motion from %v to %v, want none after %v", i.Start, i.End, tt.last)
				}
			}
		})
	}
}
