package jpeg

import (
	"encoding/binary"
	"fmt"

	"camward/video"
)

// A Decoder decodes whole pictures to 4:2:0 planes. It keeps tables and buffers between pictures;
// with libjpeg-turbo a stream of equal kind decodes without allocating. Not for concurrent
// use; Close releases what it holds outside of Go's memory.
type Decoder struct {
	backend        // planes_turbo.go or planes_pure.go
	mended  []byte // the picture with its framing put right
	row     []byte // one chroma line
}

// NewDecoder returns a decoder; call Close when done with it.
func NewDecoder() *Decoder {
	d := new(Decoder)
	d.open()
	return d
}

// Close releases the decoder. It may be called twice; I420 is not to be called after it.
func (d *Decoder) Close() { d.close() }

// I420 decodes data into dst at full size and full range. The chroma of 4:2:2, 4:4:4, 4:4:0
// and 4:1:1 pictures is brought to half size both ways by averaging or doubling; a greyscale
// picture's is 128. Progressive pictures are decoded too; RGB and CMYK are an ErrFormat. What
// Repair mends is no error here. On ErrTruncated dst holds a complete picture, of which the part
// that could not be decoded is filled in; on other errors its contents are undefined.
func (d *Decoder) I420(dst *video.I420, data []byte) error {
	f, err := inspect(data)
	if err != nil {
		return err
	}
	if !f.whole(len(data)) {
		d.mended = f.mend(d.mended[:0], data)
		data = d.mended
	}
	return d.decode(dst, data, f.cut)
}

// Encode appends img as a baseline JFIF picture in 4:2:0 to dst[:0]. JFIF is full range: a picture
// of limited range is expanded. quality is 1 (smallest) to 100, as in cjpeg; values outside are
// brought into that range.
func Encode(dst []byte, img *video.I420, quality int) ([]byte, error) {
	cw, ch := (img.Width+1)/2, (img.Height+1)/2
	switch {
	case img.Width < 1 || img.Height < 1 || img.Width > MaxSize || img.Height > MaxSize:
		return nil, fmt.Errorf("encode JPEG: size %dx%d is outside 1x1..%dx%d", img.Width, img.Height, MaxSize, MaxSize)
	case img.YStride < img.Width || img.CStride < cw,
		len(img.Y) < img.YStride*(img.Height-1)+img.Width,
		len(img.U) < img.CStride*(ch-1)+cw,
		len(img.V) < img.CStride*(ch-1)+cw:
		return nil, fmt.Errorf("encode JPEG: planes are too small for %dx%d", img.Width, img.Height)
	}
	if !img.FullRange {
		img = expand(img)
	}
	return encode(dst[:0], img, max(1, min(quality, 100)))
}

// expand copies a limited-range picture to full range (ITU-R BT.601: luma 16..235, chroma
// 16..240).
func expand(img *video.I420) *video.I420 {
	var luma, chroma [256]byte
	for i := range 256 {
		luma[i] = clamp(float64(i-16) * 255 / 219)
		chroma[i] = clamp(float64(i-128)*255/224 + 128)
	}
	out := &video.I420{FullRange: true}
	out.Resize(img.Width, img.Height)
	plane := func(dst, src []byte, table *[256]byte, width, height, stride int) {
		for y := range height {
			to := dst[y*width : (y+1)*width]
			for x, v := range src[y*stride : y*stride+width] {
				to[x] = table[v]
			}
		}
	}
	cw, ch := (img.Width+1)/2, (img.Height+1)/2
	plane(out.Y, img.Y, &luma, img.Width, img.Height, img.YStride)
	plane(out.U, img.U, &chroma, cw, ch, img.CStride)
	plane(out.V, img.V, &chroma, cw, ch, img.CStride)
	return out
}

func clamp(v float64) byte { return byte(max(0, min(v+0.5, 255))) }

// halfSize brings a chroma plane of any of the subsamplings to width x height: each side of src is
// once, twice or (across only) half of that. dst has no gaps between lines.
func (d *Decoder) halfSize(dst []byte, width, height int, src *video.Plane) {
	if cap(d.row) < src.Width {
		d.row = make([]byte, src.Width)
	}
	row := d.row[:src.Width]
	line := func(y int) []byte { return src.Pix[y*src.Stride:][:src.Width] }
	for y := range height {
		to := dst[y*width:][:width]
		from := line(min(y, src.Height-1))
		if src.Height > height {
			from = line(2 * y)
			if 2*y+1 < src.Height {
				if src.Width == width {
					average(to, from, line(2*y+1))
					continue
				}
				average(row, from, line(2*y+1))
				from = row
			}
		}
		across(to, from)
	}
}

// average sets dst to the mean of a and b, rounded up, eight bytes at a time.
func average(dst, a, b []byte) {
	a, b = a[:len(dst)], b[:len(dst)]
	i := 0
	for ; i+8 <= len(dst); i += 8 {
		x, y := binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[i:])
		binary.LittleEndian.PutUint64(dst[i:], (x|y)-((x^y)>>1&0x7f7f7f7f7f7f7f7f))
	}
	for ; i < len(dst); i++ {
		dst[i] = byte((uint(a[i]) + uint(b[i]) + 1) / 2)
	}
}

// across copies a line to dst, halving or doubling its length where that differs.
func across(dst, src []byte) {
	switch {
	case len(src) == len(dst):
		copy(dst, src)
	case len(src) > len(dst):
		for x := range dst {
			dst[x] = byte((uint(src[2*x]) + uint(src[min(2*x+1, len(src)-1)]) + 1) / 2)
		}
	default:
		for x := range dst {
			dst[x] = src[x/2]
		}
	}
}

// copyPlane copies the part of src that is width x height to dst, which has no gaps between lines.
func copyPlane(dst, src []byte, width, height, stride int) {
	for y := range height {
		copy(dst[y*width:(y+1)*width], src[y*stride:])
	}
}

// neutral sets a chroma plane to no colour.
func neutral(b []byte) {
	for i := range b {
		b[i] = 128
	}
}
