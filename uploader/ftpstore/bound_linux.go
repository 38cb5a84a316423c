package ftpstore

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bound makes the kernel give up a connection when sent bytes stay unacknowledged for that
// long (tcp(7), TCP_USER_TIMEOUT). Bytes that the process has handed over are out of its sight, so nothing
// else notices a link that dies while they drain.
func bound(idle time.Duration) func(network, address string, c syscall.RawConn) error {
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
