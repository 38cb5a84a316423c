package video

// A mark is a frame number inside the picture, for tests and the demo scene: what the cloud
// holds can be compared with what the camera showed. It is a row of 32 blocks of 8x8
// samples, a bit each (most significant first): 24 bits of number, then their CRC-8. A one is a bright upper half over a
// dark lower half, a zero the reverse, so the mean of every block, which is the JPEG's DC
// coefficient and what the motion detector sees, never changes.

// MarkWidth and MarkHeight are the size of a mark in luma samples.
const MarkWidth, MarkHeight = 256, 8

// The two luma levels lie inside the limited range, so that no conversion clips them. A bit counts
// when its halves differ by markContrast, a fifth of what was drawn.
const (
	markDark, markBright = 60, 190
	markContrast         = (markBright - markDark) / 5
)

// MarkAt is where the demo scene and the tests put the mark of a picture: the lower left
// corner, on the grid of 8x8 blocks.
func MarkAt(width, height int) (x, y int) { return 8, (height - 16) &^ 7 }

// DrawMark draws the lower 24 bits of n at (x, y), both multiples of 8. It draws nothing where the
// mark does not fit into the picture.
func DrawMark(luma *Plane, x, y int, n uint32) {
	if !markFits(luma, x, y) {
		return
	}
	n &= 0xffffff
	bits := n<<8 | uint32(markCRC(n))
	for i := range 32 {
		upper, lower := byte(markDark), byte(markBright)
		if bits>>(31-i)&1 != 0 {
			upper, lower = lower, upper
		}
		for r := range MarkHeight {
			level := upper
			if r >= MarkHeight/2 {
				level = lower
			}
			fill(luma.Pix[(y+r)*luma.Stride+x+8*i:][:8], level)
		}
	}
}

// ReadMark reads the number of a mark drawn at (x, y). It survives JPEG and H.264 at the qualities a camera
// uses. ok is false where there is no mark, or one damaged beyond its check sum.
func ReadMark(luma *Plane, x, y int) (n uint32, ok bool) {
	if !markFits(luma, x, y) {
		return 0, false
	}
	var bits uint32
	for i := range 32 {
		d := 0 // upper half less lower half
		for r := range MarkHeight {
			sum := 0
			for _, v := range luma.Pix[(y+r)*luma.Stride+x+8*i:][:8] {
				sum += int(v)
			}
			if r >= MarkHeight/2 {
				sum = -sum
			}
			d += sum
		}
		if d /= 32; d < markContrast && d > -markContrast {
			return 0, false
		}
		bits <<= 1
		if d > 0 {
			bits |= 1
		}
	}
	n = bits >> 8
	return n, byte(bits) == markCRC(n)
}

func markFits(p *Plane, x, y int) bool {
	return x >= 0 && y >= 0 && x+MarkWidth <= p.Width && y+MarkHeight <= p.Height &&
		p.Stride >= p.Width && len(p.Pix) >= (p.Height-1)*p.Stride+p.Width
}

// markCRC is CRC-8 with polynomial x^8+x^2+x+1 over the three bytes of n. It begins with 0xff, so that
// a row of like blocks is not a number.
func markCRC(n uint32) byte {
	c := byte(0xff)
	for _, b := range [3]byte{byte(n >> 16), byte(n >> 8), byte(n)} {
		c ^= b
		for range 8 {
			carry := c >> 7
			c = c<<1 ^ carry*0x07
		}
	}
	return c
}
