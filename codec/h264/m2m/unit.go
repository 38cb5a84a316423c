package m2m

import (
	"bytes"
	"fmt"
	"slices"

	"camward/codec/h264"
)

// The NAL unit types that matter here (ITU-T H.264 table 7-1).
const (
	nalSlice = 1
	nalIDR   = 5
	nalSPS   = 7
	nalPPS   = 8
)

// maxHeaders bounds the parameter sets kept; real ones are below 100 bytes.
const maxHeaders = 4096

var startCode = []byte{0, 0, 0, 1}

// content says what a buffer of the hardware holds.
type content struct {
	slices   bool // of a picture
	key      bool // an IDR picture
	sps, pps bool // before the first slice
}

// inspect looks at the NAL units of an Annex B buffer.
func inspect(annexB []byte) (c content) {
	for nal := range h264.NALs(annexB) {
		switch t := nal[0] & 0x1f; {
		case t == nalSPS:
			c.sps = c.sps || !c.slices
		case t == nalPPS:
			c.pps = c.pps || !c.slices
		case t >= nalSlice && t <= nalIDR:
			c.slices = true
			c.key = c.key || t == nalIDR
		}
	}
	return c
}

// headers holds the parameter sets of a stream, for drivers that send them apart or only once.
type headers struct {
	wantWidth, wantHeight int // displayed

	sps, pps []byte // without start codes
}

// note keeps the parameter sets of a buffer. It fails if they speak of another picture than was asked for, or
// of a profile that not every viewer decodes: drivers adjust what they are asked.
func (h *headers) note(annexB []byte) error {
	sps, pps := h264.ParameterSets(annexB)
	if len(sps)+len(pps) > maxHeaders {
		return fmt.Errorf("parameter sets of %d bytes", len(sps)+len(pps))
	}
	if sps != nil && !bytes.Equal(sps, h.sps) {
		info, err := h264.ParseSPS(sps)
		switch {
		case err != nil:
			return err
		case info.Width != h.wantWidth || info.Height != h.wantHeight:
			return fmt.Errorf("%w: it makes %d x %d of %d x %d", ErrUnsupported, info.Width, info.Height, h.wantWidth, h.wantHeight)
		case info.Profile != 66:
			return fmt.Errorf("%w: it makes profile %d, wanted is 66 (baseline)", ErrUnsupported, info.Profile)
		}
		h.sps = append(h.sps[:0], sps...)
	}
	if pps != nil && !bytes.Equal(pps, h.pps) {
		h.pps = append(h.pps[:0], pps...)
	}
	return nil
}

// unit copies an access unit to buf, or to new memory where that is too short; a key picture gets the parameter
// sets that it lacks.
func (h *headers) unit(buf, annexB []byte, c content) []byte {
	if !c.key || c.sps && c.pps {
		return append(buf[:0], annexB...)
	}
	out := slices.Grow(buf[:0], len(annexB)+len(h.sps)+len(h.pps)+2*len(startCode))
	for _, nal := range [...][]byte{h.sps, h.pps} {
		out = append(out, startCode...)
		out = append(out, nal...)
	}
	return append(out, annexB...)
}

// complete reports whether a key picture can be made decodable.
func (h *headers) complete() bool { return len(h.sps) > 0 && len(h.pps) > 0 }
