package capture

import (
	"time"
	"unsafe"

	"github.com/blackjack/webcam/ioctl"
	"golang.org/x/sys/unix"
)

// This file holds the part of linux/videodev2.h that streaming from a capture device takes, and nothing that
// decides. Offsets are given as 64-bit/32-bit where they differ: unsigned long, pointers and struct timeval
// follow the word size, and so do the request numbers, which contain the size.

// kernel is an open V4L2 node. It is the one seam between the streaming logic and the system
// calls, so it has five methods; tests put a driver of their own behind it.
type kernel interface {
	ioctl(req uintptr, arg unsafe.Pointer) error
	mmap(offset int64, length int) ([]byte, error)
	munmap(b []byte) error
	// poll waits up to timeout for a frame and gives the events seen, 0 at the timeout.
	poll(timeout time.Duration) (revents int16, err error)
	close() error
}

const (
	capVideoCapture       = 0x00000001 // V4L2_CAP_VIDEO_CAPTURE
	capVideoCaptureMplane = 0x00001000 // V4L2_CAP_VIDEO_CAPTURE_MPLANE
	capVideoM2MMplane     = 0x00004000 // V4L2_CAP_VIDEO_M2M_MPLANE
	capVideoM2M           = 0x00008000 // V4L2_CAP_VIDEO_M2M
	capStreaming          = 0x04000000 // V4L2_CAP_STREAMING
	capIOMC               = 0x20000000 // V4L2_CAP_IO_MC: links are set up through the media controller
	capDeviceCaps         = 0x80000000 // V4L2_CAP_DEVICE_CAPS: device_caps is filled in
	capTimePerFrame       = 0x1000     // V4L2_CAP_TIMEPERFRAME, of v4l2_captureparm

	bufTypeVideoCapture       = 1 // V4L2_BUF_TYPE_VIDEO_CAPTURE
	bufTypeVideoCaptureMplane = 9 // V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
	memoryMmap                = 1 // V4L2_MEMORY_MMAP
	fieldNone                 = 1 // V4L2_FIELD_NONE: progressive
	maxPlanes                 = 8 // VIDEO_MAX_PLANES

	frameDiscrete = 1 // V4L2_FRMSIZE_TYPE_DISCRETE, V4L2_FRMIVAL_TYPE_DISCRETE; the others are ranges

	colorspaceJPEG        = 7 // V4L2_COLORSPACE_JPEG, full range unless quantization says otherwise
	quantizationFullRange = 1 // V4L2_QUANTIZATION_FULL_RANGE

	bufFlagError         = 0x0040 // V4L2_BUF_FLAG_ERROR
	bufFlagTimestampMask = 0xe000 // V4L2_BUF_FLAG_TIMESTAMP_MASK
	bufFlagMonotonic     = 0x2000 // V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
)

// v4l2Capability is struct v4l2_capability, 104 bytes.
type v4l2Capability struct {
	driver       [16]byte  // 0
	card         [32]byte  // 16
	busInfo      [32]byte  // 48
	version      uint32    // 80
	capabilities uint32    // 84: of the whole device
	deviceCaps   uint32    // 88: of this node
	_            [3]uint32 // 92
}

// v4l2PixFormat is struct v4l2_pix_format, 48 bytes.
type v4l2PixFormat struct {
	width        uint32 // 0
	height       uint32 // 4
	pixelformat  uint32 // 8
	field        uint32 // 12
	bytesperline uint32 // 16
	sizeimage    uint32 // 20
	colorspace   uint32 // 24
	priv         uint32 // 28
	flags        uint32 // 32
	ycbcrEnc     uint32 // 36
	quantization uint32 // 40
	xferFunc     uint32 // 44
}

// v4l2PlanePixFormat is struct v4l2_plane_pix_format, 20 bytes.
type v4l2PlanePixFormat struct {
	sizeimage    uint32    // 0
	bytesperline uint32    // 4
	_            [6]uint16 // 8
}

// v4l2PixFormatMplane is struct v4l2_pix_format_mplane, 192 bytes.
type v4l2PixFormatMplane struct {
	width        uint32                        // 0
	height       uint32                        // 4
	pixelformat  uint32                        // 8
	field        uint32                        // 12
	colorspace   uint32                        // 16
	planes       [maxPlanes]v4l2PlanePixFormat // 20
	numPlanes    uint8                         // 180
	flags        uint8                         // 181
	ycbcrEnc     uint8                         // 182
	quantization uint8                         // 183
	xferFunc     uint8                         // 184
	_            [7]uint8                      // 185
}

// v4l2Format is struct v4l2_format, 208/204 bytes: its union holds pointers and is aligned like one.
type v4l2Format struct {
	typ uint32     // 0
	_   [0]uintptr // aligns the union: 8/4
	pix v4l2PixFormat
	_   [200 - 48]byte
}

// mplane is the union as formats of several planes use it.
func (f *v4l2Format) mplane() *v4l2PixFormatMplane {
	return (*v4l2PixFormatMplane)(unsafe.Pointer(&f.pix))
}

// v4l2Fmtdesc is struct v4l2_fmtdesc, 64 bytes.
type v4l2Fmtdesc struct {
	index       uint32    // 0
	typ         uint32    // 4
	flags       uint32    // 8
	description [32]byte  // 12
	pixelformat uint32    // 44
	_           [4]uint32 // 48: mbus_code, reserved
}

