package video

import (
	"encoding/binary"
	"fmt"
)

// RawSize gives the number of bytes that one picture of a raw format holds: all planes, with
// the stride of f (a Stride of 0 means lines without padding). It fails for compressed and unknown
// formats, sizes that are not positive, and a stride shorter than a line.
func (f Format) RawSize() (int, error) {
	l, err := f.layout()
	return l.size, err
}

// TightStride gives the bytes of one line of the first plane without padding; 0 for a format
// that is not raw.
func (f Format) TightStride() int {
	switch f.FourCC {
	case YUYV, UYVY:
		return (f.Width + 1) / 2 * 4
	case NV12:
		return (f.Width + 1) / 2 * 2 // its chroma lines are of the same length
	case YU12, Grey:
		return f.Width
	}
	return 0
}

// maxSide bounds the sides of a picture, so that its size (a stride of at most 4 maxSide, times
// 1.5 for the chroma) does not overflow 32 bits.
const maxSide = 16384

// layout says where the samples of a raw picture are.
type layout struct {
	stride     int // bytes per line of the first plane
	u, v       int // offset of the chroma planes; NV12 has both at u
	cstride    int // bytes per line of a chroma plane
	size       int // bytes in all
	lumaOffset int // of the first luma byte in a packed pair of pixels
}

func (f Format) layout() (layout, error) {
	tight := f.TightStride()
	switch {
	case tight == 0 && (f.FourCC.Compressed() || f.Width > 0):
		return layout{}, fmt.Errorf("format %v is not a raw picture", f.FourCC)
	case f.Width <= 0 || f.Height <= 0 || f.Width > maxSide || f.Height > maxSide:
		return layout{}, fmt.Errorf("picture size %dx%d is outside 1..%d", f.Width, f.Height, maxSide)
	case f.Stride != 0 && (f.Stride < tight || f.Stride > 4*maxSide):
		return layout{}, fmt.Errorf("stride %d does not fit %v lines of %d pixels", f.Stride, f.FourCC, f.Width)
	}
	l := layout{stride: max(f.Stride, tight)}
	ch := (f.Height + 1) / 2
	luma := l.stride * f.Height
	switch f.FourCC {
	case YUYV, Grey:
		l.size = luma
	case UYVY:
		l.size, l.lumaOffset = luma, 1
	case NV12:
		l.u, l.v, l.cstride = luma, luma, l.stride
		l.size = luma + l.cstride*ch
	case YU12:
		l.cstride = (l.stride + 1) / 2
		l.u, l.v = luma, luma+l.cstride*ch
		l.size = luma + 2*l.cstride*ch
	}
	return l, nil
}

// rawLayout is layout, and checks that the frame holds that many bytes.
func (f *Frame) rawLayout() (layout, error) {
	l, err := f.Format.layout()
	if err == nil && len(f.Data) < l.size {
		err = fmt.Errorf("%v frame of %dx%d holds %d bytes, want %d", f.Format.FourCC, f.Format.Width, f.Format.Height, len(f.Data), l.size)
	}
	return l, err
}

// Four 16-bit lanes in a word: a lane sums at most 16 bytes of 255, the word's lanes at most 64.
const (
	evenBytes = 0x00ff00ff00ff00ff
	laneSum   = 0x0001000100010001
)

// ToI420 turns a raw frame (YUYV, UYVY, NV12, YU12, GREY) into 4:2:0 planes. The chroma of 4:2:2
// is the mean of two lines; that of GREY is neutral. It fails, with dst undefined, when
// the frame is compressed or too short, and does not allocate once dst has its size.
func ToI420(dst *I420, f *Frame) error {
	l, err := f.rawLayout()
	if err != nil {
		return err
	}
	w, h := f.Format.Width, f.Format.Height
	dst.Resize(w, h)
	dst.FullRange = f.Format.FullRange
	switch f.Format.FourCC {
	case YUYV:
		unpack422(dst, f.Data, l.stride, 0, 1)
		return nil
	case UYVY:
		unpack422(dst, f.Data, l.stride, 1, 0)
		return nil
	}
	copyLines(dst.Y, f.Data, w, l.stride, h)
	cw, ch := (w+1)/2, (h+1)/2
	switch f.Format.FourCC {
	case YU12:
		copyLines(dst.U, f.Data[l.u:], cw, l.cstride, ch)
		copyLines(dst.V, f.Data[l.v:], cw, l.cstride, ch)
	case NV12:
		for y := range ch {
			src := f.Data[l.u+y*l.cstride:][:2*cw]
			u, v := dst.U[y*cw:][:cw], dst.V[y*cw:][:cw]
			for len(u) >= 4 && len(v) >= 4 && len(src) >= 8 {
				uv := binary.LittleEndian.Uint64(src)
				binary.LittleEndian.PutUint32(u, uint32(squeeze(uv&evenBytes)))
				binary.LittleEndian.PutUint32(v, uint32(squeeze(uv>>8&evenBytes)))
				u, v, src = u[4:], v[4:], src[8:]
			}
			for x := range u {
				u[x], v[x] = src[2*x], src[2*x+1]
			}
		}
	case Grey:
		fill(dst.U, 128)
		fill(dst.V, 128)
	}
	return nil
}

