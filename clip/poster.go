package clip

import (
	"slices"
	"time"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

// Each clip has a poster: a snapshot from its own span. The event's snapshot is that of the clip it falls into. For each further
// clip of the event another is chosen in the same way, from pictures after its beginning; when that gave none until the clip is
// complete, because nothing moved, or the encoder lags far behind the detector, one of the clip's own pictures serves.

// maxShown bounds the times that are kept of an event's snapshots: one a second for longer than the recorder can lag.
const maxShown = 128

// begun notes that a clip of the event has begun with a picture of that time: its poster is chosen from what follows.
func (r *Recorder) begun(e *event, start time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recording = true
	if paced := r.cfg.SnapshotEvery; paced > 0 && paced < r.cfg.MaxLength || !e.snapped ||
		e.showed(start, forever) || r.waitingStill(e, start, forever) >= 0 {
		return
	}
	e.snapped, e.since = false, max(e.since, start)
	e.forget(start)
}

// waitingStill gives the index of a snapshot of the event from that span that waits to be written, -1 if there is none.
func (r *Recorder) waitingStill(e *event, from, to time.Duration) int {
	return slices.IndexFunc(r.stills, func(st still) bool { return st.event == e && st.peaks[0].within(from, to) })
}

func (p peak) within(from, to time.Duration) bool { return p.frame.Mono >= from && p.frame.Mono <= to }

// forget drops the candidates from before a time.
func (e *event) forget(before time.Duration) {
	e.peaks = slices.DeleteFunc(e.peaks, func(p peak) bool {
		if p.frame.Mono >= before {
			return false
		}
		p.frame.Release()
		return true
	})
}

// noteShown notes that a snapshot of that time was written.
func (e *event) noteShown(mono time.Duration) {
	if len(e.shown) >= maxShown {
		e.shown = slices.Delete(e.shown, 0, 1)
	}
	e.shown = append(e.shown, mono)
}

// showed reports whether a snapshot from that span was written, both ends included.
func (e *event) showed(from, to time.Duration) bool {
	return slices.ContainsFunc(e.shown, func(at time.Duration) bool { return at >= from && at <= to })
}

// offer proposes a picture of the open clip for its poster. The one nearest to the first motion is kept.
func (w *worker) offer(e *event, pic picture) {
	c := w.file
	if c == nil || c.last != pic.mono || c.poster.frame != nil && pic.mono > e.first { // the clip did not take it
		return
	}
	pic.frame.Retain()
	c.poster.release()
	c.poster = peak{frame: pic.frame, sets: pic.sets}
	if pic.sets == nil && pic.frame.Format.FourCC == video.H264 { // encoded here
		c.poster.sets = &c.sets
	}
}

// poster writes a snapshot for a clip that is complete and has none.
func (w *worker) poster(e *event, c *file) {
	if e.showed(c.start, c.last) {
		return
	}
	st, ok := w.r.takePoster(e, c.start, c.last)
	if ok {
		w.writeStill(st)
	}
	if e.showed(c.start, c.last) || c.poster.frame == nil || c.poster.frame.Format.FourCC == video.H264 && !h264.Available {
		return
	}
	st = still{peaks: []peak{c.poster}, kind: camio.KindSnapshot, mode: camio.UploadVideo, event: e, stream: e.stream}
	c.poster = peak{} // writeStill releases it
	w.writeStill(st)
}

// takePoster gives a snapshot of the event from that span which waits to be written, or else is the best there is now.
func (r *Recorder) takePoster(e *event, from, to time.Duration) (st still, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.waitingStill(e, from, to); i >= 0 {
		st = r.stills[i]
		r.stills = slices.Delete(r.stills, i, i+1)
		return st, true
	}
	i := slices.IndexFunc(e.peaks, func(p peak) bool { return p.within(from, to) })
	if i < 0 {
		return st, false
	}
	st = still{peaks: []peak{e.peaks[i]}, kind: camio.KindSnapshot, mode: camio.UploadVideo, event: e, stream: e.stream}
	e.peaks = slices.Delete(e.peaks, i, i+1)
	e.forget(to)
	e.snapped = true
	return st, true
}
