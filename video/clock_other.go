//go:build !linux

package video

import "time"

var start = time.Now()

// Now reads a clock that never jumps; its zero is the start of the process.
func Now() time.Duration { return time.Since(start) }
