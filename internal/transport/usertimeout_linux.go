package transport

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Control is for net.Dialer.Control: the kernel gives up the connection when sent bytes stay unacknowledged for idle
// (tcp(7), TCP_USER_TIMEOUT). Those bytes are out of the process's sight, so nothing else notices a link that dies
// while they drain. Elsewhere than on Linux it does nothing.
func Control(idle time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(idle.Milliseconds()))
		})
		if cerr != nil {
			return cerr
		}
		return err
	}
}
