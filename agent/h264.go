package agent

import (
	"errors"

	"camward/codec/h264"
	"camward/video"
)

// errNoKey says that decoding waits for the next key picture.
var errNoKey = errors.New("no H.264 key picture yet")

// An h264Reader decodes the pictures of a camera that encodes. They refer to each other, so each must be read, and after a
// gap it waits for the next key picture, which capture gives with its parameter sets. What it needs it makes at the first picture; close
// frees it.
type h264Reader struct {
	dec *h264.Decoder
	img video.I420

	running bool   // since a key picture, without a gap
	next    uint64 // Seq of the picture that leaves none
}

// read decodes a picture. The result holds until the next call; errNoKey means that there is none yet.
func (r *h264Reader) read(f *video.Frame) (*video.I420, error) {
	if err := r.ready(f); err != nil {
		return nil, err
	}
	ok, err := r.dec.Decode(f.Data, &r.img)
	return &r.img, r.decoded(ok, err)
}

// luma is read for an eighth of the size, luma alone.
func (r *h264Reader) luma(dst *video.Plane, f *video.Frame) error {
	if err := r.ready(f); err != nil {
		return err
	}
	return r.decoded(r.dec.DecodeLuma8(f.Data, dst))
}

// ready makes sure of a decoder that can use f.
func (r *h264Reader) ready(f *video.Frame) error {
	key := false
	for nal := range h264.NALs(f.Data) {
		key = key || nal[0]&0x1f == 5 // an IDR slice (ITU-T H.264 7.4.1)
	}
	r.running = key || r.running && f.Seq == r.next
	r.next = f.Seq + 1
	if !r.running {
		return errNoKey
	}
	if r.dec != nil {
		return nil
	}
	var err error
	r.dec, err = h264.NewDecoder()
	return err
}

// decoded judges what the decoder answered.
func (r *h264Reader) decoded(ok bool, err error) error {
	r.running = err == nil
	if err == nil && !ok {
		return errNoKey // nothing is lost: the decoder gives it with the next one
	}
	return err
}

// close frees the decoder.
func (r *h264Reader) close() {
	if r.dec != nil {
		r.dec.Close()
	}
	*r = h264Reader{}
}
