package motion

import (
	"fmt"
	"math"
	"testing"
	"time"

	"camward/video"
)

// A camera that comes back looks for its exposure first, from too dark or too bright, while the detector begins anew.
func TestACameraThatComesBackDoesNotBeginWithAFalseAlarm(t *testing.T) {
	ramps := map[string]func(t float64) float64{
		"from black in three seconds":    func(t float64) float64 { return min(1, 0.05+t/3) },
		"from half in five seconds":      func(t float64) float64 { return min(1, 0.5+t/10) },
		"from white in two seconds":      func(t float64) float64 { return max(1, 3-t) },
		"settling with an overshoot":     func(t float64) float64 { return 1 - math.Exp(-t/1.2)*math.Cos(2*t) },
		"from five times too bright":     func(t float64) float64 { return 1 + 4*math.Exp(-t) },
		"in steps of a second":           func(t float64) float64 { return min(1, 0.3+0.15*math.Floor(t)) },
		"a pause, then a step to bright": func(t float64) float64 { return stepAt(2.2, 0.35, 1)(t) },
	}
	for name, ramp := range ramps {
		for _, fps := range []float64{5, 10, 15, 30} {
			t.Run(fmt.Sprintf("%s at %v", name, fps), func(t *testing.T) {
				t.Parallel()
				d, err := New(Default())
				if err != nil {
					t.Fatal(err)
				}
				w := world{noise: 4, light: func(float64) float64 { return 1 }}
				var p video.Plane
				p.Resize(80, 60)
				for n := range int(10 * fps) { // before it went away
					w.render(&p, 0, uint32(n)*7919)
					d.Step(seconds(float64(n)/fps), &p)
				}
				w.light = ramp
				for n := range int(15 * fps) {
					at := float64(n) / fps
					w.render(&p, at, uint32(n)*7919)
					if d.Step(time.Minute+seconds(at), &p).Moving {
						t.Fatalf("moving %.2f s after it came back", at)
					}
				}
			})
		}
	}
}
