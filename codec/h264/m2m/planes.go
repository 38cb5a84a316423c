package m2m

import (
	"encoding/binary"
	"fmt"

	"camward/video"
)

// A span is where one plane of samples lies in an input buffer.
type span struct {
	memory int // index of the memory plane
	offset int // bytes from its beginning
	stride int // bytes from line to line
	lines  int
}

// An inputLayout says how the driver wants a picture laid out: Y, U, V, or Y and UV interleaved.
type inputLayout struct {
	interleaved bool
	spans       [3]span // the third is unused if interleaved
	memories    int
}

// layoutOf makes a layout from what the driver granted: its height, which may be more than the picture's, and the
// strides of its memory planes; those are followed for chroma too where it has memory of its own.
func layoutOf(format video.FourCC, width, height int, strides []int) (inputLayout, error) {
	l := inputLayout{memories: 1}
	chroma := (height + 1) / 2
	luma := func(n int) int { return max(strides[n], 0) }
	switch format {
	case ym12:
		l.memories = 3
	case nm12:
		l.memories = 2
	}
	if len(strides) != l.memories {
		return l, fmt.Errorf("the driver has %d memory planes for %v, want %d", len(strides), format, l.memories)
	}
	y := luma(0)
	l.spans[0] = span{0, 0, y, height}
	switch format {
	case video.YU12:
		c := y / 2
		l.spans[1] = span{0, y * height, c, chroma}
		l.spans[2] = span{0, y*height + c*chroma, c, chroma}
	case ym12:
		l.spans[1] = span{1, 0, luma(1), chroma}
		l.spans[2] = span{2, 0, luma(2), chroma}
	case video.NV12:
		l.interleaved = true
		l.spans[1] = span{0, y * height, y, chroma}
	case nm12:
		l.interleaved = true
		l.spans[1] = span{1, 0, luma(1), chroma}
	default:
		return l, fmt.Errorf("the driver takes %v, which is not known here", format)
	}
	need := [3]int{width, (width + 1) / 2, (width + 1) / 2}
	if l.interleaved {
		need[1], need[2] = (width+1)/2*2, 0
	}
	for i, s := range l.spans {
		if s.stride < need[i] || s.stride > 1<<16 {
			return l, fmt.Errorf("the driver's stride of %d bytes does not fit lines of %d", s.stride, need[i])
		}
	}
	return l, nil
}

// size is how many bytes of a memory plane a picture takes.
func (l *inputLayout) size(memory int) int {
	n := 0
	for _, s := range l.spans {
		if s.memory == memory {
			n = max(n, s.offset+s.stride*s.lines)
		}
	}
	return n
}

// copyIn lays the upper left width x height samples of a picture, both even, into the memory planes, which are at
// least as long as size says. Full range samples are brought into the 16..235 that a stream has which says
// nothing of its range: hardware does not write it.
func (l *inputLayout) copyIn(memories [][]byte, img *video.I420, width, height int) {
	s := l.spans
	lines(memories[s[0].memory][s[0].offset:], s[0].stride, img.Y, img.YStride, width, height, luma(img.FullRange))
	cw, ch := width/2, height/2
	if !l.interleaved {
		c := chroma(img.FullRange)
		lines(memories[s[1].memory][s[1].offset:], s[1].stride, img.U, img.CStride, cw, ch, c)
		lines(memories[s[2].memory][s[2].offset:], s[2].stride, img.V, img.CStride, cw, ch, c)
		return
	}
	out := memories[s[1].memory][s[1].offset:]
	for y := range ch {
		weave(out[y*s[1].stride:][:2*cw], img.U[y*img.CStride:][:cw], img.V[y*img.CStride:][:cw], chroma(img.FullRange))
	}
}

// A scale maps a sample x to (x*factor + offset) >> 8. The product must stay below 1<<16.
type scale struct{ factor, offset uint64 }

// From 0..255 to 16..235 and 16..240 (ITU-T H.273 8.3, equations 20 to 28), within 1 of the exact value.
var (
	lumaScale   = scale{220, 16<<8 + 128}
	chromaScale = scale{225, 16 << 8}
)

func luma(full bool) *scale {
	if full {
		return &lumaScale
	}
	return nil
}

func chroma(full bool) *scale {
	if full {
		return &chromaScale
	}
	return nil
}

// lines copies h lines of w samples, scaled if s is not nil.
func lines(dst []byte, dstStride int, src []byte, srcStride, w, h int, s *scale) {
	for y := range h {
		d, from := dst[y*dstStride:][:w], src[y*srcStride:][:w]
		if s == nil {
			copy(d, from)
		} else {
			narrow(d, from, *s)
		}
	}
}

// Four 16-bit lanes in a word, each with one sample.
const (
	evenBytes = 0x00ff00ff00ff00ff
	eachLane  = 0x0001000100010001
)

// narrow scales samples, eight at a time; dst may be src.
func narrow(dst, src []byte, s scale) {
	offset := s.offset * eachLane
	for len(dst) >= 8 && len(src) >= 8 {
		v := binary.LittleEndian.Uint64(src)
		even := (v&evenBytes*s.factor + offset) >> 8 & evenBytes
		odd := (v>>8&evenBytes*s.factor + offset) &^ evenBytes
		binary.LittleEndian.PutUint64(dst, even|odd)
		dst, src = dst[8:], src[8:]
	}
	for i, x := range src {
		dst[i] = byte((uint64(x)*s.factor + s.offset) >> 8)
	}
}

// weave interleaves U and V, scaled if s is not nil. It never reads dst, which may be memory that no cache holds.
func weave(dst, u, v []byte, s *scale) {
	for i := range u {
		x, y := u[i], v[i]
		if s != nil {
			x = byte((uint64(x)*s.factor + s.offset) >> 8)
			y = byte((uint64(y)*s.factor + s.offset) >> 8)
		}
		dst[2*i], dst[2*i+1] = x, y
	}
}
