package motion

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// insects gives boxes, each of which flies through the picture for a second now and then, at random, from start on.
func insects(n int, start, every float64) (out []func(float64) worldBox) {
	chance := func(i, k, what int) float64 {
		v := math.Sin(float64(i)*12.9898+float64(k)*78.233+float64(what)*37.719) * 43758.5453
		return v - math.Floor(v)
	}
	for i := range n {
		out = append(out, func(t float64) worldBox {
			turn := (t-start)/every + float64(i)/float64(n)
			k := int(turn)
			s := (turn - float64(k)) * every // since it came
			if t < start || s > 1 {
				return worldBox{}
			}
			angle, speed := 2*math.Pi*chance(i, k, 3), 0.3+0.2*chance(i, k, 4)
			return worldBox{x: chance(i, k, 1) + speed*math.Cos(angle)*s, y: chance(i, k, 2) + speed*math.Sin(angle)*s, w: 0.04, h: 0.05, level: 220}
		})
	}
	return out
}

func TestInsectsAreNoMotionAndAPersonAmongThemIs(t *testing.T) {
	swarm := insects(6, 3, 4)
	for _, fps := range []float64{5, 10, 15, 30} {
		t.Run(fmt.Sprint(fps), func(t *testing.T) {
			t.Parallel()
			alone := show(t, Default(), &world{noise: 3, boxes: swarm}, 80, 60, fps, 40)
			long := time.Duration(0)
			for _, i := range alone.intervals {
				long += i.End - i.Start
			}
			if len(alone.intervals) > 2 || long > 3*time.Second { // the first few are not known for what they are
				t.Errorf("insects: got motion %d times, %v in all, want no more than two and 3 s", len(alone.intervals), long)
			}
			visited := show(t, Default(), &world{noise: 3, boxes: append(swarm[:len(swarm):len(swarm)], across(25, 5, 180))}, 80, 60, fps, 40)
			found := false
			for _, i := range visited.intervals {
				found = found || i.Start > 24*time.Second && i.Start < 26*time.Second && i.End > 28*time.Second
			}
			if !found {
				t.Error("a person among insects from 25 to 30 s is not found")
			}
		})
	}
}
