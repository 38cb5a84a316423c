package clip

import (
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/codec/mp4"
	"camward/video"
)

// spoolPause is how long after a failure of the spool the next attempt waits, unless
// the event is over before.
const spoolPause = 3 * time.Second

// A worker encodes and writes what the recorder has taken in. Its fields belong to its goroutine.
type worker struct {
	r     *Recorder
	codec codec
	file  *file // the open clip, nil if there is none
	down  bool  // the last attempt on the spool failed, and the log says so
}

// A task is the next thing for the worker to do.
type task struct {
	kind   taskKind
	event  *event
	stream *stream
	pic    picture // with a reference of the task's own
	still  still
	change EventChange
}

type taskKind int

const (
	taskNone taskKind = iota
	taskTell          // that an event has begun or ended
	taskStill
	taskEncode // a picture of an MJPEG camera, into the clip
	taskQueue  // a picture of a raw camera, into the ring of packets
	taskWrite  // a packet, into the clip
	taskFinish // the event is over
	taskFree
	taskEnd
)

func (w *worker) run() {
	w.codec.bitrate = w.r.cfg.Bitrate
	defer w.codec.free()
	for w.do(w.r.nextTask(w.codec.used())) {
	}
}

// do does one task, and reports whether there may be another.
func (w *worker) do(t task) bool {
	switch t.kind {
	case taskNone:
		<-w.r.wake
	case taskTell:
		w.r.onEvent(t.change)
	case taskStill:
		w.writeStill(t.still)
	case taskEncode:
		w.encode(t)
	case taskQueue:
		w.queue(t)
	case taskWrite:
		w.passOn(t)
	case taskFinish:
		w.close(t.event, t.event.next)
	case taskFree:
		w.codec.free()
	case taskEnd:
		return false
	}
	return true
}

// nextTask decides what comes next: pictures first, as they are quick and hold frames.
func (r *Recorder) nextTask(codecUsed bool) task {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.changes) > 0 {
		c := r.changes[0]
		r.changes = slices.Delete(r.changes, 0, 1)
		return task{kind: taskTell, change: c}
	}
	if len(r.stills) > 0 {
		st := r.stills[0]
		r.stills = slices.Delete(r.stills, 0, 1)
		return task{kind: taskStill, still: st}
	}
	if len(r.events) > 0 {
		if t := r.nextOf(r.events[0]); t.kind != taskNone {
			return t
		}
	}
	if s := r.stream; s != nil && s.raw() && s.waiting.n > 0 {
		return task{kind: taskQueue, stream: s, pic: s.waiting.pop()}
	}
	if r.closing && len(r.events) == 0 {
		return task{kind: taskEnd}
	}
	return r.nextFree(codecUsed)
}

func (r *Recorder) nextFree(codecUsed bool) task {
	if codecUsed && r.freeAt == 0 && r.stream != nil {
		r.freeAt = r.stream.received + keepCodec
	}
	if !r.freeDue() || len(r.events) > 0 {
		return task{}
	}
	r.freeAt, r.freeNow = 0, false
	if !codecUsed {
		return task{}
	}
	return task{kind: taskFree}
}

// nextOf decides what to do for the oldest event.
func (r *Recorder) nextOf(e *event) task {
	s := e.stream
	switch {
	case e.images:
		if r.over(e) {
			return r.ended(e)
		}
		return task{}
	case e.retryAt > s.received && !s.closed:
		return task{}
	case s.raw() || s.passesThrough():
		return r.nextPacket(e)
	}
	q := &s.waiting
	if !e.begun {
		q.rewind(e.start)
		e.begun = q.left() > 0
	}
	switch {
	case q.left() > 0 && q.at(q.next).mono <= r.end(e):
		return task{kind: taskEncode, event: e, stream: s, pic: q.take()}
	case s.closed || q.left() > 0 && r.over(e):
		return r.ended(e)
	}
	return task{}
}

