package m2m

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A device is an open V4L2 node. It is the one seam between what is decided here and the system calls, so it
// has five methods; tests put a driver of their own behind it.
type device interface {
	// ioctl repeats what a signal interrupted. Its error is a unix.Errno.
	ioctl(req uintptr, arg unsafe.Pointer) error
	mmap(offset int64, length int) ([]byte, error)
	munmap(b []byte) error
	// poll waits up to timeout for one of the events and gives those seen, 0 at the timeout or a signal.
	poll(events int16, timeout time.Duration) (revents int16, err error)
	close() error
}

// node is a real device node.
type node struct {
	fd  int
	fds [1]unix.PollFd // on the stack it would escape
}

// openNode opens a node without waiting, neither here nor in VIDIOC_DQBUF.
func openNode(path string) (device, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &node{fd: fd}, nil
	}
}

func (n *node) ioctl(req uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.fd), req, uintptr(arg))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		return nil
	}
}

func (n *node) mmap(offset int64, length int) ([]byte, error) {
	return unix.Mmap(n.fd, offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func (n *node) munmap(b []byte) error { return unix.Munmap(b) }

func (n *node) poll(events int16, timeout time.Duration) (int16, error) {
	n.fds = [1]unix.PollFd{{Fd: int32(n.fd), Events: events}}
	ms := (timeout + time.Millisecond - 1) / time.Millisecond // rounded up, or the last of it would spin
	_, err := unix.Poll(n.fds[:], int(ms))
	if err == unix.EINTR {
		return 0, nil // the caller has a clock of its own
	}
	return n.fds[0].Revents, err
}

func (n *node) close() error { return unix.Close(n.fd) }
