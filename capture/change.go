package capture

import (
	"time"

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
// good picture after an open, lost when a run that had found one fails, or when the first attempt of this process does. The same is never
// told twice in a row. Call it before Run.
func (c *Camera) OnChange(fn func(Change)) { c.onChange = fn }

// SetDetection names the hub of what the detector is to look at: the frames of a second node while one is open, else every frame that
// the camera's own hub gets. Without one, or with nil, nothing is published for detection. Call it before Run.
func (c *Camera) SetDetection(hub *Hub) { c.detect = hub }
