package uploader

import (
	"sync"
	"time"

	"camward/video"
)

// A Clock turns the monotonic stamps of frames into wall-clock time. Wall gives the best guess for a
// stamp of this boot (video.Now's clock) and whether it can be relied on. Calls may come from any goroutine.
type Clock interface {
	Wall(mono time.Duration) (t time.Time, trusted bool)
}

// agreement is how far the cloud's Date header and the system's clock may differ.
const agreement = 5 * time.Minute

// A SystemClock trusts the system's time when the kernel says that it is synchronised, or when the
// cloud's Date header agreed with it and it was not stepped since. Safe for concurrent use.
type SystemClock struct {
	now    func() time.Time
	mono   func() time.Duration
	synced func() bool

	mu     sync.Mutex
	agreed bool
	offset time.Duration // wall minus monotonic when the cloud agreed
}

// NewClock returns the clock of this device.
func NewClock() *SystemClock {
	return &SystemClock{now: time.Now, mono: video.Now, synced: kernelSynced}
}

// Wall implements Clock.
func (c *SystemClock) Wall(mono time.Duration) (time.Time, bool) {
	offset := c.current()
	t := time.Unix(0, int64(offset+mono)).UTC()
	if c.synced() {
		return t, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return t, c.agreed && (offset-c.offset).Abs() <= agreement
}

// Observe takes the Date header of an answer that has just come from the cloud.
func (c *SystemClock) Observe(date time.Time) {
	if date.IsZero() {
		return
	}
	offset := c.current()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agreed = c.now().Sub(date).Abs() <= agreement
	c.offset = offset
}

// current is the offset of wall-clock time from the monotonic clock.
func (c *SystemClock) current() time.Duration {
	return time.Duration(c.now().UnixNano()) - c.mono()
}
