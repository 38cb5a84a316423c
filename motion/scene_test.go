package motion

import (
	"math"
	"testing"
	"time"

	"camward/video"
)

// A world is a made-up view: a textured background, sensor noise, light over time and boxes that come and go.
// Positions and sizes are fractions of the picture, so every size of plane shows the same.
type world struct {
	noise float64                 // levels, uniform
	rough float64                 // texture of the background, in levels
	light func(t float64) float64 // factor; nil is 1
	patch func(t float64) float64 // factor in the right lower quarter besides; nil is 1
	lamps []func(t float64) worldLamp
	boxes []func(t float64) worldBox // later ones are in front

	background []float64 // for the size last rendered
}

type worldBox struct {
	x, y, w, h float64 // top left corner and size; w = 0 is absent
	level      float64
}

// A worldLamp lights a round place, softly: level is by how much it brightens the middle; 0 is off.
type worldLamp struct{ x, y, radius, level float64 }

func (l worldLamp) at(x, y float64) float64 {
	x, y = (x-l.x)/l.radius, (y-l.y)/l.radius
	return 1 + l.level*math.Exp(-x*x-y*y)
}

// across gives a box that enters at the left at start and has crossed the picture after length seconds.
func across(start, length, level float64) func(float64) worldBox {
	return func(t float64) worldBox {
		if t < start || t > start+length {
			return worldBox{}
		}
		return worldBox{x: -0.1 + 1.1*(t-start)/length, y: 0.4, w: 0.1, h: 0.3, level: level}
	}
}

// wandering gives a cone of light that enters at the right at start and has crossed the picture after length seconds.
func wandering(start, length float64) func(float64) worldLamp {
	return func(t float64) worldLamp {
		if t < start || t > start+length {
			return worldLamp{}
		}
		return worldLamp{x: 1.2 - 1.4*(t-start)/length, y: 0.4, radius: 0.15, level: 1.2}
	}
}

// parked gives a box that stands from start to end.
func parked(start, end float64) func(float64) worldBox {
	return func(t float64) worldBox {
		if t < start || t >= end {
			return worldBox{}
		}
		return worldBox{x: 0.4, y: 0.4, w: 0.2, h: 0.2, level: 200}
	}
}

func stepAt(at, before, after float64) func(float64) float64 {
	return func(t float64) float64 {
		if t < at {
			return before
		}
		return after
	}
}

// render draws the world at t; seed makes the noise.
func (w *world) render(p *video.Plane, t float64, seed uint32) {
	light := 1.0
	if w.light != nil {
		light = w.light(t)
	}
	boxes := make([]worldBox, len(w.boxes))
	for i, box := range w.boxes {
		boxes[i] = box(t)
	}
	lamps := make([]worldLamp, len(w.lamps))
	for i, lamp := range w.lamps {
		lamps[i] = lamp(t)
	}
	if len(w.background) != p.Width*p.Height {
		w.background = worldBackground(p.Width, p.Height)
	}
	for y := range p.Height {
		for x := range p.Width {
			fx, fy := (float64(x)+0.5)/float64(p.Width), (float64(y)+0.5)/float64(p.Height)
			v := w.background[y*p.Width+x] + w.rough*math.Sin(130*fx+40*fy)*math.Sin(90*fy-30*fx)
			for _, b := range boxes {
				if fx >= b.x && fx < b.x+b.w && fy >= b.y && fy < b.y+b.h {
					v = b.level + 20*math.Sin(60*fy)
				}
			}
			if w.patch != nil && fx > 0.5 && fy > 0.5 {
				v *= w.patch(t)
			}
			for _, l := range lamps {
				if l.level > 0 {
					v *= l.at(fx, fy)
				}
			}
			seed = seed*1664525 + 1013904223
			v = v*light + w.noise*(float64(seed>>8)/(1<<23)-1)
			p.Pix[y*p.Stride+x] = uint8(math.Max(0, math.Min(255, v+0.5)))
		}
	}
}

func worldBackground(width, height int) []float64 {
	b := make([]float64, width*height)
	for i := range b {
		fx, fy := (float64(i%width)+0.5)/float64(width), (float64(i/width)+0.5)/float64(height)
		b[i] = 90 + 40*math.Sin(9*fx+2*fy) + 20*math.Sin(7*fy)
	}
	return b
}

// A showing is what a detector made of a world.
type showing struct {
	intervals []Interval
	scenes    []float64 // seconds at which a scene change was reported
}

// show runs a detector over length seconds of w.
func show(t *testing.T, cfg Config, w *world, width, height int, fps, length float64) showing {
	t.Helper()
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	own := *w // parallel tests share w
	w = &own
	var p video.Plane
	var j Joiner
	var s showing
	p.Resize(width, height)
	for n := 0; float64(n) < length*fps; n++ {
		at := float64(n) / fps
		w.render(&p, at, uint32(n)*7919)
		dec := d.Step(seconds(at), &p)
		if dec.SceneChange {
			s.scenes = append(s.scenes, at)
		}
		checkDecision(t, at, dec)
		if done, ok := j.Add(seconds(at), dec); ok {
			s.intervals = append(s.intervals, done)
		}
	}
	if done, ok := j.Flush(); ok {
		s.intervals = append(s.intervals, done)
	}
	return s
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// checkDecision holds what is true of any decision.
func checkDecision(t *testing.T, at float64, d Decision) {
	t.Helper()
	b := d.Box
	switch {
	case d.Moving && d.SceneChange:
		t.Errorf("%.2f s: motion and scene change at once", at)
	case d.Moving && !(d.Score > 0 && d.Score <= 1):
		t.Errorf("%.2f s: moving with score %v", at, d.Score)
	case !d.Moving && (d.Score != 0 || b != Rect{}):
		t.Errorf("%.2f s: still with score %v, box %v", at, d.Score, b)
	case d.Moving && !(0 <= b.X0 && b.X0 < b.X1 && b.X1 <= 1 && 0 <= b.Y0 && b.Y0 < b.Y1 && b.Y1 <= 1):
		t.Errorf("%.2f s: box %v", at, b)
	case math.IsNaN(d.Gain) || d.Gain <= 0:
		t.Errorf("%.2f s: gain %v", at, d.Gain)
	case d.Largest > d.Cells:
		t.Errorf("%.2f s: largest part of %d cells among %d", at, d.Largest, d.Cells)
	}
}

// wantOne fails unless s is one interval that begins within a second of start and ends from end-1 to end+2.
func (s showing) wantOne(t *testing.T, start, end float64) {
	t.Helper()
	if len(s.intervals) != 1 {
		t.Fatalf("got %d intervals %v, want one of %v to %v s", len(s.intervals), s.intervals, start, end)
	}
	got := s.intervals[0]
	if got.Start < seconds(start) || got.Start > seconds(start+1) || got.End < seconds(end-1) || got.End > seconds(end+2) {
		t.Fatalf("got %v to %v, want about %v to %v s", got.Start, got.End, start, end)
	}
}

func (s showing) wantNone(t *testing.T) {
	t.Helper()
	if len(s.intervals) != 0 {
		t.Fatalf("got motion %v, want none", s.intervals)
	}
}
