package agent

import (
	"errors"

	"camward/codec/h264"
	"camward/video"
)

// errNoKey says that decoding waits for the next key picture.
var errNoKey = errors.New("no H.264 key picture yet")

// An h264Reader decodes the pictures of a camera that encodes. They refer to each other, so each must be read, and after a
// gap it waits for the next key picture. What it needs it makes at the first picture; close frees it.
type h264Reader struct {
	dec  *h264.Decoder
	img  video.I420
	au   []byte // parameter sets and a key picture that lacks its own
	sets []byte // SPS and PPS seen last, as Annex B

	running bool   // since a key picture, without a gap
	next    uint64 // Seq of the picture that leaves none
}

// read decodes a picture. The result holds until the next call; errNoKey means that there is none yet.
func (r *h264Reader) read(f *video.Frame) (*video.I420, error) {
	key := false
	for nal := range h264.NALs(f.Data) {
		key = key || nal[0]&0x1f == 5 // an IDR slice (ITU-T H.264 7.4.1)
	}
	gap := f.Seq != r.next
	r.next = f.Seq + 1
	if !key && (gap || !r.running) {
		r.running = false
		return nil, errNoKey
	}
	data := f.Data
	if sps, pps := h264.ParameterSets(f.Data); sps != nil && pps != nil {
		r.sets = append(append(r.sets[:0], 0, 0, 0, 1), sps...)
		r.sets = append(append(r.sets, 0, 0, 0, 1), pps...)
	} else if key && r.sets != nil { // some cameras send them once
		r.au = append(append(r.au[:0], r.sets...), f.Data...)
		data = r.au
	}
	if r.dec == nil {
		d, err := h264.NewDecoder()
		if err != nil {
			return nil, err
		}
		r.dec = d
	}
	ok, err := r.dec.Decode(data, &r.img)
	r.running = err == nil
	if err == nil && !ok {
		err = errNoKey // nothing is lost: the decoder gives it with the next one
	}
	return &r.img, err
}

// close frees the decoder.
func (r *h264Reader) close() {
	if r.dec != nil {
		r.dec.Close()
	}
	*r = h264Reader{}
}