// nextPacket is nextOf for streams whose pictures pass through the ring of packets.
func (r *Recorder) nextPacket(e *event) task {
	s := e.stream
	q := &s.packets
	if !e.begun && q.n > 0 {
		q.rewind(e.start)
		e.begun = true
	}
	switch {
	case q.next < q.n && q.at(q.next).mono <= r.end(e):
		return task{kind: taskWrite, event: e, stream: s, pic: q.take()}
	case q.next < q.n && r.over(e):
		return r.ended(e)
	case q.next < q.n:
		return task{}
	case s.waiting.n > 0 && s.waiting.at(0).mono <= r.end(e):
		return task{kind: taskQueue, stream: s, pic: s.waiting.pop()}
	case s.closed || s.waiting.n > 0 && r.over(e):
		return r.ended(e)
	}
	return task{}
}

// ended makes sure that the event has its snapshot and that nothing extends it any more.
func (r *Recorder) ended(e *event) task {
	r.snapshot(e, true)
	r.remove(e)
	if !slices.ContainsFunc(r.events, func(o *event) bool { return o.id == e.id }) {
		e.whole.Ended = true
		r.tell(e.whole)
	}
	return task{kind: taskFinish, event: e}
}

// remove takes an event off the list, and its stream with it if nothing else needs that.
func (r *Recorder) remove(e *event) {
	r.events = slices.DeleteFunc(r.events, func(o *event) bool { return o == e })
	e.forget(forever)
	r.releaseUnused(e.stream)
}

// encode makes a packet of a camera's JPEG and adds it to the clip.
func (w *worker) encode(t task) {
	f := t.pic.frame
	defer f.Release()
	if t.event.abandoned {
		w.r.count(DropSpool)
		return
	}
	c := w.file
	full := c != nil && f.Mono-c.start+c.step/2 >= w.r.cfg.MaxLength // at the picture nearest to it
	p, err := w.codec.encode(f, c == nil || full)
	if err == nil && c == nil && !p.Key { // hardware may give the key picture later, but begins with one
		w.codec.closeEncoder()
		p, err = w.codec.encode(f, true)
	}
	w.used(f.Mono)
	if err != nil {
		w.refused(t.stream, err)
		return
	}
	if full && p.Key {
		w.close(t.event, p.Mono)
	}
	w.write(t.event, nil, p)
	w.offer(t.event, t.pic)
}

// queue makes a packet of a raw picture and puts it into the ring, in memory that those before it have left.
func (w *worker) queue(t task) {
	f := t.pic.frame
	defer f.Release()
	p, err := w.codec.encode(f, false)
	w.used(f.Mono)
	if err != nil {
		w.refused(t.stream, err)
		return
	}
	s := t.stream
	unit := s.pool.Get(len(p.Data))
	copy(unit.Data, p.Data)
	unit.Format, unit.Mono, unit.Seq = s.format, p.Mono, p.Seq
	unit.Format.FourCC, unit.Format.Stride = video.H264, 0
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if s.released || !s.packets.push(picture{frame: unit, mono: p.Mono, size: cap(unit.Data), key: p.Key}) {
		unit.Release()
	}
}

// passOn adds a packet of the ring to the clip.
func (w *worker) passOn(t task) {
	f := t.pic.frame
	defer f.Release()
	p := video.Packet{Data: f.Data, Mono: f.Mono, Seq: f.Seq, Key: t.pic.key}
	switch c := w.file; {
	case t.event.abandoned, c == nil && !p.Key:
		w.r.count(DropSpool)
		return
	case c != nil && p.Key && p.Mono-c.start+c.keyGap > w.r.cfg.MaxLength+c.step/2:
		w.close(t.event, p.Mono)
	}
	w.write(t.event, t.pic.sets, p)
	if p.Key {
		w.offer(t.event, t.pic)
	}
}

