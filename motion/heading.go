package motion

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Direction is a way in which something moves, as the camera sees it.
type Direction uint8

// The directions. Approaching and departing are along the line of sight, the others in the picture.
const (
	Approaching Direction = iota
	Departing
	Left
	Right
	Up
	Down
)

var directionNames = [...]string{"approaching", "departing", "left", "right", "up", "down"}

// String gives the name in lower case: for approaching and departing it is the label that the API has for them.
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return "unknown"
}

// A Heading is a direction and how sure it is.
type Heading struct {
	Direction
	Confidence float64 // 0.5 to 1: how steadily it went so; less is not told
}

// What is needed to tell a direction.
const (
	headBoxes = 6           // boxes at the least; from headSure on their number lowers no confidence
	headSure  = 10          //
	headTime  = time.Second // from the first to the last of them
	headLeast = 0.5         // confidence

	headSides = 0.02 // of the picture's width: what is nearer to its sides may be cut off there; more than a cell

	headFoot   = 0.06 // of the picture's height: how far the foot of what approaches or departs must move
	headGrowth = 0.14 // logarithm of how much larger it must become, along a side
	headSteady = 0.15 // least rank correlation of both with time
	headSlope  = 0.25 // of its way across the picture: how far the foot of what crosses it must move, to approach or depart all the same
	headPath   = 0.12 // of the picture: the shortest way across it
	headSlant  = 2    // a way across the picture is so many times longer than it is along the other axis
)

// Headings are the directions that are clear, approaching or departing first; none if the way is too short or goes to and fro. Something approaches
// if it grows steadily while its foot goes down the picture, as it does before any camera that looks down on the ground; one that comes
// and goes again does both. Boxes at the picture's border are left out, since what they hold is cut off there.
func (t *Track) Headings() []Heading {
	var whole [MaxTrack]Box
	n := 0
	for _, b := range t.boxes[:t.n] {
		if b.X0 > headSides && b.X1 < 1-headSides && b.Y0 > 0 && b.Y1 < 1 && b.Area > 0 {
			whole[n] = b
			n++
		}
	}
	boxes := whole[:n]
	var out []Heading
	side, across := sideways(boxes)
	// What steadily crosses the picture doesn't come and go, and it shrinks and grows where the ground is as bright as its legs.
	if crosses := across && side.Direction <= Right; !crosses || math.Abs(change(boxes, foot)) >= headSlope*math.Abs(change(boxes, middle)) {
		h, ok := depth(boxes)
		switch {
		case ok:
			out = append(out, h)
		case !crosses:
			out = toAndFro(boxes)
		}
	}
	if across && (len(out) == 0 || side.Direction <= Right) { // what approaches goes down, too
		out = append(out, side)
	}
	return out
}

// enough reports whether a direction can be told from so many boxes.
func enough(b []Box) bool {
	return len(b) >= headBoxes && b[len(b)-1].Time-b[0].Time >= headTime
}

func foot(b Box) float64   { return b.Y1 }
func middle(b Box) float64 { return (b.X0 + b.X1) / 2 }
func height(b Box) float64 { return math.Log(b.Y1 - b.Y0) }
func area(b Box) float64   { return math.Log(b.Area) / 2 } // so that both are about lengths

// depth tells whether something approaches or departs.
func depth(b []Box) (h Heading, ok bool) {
	if !enough(b) {
		return h, false
	}
	down, grows := steadiness(b, foot), (steadiness(b, height)+steadiness(b, area))/2
	sign := 1.0
	if down < 0 {
		sign, h.Direction = -1, Departing
	}
	if sign*down < headSteady || sign*grows < headSteady || sign*change(b, foot) < headFoot ||
		max(sign*change(b, height), sign*change(b, area)) < headGrowth {
		return h, false
	}
	h.Confidence = sign * (down + grows) / 2 * fullness(b)
	return h, h.Confidence >= headLeast
}

// fullness is less than 1 for few boxes.
func fullness(b []Box) float64 { return min(1, float64(len(b))/headSure) }

// toAndFro looks at the way to where the foot was lowest or highest and at the way from there.
func toAndFro(b []Box) (out []Heading) {
	if len(b) == 0 {
		return nil
	}
	low, high := 0, 0
	for i := range b {
		if foot(b[i]) > foot(b[low]) {
			low = i
		}
		if foot(b[i]) < foot(b[high]) {
			high = i
		}
	}
	for _, turn := range [2]int{low, high} {
		for _, part := range [2][]Box{b[:turn+1], b[turn:]} {
			h, ok := depth(part)
			if ok && !slices.ContainsFunc(out, func(o Heading) bool { return o.Direction == h.Direction }) {
				out = append(out, h)
			}
		}
	}
	if len(out) == 2 && out[0].Direction > out[1].Direction {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

// sideways tells which way something goes in the picture.
func sideways(b []Box) (h Heading, ok bool) {
	if !enough(b) {
		return h, false
	}
	along := func(b Box) float64 { return (b.Y0 + b.Y1) / 2 }
	x, y, axis := change(b, middle), change(b, along), middle
	switch {
	case math.Abs(x) >= headSlant*math.Abs(y):
		h.Direction = Left
	case math.Abs(y) >= headSlant*math.Abs(x):
		x, axis, h.Direction = y, along, Up
	default:
		return h, false
	}
	if x > 0 {
		h.Direction++ // Right, Down
	}
	h.Confidence = math.Abs(steadiness(b, axis)) * fullness(b)
	return h, math.Abs(x) >= headPath && h.Confidence >= headLeast && (steadiness(b, axis) > 0) == (x > 0)
}

// steadiness is Kendall's rank correlation of a measure with time: 1 if it always rises, -1 if it always falls.
func steadiness(b []Box, of func(Box) float64) float64 {
	var v [MaxTrack]float64
	for i := range b {
		v[i] = of(b[i])
	}
	sum := 0
	for i := range b {
		for j := range i {
			sum += cmp.Compare(v[i], v[j])
		}
	}
	return float64(sum) / float64(len(b)*(len(b)-1)/2)
}

// change is how much a measure rises from the first quarter to the last, by their medians.
func change(b []Box, of func(Box) float64) float64 {
	k := max(2, len(b)/4)
	return median(b[len(b)-k:], of) - median(b[:k], of)
}

func median(b []Box, of func(Box) float64) float64 {
	var v [MaxTrack]float64
	for i := range b {
		v[i] = of(b[i])
	}
	slices.Sort(v[:len(b)])
	return v[len(b)/2]
}
