package motion

import (
	"math"
	"math/bits"
	"testing"
	"time"

	"camward/video"
)

// run shows a world to a detector at 12 pictures a second from one second to another.
func run(d *Detector, w *world, from, to float64, seen func(at float64, dec Decision)) {
	var p video.Plane
	p.Resize(80, 60)
	for n := int(from * 12); n < int(to*12); n++ {
		at := float64(n) / 12
		w.render(&p, at, uint32(n)*7919)
		seen(at, d.Step(seconds(at), &p))
	}
}

func TestAViewTellsWhatLedToTheDecision(t *testing.T) {
	d, _ := New(Default())
	w := world{noise: 4, boxes: []func(float64) worldBox{across(4, 5, 180)}, light: stepAt(11, 1, 0.5)}
	var v View
	if d.View(&v); v.Cols != 0 || !v.Learning {
		t.Errorf("before the first picture: %+v", v)
	}
	moving, learning, scenes := 0, 0, 0
	run(d, &w, 0, 14, func(at float64, dec Decision) {
		d.View(&v)
		cells := 0
		for y, row := range v.Cells {
			cells += bits.OnesCount64(row)
			if row>>v.Cols != 0 && v.Cols < 64 || y >= v.Rows && row != 0 {
				t.Fatalf("%.2f s: a cell outside of the grid", at)
			}
		}
		if v.Decision != dec || cells != dec.Cells || v.Cols != 64 || v.Rows != 48 || v.MinArea != 0.001 {
			t.Fatalf("%.2f s: %d cells in %+v, decision %+v", at, cells, v, dec)
		}
		if dec.Largest >= 3 {
			moving++
			found := false
			for _, b := range v.Boxes[:v.N] {
				found = found || b == dec.Box || !dec.Moving
			}
			if !found || v.Share != float64(dec.Largest)/(64*48) {
				t.Errorf("%.2f s: boxes %v, share %v; decision %+v", at, v.Boxes[:v.N], v.Share, dec)
			}
		}
		if v.Learning {
			learning++
			if v.N > 0 || cells > 0 || dec.SceneChange && !v.Learning {
				t.Errorf("%.2f s: learning and %+v", at, v)
			}
		}
		if dec.SceneChange {
			scenes++
		}
	})
	if moving < 40 || learning < 18 || learning > 40 || scenes != 1 {
		t.Errorf("%d pictures with something large, %d of learning, %d scene changes", moving, learning, scenes)
	}
}

func TestAViewChangesNothingAndDoesNotAllocate(t *testing.T) {
	watched, _ := New(Default())
	alone, _ := New(Default())
	w := world{noise: 8, boxes: []func(float64) worldBox{across(3, 5, 180)}, light: stepAt(10, 1, 0.6)}
	var want []Decision
	run(alone, &w, 0, 14, func(_ float64, dec Decision) { want = append(want, dec) })
	var v View
	n := 0
	run(watched, &w, 0, 14, func(at float64, dec Decision) {
		watched.View(&v)
		if dec != want[n] {
			t.Fatalf("%.2f s: %+v, unwatched %+v", at, dec, want[n])
		}
		n++
	})
	if got := testing.AllocsPerRun(100, func() { watched.View(&v) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestSettingsMayChangeWhileItRunsAndNothingIsLearntAnew(t *testing.T) {
	larger, less, longer := Default(), Default(), Default()
	larger.MinArea = 0.2
	less.MinContrast = 64
	longer.MinDuration = 9 * time.Second
	for name, deaf := range map[string]Config{"area": larger, "contrast": less, "duration": longer} {
		t.Run(name, func(t *testing.T) {
			d, _ := New(deaf)
			w := world{noise: 4, boxes: []func(float64) worldBox{across(4, 9, 100)}}
			moving := false
			run(d, &w, 0, 7, func(_ float64, dec Decision) { moving = moving || dec.Moving })
			if moving {
				t.Fatal("the settings do not silence it")
			}
			bad := deaf
			bad.MinArea, bad.Exclude = math.NaN(), []Polygon{{{0, 0}}}
			if err := d.SetConfig(bad); err == nil || d.cfg.MinArea != deaf.MinArea || len(d.cfg.Exclude) != 0 {
				t.Fatalf("%v; %+v", err, d.cfg)
			}
			if err := d.SetConfig(Default()); err != nil {
				t.Fatal(err)
			}
			var v View
			first := 0.0
			run(d, &w, 7, 9, func(at float64, dec Decision) {
				if d.View(&v); v.Learning {
					t.Fatalf("%.2f s: learning", at)
				}
				if dec.Moving && first == 0 {
					first = at
				}
			})
			if first == 0 || first > 8 {
				t.Errorf("moving from %.2f s on, want within a second after 7 s", first)
			}
			if err := d.SetConfig(deaf); err != nil {
				t.Fatal(err)
			}
			moving = false
			run(d, &w, 10, 12, func(_ float64, dec Decision) { moving = moving || dec.Moving })
			if moving {
				t.Error("the former settings do not silence it again")
			}
		})
	}
}

func TestSettingsByWhichNothingCouldCountAreTold(t *testing.T) {
	box := func(x0, y0, x1, y1 float64) []Polygon { return []Polygon{{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}}} }
	tests := []struct {
		name             string
		include, exclude []Polygon
		area             float64
		ok               bool
	}{
		{"all", nil, nil, 0.001, true},
		{"a corner", box(0, 0, 0.1, 0.1), nil, 0.001, true},
		{"one cell", box(0, 0, 0.02, 0.025), nil, 0.001, false},
		{"between the cells' middles", box(0.5, 0.5, 0.504, 0.504), nil, 0.001, false},
		{"smaller than what counts", box(0, 0, 0.5, 0.5), nil, 0.3, false},
		{"larger than what counts", box(0, 0, 0.6, 0.6), nil, 0.3, true},
		{"nearly all excluded", nil, box(0, 0, 0.99, 1), 0.1, false},
	}
	for _, tt := range tests {
		cfg := Config{Include: tt.include, Exclude: tt.exclude, MinArea: tt.area, MinContrast: 6}
		if err := cfg.Reach(80, 60); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
