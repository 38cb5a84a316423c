package motion

import (
	"fmt"
	"testing"
	"time"

	"camward/video"
)

func TestWhatIsMotionAndWhatIsNot(t *testing.T) {
	person := across(8, 5, 180)
	digit := func(x, period float64) func(float64) worldBox {
		return func(t float64) worldBox {
			return worldBox{x: x, y: 0.02, w: 0.03, h: 0.05, level: 60 + 190*float64(int(t/period)%2)}
		}
	}
	var strip []func(float64) worldBox // a picture's number in binary, 16 bits
	for bit := range 16 {
		strip = append(strip, func(t float64) worldBox {
			return worldBox{x: 0.5 + 0.025*float64(bit), y: 0.94, w: 0.025, h: 0.04, level: 30 + 200*float64(int(t*15+0.5)>>bit&1)}
		})
	}
	tests := []struct {
		name       string
		world      world
		length     float64
		start, end float64 // of the one interval wanted; 0, 0 is none
		scenes     int
	}{
		{name: "nothing happens", length: 30},
		{name: "sensor noise", world: world{noise: 6}, length: 30},
		{name: "heavy sensor noise", world: world{noise: 15}, length: 30},
		{name: "a person crosses", world: world{noise: 4, boxes: []func(float64) worldBox{person}}, length: 20, start: 8, end: 13},
		{name: "a dark person crosses", world: world{noise: 4, boxes: []func(float64) worldBox{across(8, 5, 25)}}, length: 20, start: 8, end: 13},
		{name: "a person crosses through noise", world: world{noise: 20, boxes: []func(float64) worldBox{person}}, length: 20, start: 8, end: 13},
		{name: "light switched on", world: world{noise: 4, light: stepAt(10, 0.4, 1)}, length: 20, scenes: 1},
		{name: "light switched off", world: world{noise: 4, light: stepAt(10, 1, 0.4)}, length: 20, scenes: 1},
		{name: "motion is seen a second after the light was switched", world: world{noise: 4, light: stepAt(6.9, 0.5, 1), boxes: []func(float64) worldBox{person}}, length: 20, start: 8, end: 13, scenes: 1},
		{name: "exposure rises by half within three seconds", world: world{noise: 4, light: func(t float64) float64 { return 0.8 + 0.4*min(1, max(0, t-10)/3) }}, length: 25},
		{name: "exposure hunts", world: world{noise: 4, light: func(t float64) float64 { return 1 - 0.15*stepAt(5, 0, 1)(float64(int(t*2)%20)/2) }}, length: 40},
		{name: "sun falls on a quarter of the picture", world: world{noise: 4, patch: func(t float64) float64 { return 1 + 0.5*min(1, max(0, t-10)/1.5) }}, length: 25},
		{name: "a lamp on a quarter of the picture goes out", world: world{noise: 4, patch: stepAt(10, 1, 0.6)}, length: 25},
		{name: "a person crosses where sun falls on a quarter of the picture", world: world{noise: 4, patch: func(t float64) float64 { return 1 + 0.5*min(1, max(0, t-9)/1.5) }, boxes: []func(float64) worldBox{person}}, length: 20, start: 8, end: 13},
		{name: "light of a passing car wanders over a wall", world: world{noise: 4, rough: 8, lamps: []func(float64) worldLamp{wandering(8, 3)}}, length: 20},
		{name: "a person crosses as a passing car's light does", world: world{noise: 4, rough: 8, lamps: []func(float64) worldLamp{wandering(9, 3)}, boxes: []func(float64) worldBox{person}}, length: 20, start: 8, end: 13},
		{name: "a clock ticks", world: world{noise: 4, boxes: []func(float64) worldBox{digit(0.05, 1), digit(0.09, 10)}}, length: 60},
		{name: "a strip shows the picture's number", world: world{noise: 4, boxes: strip}, length: 60},
		{name: "a strip shows the picture's number and a person crosses", world: world{noise: 4, boxes: append(strip, person)}, length: 20, start: 8, end: 13},
		{name: "a clock ticks and a person crosses", world: world{noise: 4, boxes: []func(float64) worldBox{digit(0.05, 1), person}}, length: 20, start: 8, end: 13},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := show(t, Default(), &tt.world, 80, 60, 15, tt.length)
			if tt.end > 0 {
				s.wantOne(t, tt.start, tt.end)
			} else {
				s.wantNone(t)
			}
			if len(s.scenes) != tt.scenes {
				t.Errorf("got scene changes at %v s, want %d", s.scenes, tt.scenes)
			}
		})
	}
}

