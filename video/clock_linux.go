package video

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now reads CLOCK_MONOTONIC, the clock that V4L2 stamps frames with. It never jumps and does not
// count time spent suspended.
func Now() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		panic("video: CLOCK_MONOTONIC cannot be read")
	}
	return time.Duration(ts.Nano())
}
