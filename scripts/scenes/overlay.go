package scenes

import "camward/video"

// An overlay is drawn by the camera on the finished picture.
type overlay interface {
	draw(p *video.Plane, t float64)
}

// A clock is the time of day in a corner.
type clock struct {
	x, y   float64
	height float64 // of its digits
	start  int     // s of the day at the beginning
	tenths bool
	box    bool // on black
}

// glyphs are digits and the colon, 5 x 7, a bit a dot from the left.
var glyphs = [11][7]uint8{
	{0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}, {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}, {0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f},
	{0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e}, {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}, {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e},
	{0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}, {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}, {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e},
	{0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c}, {0, 0x04, 0x04, 0, 0x04, 0x04, 0},
}

// colon is the glyph after the digits.
const colon = 10

func (c *clock) draw(p *video.Plane, t float64) {
	s := c.start + int(t)
	text := []int{s / 36000 % 10, s / 3600 % 10, colon, s / 600 % 6, s / 60 % 10, colon, s / 10 % 6, s % 10}
	if c.tenths {
		text = append(text, colon, int(t*10)%10)
	}
	dot := c.height / 7
	for i, g := range text {
		for y := range 7 {
			for x := range 6 {
				lit := x < 5 && glyphs[g][y]>>(4-x)&1 == 1
				if lit || c.box {
					v := byte(16)
					if lit {
						v = 240
					}
					c.dot(p, c.x+(float64(6*i+x))*dot, c.y+float64(y)*dot, dot, v)
				}
			}
		}
	}
}

// dot fills a square, at least a pixel.
func (c *clock) dot(p *video.Plane, x, y, size float64, v byte) {
	sx, sy := float64(p.Width), float64(p.Height)/worldHeight
	x0, y0 := int(x*sx), int(y*sy)
	x1, y1 := max(int((x+size)*sx), x0+1), max(int((y+size)*sy), y0+1)
	for py := max(y0, 0); py < min(y1, p.Height); py++ {
		for px := max(x0, 0); px < min(x1, p.Width); px++ {
			p.Pix[py*p.Stride+px] = v
		}
	}
}