func TestPictureRateChangesNothing(t *testing.T) {
	w := world{noise: 4, boxes: []func(float64) worldBox{across(4, 5, 180)}}
	for _, fps := range []float64{5, 7.5, 10, 12.5, 15, 20, 25, 30, 60} {
		t.Run(fmt.Sprintf("%v", fps), func(t *testing.T) {
			t.Parallel()
			show(t, Default(), &w, 80, 60, fps, 12).wantOne(t, 4, 9)
		})
	}
}

func TestOnePictureASecondStillFindsASlowPerson(t *testing.T) {
	w := world{noise: 4, boxes: []func(float64) worldBox{across(20, 20, 180)}}
	for _, fps := range []float64{1, 2} {
		s := show(t, Default(), &w, 80, 60, fps, 60)
		if len(s.intervals) == 0 || s.intervals[0].Start < 20*time.Second || s.intervals[0].Start > 24*time.Second {
			t.Errorf("%v pictures a second: got %v, want motion from 20 s on", fps, s.intervals)
		}
	}
}

func TestPictureSizeChangesNothing(t *testing.T) {
	w := world{noise: 4, boxes: []func(float64) worldBox{across(4, 5, 180)}}
	for _, size := range [][2]int{{20, 15}, {40, 30}, {80, 60}, {60, 80}, {96, 54}, {120, 67}, {160, 90}, {240, 135}, {256, 192}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			t.Parallel()
			show(t, Default(), &w, size[0], size[1], 10, 12).wantOne(t, 4, 9)
		})
	}
}

func TestPolygonsLimitWhatCounts(t *testing.T) {
	left := Polygon{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}
	middle := Polygon{{0, 0.35}, {1, 0.35}, {1, 0.75}, {0, 0.75}}
	top := Polygon{{0, 0}, {1, 0}, {1, 0.3}, {0, 0.3}}
	w := world{noise: 4, boxes: []func(float64) worldBox{across(8, 5, 180)}} // y from 0.4 to 0.7
	tests := []struct {
		name             string
		include, exclude []Polygon
		start, end       float64
	}{
		{name: "excluded where it moves", exclude: []Polygon{middle}},
		{name: "included elsewhere", include: []Polygon{top}},
		{name: "included where it moves", include: []Polygon{middle}, start: 8, end: 13},
		{name: "included in the left half", include: []Polygon{left}, start: 8, end: 10.7},
		{name: "excluded in the left half", exclude: []Polygon{left}, start: 10.2, end: 13},
		{name: "exclude wins over include", include: []Polygon{middle, top}, exclude: []Polygon{middle}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := Default()
			cfg.Include, cfg.Exclude = tt.include, tt.exclude
			s := show(t, cfg, &w, 80, 60, 12, 18)
			if tt.end > 0 {
				s.wantOne(t, tt.start, tt.end)
			} else {
				s.wantNone(t)
			}
		})
	}
}

func TestAPersonInASmallZoneIsNoSceneChange(t *testing.T) {
	cfg := Default()
	cfg.Include = []Polygon{{{0.4, 0.45}, {0.5, 0.45}, {0.5, 0.6}, {0.4, 0.6}}}
	w := world{noise: 4, boxes: []func(float64) worldBox{across(8, 5, 180)}}
	s := show(t, cfg, &w, 80, 60, 12, 18)
	if len(s.intervals) != 1 || len(s.scenes) != 0 {
		t.Fatalf("got motion %v and scene changes %v, want one interval and no scene change", s.intervals, s.scenes)
	}
}

func TestWhatADepartedObjectLeavesFades(t *testing.T) {
	w := world{noise: 4, boxes: []func(float64) worldBox{parked(0, 10)}}
	s := show(t, Default(), &w, 80, 60, 12, 40)
	for _, i := range s.intervals {
		if i.Start < 10*time.Second || i.End > 13*time.Second {
			t.Errorf("got motion %v, want at most 3 s after the departure at 10 s", i)
		}
	}
}

