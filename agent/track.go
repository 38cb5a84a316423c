package agent

import (
	"math"
	"slices"
	"sync"
	"time"

	"camward/camio"
	"camward/motion"
)

const (
	// maxTracks is how many events are remembered, since recordings are finished some time after what they show.
	maxTracks = 4
	// trackLength ends an interval of motion that lasts longer, so that a recording out of a long event has boxes enough.
	trackLength = time.Minute
	// maxTrackBoxes is how many boxes of an event's past are kept, of about ten minutes at the least.
	maxTrackBoxes = 8 * motion.MaxTrack
	// nearBox is how far a box may be from the moment of a picture to be shown on it.
	nearBox = time.Second
	// sureYet is how sure a direction must be to be told while what moves goes on.
	sureYet = 0.7
)

// tracks remember what moved in the last events of a camera. One goroutine adds; of may be called from any.
type tracks struct {
	rotation int // by how much the picture is turned to be shown, degrees clockwise: 0, 90, 180 or 270

	mu     sync.Mutex
	events []*eventTrack // the oldest first
}

// An eventTrack is what moved in an event.
type eventTrack struct {
	id   string
	join motion.Joiner
	past []motion.Interval // those that are over; what the oldest of very many had is forgotten
}

// add takes the decision on the picture stamped mono to the event that observe gives, if it gives one. of waits meanwhile, so that what
// observe sets off finds this picture's box.
func (t *tracks) add(mono time.Duration, d motion.Decision, observe func() (event string)) (event string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if event = observe(); event == "" {
		return ""
	}
	i := slices.IndexFunc(t.events, func(e *eventTrack) bool { return e.id == event })
	if i < 0 {
		if len(t.events) == maxTracks {
			t.events = slices.Delete(t.events, 0, 1)
		}
		i = len(t.events)
		t.events = append(t.events, &eventTrack{id: event})
	}
	d.Box = turned(d.Box, t.rotation)
	t.events[i].add(mono, d)
	return event
}

// turned is a part of the picture after that is turned clockwise.
func turned(r motion.Rect, degrees int) motion.Rect {
	switch degrees {
	case 90:
		return motion.Rect{X0: 1 - r.Y1, Y0: r.X0, X1: 1 - r.Y0, Y1: r.X1}
	case 180:
		return motion.Rect{X0: 1 - r.X1, Y0: 1 - r.Y1, X1: 1 - r.X0, Y1: 1 - r.Y0}
	case 270:
		return motion.Rect{X0: r.Y0, Y0: 1 - r.X1, X1: r.Y1, Y1: 1 - r.X0}
	}
	return r
}

func (e *eventTrack) add(mono time.Duration, d motion.Decision) {
	if open, ok := e.join.Began(); ok && mono-open >= trackLength {
		e.keep(e.join.Flush())
	}
	e.keep(e.join.Add(mono, d))
}

func (e *eventTrack) keep(iv motion.Interval, ok bool) {
	if !ok {
		return
	}
	e.past = append(e.past, iv)
	n := 0
	for _, p := range e.past {
		n += max(len(p.Boxes), 1)
	}
	for n > maxTrackBoxes {
		n -= max(len(e.past[0].Boxes), 1)
		e.past = slices.Delete(e.past, 0, 1)
	}
}

// of is a clip.TrackOf.
func (t *tracks) of(event string, from, to time.Duration) *camio.Track {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.events, func(e *eventTrack) bool { return e.id == event })
	if i < 0 {
		return nil
	}
	e := t.events[i]
	all := e.past
	if open, ok := e.join.Open(); ok {
		open.Headings = slices.DeleteFunc(open.Headings, func(h motion.Heading) bool { return h.Confidence < sureYet })
		all = append(slices.Clip(all), open)
	}
	return trackOf(all, from, to)
}

// trackOf sums up what moved from one time to another. Of a single picture it is where something moved at about that time.
func trackOf(all []motion.Interval, from, to time.Duration) *camio.Track {
	t := new(camio.Track)
	var boxes []motion.Box
	for _, iv := range all {
		if iv.Start > to+nearBox || iv.End < from-nearBox {
			continue
		}
		for _, h := range iv.Headings {
			t.Labels = append(t.Labels, h.Direction.String()) // the names are the labels
		}
		for _, b := range iv.Boxes {
			if b.Time >= from && b.Time <= to || from == to && (b.Time-from).Abs() <= nearBox {
				boxes = append(boxes, b)
			}
		}
	}
	slices.Sort(t.Labels)
	t.Labels = slices.Compact(t.Labels)
	if from == to && len(boxes) > 0 {
		boxes = []motion.Box{slices.MinFunc(boxes, func(a, b motion.Box) int { return int((a.Time - from).Abs() - (b.Time - from).Abs()) })}
		boxes[0].Time = from
	}
	for _, b := range boxes {
		t.Area = max(t.Area, math.Round(b.Area*1e4)/100)
	}
	every := (len(boxes) + camio.MaxTrackBoxes - 1) / camio.MaxTrackBoxes
	for i := 0; i < len(boxes); i += every {
		b := boxes[i]
		t.Boxes = append(t.Boxes, camio.TrackBox{int((b.Time - from).Milliseconds()), thousandths(b.X0), thousandths(b.Y0), thousandths(b.X1), thousandths(b.Y1)})
	}
	if len(t.Labels)+len(t.Boxes) == 0 {
		return nil
	}
	return t
}

func thousandths(v float64) int { return int(math.Round(v * 1000)) }
