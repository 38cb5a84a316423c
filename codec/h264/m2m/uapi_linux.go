package m2m

import (
	"unsafe"

	"github.com/blackjack/webcam/ioctl"
	"golang.org/x/sys/unix"
)

// This file holds the part of linux/videodev2.h and linux/v4l2-controls.h that an encoder takes, and nothing
// that decides. Sizes and offsets are given as 64-bit/32-bit where they differ: pointers, unsigned long and
// struct timeval follow the word size, and so do the request numbers, which contain the size.

const (
	capM2MMplane  = 0x00004000 // V4L2_CAP_VIDEO_M2M_MPLANE
	capStreaming  = 0x04000000 // V4L2_CAP_STREAMING
	capDeviceCaps = 0x80000000 // V4L2_CAP_DEVICE_CAPS: device_caps is filled in

	bufCapture = 9  // V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE: what comes out of the encoder
	bufOutput  = 10 // V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE: what goes into it

	memoryMmap = 1 // V4L2_MEMORY_MMAP
	fieldNone  = 1 // V4L2_FIELD_NONE: progressive

	colorspaceSMPTE170M  = 1 // V4L2_COLORSPACE_SMPTE170M, that of JPEG and of most webcams but for the range
	quantizationLimRange = 2 // V4L2_QUANTIZATION_LIM_RANGE
	selTargetCrop        = 0 // V4L2_SEL_TGT_CROP

	bufFlagError = 0x0040   // V4L2_BUF_FLAG_ERROR
	bufFlagLast  = 0x100000 // V4L2_BUF_FLAG_LAST

	ctrlBFrames      = 0x9909ca // V4L2_CID_MPEG_VIDEO_B_FRAMES
	ctrlGOPSize      = 0x9909cb // V4L2_CID_MPEG_VIDEO_GOP_SIZE
	ctrlBitrate      = 0x9909cf // V4L2_CID_MPEG_VIDEO_BITRATE
	ctrlHeaderMode   = 0x9909d8 // V4L2_CID_MPEG_VIDEO_HEADER_MODE
	ctrlRepeatHeader = 0x9909e2 // V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER
	ctrlForceKey     = 0x9909e5 // V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME
	ctrlIPeriod      = 0x990a66 // V4L2_CID_MPEG_VIDEO_H264_I_PERIOD
	ctrlLevel        = 0x990a67 // V4L2_CID_MPEG_VIDEO_H264_LEVEL
	ctrlProfile      = 0x990a6b // V4L2_CID_MPEG_VIDEO_H264_PROFILE

	profileBaseline            = 0 // V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE
	profileConstrainedBaseline = 1 // V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE
	headerJoined               = 1 // V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME

	maxPlanes  = 8  // VIDEO_MAX_PLANES
	maxBuffers = 32 // VIDEO_MAX_FRAME
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

// v4l2Fmtdesc is struct v4l2_fmtdesc, 64 bytes.
type v4l2Fmtdesc struct {
	index       uint32    // 0
	typ         uint32    // 4
	flags       uint32    // 8
	description [32]byte  // 12
	pixelformat uint32    // 44
	_           [4]uint32 // 48: mbus_code, reserved
}

// v4l2PlanePixFormat is struct v4l2_plane_pix_format, 20 bytes.
type v4l2PlanePixFormat struct {
	sizeimage    uint32 // 0
	bytesperline uint32 // 4
	_            [6]uint16
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
	pix v4l2PixFormatMplane
	_   [200 - 192]byte
}

// v4l2Streamparm is struct v4l2_streamparm with a v4l2_outputparm in its union, 204 bytes.
type v4l2Streamparm struct {
	typ          uint32    // 0
	capability   uint32    // 4
	outputmode   uint32    // 8
	timeperframe [2]uint32 // 12: numerator and denominator, seconds
	_            [204 - 20]byte
}

// v4l2Requestbuffers is struct v4l2_requestbuffers, 20 bytes.
type v4l2Requestbuffers struct {
	count  uint32    // 0
	typ    uint32    // 4
	memory uint32    // 8
	_      [2]uint32 // 12: capabilities, flags
}

// v4l2Control is struct v4l2_control, 8 bytes.
type v4l2Control struct {
	id    uint32 // 0
	value int32  // 4
}

// v4l2Selection is struct v4l2_selection, 64 bytes.
type v4l2Selection struct {
	typ    uint32 // 0
	target uint32 // 4
	flags  uint32 // 8
	left   int32  // 12
	top    int32  // 16
	width  uint32 // 20
	height uint32 // 24
	_      [9]uint32
}

// v4l2Plane is struct v4l2_plane, 64/60 bytes.
type v4l2Plane struct {
	bytesused  uint32  // 0
	length     uint32  // 4
	memOffset  uintptr // 8: the union m; the mmap offset is its first 32 bits, as written by a little-endian kernel
	dataOffset uint32  // 16/12
	_          [11]uint32
}

// v4l2Buffer is struct v4l2_buffer, 88/68 bytes. On 32-bit ARM this is the layout with a 32-bit time
// (VIDIOC_DQBUF_TIME32); its request numbers are chosen by its size.
type v4l2Buffer struct {
	index     uint32                // 0
	typ       uint32                // 4
	bytesused uint32                // 8
	flags     uint32                // 12
	field     uint32                // 16
	timestamp unix.Timeval          // 24/20
	timecode  [4]uint32             // 40/28: struct v4l2_timecode
	sequence  uint32                // 56/44
	memory    uint32                // 60/48
	planes    *[maxPlanes]v4l2Plane // 64/52: the union m
	length    uint32                // 72/56: of planes
	_         uint32                // 76/60
	requestFD int32                 // 80/64
}

// The request numbers (linux/videodev2.h, "I O C T L   C O D E S").
var (
	vidiocQuerycap   = ioctl.IoR('V', 0, unsafe.Sizeof(v4l2Capability{}))
	vidiocEnumFmt    = ioctl.IoRW('V', 2, unsafe.Sizeof(v4l2Fmtdesc{}))
	vidiocGFmt       = ioctl.IoRW('V', 4, unsafe.Sizeof(v4l2Format{}))
	vidiocSFmt       = ioctl.IoRW('V', 5, unsafe.Sizeof(v4l2Format{}))
	vidiocReqbufs    = ioctl.IoRW('V', 8, unsafe.Sizeof(v4l2Requestbuffers{}))
	vidiocQuerybuf   = ioctl.IoRW('V', 9, unsafe.Sizeof(v4l2Buffer{}))
	vidiocQbuf       = ioctl.IoRW('V', 15, unsafe.Sizeof(v4l2Buffer{}))
	vidiocDqbuf      = ioctl.IoRW('V', 17, unsafe.Sizeof(v4l2Buffer{}))
	vidiocStreamon   = ioctl.IoW('V', 18, unsafe.Sizeof(int32(0)))
	vidiocStreamoff  = ioctl.IoW('V', 19, unsafe.Sizeof(int32(0)))
	vidiocSParm      = ioctl.IoRW('V', 22, unsafe.Sizeof(v4l2Streamparm{}))
	vidiocSCtrl      = ioctl.IoRW('V', 28, unsafe.Sizeof(v4l2Control{}))
	vidiocSSelection = ioctl.IoRW('V', 95, unsafe.Sizeof(v4l2Selection{}))
)
