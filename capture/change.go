package capture

import (
	"time"

	"go.uber.org/zap"

	"camward/video"
)

// A Change says that a camera was found or lost.
type Change struct {
	Found        bool          // there is a good picture; else the camera has failed
	Mono         time.Duration // when, on CLOCK_MONOTONIC: the picture's stamp, or when the failure was seen
	Device, Card string        // as in Status; of a camera that was never open they are empty
	Format       video.Format  // as granted; zero when lost
	Err          error         // why the camera is lost; nil when found
}

// OnChange has fn called whenever the camera is found or lost, from Run's goroutine: fn must not block. Found comes with the first
// good picture after an open, before that picture is published; lost when a run that had found one fails, or when the first attempt of
// this process does. The same is never told twice in a row. Call it before Run.
func (c *Camera) OnChange(fn func(Change)) { c.onChange = fn }

// SetDetection names the hub of what the detector is to look at: the frames of a second node while one is open, else every frame that
// the camera's own hub gets. Without one, or with nil, nothing is published for detection, and no second node is opened. Call it before
// Run.
func (c *Camera) SetDetection(hub *Hub) { c.detect = hub }

// presence is what was last told of a camera.
type presence int

const (
	toldNothing presence = iota
	toldFound
	toldLost
)

// found notes the first good picture of an attempt.
func (c *Camera) found(f *video.Frame) {
	c.good, c.firstAt = true, time.Now()
	c.unwatch()
	st := c.Status()
	if st.Format.FourCC == 0 { // nothing was granted
		st.Format = f.Format
	}
	if s := (sighting{st.Device, st.Card, st.Format.FourCC, st.Format.Width, st.Format.Height}); s != c.sighting || !c.report.silent {
		c.log.Info("camera found", zap.String("device", st.Device), zap.String("card", st.Card), zap.Stringer("format", st.Format))
		c.sighting = s
	}
	c.tell(toldFound, Change{Found: true, Mono: f.Mono, Device: st.Device, Card: st.Card, Format: st.Format})
}

// A sighting is what a camera was last found as.
type sighting struct {
	device, card  string
	fourcc        video.FourCC
	width, height int
}

// lost notes a failed attempt.
func (c *Camera) lost(err error) {
	st := c.Status()
	c.tell(toldLost, Change{Mono: video.Now(), Device: st.Device, Card: st.Card, Err: err})
}

func (c *Camera) tell(p presence, ch Change) {
	if c.presence == p {
		return
	}
	c.presence = p
	if c.onChange != nil {
		c.onChange(ch)
	}
}