// copyLines copies h lines of w bytes that lie stride apart into lines without padding.
func copyLines(dst, src []byte, w, stride, h int) {
	if w == stride {
		copy(dst[:w*h], src)
		return
	}
	for y := range h {
		copy(dst[y*w:][:w], src[y*stride:])
	}
}

func fill(b []byte, v byte) {
	if len(b) > 0 {
		b[0] = v
	}
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// unpack422 converts packed 4:2:2 whose luma begins at byte yo and chroma at byte co of each
// group of four.
func unpack422(dst *I420, src []byte, stride, yo, co int) {
	w, h := dst.Width, dst.Height
	for y := 0; y < h; y += 2 {
		line := src[y*stride:][:(w+1)/2*4]
		next := line // the last line of an odd height stands alone
		if y+1 < h {
			next = src[(y+1)*stride:][:len(line)]
			lumaOf422(dst.Y[(y+1)*w:][:w], next, yo)
		}
		lumaOf422(dst.Y[y*w:][:w], line, yo)
		chromaOf422(dst.U[y/2*dst.CStride:][:dst.CStride], dst.V[y/2*dst.CStride:][:dst.CStride], line, next, co)
	}
}

// lumaOf422 takes the luma bytes, every second from offset yo, out of a packed line.
func lumaOf422(out, line []byte, yo int) {
	shift := uint(8 * yo)
	for len(out) >= 8 && len(line) >= 16 {
		lo := squeeze(binary.LittleEndian.Uint64(line) >> (shift & 63) & evenBytes)
		hi := squeeze(binary.LittleEndian.Uint64(line[8:]) >> (shift & 63) & evenBytes)
		binary.LittleEndian.PutUint64(out, lo|hi<<32)
		out, line = out[8:], line[16:]
	}
	for x := range out {
		out[x] = line[2*x+yo]
	}
}

// chromaOf422 averages the chroma of two packed lines, where it begins at byte co of each group of four, rounding up.
func chromaOf422(u, v, line, next []byte, co int) {
	shift := uint(8 * co)
	next = next[:len(line)]
	for len(u) >= 4 && len(v) >= 4 && len(line) >= 16 && len(next) >= 16 {
		lo := squeeze(meanOfEven(binary.LittleEndian.Uint64(line)>>shift, binary.LittleEndian.Uint64(next)>>shift))
		hi := squeeze(meanOfEven(binary.LittleEndian.Uint64(line[8:])>>shift, binary.LittleEndian.Uint64(next[8:])>>shift))
		uv := lo | hi<<32
		binary.LittleEndian.PutUint32(u, uint32(squeeze(uv&evenBytes)))
		binary.LittleEndian.PutUint32(v, uint32(squeeze(uv>>8&evenBytes)))
		u, v, line, next = u[4:], v[4:], line[16:], next[16:]
	}
	for x := range u {
		u[x] = byte((int(line[4*x+co]) + int(next[4*x+co]) + 1) / 2)
		v[x] = byte((int(line[4*x+co+2]) + int(next[4*x+co+2]) + 1) / 2)
	}
}

// meanOfEven averages the even bytes of two words, rounding up.
func meanOfEven(a, b uint64) uint64 { return (a&evenBytes + b&evenBytes + laneSum) >> 1 & evenBytes }

// squeeze brings the even bytes of a word, whose odd ones are zero, into its lower half.
func squeeze(x uint64) uint64 {
	x |= x >> 8
	x &= 0x0000ffff0000ffff
	return (x | x>>16) & 0xffffffff
}