func TestWhatArrivesAndStaysIsMotionOnlyAtFirst(t *testing.T) {
	arrives := func(t float64) worldBox {
		return worldBox{x: -0.2 + 0.3*min(2, max(0, t-10)), y: 0.4, w: 0.2, h: 0.2, level: 200}
	}
	w := world{noise: 4, boxes: []func(float64) worldBox{arrives}}
	show(t, Default(), &w, 80, 60, 12, 40).wantOne(t, 10, 12)
}

func TestAGapAndAJumpBackStartLearningAnew(t *testing.T) {
	w := world{noise: 4}
	other := world{noise: 4, boxes: []func(float64) worldBox{parked(0, 1000)}}
	for name, jump := range map[string]time.Duration{"gap": 20 * time.Second, "back": -20 * time.Second} {
		d, _ := New(Default())
		var p video.Plane
		p.Resize(80, 60)
		at := time.Minute
		for n := range 300 {
			at += 80 * time.Millisecond
			view := &w
			if n >= 150 {
				view = &other // what changed meanwhile is no motion
			}
			if n == 150 {
				at += jump
			}
			view.render(&p, 1, uint32(n))
			if dec := d.Step(at, &p); dec.Moving {
				t.Fatalf("%s: picture %d: moving", name, n)
			}
		}
	}
}

func TestAStallWhileLearningIsNoReasonToStopLearning(t *testing.T) {
	w := world{noise: 8}
	for _, stall := range []time.Duration{200, 900, 1600, 2900} { // milliseconds before the second picture
		for seed := range uint32(5) {
			d, _ := New(Default())
			var p video.Plane
			p.Resize(80, 60)
			at := time.Minute
			for n := range uint32(30) {
				w.render(&p, 1, 1000*seed+n)
				if dec := d.Step(at, &p); dec.Moving {
					t.Fatalf("stall of %d ms, seed %d, picture %d: moving", stall, seed, n)
				}
				if n == 0 {
					at += stall * time.Millisecond
				} else {
					at += 200 * time.Millisecond
				}
			}
		}
	}
}

func TestAShortPauseForgetsNothing(t *testing.T) {
	w := world{noise: 4, boxes: []func(float64) worldBox{across(8, 8, 180)}}
	d, _ := New(Default())
	var p video.Plane
	p.Resize(80, 60)
	seen := false
	for n := range 240 {
		at := float64(n) / 15
		if at > 5 && at < 7 {
			continue // camera stalled
		}
		w.render(&p, at, uint32(n))
		dec := d.Step(seconds(at), &p)
		if dec.Moving && at < 8 {
			t.Fatalf("%.2f s: moving", at)
		}
		seen = seen || dec.Moving && at < 9
	}
	if !seen {
		t.Fatal("motion at 8 s was not seen within a second")
	}
}

func TestAChangeOfSizeStartsLearningAnew(t *testing.T) {
	d, _ := New(Default())
	w := world{noise: 4}
	for n := range 200 {
		var p video.Plane
		p.Resize(80, 60)
		if n/50%2 == 1 {
			p.Resize(120, 67)
		}
		w.render(&p, 1, uint32(n))
		if dec := d.Step(time.Duration(n)*80*time.Millisecond, &p); dec.Moving || dec.SceneChange {
			t.Fatalf("picture %d: %+v", n, dec)
		}
	}
}

