package live

import (
	"slices"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// passed is what is kept of the pictures of a camera that encodes. They go out as they are: no estimate of a viewer's line
// changes them, and none is left out but for viewers that are behind.
type passed struct {
	sps, pps []byte
	any      bool
	seq      uint64    // of the last picture, if any
	asked    time.Time // a key picture was requested
}

// note looks at an access unit, and keeps its parameter sets, which the camera may send once only.
func (p *passed) note(annexB []byte) (slices, key bool) {
	sps, pps := h264.ParameterSets(annexB)
	if sps != nil {
		p.sps = append(p.sps[:0], sps...)
	}
	if pps != nil {
		p.pps = append(p.pps[:0], pps...)
	}
	for nal := range h264.NALs(annexB) {
		switch t := nal[0] & 0x1f; { // table 7-1
		case t == 5:
			return true, true
		case t >= 1 && t < 5:
			slices = true
		}
	}
	return slices, false
}

// pass hands out a picture that the camera has encoded. One that refers to a picture that has been lost is of no use to
// anybody, and neither are those after it up to the next key picture.
func (s *stream) pass(viewers []*viewer, f *video.Frame) {
	p := &s.own
	hasSlices, key := p.note(f.Data)
	if !hasSlices {
		return // parameter sets by themselves, which come again with the next key picture
	}
	gap := p.any && f.Seq != p.seq+1
	p.any, p.seq = true, f.Seq
	if len(viewers) == 0 {
		return
	}
	if gap && !key {
		for _, v := range viewers {
			v.needKey.Store(true)
		}
	}
	data := f.Data
	if sps, pps := h264.ParameterSets(f.Data); key && (sps == nil || pps == nil) && p.sps != nil && p.pps != nil {
		data = slices.Concat([]byte{0, 0, 0, 1}, p.sps, []byte{0, 0, 0, 1}, p.pps, f.Data)
	}
	s.send(viewers, data, s.time.at(f.Mono), key)
	if !key {
		_, _, w := s.c.state() // send may have found somebody who needs one
		s.requestKey(w)
	}
}

// requestKey asks a camera that encodes for a key picture if it can be asked and one is wanted, at most twice a second.
func (s *stream) requestKey(w wish) {
	r, can := s.c.src.(KeyRequester)
	if !can || w != now && !s.keyDue(w) || time.Since(s.own.asked) < keyPause {
		return
	}
	s.own.asked = time.Now()
	r.RequestKey()
}
