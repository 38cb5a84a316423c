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
#include <string.h>
#include <turbojpeg.h>

// All arguments are plain pointers to bytes and all results come back by value, so that
// nothing of Go's memory is pinned or escapes. The text of a complaint is fetched in the call
// that caused it: TurboJPEG keeps it in the thread.

static int explain(tjhandle h, int failed, char *text, unsigned long n) {
	if (failed) strncpy(text, tjGetErrorStr2(h), n - 1);
	return failed;
}

enum { JMSG = 200 }; // JMSG_LENGTH_MAX of jpeglib.h

typedef struct { int failed, width, height, subsampling, colourspace; } header;

static header jpegHeader(tjhandle h, const unsigned char *data, unsigned long n, char *text, unsigned long max) {
	header r = {0};
	r.failed = explain(h, tjDecompressHeader3(h, data, n, &r.width, &r.height, &r.subsampling, &r.colourspace), text, max);
	return r;
}

static int jpegPlanes(tjhandle h, const unsigned char *data, unsigned long n, int width, int height,
                      unsigned char *y, int ys, unsigned char *u, unsigned char *v, int cs,
                      char *text, unsigned long max) {
	unsigned char *planes[3] = { y, u, v };
	int strides[3] = { ys, cs, cs };
	return explain(h, tjDecompressToYUVPlanes(h, data, n, planes, width, strides, height, TJFLAG_LIMITSCANS), text, max);
}

typedef struct { unsigned char *data; unsigned long n; } encoded;

static encoded jpegEncode(tjhandle h, const unsigned char *y, const unsigned char *u, const unsigned char *v,
                          int width, int height, int ys, int cs, int quality, char *text, unsigned long max) {
	const unsigned char *planes[3] = { y, u, v };
	int strides[3] = { ys, cs, cs };
	encoded e = {0};
	if (explain(h, tjCompressFromYUVPlanes(h, planes, width, strides, height, TJSAMP_420, &e.data, &e.n, quality, 0), text, max)) {
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
	text    []byte // the last complaint, ending in a zero
}

func (b *backend) open() {
	b.handle = C.tjInitDecompress()
	b.text = make([]byte, C.JMSG)
}

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
	h := C.jpegHeader(d.handle, src, n, text(d.text), C.JMSG)
	if h.failed != 0 && d.verdict() == unreadable || h.subsampling < 0 || h.subsampling >= C.TJ_NUMSAMP {
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
	if d.planes(dst, src, n, h) == 0 {
		return nil
	}
	switch v := d.verdict(); {
	case v == unreadable:
		return formatError("%s", d.message())
	case v == damaged || cut: // the first warning hides later ones, but a missing EOI tells
		return ErrTruncated
	}
	return nil
}

// What libjpeg's complaints mean for the picture.
const (
	harmless = iota
	damaged
	unreadable
)

// verdict judges the last complaint by its text (jerror.h): TurboJPEG's own code calls a fatal error
// a warning if there was one before it.
func (d *Decoder) verdict() int {
	m := d.message()
	for _, s := range []string{"extraneous bytes", "unknown JFIF revision", "Unknown Adobe"} {
		if strings.Contains(m, s) {
			return harmless
		}
	}
	for _, s := range []string{"Corrupt JPEG data", "Premature end of JPEG file", "Inconsistent progression", "Invalid SOS parameters"} {
		if strings.Contains(m, s) {
			return damaged
		}
	}
	return unreadable
}

// complained reports whether libjpeg had something to say about any of the pictures that were decoded, be it harmless. Of several things
// TurboJPEG tells but one.
func (d *Decoder) complained() bool { return d.text[0] != 0 }

// planes decodes to dst, by way of d's own planes where TurboJPEG's differ from I420: it rounds luma
// up to whole chroma samples, and gives chroma in the picture's own subsampling.
func (d *Decoder) planes(dst *video.I420, src *C.uchar, n C.ulong, h C.header) (failed C.int) {
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
	failed = C.jpegPlanes(d.handle, src, n, h.width, h.height,
		(*C.uchar)(unsafe.SliceData(y.Pix)), C.int(y.Stride),
		(*C.uchar)(unsafe.SliceData(u)), (*C.uchar)(unsafe.SliceData(v)), C.int(stride), text(d.text), C.JMSG)
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
	return failed
}

// message is TurboJPEG's text for the last complaint.
func (d *Decoder) message() string { return message(d.text) }

func message(text []byte) string {
	s, _, _ := strings.Cut(string(text), "\x00")
	return s
}

func text(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }

// encode appends img, which is checked and of full range, to dst.
func encode(dst []byte, img *video.I420, quality int) ([]byte, error) {
	width, height := img.Width, img.Height
	img = even(img)
	h := C.tjInitCompress()
	if h == nil {
		return nil, errors.New("encode JPEG: libjpeg-turbo has no memory")
	}
	defer C.tjDestroy(h)
	complaint := make([]byte, C.JMSG)
	e := C.jpegEncode(h, (*C.uchar)(unsafe.SliceData(img.Y)), (*C.uchar)(unsafe.SliceData(img.U)),
		(*C.uchar)(unsafe.SliceData(img.V)), C.int(width), C.int(height),
		C.int(img.YStride), C.int(img.CStride), C.int(quality), text(complaint), C.JMSG)
	if e.data == nil {
		return nil, fmt.Errorf("encode JPEG: %s", message(complaint))
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
