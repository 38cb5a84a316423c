package v4l2

import (
	"testing"
	"unsafe"
)

// The request numbers of the kernel hold these sizes, so a wrong one is answered ENOTTY.
func TestStructsHaveTheKernelsSizes(t *testing.T) {
	sizes := []struct {
		name          string
		got           uintptr
		want64bits    uintptr
		want32bitTime uintptr // 32-bit processors, with the 64-bit time that Go's runtime and new C libraries use
	}{
		{"v4l2_control", unsafe.Sizeof(control{}), 8, 8},
		{"v4l2_queryctrl", unsafe.Sizeof(queryControl{}), 68, 68},
		{"v4l2_dv_timings", unsafe.Sizeof(dvTimings{}), 132, 132},
		{"v4l2_requestbuffers", unsafe.Sizeof(requestBuffers{}), 20, 20},
		{"v4l2_format", unsafe.Sizeof(pixFormat{}), 208, 204},
		{"v4l2_buffer", unsafe.Sizeof(buffer{}), 88, 80},
	}
	for _, s := range sizes {
		want := s.want64bits
		if unsafe.Sizeof(uintptr(0)) == 4 {
			want = s.want32bitTime
		}
		if s.got != want {
			t.Errorf("%s: %d bytes, the kernel's has %d", s.name, s.got, want)
		}
	}
}
