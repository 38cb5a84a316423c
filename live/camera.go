package live

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
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
	// trialAge is how long it is believed that the board has an encoder, or none.
	trialAge = time.Minute
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
	newEnc  h264.Factory
	log     *zap.Logger
	changed chan struct{} // holds one: viewers or wish have changed
	past    atomic.Int64  // no picture stamped so, in ns, or earlier is shown a second time

	mu      sync.Mutex
	running bool
	watched int       // sessions, connected or not
	viewers []*viewer // connected
	wish    wish
	status  CameraStatus
	able    bool      // where no encoder is built in: the board has one
	tried   time.Time // that was found out
}

func newCamera(name string, src Source, cfg Config, t timing, newEnc h264.Factory, log *zap.Logger) *camera {
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
	case f.FourCC != video.H264 && !c.encodes(f):
		return ErrNoEncoder
	}
	return nil
}

// encodes reports whether there is an encoder. Where none is built in, it depends on the board, and one is made to see; the
// answer holds for trialAge.
func (c *camera) encodes(f video.Format) bool {
	if h264.Available {
		return true
	}
	c.mu.Lock()
	able, at := c.able, c.tried
	c.mu.Unlock()
	if !at.IsZero() && time.Since(at) < trialAge {
		return able
	}
	cfg := h264.Config{Width: 640, Height: 480, Rate: sourceRate(c.cfg, f), Bitrate: ceiling(c.cfg, f)}
	if f.Width > 0 && f.Height > 0 {
		cfg.Width, cfg.Height = f.Width, f.Height
	}
	enc, err := c.newEnc(cfg)
	if able = err == nil; able {
		enc.Close()
	} else {
		c.log.Debug("no encoder", zap.Error(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.able, c.tried = able, time.Now()
	return able
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
	s := stream{c: c, coder: coder{newEnc: c.newEnc}, payloads: codecs.H264Payloader{DisableStapA: true}}
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