// v4l2Frmsizeenum is struct v4l2_frmsizeenum, 44 bytes. Of a discrete size only the first two of the union count.
type v4l2Frmsizeenum struct {
	index       uint32    // 0
	pixelformat uint32    // 4
	typ         uint32    // 8
	minWidth    uint32    // 12: or width
	maxWidth    uint32    // 16: or height
	stepWidth   uint32    // 20
	minHeight   uint32    // 24
	maxHeight   uint32    // 28
	stepHeight  uint32    // 32
	_           [2]uint32 // 36
}

// v4l2Frmivalenum is struct v4l2_frmivalenum, 52 bytes. Of a discrete interval only the first of the union counts.
type v4l2Frmivalenum struct {
	index       uint32    // 0
	pixelformat uint32    // 4
	width       uint32    // 8
	height      uint32    // 12
	typ         uint32    // 16
	min         v4l2Fract // 20: or the interval
	max         v4l2Fract // 28
	step        v4l2Fract // 36
	_           [2]uint32 // 44
}

// v4l2Fract is struct v4l2_fract, 8 bytes.
type v4l2Fract struct{ numerator, denominator uint32 }

// v4l2Streamparm is struct v4l2_streamparm with a v4l2_captureparm in its union, 204 bytes.
type v4l2Streamparm struct {
	typ          uint32    // 0
	capability   uint32    // 4
	capturemode  uint32    // 8
	timeperframe v4l2Fract // 12
	extendedmode uint32    // 20
	readbuffers  uint32    // 24
	_            [200 - 24]byte
}

// v4l2Requestbuffers is struct v4l2_requestbuffers, 20 bytes.
type v4l2Requestbuffers struct {
	count        uint32 // 0
	typ          uint32 // 4
	memory       uint32 // 8
	capabilities uint32 // 12
	_            uint32 // 16: flags and padding
}

// v4l2Plane is struct v4l2_plane, 64/60 bytes.
type v4l2Plane struct {
	bytesused  uint32     // 0: data_offset included
	length     uint32     // 4
	offset     uintptr    // 8: the union m, as in v4l2Buffer
	dataOffset uint32     // 16/12
	_          [11]uint32 // 20/16
}

// v4l2Buffer is struct v4l2_buffer, 88/68 bytes. On 32-bit ARM this is the layout with a 32-bit time
// (VIDIOC_DQBUF_TIME32): its request numbers are chosen by its size, and a monotonic stamp in seconds does not
// overflow there.
type v4l2Buffer struct {
	index     uint32       // 0
	typ       uint32       // 4
	bytesused uint32       // 8
	flags     uint32       // 12
	field     uint32       // 16
	timestamp unix.Timeval // 24/20
	timecode  [4]uint32    // 40/28: struct v4l2_timecode
	sequence  uint32       // 56/44
	memory    uint32       // 60/48
	offset    uintptr      // 64/52: the union m; the mmap offset is its first 32 bits, as written by a little-endian kernel, or a pointer to the planes
	length    uint32       // 72/56: bytes, or planes
	_         uint32       // 76/60
	requestFD int32        // 80/64
}

// The request numbers (linux/videodev2.h, "I O C T L   C O D E S").
var (
	vidiocQuerycap  = ioctl.IoR('V', 0, unsafe.Sizeof(v4l2Capability{}))
	vidiocEnumFmt   = ioctl.IoRW('V', 2, unsafe.Sizeof(v4l2Fmtdesc{}))
	vidiocGFmt      = ioctl.IoRW('V', 4, unsafe.Sizeof(v4l2Format{}))
	vidiocSFmt      = ioctl.IoRW('V', 5, unsafe.Sizeof(v4l2Format{}))
	vidiocReqbufs   = ioctl.IoRW('V', 8, unsafe.Sizeof(v4l2Requestbuffers{}))
	vidiocQuerybuf  = ioctl.IoRW('V', 9, unsafe.Sizeof(v4l2Buffer{}))
	vidiocQbuf      = ioctl.IoRW('V', 15, unsafe.Sizeof(v4l2Buffer{}))
	vidiocDqbuf     = ioctl.IoRW('V', 17, unsafe.Sizeof(v4l2Buffer{}))
	vidiocStreamon  = ioctl.IoW('V', 18, unsafe.Sizeof(int32(0)))
	vidiocStreamoff = ioctl.IoW('V', 19, unsafe.Sizeof(int32(0)))
	vidiocGParm     = ioctl.IoRW('V', 21, unsafe.Sizeof(v4l2Streamparm{}))
	vidiocSParm     = ioctl.IoRW('V', 22, unsafe.Sizeof(v4l2Streamparm{}))

	vidiocEnumFramesizes     = ioctl.IoRW('V', 74, unsafe.Sizeof(v4l2Frmsizeenum{}))
	vidiocEnumFrameintervals = ioctl.IoRW('V', 75, unsafe.Sizeof(v4l2Frmivalenum{}))
)

// node is a real device node.
type node int

// openNode opens a node without waiting, neither here nor in VIDIOC_DQBUF.
func openNode(path string) (kernel, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return node(fd), nil
	}
}

func (n node) ioctl(req uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n), req, uintptr(arg))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		return nil
	}
}

func (n node) mmap(offset int64, length int) ([]byte, error) {
	return unix.Mmap(int(n), offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func (n node) munmap(b []byte) error { return unix.Munmap(b) }

func (n node) poll(timeout time.Duration) (int16, error) {
	fds := [1]unix.PollFd{{Fd: int32(n), Events: unix.POLLIN}}
	_, err := unix.Poll(fds[:], int(timeout.Milliseconds()))
	if err == unix.EINTR {
		return 0, nil // the caller's loop has its own clock
	}
	return fds[0].Revents, err
}

func (n node) close() error { return unix.Close(int(n)) }
