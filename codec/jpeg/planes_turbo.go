//go:build cgo

package jpeg

/*
#cgo LDFLAGS: -l:libturbojpeg.a
#cgo noescape jpegHeader
#cgo nocallback jpegHeader
#cgo noescape jpegPlanes
#cgo nocallback jpegPlanes
#cgo noescape jpegEncode
#cgo nocallback jpegEncode
#include <stdlib.h>
#include <turbojpeg.h>

// All arguments are plain pointers to bytes and all results come back by value, so that
// nothing of Go's memory is pinned or escapes.

typedef struct { int status, width, height, subsampling, colourspace; } header;

static int status(tjhandle h, int failed) {
	if (!failed) return 0;
	return tjGetErrorCode(h) == TJERR_WARNING ? 1 : 2;
}

static header jpegHeader(tjhandle h, const unsigned char *data, unsigned long n) {
	header r = {0};
	r.status = status(h, tjDecompressHeader3(h, data, n, &r.width, &r.height, &r.subsampling, &r.colourspace));
	return r;
}

static int jpegPlanes(tjhandle h, const unsigned char *data, unsigned long n, int width, int height,
                      unsigned char *y, int ys, unsigned char *u, unsigned char *v, int cs) {
	unsigned char *planes[3] = { y, u, v };
	int strides[3] = { ys, cs, cs };
	return status(h, tjDecompressToYUVPlanes(h, data, n, planes, width, strides, height, TJFLAG_LIMITSCANS));
}

typedef struct { unsigned char *data; unsigned long n; } encoded;

static encoded jpegEncode(tjhandle h, const unsigned char *y, const unsigned char *u, const unsigned char *v,
                          int width, int height, int ys, int cs, int quality) {
	const unsigned char *planes[3] = { y, u, v };
	int strides[3] = { ys, cs, cs };
	encoded e = {0};
	if (tjCompressFromYUVPlanes(h, planes, width, strides, height, TJSAMP_420, &e.data, &e.n, quality, 0)) {
		tjFree(e.data);
		e.data = NULL;
	}
	return e;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"camward/video"
)

// Backend names what decodes and encodes whole pictures in this build.
const Backend = "libjpeg-turbo"

// A backend is a TurboJPEG decompressor, and planes as they come where that is not as I420 has them.
type backend struct {
	handle  C.tjhandle
	y, u, v video.Plane
}

func (b *backend) open() { b.handle = C.tjInitDecompress() }

func (b *backend) close() {
	if b.handle != nil {
		C.tjDestroy(b.handle)
		b.handle = nil
	}
}

// decode decodes a picture whose framing is in order; cut says that it had no EOI.
func (d *Decoder) decode(dst *video.I420, data []byte, cut bool) error {
	if d.handle == nil {
		return errors.New("decode JPEG: libjpeg-turbo has no memory, or the decoder is closed")
	}
	src, n := (*C.uchar)(unsafe.SliceData(data)), C.ulong(len(data))
	h := C.jpegHeader(d.handle, src, n)
	if h.status == 2 {
		return formatError("%s", d.message())
	}
	if h.colourspace != C.TJCS_YCbCr && h.colourspace != C.TJCS_GRAY {
		return formatError("RGB or CMYK, not YCbCr")
	}
	w, ht := int(h.width), int(h.height)
	if w < 1 || ht < 1 || w > MaxSize || ht > MaxSize {
		return formatError("size %dx%d is outside 1x1..%dx%d", w, ht, MaxSize, MaxSize)
	}
	dst.Resize(w, ht)
	dst.FullRange = true
	status := d.planes(dst, src, n, h)
	if status == 2 {
		return formatError("%s", d.message())
	}
	// Stray bytes between segments are worth a warning to libjpeg but change no picture. Only
	// the first warning is to be had, so that it may hide a later one; a missing EOI then counts.
	if status == 1 && (cut || !strings.Contains(d.message(), "extraneous bytes")) {
		return ErrTruncated
	}
	return nil
}

// planes decodes to dst, by way of d's own planes where TurboJPEG's differ from I420: it rounds luma
// up to whole chroma samples, and gives chroma in the picture's own subsampling.
func (d *Decoder) planes(dst *video.I420, src *C.uchar, n C.ulong, h C.header) (status C.int) {
	cw, ch := (dst.Width+1)/2, (dst.Height+1)/2
	y := video.Plane{Pix: dst.Y, Width: dst.Width, Height: dst.Height, Stride: dst.YStride}
	u, v, stride := dst.U, dst.V, dst.CStride
	pw, ph := int(C.tjPlaneWidth(0, h.width, h.subsampling)), int(C.tjPlaneHeight(0, h.height, h.subsampling))
	padded := pw != y.Width || ph != y.Height
	if padded {
		d.y.Resize(pw, ph)
		y = d.y
	}
	native := h.subsampling == C.TJSAMP_420 || h.subsampling == C.TJSAMP_GRAY
	if !native {
		d.u.Resize(int(C.tjPlaneWidth(1, h.width, h.subsampling)), int(C.tjPlaneHeight(1, h.height, h.subsampling)))
		d.v.Resize(d.u.Width, d.u.Height)
		u, v, stride = d.u.Pix, d.v.Pix, d.u.Stride
	}
	status = C.jpegPlanes(d.handle, src, n, h.width, h.height,
		(*C.uchar)(unsafe.SliceData(y.Pix)), C.int(y.Stride),
		(*C.uchar)(unsafe.SliceData(u)), (*C.uchar)(unsafe.SliceData(v)), C.int(stride))
	if padded {
		copyPlane(dst.Y, y.Pix, dst.Width, dst.Height, y.Stride)
	}
	switch {
	case h.subsampling == C.TJSAMP_GRAY:
		neutral(dst.U)
		neutral(dst.V)
	case !native:
		d.halfSize(dst.U, cw, ch, &d.u)
		d.halfSize(dst.V, cw, ch, &d.v)
	}
	return status
}

// message is TurboJPEG's text for the last error.
func (d *Decoder) message() string { return C.GoString(C.tjGetErrorStr2(d.handle)) }

// encode appends img, which is checked and of full range, to dst.
func encode(dst []byte, img *video.I420, quality int) ([]byte, error) {
	width, height := img.Width, img.Height
	img = even(img)
	h := C.tjInitCompress()
	if h == nil {
		return nil, errors.New("encode JPEG: libjpeg-turbo has no memory")
	}
	defer C.tjDestroy(h)
	e := C.jpegEncode(h, (*C.uchar)(unsafe.SliceData(img.Y)), (*C.uchar)(unsafe.SliceData(img.U)),
		(*C.uchar)(unsafe.SliceData(img.V)), C.int(width), C.int(height),
		C.int(img.YStride), C.int(img.CStride), C.int(quality))
	if e.data == nil {
		return nil, fmt.Errorf("encode JPEG: %s", C.GoString(C.tjGetErrorStr2(h)))
	}
	defer C.tjFree(e.data)
	return append(dst, unsafe.Slice((*byte)(e.data), int(e.n))...), nil
}

// even returns img, or where a side is odd a picture one larger whose luma repeats the edge: TurboJPEG
// reads luma up to whole chroma samples.
func even(img *video.I420) *video.I420 {
	w, h := (img.Width+1)&^1, (img.Height+1)&^1
	if w == img.Width && h == img.Height {
		return img
	}
	out := *img
	out.Y, out.YStride = make([]byte, w*h), w
	out.Width, out.Height = w, h
	for y := range h {
		src := img.Y[min(y, img.Height-1)*img.YStride:][:img.Width]
		copy(out.Y[y*w:], src)
		out.Y[y*w+w-1] = src[min(w, img.Width)-1]
	}
	return &out
}
