package main

import "slices"

// A setting is what driver and camera agree on before streaming: indexes from 1, as in the descriptors.
type setting struct {
	format, frame int
	interval      uint32 // 100 ns
}

// first is the setting that a stream begins with.
func (s streamShape) first() setting { return setting{1, 1, intervals[0]} }

// size is the size of the setting's pictures.
func (s streamShape) size(v setting) size { return s.formats[v.format-1].sizes[v.frame-1] }

// coding is what the setting's pictures are made in.
func (s streamShape) coding(v setting) coding { return s.formats[v.format-1].coding }

// negotiate reads a probe control (UVC 1.0 table 4-47) and gives the nearest setting the
// stream has: a known format and size, and the slowest offered rate that isn't slower than asked.
func (s streamShape) negotiate(probe []byte) setting {
	v := setting{format: int(probe[2]), frame: int(probe[3]), interval: intervals[0]}
	if v.format < 1 || v.format > len(s.formats) {
		v.format = 1
	}
	if v.frame < 1 || v.frame > len(s.formats[v.format-1].sizes) {
		v.frame = 1
	}
	asked := le.Uint32(probe[4:])
	for _, i := range intervals {
		if i <= asked {
			v.interval = i
		}
	}
	return v
}

// probe is the setting as a control's value.
func (s streamShape) probe(v setting) []byte {
	return slices.Concat(u16(1), []byte{byte(v.format), byte(v.frame)}, u32(v.interval), make([]byte, 10),
		u32(uint32(s.size(v).bytes())), u32(uint32(s.payload(v))))
}

// overstated is how many times the bandwidth that it needs a camera asks for. Many real ones do; here it is for the emulated kernel, which does not
// handle a transfer for each 32 microframes as fast as they would come.
const overstated = 4

// payload is the largest payload of the setting. Over an isochronous endpoint that is what a microframe (8000 a second) is to carry.
func (s streamShape) payload(v setting) int {
	if !s.isochronous {
		return maxPayload
	}
	return int(int64(s.size(v).bytes())*overstated*10_000_000/int64(v.interval)/8000) + 1 + payloadHeader
}