// write adds a packet to the clip, beginning one if none is open or if the packet needs other parameter sets. It keeps nothing of the
// packet. The given sets are those of a camera whose packets may lack their own.
func (w *worker) write(e *event, given *sets, p video.Packet) {
	if c := w.file; c != nil && p.Key && given != nil && !given.equal(c.sets.sps, c.sets.pps) {
		w.close(e, p.Mono)
	}
	if w.file == nil {
		w.create(e, given, p)
		return
	}
	err := w.file.write(p)
	switch {
	case err == nil:
	case w.file.spoolErr != nil:
		w.r.lose(DropSpool, err)
		w.spoolFailed(e, err)
	case errors.Is(err, mp4.ErrParameterSets) && p.Key:
		w.close(e, p.Mono)
		w.create(e, given, p)
	default:
		w.r.lose(DropUndecodable, err)
	}
}

// create begins a clip with a key packet.
func (w *worker) create(e *event, given *sets, p video.Packet) {
	m := w.media(camio.KindClip, p.Mono, camio.UploadVideo)
	m.Event = e.id
	f, err := createFile(w.r.spool, m, p, given)
	var loss *lossError
	switch {
	case errors.As(err, &loss):
		w.r.lose(loss.why, err)
	case err != nil:
		w.r.lose(DropSpool, err)
		w.spoolFailed(e, err)
	default:
		w.file = f
		w.spoolWorks()
		w.r.begun(e, p.Mono)
	}
}

// close finishes the open clip, if there is one. The next clip's first picture, if one follows
// without a gap, comes at next.
func (w *worker) close(e *event, next time.Duration) {
	c := w.file
	if c == nil {
		return
	}
	defer c.poster.release()
	w.poster(e, c) // first: it is small, and says what the clip shows
	if d, ok := c.rec.(describer); ok {
		if t := w.r.trackOf(e, c.start, c.last); t != nil {
			d.Describe(t)
		}
	}
	err := c.finish(next)
	w.file = nil
	w.r.setRecording(false)
	if err != nil {
		w.spoolError(err)
		return
	}
	w.r.mu.Lock()
	w.r.status.Clips++
	w.r.mu.Unlock()
	w.r.log.Info("clip finished", zap.String("event", e.id), zap.Duration("mono", c.start), zap.Duration("length", c.mux.Duration()))
}

// spoolFailed abandons the open clip. The event goes on in another one a little later.
func (w *worker) spoolFailed(e *event, err error) {
	if w.file != nil {
		_ = w.file.rec.Discard() // the failure before says it all
		w.file.poster.release()
		w.file = nil
		w.r.setRecording(false)
	}
	w.spoolError(err)
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	s := e.stream
	e.failures++
	e.abandoned = s.closed || w.r.over(e) && e.failures > 1
	e.retryAt = s.received + spoolPause
	s.packets.rewind(s.packets.taken) // the next clip needs a key picture, and the ring still has the last
}

// spoolError counts a recording that was lost. A repeated fault is logged once.
func (w *worker) spoolError(err error) {
	if !w.down {
		w.r.log.Error("recording lost: the spool does not take it", zap.Error(err))
	}
	w.down = true
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.r.status.Failures++
	w.r.status.LastError = err.Error()
}

func (w *worker) spoolWorks() {
	if w.down {
		w.r.log.Info("spool takes recordings again")
	}
	w.down = false
}

// refused counts a picture that the codec could not use. Without an encoder the stream's events go on
// as pictures.
func (w *worker) refused(s *stream, err error) {
	var loss *lossError
	if errors.As(err, &loss) {
		w.r.lose(loss.why, err)
		return
	}
	w.r.log.Warn("no H.264 encoder: events are recorded as pictures", zap.Error(err))
	w.r.withoutEncoder(s, err)
}

// used notes that the codec was used for a picture of that time.
func (w *worker) used(mono time.Duration) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.r.freeAt = mono + keepCodec
}

func (w *worker) media(k camio.Kind, mono time.Duration, mode camio.UploadMode) camio.Media {
	return camio.Media{
		Camera: w.r.camera, CameraID: w.r.cameraID, Kind: k, Mode: mode, Mono: mono, Rotation: w.r.cfg.Rotation,
	}
}

func (r *Recorder) setRecording(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recording = on
}

// count counts a lost picture.
func (r *Recorder) count(why Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drops[why]++
}
