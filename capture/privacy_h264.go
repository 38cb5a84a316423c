package capture

import (
	"camward/codec/h264"
	"camward/video"
)

// A videoDecoder turns a camera's H.264 into pictures that can be masked. It begins at a key picture, and after a gap again: what refers
// to a picture that is not there could show any part of another anywhere.
type videoDecoder struct {
	dec     *h264.Decoder
	img     video.I420
	next    uint64 // Seq of the frame that the last one is for
	running bool
}

// decode releases f and returns its picture, in YU12 from pool; nil while there is none.
func (v *veil) decode(f *video.Frame, pool *video.Pool) (*video.Frame, error) {
	defer f.Release()
	if v.h264 == nil {
		dec, err := h264.NewDecoder()
		if err != nil {
			return nil, err
		}
		v.h264 = &videoDecoder{dec: dec}
	}
	s := v.h264
	gap := f.Seq != s.next
	s.next = f.Seq + 1
	if gap || !s.running {
		if _, key := content(f.Data); !key {
			s.running = false
			return nil, nil
		}
	}
	ok, err := s.dec.Decode(f.Data, &s.img)
	if s.running = err == nil; !ok || err != nil {
		return nil, err
	}
	g := pool.Get(len(s.img.Y) + len(s.img.U) + len(s.img.V))
	n := copy(g.Data, s.img.Y)
	n += copy(g.Data[n:], s.img.U)
	copy(g.Data[n:], s.img.V)
	g.Format = video.Format{
		FourCC: video.YU12, Width: s.img.Width, Height: s.img.Height, Stride: s.img.Width,
		Rate: f.Format.Rate, FullRange: s.img.FullRange,
	}
	g.Seq, g.Mono = f.Seq, f.Mono
	return g, nil
}

// close frees the decoder.
func (v *veil) close() {
	if v.h264 != nil {
		v.h264.dec.Close()
		v.h264 = nil
	}
}
