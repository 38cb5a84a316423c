package video

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Luma8 makes dst the mean of each 8x8 block of the frame's luma, rounded to nearest: ceil(w/8) x
// ceil(h/8) samples, the blocks at the right and lower edge averaging what is inside the
// picture. That is what the DC coefficients of a JPEG hold. The frame must be raw (YUYV, UYVY, NV12, YU12,
// GREY) and of full length. Luma8 does not allocate once dst has its size.
func Luma8(dst *Plane, f *Frame) error {
	l, err := f.rawLayout()
	if err != nil {
		return err
	}
	w, h := f.Format.Width, f.Format.Height
	dst.Resize((w+7)/8, (h+7)/8)
	packed := f.Format.FourCC == YUYV || f.Format.FourCC == UYVY
	full := w / 8 // blocks of full width
	if full > 0 {
		full -= l.lumaOffset // the last block's words would end a byte behind the line
	}
	for by := range dst.Height {
		src := f.Data[by*8*l.stride : l.size]
		out := dst.Pix[by*dst.Stride:][:dst.Width]
		rows := min(8, h-by*8)
		if rows < 8 {
			full = 0
		}
		if packed {
			rowMeansPacked(out[:full], src[l.lumaOffset:], l.stride)
		} else {
			rowMeansPlanar(out[:full], src, l.stride)
		}
		for bx := full; bx < len(out); bx++ {
			out[bx] = blockMean(src, l, packed, bx*8, min(8, w-bx*8), rows)
		}
	}
	return nil
}

// LumaOf makes dst the mean of each 8x8 block of the picture's luma, as Luma8 does of a raw frame: ceil(w/8) x ceil(h/8)
// samples. It fails if the luma plane is too short for the picture's size, and does not allocate once dst has its size.
func LumaOf(dst *Plane, img *I420) error {
	w, h := img.Width, img.Height
	if w <= 0 || h <= 0 || w > maxSide || h > maxSide || img.YStride < w || img.YStride > 4*maxSide || len(img.Y) < img.YStride*(h-1)+w {
		return fmt.Errorf("luma of %dx%d, stride %d, in %d bytes", w, h, img.YStride, len(img.Y))
	}
	dst.Resize((w+7)/8, (h+7)/8)
	l := layout{stride: img.YStride}
	full := w / 8 // blocks of full width
	for by := range dst.Height {
		src := img.Y[by*8*l.stride:]
		out := dst.Pix[by*dst.Stride:][:dst.Width]
		rows := min(8, h-by*8)
		if rows < 8 {
			full = 0
		}
		rowMeansPlanar(out[:full], src, l.stride)
		for bx := full; bx < len(out); bx++ {
			out[bx] = blockMean(src, l, false, bx*8, min(8, w-bx*8), rows)
		}
	}
	return nil
}

// narrow says that words of 64 bits are put together from bytes: 32-bit ARM has neither them nor loads that are not aligned, as Go
// compiles for it. Single bytes take a third of the instructions there.
const narrow = bits.UintSize == 32

// rowMeansPacked averages one row of whole blocks of packed 4:2:2 of which the luma bytes are the even ones.
func rowMeansPacked(out, src []byte, stride int) {
	if narrow {
		rowMeansOfBytes(out, src, stride, 2)
		return
	}
	rowMeansOfPairs(out, src, stride)
}

// rowMeansPlanar averages one row of whole blocks of a luma plane.
func rowMeansPlanar(out, src []byte, stride int) {
	if narrow {
		rowMeansOfBytes(out, src, stride, 1)
		return
	}
	rowMeansOfWords(out, src, stride)
}

