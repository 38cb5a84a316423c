package mp4

import (
	"fmt"
	"io"

	"camward/codec/h264"
	"camward/video"
)

// Packet reads sample i as an Annex B access unit with the file's parameter sets before each
// key picture that has none of its own. Mono is the sample's Time, Seq is i.
func (f *File) Packet(r io.ReaderAt, i int) (video.Packet, error) {
	if i < 0 || i >= len(f.Samples) {
		return video.Packet{}, fmt.Errorf("mp4 sample %d of %d", i, len(f.Samples))
	}
	if f.track.lengthSize == 0 {
		return video.Packet{}, fmt.Errorf("mp4 sample %d is %q, not H.264", i, f.Codec)
	}
	s := f.Samples[i]
	b := make([]byte, s.Size)
	if err := readFull(r, b, s.Offset); err != nil {
		return video.Packet{}, fmt.Errorf("mp4 sample %d: %w", i, err)
	}
	var out []byte
	if s.Key {
		for _, nal := range f.track.sps {
			out = appendNAL(out, nal)
		}
		for _, nal := range f.track.pps {
			out = appendNAL(out, nal)
		}
	}
	heads := len(out)
	n := f.track.lengthSize
	for len(b) > 0 {
		if len(b) <= n || nalLength(b[:n]) == 0 || nalLength(b[:n]) > int64(len(b)-n) {
			return video.Packet{}, fmt.Errorf("mp4 sample %d: NAL unit lengths do not fit its %d bytes", i, s.Size)
		}
		length := int(nalLength(b[:n]))
		out = appendNAL(out, b[n:n+length])
		b = b[n+length:]
	}
	if heads > 0 {
		if sps, _ := h264.ParameterSets(out[heads:]); sps != nil {
			out = out[heads:]
		}
	}
	return video.Packet{Data: out, Mono: s.Time, Seq: uint64(i), Key: s.Key}, nil
}

func appendNAL(dst, nal []byte) []byte {
	return append(append(dst, 0, 0, 0, 1), nal...)
}
