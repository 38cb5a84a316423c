package motion

import "time"

// MaxTrack is how many boxes a Track keeps.
const MaxTrack = 64

// A Box is where something moved in the picture of that time.
type Box struct {
	Time time.Duration // stamp of the picture
	Rect
	Area float64 // of the largest part that moved: share of the picture, 0..1
}

// A Track is where the largest moving part was, from picture to picture, thinned out so that it stays small however long something moves.
// The zero value is ready. Not safe for concurrent use; it may be copied.
type Track struct {
	boxes [MaxTrack]Box
	n     int
	pace  time.Duration // least time between two boxes
	area  float64
}

// trackPace is the least time between two boxes at first. When there is no room for another box every second one is dropped, and the pace is
// half of what it was: a track of 7 s has ten boxes a second, one of a minute one each second.
const trackPace = 100 * time.Millisecond

// Add takes the decision on the picture stamped mono. One that shows no part that moves leaves the track as it is.
func (t *Track) Add(mono time.Duration, d Decision) {
	if !d.Moving || d.Largest == 0 || d.Box.X1 <= d.Box.X0 || d.Box.Y1 <= d.Box.Y0 {
		return
	}
	t.area = max(t.area, d.Score)
	t.pace = max(t.pace, trackPace)
	if t.n > 0 && mono-t.boxes[t.n-1].Time < t.pace && mono >= t.boxes[t.n-1].Time {
		return
	}
	if t.n == MaxTrack {
		t.n = MaxTrack / 2
		for i := range t.n {
			t.boxes[i] = t.boxes[2*i]
		}
		t.pace *= 2
	}
	t.boxes[t.n] = Box{Time: mono, Rect: d.Box, Area: d.Score}
	t.n++
}

// Area is the largest area that moved, as a share of the picture: 0..1.
func (t *Track) Area() float64 { return t.area }

// Boxes are those kept, in their order. They are the caller's.
func (t *Track) Boxes() []Box { return append([]Box(nil), t.boxes[:t.n]...) }
