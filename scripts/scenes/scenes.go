// Package scenes renders film of a fixed camera for measuring the motion detector: people, vehicles and animals, and beside
// them all that changes a picture without anything moving, such as light, weather, noise and the camera's own habits. What really moves
// is known exactly, since the scene is made by program.
//
// A scene is a function of time and place, not of pictures, so that it can be rendered at any size and rate and
// shows the same. It is made in linear light: reflectance times illumination times exposure, plus photon and read noise
// of the sensor, through a camera's gamma into 8 bits. Noise belongs to an area of the sensor, so a larger picture has more of it in each
// pixel. All is drawn from the scene's seed: the same scene, size and rate give the same pictures on one architecture.
//
// Every scene is of a fixed half, Tune or Held. Nobody looks at the latter, nor at the detector's score in single ones of them, while
// the detector is being changed: they tell what it is worth on scenes that nobody tuned on.
package scenes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Version changes with what is rendered, so that what was kept of it can be told to be stale.
const Version = 1

// A Split is the half of the scenes that one belongs to.
type Split string

const (
	Tune Split = "tune" // may be looked at while the detector is changed
	Held Split = "held" // only measured
	// Drawn scenes are made for one measurement by a number that nobody has used before: even a sum that is read often begins to be tuned on.
	Drawn Split = "drawn"
)

// A Scene is one film that can be rendered. Get it from All or Named.
type Scene struct {
	Name   string // family and number, as in car-creep-1
	Family string // what it is for
	Split  Split
	Length time.Duration
	seed   uint64
	stage  func(*world)
}

// variants are how many scenes of a family there are, by default: the first for tuning, the second held.
const variants = 2

// All lists the scenes, families in a fixed order and the number within them.
func All() []Scene {
	var all []Scene
	for i, f := range families {
		for n := 1; n <= max(variants, f.scenes); n++ {
			s := f.scene(i, n)
			if n%2 == 0 || f.held {
				s.Split = Held
			}
			all = append(all, s)
		}
	}
	return all
}

// scene is the n-th of the family, which is the i-th.
func (f family) scene(i, n int) Scene {
	s := Scene{Name: fmt.Sprintf("%s-%d", f.name, n), Family: f.name, Split: Tune, Length: f.length, stage: f.stage, seed: uint64(i+1)<<32 | uint64(n)}
	if s.Length == 0 {
		s.Length = 40 * time.Second
	}
	return s
}

// Draw makes two further scenes of each family by a number from 1 to 1e6, of the split Drawn.
func Draw(number int) (drawn []Scene) {
	for i, f := range families {
		for n := range 2 {
			s := f.scene(i, 1000*number+n)
			s.Split = Drawn
			drawn = append(drawn, s)
		}
	}
	return drawn
}

// Of lists the scenes of one half.
func Of(s Split) []Scene {
	return slices.DeleteFunc(All(), func(c Scene) bool { return c.Split != s })
}

// Named finds a scene by its name.
func Named(name string) (Scene, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return Scene{}, false
}

// build sets the scene up: what there is, what happens, and the truth about it.
func (s Scene) build() *world {
	w := newWorld(rand.New(rand.NewPCG(s.seed, s.seed*0x9e3779b97f4a7c15)), s.Length.Seconds())
	w.seed = s.seed
	s.stage(w)
	return w
}
