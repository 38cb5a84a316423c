package v4l2

//lint:file-ignore U1000 the kernel's structs have fields that these programs leave alone

import "unsafe"

// The structs of include/uapi/linux/videodev2.h. Sizes are given, since the request numbers hold them.

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
	count                       uint32
	kind                        Kind
	memory, capabilities, flags uint32
}

// pixFormat is struct v4l2_format for a single-planar picture: the union is pointer-aligned, so
// the head differs by word size (208 bytes, or 204).
type pixFormat struct {
	kind Kind
	_    [unsafe.Sizeof(uintptr(0)) - 4]byte
	pix  struct {
		width, height, fourcc, field, bytesPerLine, sizeImage, colorspace uint32
		_                                                                 [200 - 7*4]byte
	}
}

// buffer is struct v4l2_buffer with the kernel's 64-bit time on all processors (88 bytes, or 80).
type buffer struct {
	index              uint32
	kind               Kind
	used, flags, field uint32
	_                  uint32
	timestamp          [16]byte
	timecode           [16]byte
	sequence, memory   uint32
	offset             uintptr                                     // union m
	rest               [3 + (unsafe.Sizeof(uintptr(0))-4)/4]uint32 // length first; with tail padding
}
