//go:build cgo

// Package jpegtest is libjpeg-turbo's 1/8-scale greyscale decode, against which tests and benchmarks measure what reads
// luma. Nothing in the product imports it.
package jpegtest

/*
#cgo LDFLAGS: -l:libturbojpeg.a
#cgo noescape luma
#cgo nocallback luma
#include <turbojpeg.h>

static int luma(tjhandle h, const unsigned char *data, unsigned long n, unsigned char *dst, int w, int hgt) {
	if (tjDecompress2(h, data, n, dst, w, w, hgt, TJPF_GRAY, 0) == 0) return 0;
	return tjGetErrorCode(h) == TJERR_WARNING ? 1 : 2;
}
*/
import "C"

import (
	"errors"
	"unsafe"

	"camward/video"
)

// ErrWarning says that libjpeg-turbo decoded the picture with a complaint.
var ErrWarning = errors.New("decoded with a warning")

// A Turbo decodes to 1/8-scale luma. Close it after use; not for concurrent use.
type Turbo struct{ handle C.tjhandle }

// NewTurbo returns a decoder.
func NewTurbo() *Turbo { return &Turbo{C.tjInitDecompress()} }

// Luma decodes into dst, which has the right size already. Pictures of up to 4x4 come at another scale, of the same size.
func (t *Turbo) Luma(dst *video.Plane, data []byte) error {
	switch C.luma(t.handle, (*C.uchar)(unsafe.SliceData(data)), C.ulong(len(data)),
		(*C.uchar)(unsafe.SliceData(dst.Pix)), C.int(dst.Width), C.int(dst.Height)) {
	case 0:
		return nil
	case 1:
		return ErrWarning
	}
	return errors.New(C.GoString(C.tjGetErrorStr2(t.handle)))
}

// Close releases the decoder.
func (t *Turbo) Close() { C.tjDestroy(t.handle) }
