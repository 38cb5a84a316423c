package motion

import (
	"slices"
	"time"
)

// A Reason says why a picture led to motion or to none. Exactly one holds for each picture: the first step of the decision that
// settled it.
type Reason uint8

// The reasons, in the order in which a picture meets them.
const (
	ReasonNone     Reason = iota
	ReasonSkipped         // it came sooner after the last than the detector needs: the last decision holds
	ReasonStart           // nothing is known yet: the first picture, another size, a long gap
	ReasonLearning        // the background is being learnt, at the start or after a scene change
	ReasonScene           // most of the picture changed at once: a scene change
	ReasonStill           // no cell differs enough from its background
	ReasonAlone           // cells differ, but nothing near them did just before
	ReasonSmall           // the largest part that moves is smaller than the least that counts
	ReasonStands          // what is large enough has not changed lately: a clock's digit, what something left behind
	ReasonLight           // what is large enough keeps its background's texture: light fell on it
	ReasonBrief           // something moves, and has not for long enough yet
	ReasonMoving          // motion
	ReasonLasting         // motion, though this picture shows none: it was there a moment ago
)

var reasonNames = [...]string{"none", "skipped", "start", "learning", "scene", "still", "alone", "small", "stands", "light", "brief", "moving", "lasting"}

// String gives the name in lower case, as trace files have it.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// ParseReason is the reverse of String; ReasonNone for a name that is none.
func ParseReason(name string) Reason { return Reason(max(0, slices.Index(reasonNames[:], name))) }

// ParseScene is the reverse of Scene.String; SceneNone for a name that is none.
func ParseScene(name string) Scene { return Scene(max(0, slices.Index(sceneNames[:], name))) }

// A Trace is how the detector came to the decision on one picture. It is plain data of at most 64 bytes, so that minutes of them can be kept.
type Trace struct {
	Mono      time.Duration // stamp of the picture
	Reason    Reason
	Scene     Scene    // what the whole picture was found to have changed to, told once
	Changed   uint16   // cells that differ from their background by more than their threshold
	Counted   uint16   // of them, cells near which something changed in the pictures before
	Largest   uint16   // cells of the largest connected part among those counted, whatever became of it
	Moved     uint16   // cells of the largest part that moves: 0 if none does
	Least     uint16   // cells of the smallest part that counts, by Config.MinArea
	Box       [4]uint8 // around the largest part, moving or not: left, top, right, bottom in 1/255 of the picture; zero if there is none
	Threshold float32  // mean difference that counts, flicker left out, in levels of 255; 0 while learning
	Gain      float32  // brightness against the background's; 1 is unchanged
	Evidence  float32  // how long something has moved by now, less how long not, in seconds
	Needed    float32  // evidence that makes motion, in seconds
}

// Trace tells how the last Step decided. It does not allocate. Like Step, it is for one goroutine at a time.
func (d *Detector) Trace() Trace { return d.trace }

// note keeps how the present picture was decided.
func (d *Detector) note(mono time.Duration, dec *Decision, why Reason) {
	t := &d.trace
	*t = Trace{
		Mono: mono, Reason: why, Scene: dec.Scene, Least: uint16(d.minCells),
		Threshold: float32(dec.Threshold), Gain: float32(dec.Gain),
		Evidence: float32(d.evidence.Seconds()), Needed: float32(d.cfg.MinDuration.Seconds()),
	}
	if !d.labelled {
		return
	}
	t.Changed, t.Counted, t.Moved = uint16(d.changed[0].count()), uint16(dec.Cells), uint16(dec.Largest)
	if b := d.parts.blobs[d.parts.largest()]; dec.Cells > 0 {
		t.Largest = uint16(b.cells)
		cols, rows := d.grid.cols, d.grid.rows
		t.Box = [4]uint8{uint8(int(b.x0) * 255 / cols), uint8(int(b.y0) * 255 / rows), uint8((int(b.x1) + 1) * 255 / cols), uint8((int(b.y1) + 1) * 255 / rows)}
	}
}

// why names what settled a picture of which the parts are known. part is the size of the largest that moves, in cells.
func (d *Detector) why(part int16, moving bool) Reason {
	switch {
	case moving && int(part) >= d.minCells:
		return ReasonMoving
	case moving:
		return ReasonLasting
	case int(part) >= d.minCells:
		return ReasonBrief
	case d.changed[0].empty():
		return ReasonStill
	case d.parts.runs == 0:
		return ReasonAlone
	}
	b := d.parts.blobs[d.parts.largest()]
	switch {
	case int(b.cells) < d.minCells:
		return ReasonSmall
	case !d.moves(b):
		return ReasonStands
	default:
		return ReasonLight
	}
}
