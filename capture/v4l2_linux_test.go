package capture

import (
	"testing"
	"unsafe"
)

// The sizes and offsets are what a C compiler gives for linux/videodev2.h on amd64 and arm64
// (wide) and on 386 and arm with a 32-bit time_t (narrow).
func TestKernelStructsHaveTheKernelsLayout(t *testing.T) {
	wide := unsafe.Sizeof(uintptr(0)) == 8
	pick := func(w, n uintptr) uintptr {
		if wide {
			return w
		}
		return n
	}
	var buf v4l2Buffer
	var form v4l2Format
	var parm v4l2Streamparm
	var caps v4l2Capability
	tests := []struct {
		name      string
		got, want uintptr
	}{
		{"v4l2_capability", unsafe.Sizeof(caps), 104},
		{"v4l2_capability.device_caps", unsafe.Offsetof(caps.deviceCaps), 88},
		{"v4l2_pix_format", unsafe.Sizeof(form.pix), 48},
		{"v4l2_format", unsafe.Sizeof(form), pick(208, 204)},
		{"v4l2_format.fmt", unsafe.Offsetof(form.pix), pick(8, 4)},
		{"v4l2_streamparm", unsafe.Sizeof(parm), 204},
		{"v4l2_streamparm.timeperframe", unsafe.Offsetof(parm.timeperframe), 12},
		{"v4l2_requestbuffers", unsafe.Sizeof(v4l2Requestbuffers{}), 20},
		{"v4l2_buffer", unsafe.Sizeof(buf), pick(88, 68)},
		{"v4l2_buffer.timestamp", unsafe.Offsetof(buf.timestamp), pick(24, 20)},
		{"v4l2_buffer.sequence", unsafe.Offsetof(buf.sequence), pick(56, 44)},
		{"v4l2_buffer.m", unsafe.Offsetof(buf.offset), pick(64, 52)},
		{"v4l2_buffer.length", unsafe.Offsetof(buf.length), pick(72, 56)},
		{"v4l2_buffer.request_fd", unsafe.Offsetof(buf.requestFD), pick(80, 64)},
		{"v4l2_queryctrl", unsafe.Sizeof(v4l2Queryctrl{}), 68},
		{"v4l2_queryctrl.flags", unsafe.Offsetof(v4l2Queryctrl{}.flags), 56},
		{"v4l2_querymenu", unsafe.Sizeof(v4l2Querymenu{}), 44},
		{"v4l2_control", unsafe.Sizeof(v4l2Control{}), 8},
		{"VIDIOC_G_CTRL", vidiocGCtrl, 0xc008561b},
		{"VIDIOC_S_CTRL", vidiocSCtrl, 0xc008561c},
		{"VIDIOC_QUERYCTRL", vidiocQueryctrl, 0xc0445624},
		{"VIDIOC_QUERYMENU", vidiocQuerymenu, 0xc02c5625},
		{"VIDIOC_QUERYCAP", vidiocQuerycap, 0x80685600},
		{"VIDIOC_G_FMT", vidiocGFmt, pick(0xc0d05604, 0xc0cc5604)},
		{"VIDIOC_S_FMT", vidiocSFmt, pick(0xc0d05605, 0xc0cc5605)},
		{"VIDIOC_REQBUFS", vidiocReqbufs, 0xc0145608},
		{"VIDIOC_QUERYBUF", vidiocQuerybuf, pick(0xc0585609, 0xc0445609)},
		{"VIDIOC_QBUF", vidiocQbuf, pick(0xc058560f, 0xc044560f)},
		{"VIDIOC_DQBUF", vidiocDqbuf, pick(0xc0585611, 0xc0445611)},
		{"VIDIOC_STREAMON", vidiocStreamon, 0x40045612},
		{"VIDIOC_STREAMOFF", vidiocStreamoff, 0x40045613},
		{"VIDIOC_G_PARM", vidiocGParm, 0xc0cc5615},
		{"VIDIOC_S_PARM", vidiocSParm, 0xc0cc5616},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %#x, want %#x", tt.name, tt.got, tt.want)
		}
	}
}
