// Package h264 makes and reads H.264 (ITU-T H.264, ISO/IEC 14496-10): an encoder and a
// decoder that bind OpenH264, and the parts of the byte stream that other packages need,
// which are NAL units, length prefixes and sequence parameter sets.
//
// The binding needs cgo and OpenH264's static library. A build without cgo has everything
// but the encoder and the decoder, whose constructors then return [ErrUnavailable].
package h264

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// The NAL unit types that this module tells apart (table 7-1).
const (
	nalSliceIDR = 5
	nalSPS      = 7
	nalPPS      = 8
	nalAUD      = 9
)

var startCode = []byte{0, 0, 1}

// NALs yields the NAL units of an Annex B byte stream (B.1) in order, without start codes and
// without trailing zero bytes. They alias annexB. Bytes before the first start code and empty
// units are left out, so a buffer without a start code yields nothing.
func NALs(annexB []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for nal, rest := nextNAL(annexB); nal != nil; nal, rest = nextNAL(rest) {
			if !yield(nal) {
				return
			}
		}
	}
}

// nextNAL returns the first NAL unit that is not empty and what follows it, beginning with a
// start code; nil at the end. A NAL unit cannot end in a zero byte (7.4.1), so the zeros
// before a start code are its zero_byte or trailing_zero_8bits.
func nextNAL(b []byte) (nal, rest []byte) {
	for {
		i := bytes.Index(b, startCode)
		if i < 0 {
			return nil, nil
		}
		b = b[i+len(startCode):]
		nal, rest = b, nil
		if n := bytes.Index(b, startCode); n >= 0 {
			nal, rest = b[:n], b[n:]
		}
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			return nal[:len(nal):len(nal)], rest
		}
		b = rest
	}
}

// AVCC appends the NAL units of an access unit to dst, each after its length in 4 bytes, as
// an avc1 sample holds them (ISO/IEC 14496-15 5.3.3.1). Parameter sets and access unit
// delimiters are left out: the former belong in the sample description.
func AVCC(dst, annexB []byte) []byte {
	for nal, rest := nextNAL(annexB); nal != nil; nal, rest = nextNAL(rest) {
		switch nal[0] & 0x1f {
		case nalSPS, nalPPS, nalAUD:
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(nal)))
		dst = append(dst, nal...)
	}
	return dst
}

// ParameterSets returns the first sequence and the first picture parameter set of an access
// unit, nil where there is none. They alias annexB.
func ParameterSets(annexB []byte) (sps, pps []byte) {
	for nal, rest := nextNAL(annexB); nal != nil; nal, rest = nextNAL(rest) {
		switch t := nal[0] & 0x1f; {
		case t == nalSPS && sps == nil:
			sps = nal
		case t == nalPPS && pps == nil:
			pps = nal
		case t >= 1 && t <= nalSliceIDR:
			return sps, pps // parameter sets come before the slices that use them (7.4.1.2.3)
		}
	}
	return sps, pps
}
