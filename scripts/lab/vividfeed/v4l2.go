package main

//lint:file-ignore U1000 the kernel's structs have fields that this program leaves alone

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The few V4L2 calls that the feeder makes (include/uapi/linux/videodev2.h). Sizes are
// given where the request number holds them.

const (
	bufTypeOutput  = 2
	memoryMMAP     = 1
	fieldNone      = 1
	nextControl    = 0x80000000
	fourccYUYV     = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24
	dvTimingsBT    = 0
	colorspaceSRGB = 8
)

// Directions of an ioctl (include/uapi/asm-generic/ioctl.h).
const (
	write     = 1
	read      = 2
	readWrite = read | write
)

// control is struct v4l2_control (8 bytes).
type control struct {
	id    uint32
	value int32
}

// queryControl is struct v4l2_queryctrl (68 bytes).
type queryControl struct {
	id, kind                    uint32
	name                        [32]byte
	minimum, maximum, step, def int32
	flags                       uint32
	_                           [2]uint32
}

// dvTimings is struct v4l2_dv_timings (132 bytes, packed): its v4l2_bt_timings has a 64-bit
// pixel clock at an offset that only a packed struct gives.
type dvTimings struct {
	kind, width, height, interlaced, polarities uint32
	pixelClockLow, pixelClockHigh               uint32
	hfront, hsync, hback                        uint32
	vfront, vsync, vback                        uint32
	_                                           [20]uint32
}

// requestBuffers is struct v4l2_requestbuffers (20 bytes).
type requestBuffers struct {
	count, kind, memory, capabilities, flags uint32
}

// pixFormat is struct v4l2_format for a single-planar picture: the union is pointer-aligned, so
// the head differs by word size (208 bytes, or 204).
type pixFormat struct {
	kind uint32
	_    [unsafe.Sizeof(uintptr(0)) - 4]byte
	pix  struct {
		width, height, fourcc, field, bytesPerLine, sizeImage, colorspace uint32
		_                                                                 [200 - 7*4]byte
	}
}

// buffer is struct v4l2_buffer with the kernel's 64-bit time on all processors (88 bytes, or 80).
type buffer struct {
	index, kind, used, flags, field uint32
	_                               uint32
	timestamp                       [16]byte
	timecode                        [16]byte
	sequence, memory                uint32
	offset                          uintptr                                     // union m
	rest                            [3 + (unsafe.Sizeof(uintptr(0))-4)/4]uint32 // length first; with tail padding
}

// A node is an open /dev/videoN. It isn't an os.File: that would poll the device, and polling a node
// that doesn't stream yet starts the driver's read() emulation, which makes it busy.
type node struct {
	fd   int
	path string
}

func open(path string) (node, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return node{}, fmt.Errorf("open %s: %w", path, err)
	}
	return node{fd, path}, nil
}

// ioctl makes request number nr of V4L2's group 'V'.
func ioctl[T any](n node, what string, dir, nr uintptr, arg *T) error {
	request := dir<<30 | unsafe.Sizeof(*arg)<<16 | 'V'<<8 | nr
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.fd), request, uintptr(unsafe.Pointer(arg)))
	runtime.KeepAlive(arg)
	if errno != 0 {
		return fmt.Errorf("%s: %s: %w", n.path, what, errno)
	}
	return nil
}

func (n node) setInput(i int32) error  { return ioctl(n, "set input", readWrite, 39, &i) }
func (n node) setOutput(i int32) error { return ioctl(n, "set output", readWrite, 47, &i) }

// setVGA selects 640x480 at 60 Hz (CEA-861 format 1).
func (n node) setVGA() error {
	t := dvTimings{kind: dvTimingsBT, width: 640, height: 480, pixelClockLow: 25_175_000,
		hfront: 16, hsync: 96, hback: 48, vfront: 10, vsync: 2, vback: 33}
	return ioctl(n, "set timings", readWrite, 87, &t)
}

// setControl sets the control of that name.
func (n node) setControl(name string, value int32) error {
	for q := (queryControl{id: nextControl}); ; q.id |= nextControl {
		if err := ioctl(n, "find control "+name, readWrite, 36, &q); err != nil {
			return err
		}
		if got, _, _ := bytes.Cut(q.name[:], []byte{0}); strings.EqualFold(string(got), name) {
			return ioctl(n, "set "+name, readWrite, 28, &control{q.id, value})
		}
	}
}

// setOutputFormat asks for packed 4:2:2 and gives the size of a picture in bytes.
func (n node) setOutputFormat(width, height uint32) (int, error) {
	f := pixFormat{kind: bufTypeOutput}
	f.pix.width, f.pix.height, f.pix.fourcc, f.pix.field, f.pix.colorspace = width, height, fourccYUYV, fieldNone, colorspaceSRGB
	if err := ioctl(n, "set format", readWrite, 5, &f); err != nil {
		return 0, err
	}
	if f.pix.width != width || f.pix.height != height || f.pix.fourcc != fourccYUYV {
		return 0, fmt.Errorf("%s: granted %dx%d %#x", n.path, f.pix.width, f.pix.height, f.pix.fourcc)
	}
	return int(f.pix.sizeImage), nil
}

// mapBuffers allocates output buffers and maps them.
func (n node) mapBuffers(count uint32) ([][]byte, error) {
	r := requestBuffers{count: count, kind: bufTypeOutput, memory: memoryMMAP}
	if err := ioctl(n, "request buffers", readWrite, 8, &r); err != nil {
		return nil, err
	}
	bufs := make([][]byte, r.count)
	for i := range bufs {
		b := buffer{index: uint32(i), kind: bufTypeOutput, memory: memoryMMAP}
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

// queue shows buffer i after those queued before it.
func (n node) queue(i, used int) error {
	b := buffer{index: uint32(i), kind: bufTypeOutput, memory: memoryMMAP, used: uint32(used), field: fieldNone}
	return ioctl(n, "queue buffer", readWrite, 15, &b)
}

// dequeue waits for a buffer that was shown and gives its index.
func (n node) dequeue() (int, error) {
	b := buffer{kind: bufTypeOutput, memory: memoryMMAP}
	err := ioctl(n, "dequeue buffer", readWrite, 17, &b)
	return int(b.index), err
}

func (n node) streamOn() error {
	kind := int32(bufTypeOutput)
	return ioctl(n, "start stream", write, 18, &kind)
}
