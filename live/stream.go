package live

import (
	"slices"
	"time"

	"github.com/pion/rtp/codecs"
	"go.uber.org/zap"

	"camward/video"
)

// A stream is what the loop keeps between pictures. It belongs to the loop's goroutine.
type stream struct {
	c        *camera
	coder    coder
	payloads codecs.H264Payloader // copies what it is given
	time     timeline
	last     *video.Frame // the newest, to begin with when a viewer comes; never H.264
	plan     plan
	thinner  thinner
	passes   bool      // the camera encodes
	keyAt    time.Time // of the last key picture
	own      passed    // of a camera that encodes
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
		s.forget()
		s.pass(viewers, f)
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

// again encodes the last picture once more as a key picture, so that a new viewer need not wait for the next. A camera that
// encodes is asked for one.
func (s *stream) again() {
	if s.last != nil && int64(s.last.Mono) <= s.c.past.Load() {
		s.forget()
	}
	_, viewers, w := s.c.state()
	switch {
	case len(viewers) == 0:
	case s.last != nil:
		s.encode(viewers, s.last, s.time.again(s.last.Mono), true)
	case s.passes:
		s.requestKey(w)
	}
}

func (s *stream) keyDue(w wish) bool { return w == now || w == soon && time.Since(s.keyAt) >= keyPause }

// format notes what the camera delivers.
func (s *stream) format(f video.Format) {
	s.c.mu.Lock()
	same := s.c.status.Format == f
	s.c.status.Format = f
	s.c.mu.Unlock()
	s.passes = f.FourCC == video.H264
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
	if s.passes {
		c.status.Target = 0 // the camera decides
	}
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
