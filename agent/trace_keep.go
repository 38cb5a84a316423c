package agent

import (
	"sync"
	"time"

	"camward/motion"
	"camward/video"
)

// What is kept of how a camera's pictures were decided. Between two pictures that the detector looks at are at least 55 ms.
const (
	tracesPerSecond = 19
	traceBefore     = 5 * time.Second // an event's traces begin so long before it, and
	traceAfter      = 2 * time.Second // end so long after its last picture that moves
	traceEventMost  = 1500            // traces of an event; more are thinned
	traceSide       = 160             // longest side of the pictures that are kept, in samples
	traceSlots      = 5               // the ring's time is cut into so many parts; of each the picture nearest to motion is kept
)

// A traceKeeper keeps how the detector decided on the last minutes' pictures of one camera, and hands over what belongs to an event when that is
// over. It allocates when an event begins, not for a picture. A nil one keeps nothing. seen and end are for one goroutine at a time, recent is for any.
type traceKeeper struct {
	camera string
	done   func(*eventTraces) // takes over what is finished; must not block
	last   time.Duration      // how long the ring goes back

	mu     sync.Mutex
	ring   []motion.Trace
	next   int  // where the next trace goes
	full   bool // all of the ring is in use
	config motion.Config
	format video.Format
	view   motion.View
	plane  [2]int // size of the last one
	slots  [traceSlots]keptPicture
	slot   time.Duration // number of the present one, from stamp 0
	event  *eventTraces
}

// newTraceKeeper makes one whose ring goes back so far; 0: it has none.
func newTraceKeeper(camera string, last time.Duration, done func(*eventTraces)) *traceKeeper {
	n := int(last.Seconds() * tracesPerSecond)
	return &traceKeeper{camera: camera, done: done, last: last, ring: make([]motion.Trace, n), slot: -1}
}

// eventTraces are the traces of an event.
type eventTraces struct {
	TraceHeader
	traces []motion.Trace
	group  motion.Trace // of those that are to become one
	in     int          // how many there are in group
	step   int          // how many become one
	moved  time.Duration
	peak   keptPicture
}

// A keptPicture is what the detector saw at a moment that tells much. Its memory is used again.
type keptPicture struct {
	mono  time.Duration
	near  float64 // motion.Trace.Nearness
	plane video.Plane
	view  motion.View
}

