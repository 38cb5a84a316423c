package motion

import (
	"fmt"
	"testing"
	"time"
)

// goes gives a box of a size in fractions of the picture that goes from one place to another between two moments.
func goes(start, end, x0, y0, x1, y1, w, h, level float64) func(float64) worldBox {
	return func(t float64) worldBox {
		if t < start || t > end {
			return worldBox{}
		}
		u := (t - start) / (end - start)
		return worldBox{x: x0 + (x1-x0)*u, y: y0 + (y1-y0)*u, w: w, h: h, level: level}
	}
}

func TestWhatIsQuickIsFound(t *testing.T) {
	// A runner of a fifth of the picture's height who crosses in a second and a half, and a car in a second.
	worlds := map[string]*world{
		"runner": {noise: 4, boxes: []func(float64) worldBox{goes(6, 7.5, -0.08, 0.4, 1, 0.4, 0.08, 0.22, 190)}},
		"car":    {noise: 4, boxes: []func(float64) worldBox{goes(6, 7, -0.25, 0.4, 1, 0.4, 0.25, 0.2, 190)}},
	}
	for name, w := range worlds {
		for _, fps := range []float64{5, 10, 15, 30} {
			t.Run(fmt.Sprintf("%s at %v", name, fps), func(t *testing.T) {
				t.Parallel()
				s := show(t, Default(), w, 80, 60, fps, 12)
				if len(s.intervals) != 1 || s.intervals[0].Start < 6*time.Second || s.intervals[0].Start > 7*time.Second {
					t.Errorf("got %v, want motion from 6 to 7 s on", s.intervals)
				}
			})
		}
	}
}

func TestWhatIsSmallCountsWhenItTravels(t *testing.T) {
	const w, h, level = 0.017, 0.021, 210 // about a cell each way, of which seldom more than two change
	const far = 6 * 2.5 / 64              // two and a half cells a second
	tests := []struct {
		name  string
		boxes []func(float64) worldBox
		want  bool
	}{
		{"across", []func(float64) worldBox{goes(6, 12, 0.3, 0.4, 0.3+far, 0.4, w, h, level)}, true},
		{"slanting down", []func(float64) worldBox{goes(6, 12, 0.3, 0.4, 0.3+far, 0.4+far, w, h, level)}, true},
		{"to and fro by a cell", []func(float64) worldBox{func(t float64) worldBox {
			return worldBox{x: 0.3 + 0.02*float64(int(t*2.5)%2), y: 0.4, w: 0.012, h: 0.02, level: level}
		}}, false},
		{"straight down", []func(float64) worldBox{goes(6, 12, 0.3, 0.2, 0.3, 0.2+far, w, h, level)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := show(t, Default(), &world{noise: 3, boxes: tt.boxes}, 80, 60, 10, 16)
			if got := len(s.intervals) > 0; got != tt.want {
				t.Errorf("got %v, want motion: %t", s.intervals, tt.want)
			}
		})
	}
}

func TestASmallPersonIsFoundInASmallPicture(t *testing.T) {
	w := world{noise: 3, boxes: []func(float64) worldBox{goes(6, 12, 0.3, 0.4, 0.55, 0.4, 0.03, 0.1, 175)}}
	for _, size := range [][2]int{{40, 30}, {80, 60}, {160, 90}} {
		s := show(t, Default(), &w, size[0], size[1], 10, 16)
		if len(s.intervals) == 0 || s.intervals[0].Start > 7*time.Second {
			t.Errorf("%v: got %v, want motion from 6 s on", size, s.intervals)
		}
	}
}
