//go:build !linux

package board

import (
	"fmt"
	"time"
)

func openWatchdog(path string, _ time.Duration) (feeder, error) {
	return nil, fmt.Errorf("watchdog %s: %w", path, ErrAbsent)
}
