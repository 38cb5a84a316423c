package board

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// hardwareWatchdog is an open /dev/watchdog. Its calls are those of Linux's Documentation/watchdog/watchdog-api.rst.
type hardwareWatchdog struct {
	fd      int
	options uint32
	timeout time.Duration
}

// openWatchdog starts the hardware's countdown. The timeout is the driver's own where it doesn't take the one asked for.
func openWatchdog(path string, timeout time.Duration) (feeder, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("watchdog %s: %w", path, ErrAbsent)
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("watchdog %s: another program has it: systemd's RuntimeWatchdogSec= or the watchdog daemon", path)
	case err != nil:
		return nil, fmt.Errorf("open watchdog %s: %w", path, err)
	}
	info, err := unix.IoctlGetWatchdogInfo(fd) // WDIOC_GETSUPPORT
	if err != nil {
		unix.Close(fd) //nolint:errcheck
		return nil, fmt.Errorf("%s is no watchdog: %w", path, err)
	}
	h := &hardwareWatchdog{fd: fd, options: info.Options}
	if h.options&unix.WDIOF_SETTIMEOUT != 0 {
		// A timeout beyond the driver's bounds is EINVAL, and the one before stays in force.
		unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, int(timeout/time.Second)) //nolint:errcheck
	}
	seconds, err := unix.IoctlGetUint32(fd, unix.WDIOC_GETTIMEOUT)
	if err != nil || seconds == 0 {
		seconds = uint32(timeout / time.Second)
	}
	h.timeout = time.Duration(seconds) * time.Second
	return h, nil
}

func (h *hardwareWatchdog) Timeout() time.Duration { return h.timeout }

func (h *hardwareWatchdog) Feed() error {
	if h.options&unix.WDIOF_KEEPALIVEPING != 0 {
		return unix.IoctlWatchdogKeepalive(h.fd)
	}
	_, err := unix.Write(h.fd, []byte{0}) // every driver takes a written byte as food
	return err
}

// Close stops the countdown with the magic "V" (watchdog-api.rst, "Magic Close feature"); a kernel built or told
// to go on regardless (nowayout) does so.
func (h *hardwareWatchdog) Close() error {
	var err error
	if h.options&unix.WDIOF_MAGICCLOSE != 0 {
		_, err = unix.Write(h.fd, []byte{'V'})
	}
	return errors.Join(err, unix.Close(h.fd))
}
