package clip

import (
	"crypto/rand"
	"errors"
	"math"
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
	whole       EventChange   // of the event that this may be only a part of: one for each stream
	score       float64       // of whole.Peak
	next        time.Duration // first picture of the event's next stream, if that follows without a gap; else 0
	images      bool          // pictures instead of a clip
	imageAt     time.Duration // when the next of those, or of the further pictures beside a clip, is due
	imaged      time.Duration // time of the last of them

	since   time.Duration   // the snapshot is chosen from pictures from here on
	peaks   []peak          // best first; each holds a reference
	snapped bool            // the snapshot has been chosen
	shown   []time.Duration // the worker's: of the snapshots written

	begun     bool          // the worker has found the clip's first picture
	retryAt   time.Duration // the spool failed; not before then is it tried again
	failures  int           // of the spool
	abandoned bool          // the spool failed for good
}

// A peak is a picture that may become a still. It holds a reference, unless it is empty.
type peak struct {
	frame *video.Frame
	score float64
	sets  *sets // for H.264 that lacks its own
}

func (p *peak) release() {
	if p.frame != nil {
		p.frame.Release()
	}
	*p = peak{}
}

// A still is a picture to be written as JPEG.
type still struct {
	peaks  []peak // the first that is intact is written
	kind   camio.Kind
	mode   camio.UploadMode
	event  *event // nil for heartbeats and for what Picture was given
	id     string // of the event of the latter
	track  *camio.Track
	paced  bool // the next comes anyway
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
		images: r.images(s), imageAt: first, imaged: math.MinInt64, since: first,
	}
	e.whole = EventChange{ID: e.id, Start: e.start, First: first, Last: first, Peak: first}
	if !e.images {
		e.imageAt += r.cfg.SnapshotEvery
	}
	r.events = append(r.events, e)
	return e
}

// moving extends the event by a moving picture.
func (r *Recorder) moving(e *event, f *video.Frame, score float64) {
	e.last = max(e.last, f.Mono)
	e.whole.Last = e.last
	if score > e.score {
		e.whole.Peak, e.score = f.Mono, score
	}
	r.quietUntil = r.end(e) + r.alarm.Quiet
	p := e.stream.stillOf(f)
	if p.frame == nil {
		return
	}
	switch p.score = score; {
	case e.images:
		r.image(e, f, p, r.imageEvery(), camio.UploadImage)
	case r.cfg.SnapshotEvery > 0 && r.image(e, f, p, r.cfg.SnapshotEvery, camio.UploadVideo):
	case !e.snapped && p.frame.Mono != e.imaged:
		e.propose(p)
	}
}

// image queues p, which shows f, as one of the pictures that an event has at that pace, if it is time and p is not that of the last time.
func (r *Recorder) image(e *event, f *video.Frame, p peak, every time.Duration, mode camio.UploadMode) bool {
	if f.Mono < e.imageAt || p.frame.Mono == e.imaged {
		return false
	}
	e.imageAt, e.imaged = max(f.Mono, e.imageAt)+every, p.frame.Mono
	p.frame.Retain()
	r.queueStill(still{peaks: []peak{p}, kind: camio.KindSnapshot, mode: mode, event: e, stream: e.stream, paced: true})
	return true
}

// minArea is how small the picture of another stream may be, as a part of the recorded one's area, to be shown as a still of it.
const minArea = 4

// stillOf gives the picture to be shown as a still for f, without a reference: f itself, or the newest key picture if f needs others to
// be decoded or is of a much smaller stream. Its frame is nil if there is none.
func (s *stream) stillOf(f *video.Frame) peak {
	small := s.passesThrough() && h264.Available && s.lastKey.frame != nil &&
		f.Format.Width*f.Format.Height*minArea < s.format.Width*s.format.Height
	if f.Format.FourCC == video.H264 || small {
		return s.lastKey
	}
	return peak{frame: f}
}

// propose makes p a candidate for the snapshot if its score is high enough. Of a raw camera only the best is
// kept: such pictures are large, and never damaged.
func (e *event) propose(p peak) {
	i := 0
	for i < len(e.peaks) && e.peaks[i].score >= p.score {
		i++
	}
	limit := maxPeaks
	if !p.frame.Format.FourCC.Compressed() {
		limit = 1
	}
	if i >= limit || slices.ContainsFunc(e.peaks, func(o peak) bool { return o.frame == p.frame }) {
		return
	}
	p.frame.Retain()
	e.peaks = slices.Insert(e.peaks, i, p)
	if n := len(e.peaks); n > limit {
		e.peaks[n-1].release()
		e.peaks = e.peaks[:n-1]
	}
}

// snapshot queues the event's snapshot once the peak is known, or now.
func (r *Recorder) snapshot(e *event, now bool) {
	if e.snapped || e.images {
		return
	}
	seen := e.stream.observed
	if !now && seen-max(e.last, e.since) < stillAfter && seen-e.since < snapshotBy {
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
	r.queueStill(still{peaks: e.peaks, kind: camio.KindSnapshot, mode: mode, event: e, stream: e.stream})
	e.peaks = nil
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
	p := s.stillOf(f)
	if p.frame == nil {
		return
	}
	r.heartbeatAt = s.received + r.cfg.Heartbeat
	mode := camio.UploadVideo
	if r.images(s) {
		mode = camio.UploadImage
	}
	p.frame.Retain()
	r.queueStill(still{peaks: []peak{p}, kind: camio.KindHeartbeat, mode: mode, stream: s})
}

// queueStill takes over the references of st.
func (r *Recorder) queueStill(st still) {
	held := st.bytes()
	for _, other := range r.stills {
		held += other.bytes()
	}
	if n := len(r.stills); n >= maxStills || n > 0 && held > r.cfg.RingBytes/stillsShare {
		st.release()
		r.drop(DropOverload)
		return
	}
	r.stills = append(r.stills, st)
	r.signal()
}

// stillsShare is what part of the ring's memory, beside that, the pictures may hold that wait to be written.
const stillsShare = 4

// bytes is the memory of its pictures.
func (st *still) bytes() (n int) {
	for _, p := range st.peaks {
		n += cap(p.frame.Data)
	}
	return n
}

func (st *still) release() {
	for i := range st.peaks {
		st.peaks[i].release()
	}
	st.peaks = nil
}

// retryStill makes another picture stand in for one that turned out to be damaged.
func (r *Recorder) retryStill(st still) {
	if st.event == nil {
		if st.kind != camio.KindHeartbeat {
			return // the moment is over
		}
		r.heartbeatAt = min(r.heartbeatAt, st.stream.received+time.Second)
		return
	}
	st.event.snapped = st.event.snapped && st.paced
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
