package uploader

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelSynced reports whether the kernel's clock is disciplined by NTP, PTP or the like:
// adjtimex(2), STA_UNSYNC clear.
func kernelSynced() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	return err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
}

// bootID names this boot: the monotonic clock's zero has a meaning only within it
// (random(4), /proc/sys/kernel/random/boot_id).
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id
	}
	return processBoot()
}
