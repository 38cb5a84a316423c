//go:build !linux

package transport

import (
	"syscall"
	"time"
)

// Control does nothing here.
func Control(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
