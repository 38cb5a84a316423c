package clip

import (
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

const (
	// stillAfter is how long motion rests before the event's snapshot is chosen, and
	// snapshotBy when it is chosen at the latest, counted from the event's start.
	stillAfter = time.Second
	snapshotBy = 10 * time.Second
	// maxPeaks is how many candidates for the snapshot are kept, since the best may turn out damaged.
	maxPeaks = 3
)

// An event is motion with gaps shorter than the post-roll, in one stream.
type event struct {
	id          string
	stream      *stream
	start       time.Duration // of what its clip shows: first less the pre-roll
	first, last time.Duration // pictures that moved
	images      bool          // pictures instead of a clip
	imageAt     time.Duration // when the next of those is due

	peaks   []peak // best first; each holds a reference
	snapped bool   // the snapshot has been chosen

	begun     bool          // the worker has found the clip's first picture
	retryAt   time.Duration // the spool failed; not before then is it tried again
	failures  int           // of the spool
	abandoned bool          // the spool failed for good
}

type peak struct {
	frame *video.Frame
	score float64
}

// A still is a picture to be written as JPEG.
type still struct {
	frames []*video.Frame // the first that is intact is written; each holds a reference
	kind   camio.Kind
	mode   camio.UploadMode
	event  *event // nil for heartbeats
	stream *stream
}

// end is when the event's clip ends as things are.
func (r *Recorder) end(e *event) time.Duration { return e.last + max(r.cfg.PostRoll, r.alarm.After) }

// over reports whether motion can no longer extend the event.
func (r *Recorder) over(e *event) bool {
	end := r.end(e)
	return e.stream.closed || e.stream.observed >= end || e.stream.received >= end+maxLag
}

// liveEvent gives the event that motion seen now belongs to, nil if there is none.
func (r *Recorder) liveEvent(s *stream) *event {
	if len(r.events) == 0 {
		return nil
	}
	if e := r.events[len(r.events)-1]; e.stream == s && !r.over(e) {
		return e
	}
	return nil
}

// firstEvent gives the stream's oldest event that makes a clip, nil if there is none.
func (r *Recorder) firstEvent(s *stream) *event {
	for _, e := range r.events {
		if e.stream == s && !e.images {
			return e
		}
	}
	return nil
}

func (r *Recorder) begin(s *stream, first time.Duration) *event {
	e := &event{
		id: rand.Text()[:16], stream: s, start: first - r.cfg.PreRoll, first: first, last: first,
		images: r.images(s), imageAt: first,
	}
	r.events = append(r.events, e)
	return e
}

// moving extends the event by a moving picture.
func (r *Recorder) moving(e *event, f *video.Frame, score float64) {
	e.last = max(e.last, f.Mono)
	r.quietUntil = r.end(e) + r.alarm.Quiet
	if e.images {
		r.image(e, f)
		return
	}
	if e.snapped {
		return
	}
	if f = e.stream.stillOf(f); f == nil {
		return
	}
	e.propose(f, score)
}

// image queues one of the pictures of an event without a clip, if it is time.
func (r *Recorder) image(e *event, f *video.Frame) {
	if f.Mono < e.imageAt {
		return
	}
	if f = e.stream.stillOf(f); f == nil {
		return
	}
	e.imageAt = max(f.Mono, e.imageAt) + r.imageEvery()
	f.Retain()
	r.queueStill(still{frames: []*video.Frame{f}, kind: camio.KindSnapshot, mode: camio.UploadImage, event: e, stream: e.stream})
}

// stillOf gives the frame to be shown as a still for f: itself, or the newest key picture if f
// needs others to be decoded. It may be nil.
func (s *stream) stillOf(f *video.Frame) *video.Frame {
	if f.Format.FourCC == video.H264 {
		return s.lastKey
	}
	return f
}

// propose makes f a candidate for the snapshot if its score is high enough. Of a raw camera only the best is
// kept: such pictures are large, and never damaged.
func (e *event) propose(f *video.Frame, score float64) {
	i := 0
	for i < len(e.peaks) && e.peaks[i].score >= score {
		i++
	}
	limit := maxPeaks
	if !f.Format.FourCC.Compressed() {
		limit = 1
	}
	if i >= limit || slices.ContainsFunc(e.peaks, func(p peak) bool { return p.frame == f }) {
		return
	}
	f.Retain()
	e.peaks = slices.Insert(e.peaks, i, peak{f, score})
	for len(e.peaks) > limit {
		e.peaks[len(e.peaks)-1].frame.Release()
		e.peaks = e.peaks[:len(e.peaks)-1]
	}
}

// snapshot queues the event's snapshot once the peak is known, or now.
func (r *Recorder) snapshot(e *event, now bool) {
	if e.snapped || e.images {
		return
	}
	seen := e.stream.observed
	if !now && seen-e.last < stillAfter && seen-e.first < snapshotBy {
		return
	}
	r.queuePeak(e, camio.UploadVideo)
}

// queuePeak queues the best picture of the event so far, if it has one.
func (r *Recorder) queuePeak(e *event, mode camio.UploadMode) {
	if len(e.peaks) == 0 {
		return
	}
	e.snapped = true
	st := still{kind: camio.KindSnapshot, mode: mode, event: e, stream: e.stream}
	for _, p := range e.peaks {
		st.frames = append(st.frames, p.frame)
	}
	e.peaks = nil
	r.queueStill(st)
}

// heartbeat queues a heartbeat if one is due.
func (r *Recorder) heartbeat(s *stream, f *video.Frame) {
	if r.cfg.Heartbeat == 0 {
		return
	}
	if !r.hasBeat {
		r.heartbeatAt, r.hasBeat = f.Mono+firstHeartbeat, true
	}
	r.heartbeatAt = min(r.heartbeatAt, f.Mono+r.cfg.Heartbeat) // the clock may have been set back
	if f.Mono < r.heartbeatAt {
		return
	}
	if f = s.stillOf(f); f == nil {
		return
	}
	r.heartbeatAt = s.received + r.cfg.Heartbeat
	mode := camio.UploadVideo
	if r.images(s) {
		mode = camio.UploadImage
	}
	f.Retain()
	r.queueStill(still{frames: []*video.Frame{f}, kind: camio.KindHeartbeat, mode: mode, stream: s})
}

// queueStill takes over the references of st.
func (r *Recorder) queueStill(st still) {
	if len(r.stills) >= maxStills {
		st.release()
		r.drop(DropOverload)
		return
	}
	r.stills = append(r.stills, st)
	r.signal()
}

func (st *still) release() {
	for _, f := range st.frames {
		f.Release()
	}
	st.frames = nil
}

// retryStill makes another picture stand in for one that turned out to be damaged. An event
// without a clip has its next in a second anyway.
func (r *Recorder) retryStill(st still) {
	if st.event == nil {
		r.heartbeatAt = min(r.heartbeatAt, st.stream.received+time.Second)
		return
	}
	st.event.snapped = false
}

// withoutEncoder turns the stream's events into pictures, for good if this build has no encoder.
func (r *Recorder) withoutEncoder(s *stream, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.LastError = err.Error(); errors.Is(err, h264.ErrUnavailable) {
		r.noEncoder = true
	}
	s.retryEncoder = s.received + encoderPause
	s.waiting.clear()
	s.packets.clear()
	r.status.Images = true
	for _, e := range r.events {
		if e.stream != s || e.images {
			continue
		}
		e.images, e.imageAt = true, e.last+r.imageEvery()
		r.queuePeak(e, camio.UploadImage)
	}
}
