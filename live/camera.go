package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp/codecs"
	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/video"
)

const (
	// sourceDepth pictures may wait for the encoder: of pictures that it has to encode it takes the newest, so more would only
	// be thrown away, but the camera's own H.264 must not have holes.
	sourceDepth = 8
	// payloadSize keeps a packet, with RTP header and extensions, SRTP tag, UDP and IPv6, within the 1280 bytes that IPv6
	// carries everywhere.
	payloadSize = 1160
	// keyPause is the least time between key pictures that viewers ask for. One for a new viewer need not wait.
	keyPause = 500 * time.Millisecond
	// crashPause is the least time between a panic of the loop and its next beginning.
	crashPause = time.Second
)

// A wish is how much a key picture is wanted.
type wish int

const (
	none wish = iota
	soon      // as soon as keyPause allows
	now       // with the next picture, or from the last one
)

// A unit is one picture as packets, shared by all viewers and never changed.
type unit struct {
	payloads  [][]byte // of RTP packets (RFC 6184)
	timestamp uint32   // 90 kHz, of the capture
	key       bool
}

// A camera is one source and its one encoder. Its loop runs from the first viewer until timing.free after the last.
type camera struct {
	name    string
	src     Source
	cfg     Config
	timing  timing
	newEnc  func(h264.Config) (encoder, error)
	log     *zap.Logger
	changed chan struct{} // holds one: viewers or wish have changed

	mu      sync.Mutex
	running bool
	watched int       // sessions, connected or not
	viewers []*viewer // connected
	wish    wish
	status  CameraStatus
}

func newCamera(name string, src Source, cfg Config, t timing, newEnc func(h264.Config) (encoder, error), log *zap.Logger) *camera {
	return &camera{
		name: name, src: src, cfg: cfg, timing: t, newEnc: newEnc, log: log, changed: make(chan struct{}, 1),
		status: CameraStatus{Name: name},
	}
}

// ready says why a viewer would see nothing.
func (c *camera) ready() error {
	f, ok := video.Format{}, true
	if t, tells := c.src.(Teller); tells {
		f, ok = t.Format()
	}
	switch {
	case !ok:
		return ErrNoPicture
	case !h264.Available && f.FourCC != video.H264:
		return ErrNoEncoder
	}
	return nil
}

// startBitrate is what a new viewer is believed to take until there is an estimate.
func (c *camera) startBitrate() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.status.Format
	if f.Width == 0 {
		if t, tells := c.src.(Teller); tells {
			f, _ = t.Format()
		}
	}
	return max(c.cfg.MinBitrate, ceiling(c.cfg, f)*100/useful)
}

// watch counts a session in, and reports whether the loop has to be started for it.
func (c *camera) watch() (start bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched++
	start, c.running = !c.running, true
	c.notify()
	return start
}

// unwatch counts a session out.
func (c *camera) unwatch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched--
	c.notify()
}

// retire ends the loop: for good, or unless someone watches.
func (c *camera) retire(forGood bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watched > 0 && !forGood {
		return false
	}
	c.running = false
	c.status.Bitrate, c.status.Rate, c.status.Target = 0, 0, 0
	return true
}

// join begins to send to a viewer, with a key picture at once.
func (c *camera) join(v *viewer) {
	v.needKey.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.viewers = append(c.viewers, v)
	c.wish = now
	c.notify()
}

// part ends sending to a viewer.
func (c *camera) part(v *viewer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.viewers, v); i >= 0 {
		c.viewers = slices.Delete(slices.Clone(c.viewers), i, i+1) // the loop may hold the old one
	}
	c.notify()
}

func (c *camera) wantKey(w wish) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wish = max(c.wish, w)
	c.notify()
}

func (c *camera) notify() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *camera) state() (watched bool, viewers []*viewer, w wish) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watched > 0, c.viewers, c.wish
}

