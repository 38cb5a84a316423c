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
	cfg Config
	c   *C.camward_encoder
}

// NewEncoder checks cfg, reporting every fault at once, and makes an encoder for it.
func NewEncoder(cfg Config) (*Encoder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var status C.int
	c := C.camward_encoder_new(C.int(cfg.Width&^1), C.int(cfg.Height&^1), C.float(min(max(cfg.Rate, 1), maxRate)),
		C.int(cfg.Bitrate), C.int(cfg.KeyInterval), flagInt(cfg.FullRange), &status)
	if c == nil {
		return nil, fmt.Errorf("make OpenH264 encoder for %d x %d: status %d", cfg.Width, cfg.Height, status)
	}
	return &Encoder{cfg: cfg, c: c}, nil
}

// Encode is EncodeTo with new memory for each packet.
func (e *Encoder) Encode(img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error) {
	return e.EncodeTo(nil, img, mono, seq, forceKey)
}

// EncodeTo makes one access unit, as [VideoEncoder] says; forceKey is obeyed at once.
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
		C.int64_t(mono.Milliseconds()), flagInt(forceKey), &key)
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
	fullRange bool // of the last SPS seen
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
	switch {
	case d.c == nil:
		return false, errClosed
	case len(annexB) == 0:
		return false, errors.New("decode H.264: empty access unit")
	case len(annexB) > math.MaxInt32/2:
		return false, fmt.Errorf("decode H.264: access unit of %d bytes", len(annexB))
	}
	if nal, _ := ParameterSets(annexB); nal != nil {
		if sps, err := ParseSPS(nal); err == nil {
			d.fullRange = sps.FullRange
		}
	}
	return d.take(annexB, dst)
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
	var ready C.int
	status := C.camward_decode(d.c, bytePtr(annexB), C.int(len(annexB)), &ready)
	if status != 0 && status != C.dsFramePending {
		return false, fmt.Errorf("decode H.264: OpenH264 status %#x", int(status))
	}
	if ready == 0 {
		return false, nil
	}
	dst.Resize(int(d.c.width), int(d.c.height))
	dst.FullRange = d.fullRange
	C.camward_picture(d.c, bytePtr(dst.Y), bytePtr(dst.U), bytePtr(dst.V))
	return true, nil
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