// rowMeansOfPairs is rowMeansPacked by words.
func rowMeansOfPairs(out, src []byte, stride int) {
	n := 16 * len(out)
	if n == 0 {
		return
	}
	a, b, c, d := src[:n], src[stride:][:n], src[2*stride:][:n], src[3*stride:][:n]
	e, f, g, h := src[4*stride:][:n], src[5*stride:][:n], src[6*stride:][:n], src[7*stride:][:n]
	for i := 0; i+16 <= n && len(out) > 0; i += 16 {
		sum := lumaPair(a, i) + lumaPair(b, i) + lumaPair(c, i) + lumaPair(d, i) +
			lumaPair(e, i) + lumaPair(f, i) + lumaPair(g, i) + lumaPair(h, i)
		out[0] = laneMean(sum)
		out = out[1:]
	}
}

// lumaPair adds up, in lanes, the even ones of 16 bytes.
func lumaPair(line []byte, at int) uint64 {
	p := line[at : at+16]
	return binary.LittleEndian.Uint64(p)&evenBytes + binary.LittleEndian.Uint64(p[8:])&evenBytes
}

// rowMeansOfWords is rowMeansPlanar by words.
func rowMeansOfWords(out, src []byte, stride int) {
	n := 8 * len(out)
	if n == 0 {
		return
	}
	a, b, c, d := src[:n], src[stride:][:n], src[2*stride:][:n], src[3*stride:][:n]
	e, f, g, h := src[4*stride:][:n], src[5*stride:][:n], src[6*stride:][:n], src[7*stride:][:n]
	for i := 0; i+8 <= n && len(out) > 0; i += 8 {
		sum := lumaWord(a, i) + lumaWord(b, i) + lumaWord(c, i) + lumaWord(d, i) +
			lumaWord(e, i) + lumaWord(f, i) + lumaWord(g, i) + lumaWord(h, i)
		out[0] = laneMean(sum)
		out = out[1:]
	}
}

// lumaWord adds up, in lanes, 8 bytes.
func lumaWord(line []byte, at int) uint64 {
	v := binary.LittleEndian.Uint64(line[at : at+8])
	return v&evenBytes + v>>8&evenBytes
}

// laneMean is the mean of 64 samples that were added up in lanes.
func laneMean(sum uint64) byte { return byte((sum*laneSum>>48 + 32) >> 6) }

// rowMeansOfBytes is rowMeansPlanar without words of 64 bits, and with a step of 2 rowMeansPacked.
func rowMeansOfBytes(out, src []byte, stride, step int) {
	for bx := range out {
		var total uint
		if step == 2 {
			total = sumOfEven(src[bx*16:], stride)
		} else {
			total = sumOfAll(src[bx*8:], stride)
		}
		out[bx] = byte((total + 32) >> 6)
	}
}

// sumOfEven adds up the even ones of the first 16 bytes of 8 lines.
func sumOfEven(src []byte, stride int) (sum uint) {
	for at, y := 0, 0; y < 8; at, y = at+stride, y+1 {
		p := src[at : at+15 : at+15]
		sum += uint(p[0]) + uint(p[2]) + uint(p[4]) + uint(p[6]) + uint(p[8]) + uint(p[10]) + uint(p[12]) + uint(p[14])
	}
	return sum
}

// sumOfAll adds up the first 8 bytes of 8 lines.
func sumOfAll(src []byte, stride int) (sum uint) {
	for at, y := 0, 0; y < 8; at, y = at+stride, y+1 {
		p := src[at : at+8 : at+8]
		sum += uint(p[0]) + uint(p[1]) + uint(p[2]) + uint(p[3]) + uint(p[4]) + uint(p[5]) + uint(p[6]) + uint(p[7])
	}
	return sum
}

// blockMean averages cols x rows luma samples from pixel x on.
func blockMean(src []byte, l layout, packed bool, x, cols, rows int) byte {
	step := 1
	if packed {
		step = 2
	}
	sum := 0
	for y := range rows {
		at := y*l.stride + x*step + l.lumaOffset
		for range cols {
			sum += int(src[at])
			at += step
		}
	}
	n := cols * rows
	return byte((sum + n/2) / n)
}
