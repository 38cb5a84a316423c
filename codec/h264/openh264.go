//go:build cgo

package h264

/*
#cgo LDFLAGS: -l:libopenh264.a -lstdc++ -lm
#cgo noescape camward_encode
#cgo nocallback camward_encode
#cgo noescape camward_packet
#cgo nocallback camward_packet
#cgo noescape camward_decode
#cgo nocallback camward_decode
#cgo noescape camward_picture
#cgo nocallback camward_picture
#include "openh264.h"
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unsafe"

	"camward/video"
)

// Available reports whether this build can encode and decode.
const Available = true

// Backend names the library behind Encoder and Decoder, with its version; empty when there is none.
const Backend = C.CAMWARD_OPENH264

// An Encoder makes an H.264 constrained baseline stream, one slice a picture. It holds memory
// outside Go's heap until Close. Its methods must not be called concurrently.
type Encoder struct {
	cfg    Config
	c      *C.camward_encoder
	broken bool // the last picture failed: what comes next must not refer to it
}

// NewEncoder checks cfg, reporting every fault at once, and makes an encoder for it.
func NewEncoder(cfg Config) (*Encoder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var status C.int
	c := C.camward_encoder_new(C.int(cfg.Width&^1), C.int(cfg.Height&^1), C.float(min(max(cfg.Rate, 1), maxRate)),
		C.int(cfg.Bitrate), C.int(cfg.finest()), C.int(cfg.KeyInterval), flagInt(cfg.FullRange), &status)
	if c == nil {
		return nil, fmt.Errorf("make OpenH264 encoder for %d x %d: status %d", cfg.Width, cfg.Height, status)
	}
	return &Encoder{cfg: cfg, c: c}, nil
}

// Encode is EncodeTo with new memory for each packet.
func (e *Encoder) Encode(img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error) {
	return e.EncodeTo(nil, img, mono, seq, forceKey)
}

// EncodeTo makes one access unit, as [VideoEncoder] says; forceKey is obeyed at once. After an error the next picture is a
// key picture.
func (e *Encoder) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error) {
	if e.c == nil {
		return video.Packet{}, errClosed
	}
	if err := checkPicture(img, e.cfg.Width, e.cfg.Height); err != nil {
		return video.Packet{}, err
	}
	var key C.int
	n := C.camward_encode(e.c, bytePtr(img.Y), bytePtr(img.U), bytePtr(img.V),
		C.int(e.cfg.Width&^1), C.int(e.cfg.Height&^1), C.int(img.YStride), C.int(img.CStride),
		C.int64_t(mono.Milliseconds()), flagInt(forceKey || e.broken), &key)
	e.broken = n <= 0
	switch {
	case n < 0:
		return video.Packet{}, fmt.Errorf("encode %d x %d picture %d: OpenH264 status %d", img.Width, img.Height, seq, -n)
	case n == 0:
		return video.Packet{}, fmt.Errorf("encode picture %d: OpenH264 skipped it", seq)
	}
	data := slices.Grow(buf[:0], int(n))[:n]
	C.camward_packet(e.c, bytePtr(data))
	return video.Packet{Data: data, Mono: mono, Seq: seq, Key: key != 0}, nil
}

// SetBitrate changes the wanted average from the next picture on.
func (e *Encoder) SetBitrate(bps int) error {
	if e.c == nil {
		return errClosed
	}
	if err := checkBitrate(bps); err != nil {
		return err
	}
	if status := C.camward_set_bitrate(e.c, C.int(bps)); status != 0 {
		return fmt.Errorf("set bit rate %d: OpenH264 status %d", bps, status)
	}
	e.cfg.Bitrate = bps
	return nil
}

// Close frees the encoder. Calling it again does nothing.
func (e *Encoder) Close() {
	if e.c != nil {
		C.camward_encoder_free(e.c)
		e.c = nil
	}
}

// A Decoder turns an H.264 stream into pictures. It holds memory outside Go's heap until
// Close. Its methods must not be called concurrently.
type Decoder struct {
	c         *C.camward_decoder
	sps       []byte // the last seen
	fullRange bool   // as it says
}

// NewDecoder makes a decoder that waits for a key picture.
func NewDecoder() (*Decoder, error) {
	var status C.long
	c := C.camward_decoder_new(&status)
	if c == nil {
		return nil, fmt.Errorf("make OpenH264 decoder: status %d", status)
	}
	return &Decoder{c: c}, nil
}

// Decode takes one access unit and copies a finished picture to dst, which is resized to fit;
// ok reports whether there was one. Without B pictures it is the access unit's own; with them
// it comes in display order, up to a few access units late. A damaged access unit gives an
// error and no picture, and so do those that depend on it, until the next key picture.
func (d *Decoder) Decode(annexB []byte, dst *video.I420) (ok bool, err error) {
	if err := d.check(annexB); err != nil {
		return false, err
	}
	d.noteRange(annexB)
	return d.take(annexB, dst)
}

// DecodeLuma8 is Decode for who needs no more than the mean of each 8x8 block of the luma, as video.Luma8 and the JPEG
// decoder's Luma8 have it: of the picture nothing else is copied.
func (d *Decoder) DecodeLuma8(annexB []byte, dst *video.Plane) (ok bool, err error) {
	if err := d.check(annexB); err != nil {
		return false, err
	}
	if ok, err = d.decode(annexB); err != nil || !ok {
		return false, err
	}
	w, h, stride := int(d.c.width), int(d.c.height), int(d.c.y_stride)
	luma := unsafe.Slice((*byte)(d.c.plane[0]), stride*(h-1)+w) // OpenH264's memory, until the next call
	if err := video.LumaOf(dst, &video.I420{Y: luma, Width: w, Height: h, YStride: stride}); err != nil {
		return false, fmt.Errorf("decode H.264: %w", err)
	}
	return true, nil
}

func (d *Decoder) check(annexB []byte) error {
	switch {
	case d.c == nil:
		return errClosed
	case len(annexB) == 0:
		return errors.New("decode H.264: empty access unit")
	case len(annexB) > math.MaxInt32/2:
		return fmt.Errorf("decode H.264: access unit of %d bytes", len(annexB))
	}
	return nil
}

// noteRange reads an SPS that is another than the one before.
func (d *Decoder) noteRange(annexB []byte) {
	nal, _ := ParameterSets(annexB)
	if nal == nil || bytes.Equal(nal, d.sps) {
		return
	}
	if sps, err := ParseSPS(nal); err == nil {
		d.sps, d.fullRange = append(d.sps[:0], nal...), sps.FullRange
	}
}

// Flush copies a picture that waits for its turn to dst, as Decode does. At the end of a
// stream, call it until ok is false.
func (d *Decoder) Flush(dst *video.I420) (ok bool, err error) {
	if d.c == nil {
		return false, errClosed
	}
	return d.take(nil, dst)
}

func (d *Decoder) take(annexB []byte, dst *video.I420) (ok bool, err error) {
	if ok, err = d.decode(annexB); err != nil || !ok {
		return false, err
	}
	dst.Resize(int(d.c.width), int(d.c.height))
	dst.FullRange = d.fullRange
	C.camward_picture(d.c, bytePtr(dst.Y), bytePtr(dst.U), bytePtr(dst.V))
	return true, nil
}

// decode leaves a picture in d.c, where it is OpenH264's until the next call.
func (d *Decoder) decode(annexB []byte) (ok bool, err error) {
	var ready C.int
	status := C.camward_decode(d.c, bytePtr(annexB), C.int(len(annexB)), &ready)
	if status != 0 && status != C.dsFramePending {
		return false, fmt.Errorf("decode H.264: OpenH264 status %#x", int(status))
	}
	return ready != 0 && d.c.width > 0 && d.c.height > 0, nil
}

// Close frees the decoder. Calling it again does nothing.
func (d *Decoder) Close() {
	if d.c != nil {
		C.camward_decoder_free(d.c)
		d.c = nil
	}
}

func bytePtr(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))) }

func flagInt(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
