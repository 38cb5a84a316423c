package m2m

import (
	"testing"
	"unsafe"
)

// The wished numbers were printed by a C program with sizeof, offsetof and the VIDIOC_ macros of
// linux/videodev2.h as Debian's linux-libc-dev 6.1.187-1 has it, compiled by gcc 12 for amd64, arm64 (the same numbers) and
// armhf; on the latter with the compiler's default 32-bit time.
func TestStructsAndRequestNumbersAreTheKernels(t *testing.T) {
	var (
		format v4l2Format
		pix    v4l2PixFormatMplane
		desc   v4l2Fmtdesc
		plane  v4l2Plane
		buf    v4l2Buffer
		parm   v4l2Streamparm
		sel    v4l2Selection
	)
	tests := []struct {
		name   string
		got    uintptr
		want64 uintptr
		want32 uintptr
	}{
		{"sizeof(v4l2_capability)", unsafe.Sizeof(v4l2Capability{}), 104, 104},
		{"sizeof(v4l2_fmtdesc)", unsafe.Sizeof(desc), 64, 64},
		{"sizeof(v4l2_format)", unsafe.Sizeof(format), 208, 204},
		{"sizeof(v4l2_pix_format_mplane)", unsafe.Sizeof(pix), 192, 192},
		{"sizeof(v4l2_plane_pix_format)", unsafe.Sizeof(v4l2PlanePixFormat{}), 20, 20},
		{"sizeof(v4l2_plane)", unsafe.Sizeof(plane), 64, 60},
		{"sizeof(v4l2_buffer)", unsafe.Sizeof(buf), 88, 68},
		{"sizeof(v4l2_requestbuffers)", unsafe.Sizeof(v4l2Requestbuffers{}), 20, 20},
		{"sizeof(v4l2_control)", unsafe.Sizeof(v4l2Control{}), 8, 8},
		{"sizeof(v4l2_streamparm)", unsafe.Sizeof(parm), 204, 204},
		{"sizeof(v4l2_selection)", unsafe.Sizeof(sel), 64, 64},

		{"v4l2_format.fmt", unsafe.Offsetof(format.pix), 8, 4},
		{"v4l2_pix_format_mplane.plane_fmt", unsafe.Offsetof(pix.planes), 20, 20},
		{"v4l2_pix_format_mplane.num_planes", unsafe.Offsetof(pix.numPlanes), 180, 180},
		{"v4l2_pix_format_mplane.quantization", unsafe.Offsetof(pix.quantization), 183, 183},
		{"v4l2_fmtdesc.pixelformat", unsafe.Offsetof(desc.pixelformat), 44, 44},
		{"v4l2_plane.m", unsafe.Offsetof(plane.memOffset), 8, 8},
		{"v4l2_plane.data_offset", unsafe.Offsetof(plane.dataOffset), 16, 12},
		{"v4l2_buffer.timestamp", unsafe.Offsetof(buf.timestamp), 24, 20},
		{"v4l2_buffer.timecode", unsafe.Offsetof(buf.timecode), 40, 28},
		{"v4l2_buffer.sequence", unsafe.Offsetof(buf.sequence), 56, 44},
		{"v4l2_buffer.memory", unsafe.Offsetof(buf.memory), 60, 48},
		{"v4l2_buffer.m", unsafe.Offsetof(buf.planes), 64, 52},
		{"v4l2_buffer.length", unsafe.Offsetof(buf.length), 72, 56},
		{"v4l2_buffer.request_fd", unsafe.Offsetof(buf.requestFD), 80, 64},
		{"v4l2_streamparm.parm.output.timeperframe", unsafe.Offsetof(parm.timeperframe), 12, 12},
		{"v4l2_selection.r", unsafe.Offsetof(sel.left), 12, 12},

		{"VIDIOC_QUERYCAP", vidiocQuerycap, 0x80685600, 0x80685600},
		{"VIDIOC_ENUM_FMT", vidiocEnumFmt, 0xc0405602, 0xc0405602},
		{"VIDIOC_G_FMT", vidiocGFmt, 0xc0d05604, 0xc0cc5604},
		{"VIDIOC_S_FMT", vidiocSFmt, 0xc0d05605, 0xc0cc5605},
		{"VIDIOC_REQBUFS", vidiocReqbufs, 0xc0145608, 0xc0145608},
		{"VIDIOC_QUERYBUF", vidiocQuerybuf, 0xc0585609, 0xc0445609},
		{"VIDIOC_QBUF", vidiocQbuf, 0xc058560f, 0xc044560f},
		{"VIDIOC_DQBUF", vidiocDqbuf, 0xc0585611, 0xc0445611},
		{"VIDIOC_STREAMON", vidiocStreamon, 0x40045612, 0x40045612},
		{"VIDIOC_STREAMOFF", vidiocStreamoff, 0x40045613, 0x40045613},
		{"VIDIOC_S_PARM", vidiocSParm, 0xc0cc5616, 0xc0cc5616},
		{"VIDIOC_S_CTRL", vidiocSCtrl, 0xc008561c, 0xc008561c},
		{"VIDIOC_S_SELECTION", vidiocSSelection, 0xc040565f, 0xc040565f},
	}
	for _, tt := range tests {
		want := tt.want64
		if unsafe.Sizeof(uintptr(0)) == 4 {
			want = tt.want32
		}
		if tt.got != want {
			t.Errorf("%s is %#x, want %#x", tt.name, tt.got, want)
		}
	}
}
