//go:build !unix

package ftpd

import "syscall"

// keepUrgentInline does nothing here: ABOR sent as urgent data may be lost.
func keepUrgentInline(_, _ string, _ syscall.RawConn) error { return nil }
