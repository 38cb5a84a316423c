//go:build unix

package ftpd

import "syscall"

// keepUrgentInline makes urgent data arrive in its place: clients send the Telnet DM before ABOR, or as Python's ftplib the end of
// the ABOR line itself, as urgent, and it would be lost otherwise. Accepted connections inherit it.
func keepUrgentInline(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
	}); e != nil {
		return e
	}
	return err
}