// run is the camera's loop. A panic in it, be it over bytes that nobody has thought of, ends the viewers and begins the loop anew: the
// device has more to do than to show pictures.
func (c *camera) run(ctx context.Context) {
	for !c.loop(ctx) {
		select {
		case <-ctx.Done():
		case <-time.After(crashPause):
		}
	}
}

// crashed takes note of a panic, to be called with what recover returned.
func (c *camera) crashed(reason any) {
	c.log.Error("live view of the camera failed and begins anew", zap.Any("panic", reason), zap.Stack("stack"))
	c.mu.Lock()
	c.status.Crashes++
	viewers := c.viewers
	c.mu.Unlock()
	for _, v := range viewers {
		v.end("the camera's live view failed")
	}
}

// loop runs until ctx ends, or for timing.free after the last viewer has gone; done is false after a panic. It subscribes while
// there are sessions, so that the newest picture is at hand when one is connected, and decodes and encodes while there are
// viewers.
func (c *camera) loop(ctx context.Context) (done bool) {
	defer func() {
		if r := recover(); r != nil {
			c.crashed(r)
		}
	}()
	s := stream{c: c, coder: coder{newEnc: c.newEnc}}
	var frames <-chan *video.Frame
	stop := func() {}
	defer func() {
		stop()
		s.free()
	}()
	adjust := time.NewTicker(c.timing.adjust)
	defer adjust.Stop()
	idle := time.NewTimer(c.timing.free)
	defer idle.Stop()
	for {
		switch watched, _, w := c.state(); {
		case watched && frames == nil:
			frames, stop = c.src.Subscribe(sourceDepth)
			idle.Stop()
		case !watched && frames != nil:
			stop()
			frames, stop = nil, func() {}
			s.forget()
			idle.Reset(c.timing.free)
		case watched && w == now:
			s.again()
		}
		select {
		case <-ctx.Done():
			c.retire(true)
			return true
		case f := <-frames:
			s.take(newest(f, frames))
		case <-c.changed:
		case <-adjust.C:
			s.adjust()
		case <-idle.C:
			if c.retire(false) {
				return true
			}
		}
	}
}

// newest passes over pictures that came while the last one was being encoded. Those that refer to each other must all go.
func newest(f *video.Frame, frames <-chan *video.Frame) *video.Frame {
	for f.Format.FourCC != video.H264 {
		select {
		case next := <-frames:
			f.Release()
			f = next
		default:
			return f
		}
	}
	return f
}

// A stream is what the loop keeps between pictures. It belongs to the loop's goroutine.
type stream struct {
	c        *camera
	coder    coder
	payloads codecs.H264Payloader
	time     timeline
	last     *video.Frame // the newest, to begin with when a viewer comes; never H.264
	plan     plan
	thinner  thinner
	keyAt    time.Time // of the last key picture
	sps, pps []byte    // of an H.264 camera
	fault    string    // logged last

	bytes, pictures uint64 // since measured
	measured        time.Time
}

// free gives everything back.
func (s *stream) free() {
	s.forget()
	s.coder.free()
}

// forget gives back the newest picture.
func (s *stream) forget() {
	if s.last != nil {
		s.last.Release()
		s.last = nil
	}
}

// take uses a picture and owns its reference.
func (s *stream) take(f *video.Frame) {
	_, viewers, w := s.c.state()
	s.format(f.Format)
	if f.Format.FourCC == video.H264 {
		defer f.Release()
		if len(viewers) > 0 {
			s.pass(viewers, f)
		}
		return
	}
	s.forget()
	s.last = f
	if len(viewers) == 0 {
		return
	}
	key := s.keyDue(w)
	if s.thinner.due(f.Mono, s.plan.rate) || w == now {
		s.encode(viewers, f, s.time.at(f.Mono), key)
	}
}

// again encodes the last picture once more as a key picture, so that a new viewer need not wait for the next.
func (s *stream) again() {
	_, viewers, _ := s.c.state()
	if s.last != nil && len(viewers) > 0 {
		s.encode(viewers, s.last, s.time.again(s.last.Mono), true)
	}
}

