package capture

import (
	"bytes"
	"time"

	"camward/codec/h264"
)

// The NAL unit types (ITU-T H.264 table 7-1) that matter for passing pictures on.
const (
	nalSlice = 1
	nalIDR   = 5
)

// maxSets is how many bytes of parameter sets are kept for the pictures after them.
const maxSets = 4 << 10

// A keyGate holds H.264 back from where a picture is missing to the next key picture: what is decoded in between would be garbage. It
// is closed at first. The zero value is ready.
type keyGate struct {
	open   bool
	begun  bool
	next   uint64    // Seq expected
	since  time.Time // of being closed
	wanted time.Time // when a key picture was last asked for
	sets   []byte    // parameter sets that came by themselves, for the picture after them
	last   []byte    // those that were last sent with a picture, as Annex B
	joined uint64    // buffers that held nothing but those, and take no number of their own
}

// close begins to hold back.
func (g *keyGate) close() {
	if g.open {
		g.open, g.since, g.wanted = false, time.Now(), time.Time{}
	}
}

// count takes the number of the next buffer, and closes the gate where one is missing.
func (g *keyGate) count(seq uint64) {
	if !g.begun {
		g.begun, g.since = true, time.Now()
	} else if seq != g.next {
		g.close()
	}
	g.next = seq + 1
}

// remembered keeps the parameter sets of an access unit. One that has none gets those of the one before.
func (g *keyGate) remembered(annexB []byte) (missing []byte) {
	sps, pps := h264.ParameterSets(annexB)
	switch {
	case sps == nil && pps == nil:
		return g.last
	case sps == nil || pps == nil || len(sps)+len(pps) > maxSets: // half a change
		g.last = g.last[:0]
	default:
		g.last = append(append(g.last[:0], 0, 0, 0, 1), sps...)
		g.last = append(append(g.last, 0, 0, 0, 1), pps...)
	}
	return nil
}

// isAnnexB tells a byte stream with start codes (ITU-T H.264 annex B) from anything else.
func isAnnexB(b []byte) bool {
	b = b[:min(len(b), 64)] // leading zeros are allowed
	i := bytes.IndexByte(b, 1)
	return i >= 2 && len(bytes.TrimLeft(b[:i], "\x00")) == 0
}

// content tells whether an access unit has a picture, and whether decoding can begin with it.
func content(annexB []byte) (picture, key bool) {
	for nal := range h264.NALs(annexB) {
		if len(nal) == 0 {
			continue
		}
		if t := nal[0] & 0x1f; t >= nalSlice && t <= nalIDR {
			return true, t == nalIDR // the other slices are of the same picture
		}
	}
	return false, false
}
