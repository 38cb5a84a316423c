package clip

import (
	"bytes"
	"math"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

const forever = time.Duration(math.MaxInt64)

// A stream is a run of frames of one format on one clock: what one clip can hold.
type stream struct {
	format             video.Format
	received, observed time.Duration // of the newest frame that came, and that the detector has seen
	closed             bool          // no further frames will come
	retryEncoder       time.Duration // until then no encoder can be made, and events become pictures

	waiting ring       // MJPEG: the pre-roll and the queue to the encoder; raw: that queue
	packets packetRing // raw and H.264: the pre-roll and the queue to the file

	pool     *video.Pool // raw: of what packets holds; it ends with the stream
	released bool        // nothing may be put into the rings any more

	sets           *sets         // H.264: the parameter sets last seen; nil before the first
	lastKey        peak          // H.264: the newest picture that can be decoded alone, for stills
	keyAt, askedAt time.Duration // H.264: of the newest key picture, and of when the camera was asked for one
}

// packetPool is what part of the ring's memory may lie idle between two of its pictures encoded here. What a key picture
// makes superfluous is given back at once and taken again in the second after it.
const packetPool = 8

func (s *stream) raw() bool { return !s.format.FourCC.Compressed() }

// passesThrough reports whether the camera encodes.
func (s *stream) passesThrough() bool { return s.format.FourCC == video.H264 }

// release drops all that the stream holds.
func (s *stream) release() {
	s.waiting.clear()
	s.packets.clear()
	s.lastKey.release()
	s.released = true
}

// add takes a frame in. The caller keeps its reference.
func (r *Recorder) add(f *video.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(f.Data) == 0 {
		r.drop(DropEmpty)
		return
	}
	s := r.streamOf(f)
	if s == nil {
		r.drop(DropDisorder)
		return
	}
	s.received = f.Mono
	r.keep(s, f)
	r.trim(s)
	r.heartbeat(s, f)
	if len(r.events) > 0 || len(r.stills) > 0 || s.raw() && s.waiting.n > 0 || r.freeDue() {
		r.signal()
	}
}

// streamOf gives the stream that f belongs to, a new one if the format changed or the clock
// was set back, and nil if f is merely late.
func (r *Recorder) streamOf(f *video.Frame) *stream {
	s := r.stream
	switch {
	case s == nil:
		r.openStream(f)
	case f.Format.FourCC != s.format.FourCC || f.Format.Width != s.format.Width || f.Format.Height != s.format.Height:
		if r.formatSaid == 0 || f.Mono-r.formatSaid >= sayFormat { // a camera may change it with each picture
			r.formatSaid = f.Mono
			r.log.Info("picture format changed", zap.Stringer("from", s.format), zap.Stringer("to", f.Format))
		}
		e := r.liveEvent(s)
		r.closeStream()
		r.openStream(f)
		if e != nil {
			next := r.begin(r.stream, f.Mono)
			next.id, next.start = e.id, f.Mono
			next.whole, next.score = e.whole, e.score
			if f.Mono-s.received <= maxGap {
				e.next = f.Mono
			}
		}
	case f.Mono > s.received:
	case f.Mono > s.received-time.Second:
		return nil
	default:
		r.log.Warn("picture times ran backwards", zap.Duration("from", s.received), zap.Duration("to", f.Mono))
		r.closeStream()
		r.openStream(f)
		r.freeNow = true // what is timed by the old clock
	}
	return r.stream
}

func (r *Recorder) openStream(f *video.Frame) {
	r.stream = &stream{format: f.Format, received: f.Mono, observed: f.Mono, pool: video.NewPool(r.cfg.RingBytes / packetPool)}
	if r.images(r.stream) && r.cfg.Mode == camio.UploadVideo && !r.status.Images {
		r.log.Warn("no H.264 encoder in this build: events are recorded as pictures")
	}
	r.status.Images = r.images(r.stream)
}

// closeStream ends the current stream, if there is one. Its events are over.
func (r *Recorder) closeStream() {
	s := r.stream
	if s == nil {
		return
	}
	s.closed = true
	r.stream = nil
	for _, e := range r.events {
		if e.stream == s {
			r.snapshot(e, true)
		}
	}
	r.releaseUnused(s)
}

// releaseUnused releases a stream that is closed and whose events are done.
func (r *Recorder) releaseUnused(s *stream) {
	for _, e := range r.events {
		if e.stream == s {
			return
		}
	}
	if s.closed {
		s.release()
	}
}

// images reports whether events of the stream become pictures rather than clips.
func (r *Recorder) images(s *stream) bool {
	if r.cfg.Mode == camio.UploadImage {
		return true
	}
	return !s.passesThrough() && (r.noEncoder || s.received < s.retryEncoder)
}

// keep puts f where its format belongs.
func (r *Recorder) keep(s *stream, f *video.Frame) {
	p := picture{frame: f, mono: f.Mono, size: cap(f.Data)}
	if s.passesThrough() {
		var has bool
		if has, p.key = slice(f.Data); !has {
			if !s.noteSets(f) {
				r.drop(DropUndecodable)
			}
			return
		}
		s.noteKey(f, p.key)
		p.sets = s.sets
	}
	switch {
	case r.images(s):
		return
	case !s.passesThrough():
		s.waiting.push(p)
	case !s.packets.push(p):
		r.wantKey(s, f.Mono, true)
		r.drop(DropNoKey)
		return // nothing can be decoded before the first key picture
	case s.passesThrough():
		if p.key {
			s.keyAt = f.Mono
		}
		r.wantKey(s, f.Mono, false)
	}
	f.Retain()
}

// wantKey asks the camera for a key picture where one is missing, or none came for long.
func (r *Recorder) wantKey(s *stream, mono time.Duration, missing bool) {
	if r.requestKey != nil && (missing || mono-s.keyAt >= longGroup) && mono-s.askedAt >= askAgain {
		s.askedAt = mono
		r.requestKey()
	}
}

// noteKey remembers what decoding needs: parameter sets, which a camera may send only once, and
// the newest key picture.
func (s *stream) noteKey(f *video.Frame, key bool) {
	if !key && s.sets != nil {
		return
	}
	s.noteSets(f)
	if key {
		f.Retain()
		s.lastKey.release()
		s.lastKey = peak{frame: f, sets: s.sets}
	}
}

// noteSets remembers the parameter sets in an access unit, or in a buffer of their own that some drivers put before one, and
// reports whether there are both.
func (s *stream) noteSets(f *video.Frame) bool {
	sps, pps := h264.ParameterSets(f.Data)
	if sps == nil || pps == nil {
		return false
	}
	if !s.sets.equal(sps, pps) {
		s.sets = &sets{bytes.Clone(sps), bytes.Clone(pps)}
	}
	return true
}

// slice reports whether an access unit has a picture, and whether that is an IDR picture, by its first slice.
func slice(annexB []byte) (has, key bool) {
	for nal := range h264.NALs(annexB) {
		if t := nal[0] & 0x1f; t >= 1 && t <= 5 { // coded slices (ITU-T H.264 table 7-1)
			return true, t == 5
		}
	}
	return false, false
}

// trim holds the stream within its bounds of time and memory.
func (r *Recorder) trim(s *stream) {
	e, limit := r.firstEvent(s), r.cfg.RingBytes
	for _, other := range r.events {
		if other.stream != s {
			limit = max(limit-other.stream.bytes(), r.cfg.RingBytes/4)
			break
		}
	}
	if e == nil {
		limit -= limit / 4
	}
	oldest, writing := r.wanted(s)
	if !s.raw() {
		for q := &s.waiting; q.n > 0 && q.at(0).mono < oldest && (!writing || q.next > 0); {
			q.drop(1)
		}
	}
	s.packets.trim(oldest, writing)
	for s.bytes() > limit {
		r.dropOne(s, e)
	}
}

// wanted gives the time from which on pictures may be the pre-roll of an event, one that waits or one that begins now, and
// whether a clip is being written, which wants each picture that it has not taken.
func (r *Recorder) wanted(s *stream) (oldest time.Duration, writing bool) {
	oldest = max(min(s.observed, s.received), s.received-maxLag) - r.cfg.PreRoll
	for _, e := range r.events {
		switch {
		case e.stream != s || e.images:
		case e.begun:
			writing = true
		default:
			oldest = min(oldest, e.start)
		}
	}
	return oldest, writing
}

func (s *stream) bytes() int { return s.waiting.bytes + s.packets.bytes }

// dropOne drops something where it hurts least. Only what an event or a raw camera's encoder
// waits for counts as a loss: the end of the pre-roll otherwise just moves.
func (r *Recorder) dropOne(s *stream, e *event) {
	q := &s.waiting
	switch {
	case q.n == 0 || s.raw() && s.packets.bytes > q.bytes:
		if lost := s.packets.dropGroup(s.packets.group()); e != nil {
			r.drops[DropOverload] += uint64(lost)
		}
		return
	case q.next > 0, e == nil && !s.raw(): // nobody waits for it
		q.drop(1)
		return
	case e != nil && q.thin(e.first, maxGap), q.thin(forever, maxGap):
	default: // already at two a second: memory has the last word
		q.drop(1)
	}
	r.drop(DropOverload)
}

// freeDue reports whether the codecs have rested long enough to be freed.
func (r *Recorder) freeDue() bool {
	return r.freeNow || r.freeAt != 0 && r.stream != nil && r.stream.received >= r.freeAt
}