func (s *stream) keyDue(w wish) bool { return w == now || w == soon && time.Since(s.keyAt) >= keyPause }

// format notes what the camera delivers.
func (s *stream) format(f video.Format) {
	s.c.mu.Lock()
	same := s.c.status.Format == f
	s.c.status.Format = f
	s.c.mu.Unlock()
	if !same || s.plan.bitrate == 0 {
		s.plan = makePlan(s.c.cfg, f, s.worst(), plan{})
	}
}

// worst is the least that a viewer can take, bits per second; what no encoder reaches without viewers.
func (s *stream) worst() int {
	_, viewers, _ := s.c.state()
	worst := highest
	for _, v := range viewers {
		worst = min(worst, v.estimate())
	}
	return worst
}

// encode makes a picture and hands it out.
func (s *stream) encode(viewers []*viewer, f *video.Frame, at time.Duration, key bool) {
	p, err := s.coder.encode(f, at, s.plan, key)
	if err != nil {
		s.report(err)
		return
	}
	s.send(viewers, p.Data, at, p.Key)
}

// pass hands out a picture that the camera has encoded.
func (s *stream) pass(viewers []*viewer, f *video.Frame) {
	data, key := f.Data, false
	for nal := range h264.NALs(f.Data) {
		key = key || nal[0]&0x1f == 5 // an IDR slice (7.4.1)
	}
	if sps, pps := h264.ParameterSets(f.Data); sps != nil && pps != nil {
		s.sps, s.pps = slices.Clone(sps), slices.Clone(pps)
	} else if key && s.sps != nil {
		data = slices.Concat([]byte{0, 0, 0, 1}, s.sps, []byte{0, 0, 0, 1}, s.pps, f.Data)
	}
	s.send(viewers, data, s.time.at(f.Mono), key)
}

func (s *stream) send(viewers []*viewer, annexB []byte, at time.Duration, key bool) {
	u := &unit{payloads: s.payloads.Payload(payloadSize, annexB), timestamp: rtpTime(at), key: key}
	if len(u.payloads) == 0 {
		return
	}
	c := s.c
	c.mu.Lock()
	if key {
		s.keyAt = time.Now()
		if c.viewersAre(viewers) {
			c.wish = none
		}
		c.status.Keys++
	}
	c.status.Pictures++
	c.mu.Unlock()
	s.pictures++
	s.bytes += uint64(len(annexB))
	for _, v := range viewers {
		if v.offer(u) {
			c.wantKey(soon)
		}
	}
}

// viewersAre reports whether no viewer has come since the list was taken. The caller holds c.mu.
func (c *camera) viewersAre(viewers []*viewer) bool {
	for _, v := range c.viewers {
		if !slices.Contains(viewers, v) {
			return false
		}
	}
	return true
}

// adjust follows the viewers' bandwidth.
func (s *stream) adjust() {
	c := s.c
	elapsed := time.Since(s.measured).Seconds()
	bits, pictures := float64(s.bytes)*8, float64(s.pictures)
	s.bytes, s.pictures, s.measured = 0, 0, time.Now()
	worst := s.worst()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Format.Width > 0 {
		s.plan = makePlan(c.cfg, c.status.Format, worst, s.plan)
	}
	c.status.Bitrate, c.status.Rate, c.status.Target = 0, 0, s.plan.bitrate
	if elapsed > 0 && elapsed < 60 {
		c.status.Bitrate, c.status.Rate = int(bits/elapsed), pictures/elapsed
	}
}

// report logs a fault once until another comes.
func (s *stream) report(err error) {
	s.c.mu.Lock()
	s.c.status.Faults++
	s.c.mu.Unlock()
	if text := err.Error(); text != s.fault {
		s.fault = text
		s.c.log.Warn("picture left out of live view", zap.Error(err))
	}
}
