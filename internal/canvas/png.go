package canvas

import (
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// WritePNG writes the canvas as PNG (W3C Portable Network Graphics, third edition): 8 bits a channel, RGB.
func (c *Canvas) WritePNG(w io.Writer) error {
	head := make([]byte, 13)
	binary.BigEndian.PutUint32(head, uint32(c.Width))
	binary.BigEndian.PutUint32(head[4:], uint32(c.Height))
	head[8], head[9] = 8, 2 // bits a channel; RGB
	if _, err := w.Write([]byte("\x89PNG\r\n\x1a\n")); err != nil {
		return err
	}
	if err := chunk(w, "IHDR", head); err != nil {
		return err
	}
	data := &zlib{}
	z, err := flate.NewWriter(&data.out, flate.DefaultCompression)
	if err != nil {
		return err
	}
	line, above := make([]byte, 1+3*c.Width), make([]byte, 3*c.Width)
	data.begin()
	for y := range c.Height {
		row := c.Pix[3*c.Width*y:][:3*c.Width]
		filter(line, row, above)
		data.sum(line)
		if _, err := z.Write(line); err != nil {
			return err
		}
		above = row
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := chunk(w, "IDAT", data.end()); err != nil {
		return err
	}
	return chunk(w, "IEND", nil)
}

// chunk writes one: clause 5.3.
func chunk(w io.Writer, name string, data []byte) error {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, len(data)+12), uint32(len(data)))
	b = append(append(b, name...), data...)
	_, err := w.Write(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])))
	return err
}

// filter makes a line of the picture cheap to compress, clause 9.2: the difference from the pixel to the left, or from the line above, whichever is less.
func filter(out, row, above []byte) {
	left, up := 0, 0
	for i, v := range row {
		l := byte(0)
		if i >= 3 {
			l = row[i-3]
		}
		left += size(v - l)
		up += size(v - above[i])
	}
	out[0] = 2
	if left < up {
		out[0] = 1
	}
	for i, v := range row {
		switch {
		case out[0] == 2:
			out[i+1] = v - above[i]
		case i >= 3:
			out[i+1] = v - row[i-3]
		default:
			out[i+1] = v
		}
	}
}

func size(d byte) int { return max(int(int8(d)), -int(int8(d))) }

// zlib is a deflate stream with the frame of RFC 1950 around it.
type zlib struct {
	out  buffer
	a, b uint32 // of the Adler-32 sum
}

type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func (z *zlib) begin() { z.out, z.a, z.b = append(z.out, 0x78, 0x9c), 1, 0 }

func (z *zlib) sum(p []byte) {
	const base = 65521
	for _, v := range p {
		z.a = (z.a + uint32(v)) % base
		z.b = (z.b + z.a) % base
	}
}

func (z *zlib) end() []byte { return binary.BigEndian.AppendUint32(z.out, z.b<<16|z.a) }