func TestBoxIsAroundWhatMoves(t *testing.T) {
	d, _ := New(Default())
	w := world{noise: 4, boxes: []func(float64) worldBox{across(4, 5, 180)}}
	var p video.Plane
	p.Resize(80, 60)
	for n := range 100 {
		at := float64(n) / 12
		w.render(&p, at, uint32(n))
		dec := d.Step(seconds(at), &p)
		if at > 6 && at < 6.1 { // the box's middle is at 0.39 to 0.41
			b := dec.Box
			if !dec.Moving || b.X0 > 0.4 || b.X1 < 0.4 || b.X1-b.X0 > 0.3 || b.Y0 < 0.3 || b.Y1 > 0.8 {
				t.Fatalf("%.2f s: got %+v", at, dec)
			}
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	d, _ := New(Default())
	w := world{noise: 4, boxes: []func(float64) worldBox{across(1, 10, 180)}}
	planes := make([]video.Plane, 60)
	for n := range planes {
		planes[n].Resize(80, 60)
		w.render(&planes[n], float64(n)/12, uint32(n))
	}
	n := 0
	d.Step(0, &planes[0])
	if got := testing.AllocsPerRun(200, func() {
		n++
		d.Step(time.Duration(n)*80*time.Millisecond, &planes[n%len(planes)])
	}); got != 0 {
		t.Fatalf("%v allocations a picture, want 0", got)
	}
}

func FuzzStep(f *testing.F) {
	f.Add([]byte("\x50\x3c\x05\x80\x50\x3c\x05\x20\x28\x1e\xff\x00\x01\x01\x00\x10"), uint32(1))
	f.Add([]byte("\xff\x01\x14\x10\x01\xff\x14\xff"), uint32(7))
	f.Fuzz(func(t *testing.T, steps []byte, seed uint32) {
		d, err := New(Default())
		if err != nil {
			t.Fatal(err)
		}
		var p video.Plane
		at := time.Duration(0)
		for len(steps) >= 4 && at < time.Hour {
			// Width, height, time in 20 ms with a few jumps back, brightness.
			p.Resize(int(steps[0]), int(steps[1]))
			at += time.Duration(int8(steps[2])) * 20 * time.Millisecond
			for i := range p.Pix {
				seed = seed*1664525 + 1013904223
				p.Pix[i] = uint8(uint32(steps[3]) * (seed >> 24) >> 7)
			}
			dec := d.Step(at, &p)
			if p.Width > 0 && p.Height > 0 {
				checkDecision(t, at.Seconds(), dec)
			}
			steps = steps[4:]
		}
	})
}

func BenchmarkStep(b *testing.B) {
	for _, size := range [][2]int{{80, 60}, {160, 90}, {640, 480}} {
		b.Run(fmt.Sprintf("plane=%dx%d", size[0], size[1]), func(b *testing.B) {
			w := world{noise: 4, boxes: []func(float64) worldBox{across(1, 5, 180)}}
			planes := make([]video.Plane, 120)
			for n := range planes {
				planes[n].Resize(size[0], size[1])
				w.render(&planes[n], float64(n)/15, uint32(n))
			}
			d, err := New(Default())
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size[0] * size[1]))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				d.Step(time.Duration(n)*time.Second/15, &planes[n%len(planes)])
				n++
			}
		})
	}
	// The yardstick: the plain difference of two pictures, which decides nothing.
	b.Run("plane=80x60/yardstick=difference", func(b *testing.B) {
		one, two := make([]byte, 80*60), make([]byte, 80*60)
		b.SetBytes(int64(len(one)))
		b.ReportAllocs()
		sum := 0
		for b.Loop() {
			for i := range one {
				sum += int(abs(int32(one[i]) - int32(two[i])))
			}
		}
		_ = sum
	})
}

func TestMasksMayChangeWhileItRuns(t *testing.T) {
	w := world{noise: 4, boxes: []func(float64) worldBox{across(8, 5, 180), across(20, 5, 180)}}
	all := Polygon{{0, 0.2}, {1, 0.2}, {1, 0.9}, {0, 0.9}}
	d, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	var p video.Plane
	p.Resize(80, 60)
	var before, masked int
	for n := range 12 * 28 {
		at := float64(n) / 12
		if n == 12*16 {
			if err := d.SetMasks(nil, []Polygon{{{0, 0}, {1, 1}}}); err == nil {
				t.Error("a polygon of two points is taken")
			}
			if err := d.SetMasks(nil, []Polygon{all}); err != nil {
				t.Fatal(err)
			}
		}
		w.render(&p, at, uint32(n)*7919)
		if !d.Step(seconds(at), &p).Moving {
			continue
		}
		if at < 16 {
			before++
		} else {
			masked++
		}
	}
	if before == 0 || masked > 0 {
		t.Errorf("%d moving pictures before the mask, %d behind it", before, masked)
	}
}
