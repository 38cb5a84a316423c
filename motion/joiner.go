package motion

import "time"

// MaxGap is the longest pause within one interval of motion.
const MaxGap = time.Second

// An Interval is a stretch of motion. Times are the stamps of pictures.
type Interval struct {
	Start, End time.Duration // the first and the last picture that move
	Peak       time.Duration // the picture with the highest score
	Score      float64       // that score
	Boxes      []Box         // where the largest part moved, in their order: at most MaxTrack
	Headings   []Heading     // which ways it surely went, as far as that is clear
}

// A Joiner folds decisions into intervals: stretches of motion with at most MaxGap between them are one. The zero
// value is ready. Not safe for concurrent use.
type Joiner struct {
	open  Interval
	track Track
	busy  bool
}

// Add takes the decision on the picture stamped mono. If that shows an interval to be over, it is returned with true: at the
// first picture more than MaxGap after the interval's end, or when stamps go back. Nothing is allocated before that.
func (j *Joiner) Add(mono time.Duration, d Decision) (done Interval, ok bool) {
	if j.busy && (mono-j.open.End > MaxGap || mono < j.open.End) {
		done, ok = j.Flush()
	}
	if !d.Moving {
		return done, ok
	}
	if !j.busy {
		j.open, j.busy = Interval{Start: mono}, true
	}
	j.open.End = mono
	if d.Score > j.open.Score {
		j.open.Peak, j.open.Score = mono, d.Score
	}
	j.track.Add(mono, d)
	return done, ok
}

// Open gives the interval that isn't over yet, if there is one.
func (j *Joiner) Open() (Interval, bool) {
	open := j.open
	if j.busy {
		open.Boxes, open.Headings = j.track.Boxes(), j.track.Headings()
	}
	return open, j.busy
}

// Began is when the interval that isn't over yet began, if there is one.
func (j *Joiner) Began() (time.Duration, bool) { return j.open.Start, j.busy }

// Flush ends the open interval, if there is one, and returns it.
func (j *Joiner) Flush() (done Interval, ok bool) {
	done, ok = j.Open()
	*j = Joiner{}
	return done, ok
}

// Since gives the interval with its times counted from origin. The boxes are changed in place.
func (i Interval) Since(origin time.Duration) Interval {
	i.Start, i.End, i.Peak = i.Start-origin, i.End-origin, i.Peak-origin
	for k := range i.Boxes {
		i.Boxes[k].Time -= origin
	}
	return i
}
