package capture

import (
	"bytes"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// The NAL unit types (ITU-T H.264 table 7-1) that matter for passing pictures on.
const (
	nalSlice = 1
	nalIDR   = 5
	nalSPS   = 7
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
	sps    []byte    // the sequence parameter set last looked at
	large  bool      // it is of much larger pictures than those granted
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

// oversized reports whether an access unit announces pictures of more than twice the area that was granted. A decoder takes the memory for
// them at once, and what a camera sends is not to be trusted with that.
func (g *keyGate) oversized(annexB []byte, granted video.Format) bool {
	for nal := range h264.NALs(annexB) {
		switch {
		case len(nal) == 0:
		case nal[0]&0x1f == nalSPS && !bytes.Equal(nal, g.sps):
			g.sps = append(g.sps[:0], nal...)
			s, err := h264.ParseSPS(nal)
			g.large = err == nil && s.Width*s.Height > 2*(granted.Width+16)*(granted.Height+16)
		case nal[0]&0x1f <= nalIDR:
			return g.large // the other slices are of the same picture
		}
	}
	return g.large
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