// seen takes note of how the detector decided on a picture; event is the id of the event that it belongs to, "" if there is none.
func (k *traceKeeper) seen(d *motion.Detector, config *motion.Config, f *video.Frame, plane *video.Plane, event string) {
	if k == nil {
		return
	}
	t := d.Trace()
	if t.Reason == motion.ReasonSkipped {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.config, k.format = *config, f.Format
	if size := [2]int{plane.Width, plane.Height}; size != k.plane {
		k.plane = size
		d.View(&k.view)
	}
	if k.event != nil && k.event.Event != event {
		k.finish()
	}
	if k.event == nil && event != "" {
		k.begin(event, t.Mono)
	}
	k.add(t)
	if e := k.event; e != nil {
		e.add(t)
		if t.Reason == motion.ReasonMoving {
			e.moved = t.Mono
		}
		e.peak.propose(d, t, plane)
	}
	k.nearest(d, t, plane)
}

// add puts a trace into the ring.
func (k *traceKeeper) add(t motion.Trace) {
	if len(k.ring) == 0 {
		return
	}
	k.ring[k.next] = t
	k.next++
	if k.next == len(k.ring) {
		k.next, k.full = 0, true
	}
}

// nearest keeps the picture that came nearest to motion in the present part of the ring's time.
func (k *traceKeeper) nearest(d *motion.Detector, t motion.Trace, plane *video.Plane) {
	if k.last <= 0 {
		return
	}
	slot := t.Mono / max(k.last/traceSlots, time.Second)
	p := &k.slots[slot%traceSlots]
	if slot != k.slot {
		k.slot, p.near = slot, 0
	}
	p.propose(d, t, plane)
}

// propose keeps a picture instead of the one that is there if it tells more.
func (p *keptPicture) propose(d *motion.Detector, t motion.Trace, plane *video.Plane) {
	near := t.Nearness()
	if near <= p.near {
		return
	}
	p.mono, p.near = t.Mono, near
	d.View(&p.view)
	shrink(&p.plane, plane, traceSide)
}

// shrink copies a plane, made smaller by a whole factor if its longer side exceeds most.
func shrink(dst, src *video.Plane, most int) {
	k := (max(src.Width, src.Height) + most - 1) / most
	dst.Resize(max(1, src.Width/k), max(1, src.Height/k))
	if k = min(k, src.Width, src.Height); k <= 1 {
		for y := range dst.Height {
			copy(dst.Pix[y*dst.Stride:][:dst.Width], src.Pix[y*src.Stride:][:dst.Width])
		}
		return
	}
	for y := range dst.Height {
		for x := range dst.Width {
			sum := 0
			for i := range k {
				for _, v := range src.Pix[(y*k+i)*src.Stride+x*k:][:k] {
					sum += int(v)
				}
			}
			dst.Pix[y*dst.Stride+x] = byte(sum / (k * k))
		}
	}
}

// begin makes ready for an event of which the first picture that moves is stamped first.
func (k *traceKeeper) begin(event string, first time.Duration) {
	h := k.header(first)
	h.Event = event
	k.event = &eventTraces{TraceHeader: h, traces: make([]motion.Trace, 0, traceEventMost), step: 1, moved: first}
	for t := range k.since(first - traceBefore) {
		k.event.add(t)
	}
}

func (k *traceKeeper) header(zero time.Duration) TraceHeader {
	return TraceHeader{Camera: k.camera, Mono: zero, Width: k.format.Width, Height: k.format.Height, Cols: k.view.Cols, Rows: k.view.Rows, Settings: SettingsOf(k.config)}
}

// since gives the ring's traces from a stamp on, oldest first.
func (k *traceKeeper) since(from time.Duration) func(yield func(motion.Trace) bool) {
	return func(yield func(motion.Trace) bool) {
		n, first := k.next, 0
		if k.full {
			n, first = len(k.ring), k.next
		}
		for i := range n {
			if t := k.ring[(first+i)%len(k.ring)]; t.Mono >= from && !yield(t) {
				return
			}
		}
	}
}

// add puts a trace among the event's. When there is no more room, two become one, and so do all that follow.
func (e *eventTraces) add(t motion.Trace) {
	if len(e.traces) == cap(e.traces) {
		for i := range len(e.traces) / 2 {
			e.traces[i] = telling(e.traces[2*i], e.traces[2*i+1])
		}
		e.traces = e.traces[:len(e.traces)/2]
		e.step *= 2
	}
	if e.in == 0 {
		e.group = t
	} else {
		e.group = telling(e.group, t)
	}
	if e.in++; e.in == e.step {
		e.traces, e.in = append(e.traces, e.group), 0
	}
}

// telling is the one of two traces that stands for both: that of more motion. A change of the scene is in it in any case.
func telling(a, b motion.Trace) motion.Trace {
	if b.Moved > a.Moved || b.Moved == a.Moved && b.Evidence > a.Evidence {
		a, b = b, a
	}
	if a.Scene == motion.SceneNone {
		a.Scene = b.Scene
	}
	return a
}

// forget drops the pictures that are kept, since what they show is to be seen no more.
func (k *traceKeeper) forget() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.slots {
		k.slots[i] = keptPicture{}
	}
	if k.event != nil {
		k.event.peak = keptPicture{}
	}
}

// end finishes the event that is open, if there is one: no more pictures come for the moment.
func (k *traceKeeper) end() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.finish()
}

func (k *traceKeeper) finish() {
	e := k.event
	if e == nil {
		return
	}
	k.event = nil
	if e.in > 0 {
		e.traces = append(e.traces, e.group) // it has room: add makes it before
	}
	for n := len(e.traces); n > 0 && e.traces[n-1].Mono > e.moved+traceAfter; n-- {
		e.traces = e.traces[:n-1]
	}
	e.Last = (e.moved - e.Mono).Seconds()
	if e.step > 1 {
		e.Thinned = e.step
	}
	if k.done != nil {
		k.done(e)
	}
}

// recent gives the traces from a stamp on, with the pictures that came nearest to motion in that time. Time 0 is that of the last.
func (k *traceKeeper) recent(from time.Duration) (t Traced) {
	if k == nil {
		return t
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for trace := range k.since(from) {
		t.Traces = append(t.Traces, trace)
	}
	zero := time.Duration(0)
	if n := len(t.Traces); n > 0 {
		zero = t.Traces[n-1].Mono
	}
	t.TraceHeader = k.header(zero)
	for i := range k.slots {
		if p := &k.slots[i]; p.near > 0 && p.mono >= from && p.mono <= zero {
			t.Pictures = append(t.Pictures, p.picture())
		}
	}
	return t
}

// picture is a copy for a trace file.
func (p *keptPicture) picture() TracePicture {
	return TracePicture{Mono: p.mono, Width: p.plane.Width, Height: p.plane.Height, Luma: append([]byte{}, p.plane.Pix...),
		Cols: p.view.Cols, Rows: p.view.Rows, Cells: p.view.Cells, Boxes: append([]motion.Rect{}, p.view.Boxes[:p.view.N]...)}
}
