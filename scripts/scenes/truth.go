package scenes

import (
	"cmp"
	"math"
	"slices"
)

// An Event is one stretch of real motion, in seconds.
type Event struct {
	Start    float64 `json:"start_s"`
	End      float64 `json:"end_s"`
	Kind     string  `json:"kind"`
	OnsetTol float64 `json:"onset_tol_s,omitempty"` // how late it may be found, where that isn't the scorer's default
}

// A Stretch is a part of a clip that is no event, in seconds.
type Stretch struct {
	Start  float64 `json:"start_s"`
	End    float64 `json:"end_s"`
	Kind   string  `json:"kind,omitempty"`
	Reason string  `json:"reason,omitempty"`
}

// A Truth says what happens in a clip. It is the JSON that motion scorers read; Family, Split and Changes are beyond that.
type Truth struct {
	Clip       string    `json:"clip"`
	FPS        float64   `json:"fps"`
	Width      int       `json:"width"`
	Height     int       `json:"height"`
	Duration   float64   `json:"duration_s"`
	Source     string    `json:"source"` // real, synthetic or rendered
	Category   string    `json:"category"`
	Confidence string    `json:"confidence,omitempty"`
	Family     string    `json:"family,omitempty"`
	Split      Split     `json:"split,omitempty"`
	Events     []Event   `json:"events"`
	Ignore     []Stretch `json:"ignore"`            // counts neither way
	Nuisance   []Stretch `json:"nuisance"`          // what must not be taken for motion
	Changes    []Stretch `json:"changes,omitempty"` // scene changes by name: light, ir_cut, moved, covered, frozen, black, focus
}

// Truth tells what happens in the scene, rendered at this size and rate. Clip is the scene's name without an extension.
func (s Scene) Truth(width, height int, rate float64) Truth {
	return s.build().truthOf(s, width, height, rate)
}

func (w *world) truthOf(s Scene, width, height int, rate float64) Truth {
	t := w.truth
	t.Clip, t.FPS, t.Width, t.Height, t.Duration = s.Name, rate, width, height, s.Length.Seconds()
	t.Source, t.Category, t.Confidence, t.Family, t.Split = "rendered", s.Family, "exact", s.Family, s.Split
	slices.SortFunc(t.Events, func(a, b Event) int { return cmp.Compare(a.Start, b.Start) })
	if t.Events == nil {
		t.Events = []Event{}
	}
	if t.Ignore == nil {
		t.Ignore = []Stretch{}
	}
	if t.Nuisance == nil {
		t.Nuisance = []Stretch{}
	}
	return t
}

// event takes down the stretches in which an actor is at least a third in the picture and on the move.
func (w *world) event(kind string, a actor, tolerance float64) {
	const step, seen = 0.02, 1.0 / 3
	start := -1.0
	for t := 0.0; ; t += step {
		x0, x1, y0, y1, ok := a.extent(t)
		in := ok && t < w.length && math.Abs(a.speed(t)) > 1e-4 &&
			share(x0, x1, 1) > 0 && share(y0, y1, worldHeight) > 0 && share(x0, x1, 1)*share(y0, y1, worldHeight) >= seen
		switch {
		case in && start < 0:
			start = t
		case !in && start >= 0:
			w.truth.Events = append(w.truth.Events, Event{Start: hundredths(start), End: hundredths(t), Kind: kind, OnsetTol: tolerance})
			start = -1
		}
		if t >= w.length {
			return
		}
	}
}

// share is how much of a..b lies in 0..end.
func share(a, b, end float64) float64 {
	return (min(b, end) - max(a, 0)) / max(b-a, 1e-9)
}

func hundredths(s float64) float64 { return math.Round(s*100) / 100 }

func (w *world) ignore(from, to float64, reason string) {
	w.truth.Ignore = append(w.truth.Ignore, Stretch{Start: hundredths(from), End: hundredths(to), Reason: reason})
}

func (w *world) nuisance(kind string, from, to float64) {
	w.truth.Nuisance = append(w.truth.Nuisance, Stretch{Start: hundredths(from), End: hundredths(to), Kind: kind})
}

func (w *world) change(kind string, from, to float64) {
	w.truth.Changes = append(w.truth.Changes, Stretch{Start: hundredths(from), End: hundredths(to), Kind: kind})
	w.nuisance(kind, from, to)
}
