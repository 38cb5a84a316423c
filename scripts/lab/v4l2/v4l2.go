// Package v4l2 makes the few V4L2 calls that the lab's own programs in the guest need: they feed vivid, press its fault
// buttons and look at what a driver answers. The agent has a streaming layer of its own, and shares nothing with this one.
package v4l2

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Kind is a buffer type: which way pictures go.
type Kind uint32

// The buffer types in use (enum v4l2_buf_type).
const (
	Capture Kind = 1
	Output  Kind = 2
)

// FlagError marks a buffer whose picture is broken (V4L2_BUF_FLAG_ERROR).
const FlagError = 0x40

const (
	memoryMMAP     = 1
	fieldNone      = 1
	nextControl    = 0x80000000
	dvTimingsBT    = 0
	colorspaceSRGB = 8
)

// Directions of an ioctl (include/uapi/asm-generic/ioctl.h).
const (
	write     = 1
	read      = 2
	readWrite = read | write
)

// FourCC is a pixel format's code, of four characters.
func FourCC(name string) uint32 {
	return uint32(name[0]) | uint32(name[1])<<8 | uint32(name[2])<<16 | uint32(name[3])<<24
}

// A Node is an open /dev/videoN. It isn't an os.File: that would poll the device, and polling a node
// that doesn't stream yet starts the driver's read() emulation, which makes it busy.
type Node struct {
	fd   int
	path string
}

// Open opens a device node without waiting for anything; DQBUF on it does not block if nonblock is set.
func Open(path string, nonblock bool) (Node, error) {
	flags := unix.O_RDWR | unix.O_CLOEXEC
	if nonblock {
		flags |= unix.O_NONBLOCK
	}
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		return Node{}, fmt.Errorf("open %s: %w", path, err)
	}
	return Node{fd, path}, nil
}

// Close closes the node.
func (n Node) Close() error { return unix.Close(n.fd) }

// ioctl makes request number nr of V4L2's group 'V'. The error wraps the kernel's errno.
func ioctl[T any](n Node, what string, dir, nr uintptr, arg *T) error {
	request := dir<<30 | unsafe.Sizeof(*arg)<<16 | 'V'<<8 | nr
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.fd), request, uintptr(unsafe.Pointer(arg)))
	runtime.KeepAlive(arg)
	if errno != 0 {
		return fmt.Errorf("%s: %s: %w", n.path, what, errno)
	}
	return nil
}

// SetInput selects one of the device's inputs.
func (n Node) SetInput(i int32) error { return ioctl(n, "set input", readWrite, 39, &i) }

// SetOutput selects one of the device's outputs.
func (n Node) SetOutput(i int32) error { return ioctl(n, "set output", readWrite, 47, &i) }

// SetVGA selects 640x480 at 60 Hz (CEA-861 format 1).
func (n Node) SetVGA() error {
	t := dvTimings{kind: dvTimingsBT, width: 640, height: 480, pixelClockLow: 25_175_000,
		hfront: 16, hsync: 96, hback: 48, vfront: 10, vsync: 2, vback: 33}
	return ioctl(n, "set timings", readWrite, 87, &t)
}

// SetControl sets the control of that name, case ignored.
func (n Node) SetControl(name string, value int32) error {
	for q := (queryControl{id: nextControl}); ; q.id |= nextControl {
		if err := ioctl(n, "find control "+name, readWrite, 36, &q); err != nil {
			return err
		}
		if got, _, _ := bytes.Cut(q.name[:], []byte{0}); strings.EqualFold(string(got), name) {
			return ioctl(n, "set "+name, readWrite, 28, &control{q.id, value})
		}
	}
}

// SetControlID sets the control of that number, which need not be listed.
func (n Node) SetControlID(id uint32, value int32) error {
	return ioctl(n, fmt.Sprintf("set control %#x", id), readWrite, 28, &control{id, value})
}

// SetFormat asks for a format and gives what was granted: size, code and bytes a picture.
func (n Node) SetFormat(kind Kind, width, height, fourcc uint32) (w, h, code uint32, size int, err error) {
	f := pixFormat{kind: kind}
	f.pix.width, f.pix.height, f.pix.fourcc, f.pix.field, f.pix.colorspace = width, height, fourcc, fieldNone, colorspaceSRGB
	err = ioctl(n, "set format", readWrite, 5, &f)
	return f.pix.width, f.pix.height, f.pix.fourcc, int(f.pix.sizeImage), err
}

// MapBuffers allocates buffers and maps them.
func (n Node) MapBuffers(kind Kind, count uint32) ([][]byte, error) {
	r := requestBuffers{count: count, kind: kind, memory: memoryMMAP}
	if err := ioctl(n, "request buffers", readWrite, 8, &r); err != nil {
		return nil, err
	}
	bufs := make([][]byte, r.count)
	for i := range bufs {
		b := buffer{index: uint32(i), kind: kind, memory: memoryMMAP}
		if err := ioctl(n, "query buffer", readWrite, 9, &b); err != nil {
			return nil, err
		}
		m, err := unix.Mmap(n.fd, int64(uint32(b.offset)), int(b.rest[0]), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("%s: map buffer: %w", n.path, err)
		}
		bufs[i] = m
	}
	return bufs, nil
}

// Queue hands buffer i to the driver: to be shown after those queued before it, or to be filled.
func (n Node) Queue(kind Kind, i, used int) error {
	b := buffer{index: uint32(i), kind: kind, memory: memoryMMAP, used: uint32(used), field: fieldNone}
	return ioctl(n, "queue buffer", readWrite, 15, &b)
}

// A Buffer is what the driver says of one that it gives back.
type Buffer struct {
	Index, Used int
	Flags       uint32
	Sequence    uint32
}

// Dequeue takes the next buffer that is done.
func (n Node) Dequeue(kind Kind) (Buffer, error) {
	b := buffer{kind: kind, memory: memoryMMAP}
	err := ioctl(n, "dequeue buffer", readWrite, 17, &b)
	return Buffer{int(b.index), int(b.used), b.flags, b.sequence}, err
}

// StreamOn starts the stream.
func (n Node) StreamOn(kind Kind) error {
	k := int32(kind)
	return ioctl(n, "start stream", write, 18, &k)
}

// Poll waits so many milliseconds for a buffer or a fault, and gives the events; 0 at the end of the time.
func (n Node) Poll(ms int) (events int16, err error) {
	p := []unix.PollFd{{Fd: int32(n.fd), Events: unix.POLLIN}}
	for {
		if _, err = unix.Poll(p, ms); err != unix.EINTR {
			return p[0].Revents, err
		}
	}
}
