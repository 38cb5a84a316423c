// Package canvas draws charts: lines, shapes and text with smooth edges on an RGB picture, and writes that as PNG. It is small, for a device
// with little flash: the packages image/draw and image/png together with a font would be several times its size.
//
// Coordinates are in pixels from the top left, and (0.5, 0.5) is the middle of the first pixel. What lies outside is clipped.
package canvas

import "math"

// A Color is 0xRRGGBBAA; AA is how much it covers, 0xff all.
type Color uint32

// Alpha is c with that much covering, 0..1.
func (c Color) Alpha(a float64) Color {
	return c&^0xff | Color(max(0, min(a, 1))*255+0.5)
}

// A Point is a place on the canvas.
type Point struct{ X, Y float64 }

// A Canvas is an RGB picture. Not safe for concurrent use.
type Canvas struct {
	Width, Height int
	Pix           []byte // three bytes each, line by line

	cover []byte // of the path that is being drawn, 0..255 for each pixel; zero between two paths
}

// New makes a canvas that is all of one color.
func New(width, height int, back Color) *Canvas {
	c := &Canvas{Width: width, Height: height, Pix: make([]byte, 3*width*height), cover: make([]byte, width*height)}
	for i := 0; i < len(c.Pix); i += 3 {
		c.Pix[i], c.Pix[i+1], c.Pix[i+2] = byte(back>>24), byte(back>>16), byte(back>>8)
	}
	return c
}

// blend covers one pixel with col, of which the share cover counts, 0..255.
func (c *Canvas) blend(i int, col Color, cover uint32) {
	a := uint32(col&0xff) * cover
	for k, v := range [3]uint32{uint32(col >> 24), uint32(col >> 16 & 0xff), uint32(col >> 8 & 0xff)} {
		p := &c.Pix[3*i+k]
		*p = byte((uint32(*p)*(255*255-a) + v*a + 255*255/2) / (255 * 255))
	}
}

// An area is whole pixels: from (x0, y0) to before (x1, y1).
type area struct{ x0, y0, x1, y1 int }

// clip is the pixels that the given rectangle touches.
func (c *Canvas) clip(x0, y0, x1, y1 float64) area {
	in := func(v float64, most int) int { return int(max(0, min(v, float64(most)))) }
	return area{in(math.Floor(x0), c.Width), in(math.Floor(y0), c.Height), in(math.Ceil(x1), c.Width), in(math.Ceil(y1), c.Height)}
}

// Rect fills the rectangle from (x0, y0) to (x1, y1); edges within a pixel cover their part of it.
func (c *Canvas) Rect(x0, y0, x1, y1 float64, col Color) {
	in := c.clip(x0, y0, x1, y1)
	for y := in.y0; y < in.y1; y++ {
		down := min(float64(y+1), y1) - max(float64(y), y0)
		for x := in.x0; x < in.x1; x++ {
			across := min(float64(x+1), x1) - max(float64(x), x0)
			c.blend(y*c.Width+x, col, uint32(255*max(0, across*down)+0.5))
		}
	}
}

// Frame draws the outline of a rectangle, within it, of the given line width.
func (c *Canvas) Frame(x0, y0, x1, y1, width float64, col Color) {
	c.Rect(x0, y0, x1, y0+width, col)
	c.Rect(x0, y1-width, x1, y1, col)
	c.Rect(x0, y0+width, x0+width, y1-width, col)
	c.Rect(x1-width, y0+width, x1, y1-width, col)
}

// Line draws a line through the points, with round ends, of the given width. One point makes a dot.
func (c *Canvas) Line(points []Point, width float64, col Color) {
	c.fillCover(c.stroke(points, width), col)
}

// Dashed is Line in dashes of the given length with gaps as long.
func (c *Canvas) Dashed(a, b Point, dash, width float64, col Color) {
	long := math.Hypot(b.X-a.X, b.Y-a.Y)
	at := func(d float64) Point { return Point{a.X + (b.X-a.X)*d/long, a.Y + (b.Y-a.Y)*d/long} }
	for d := 0.0; d < long; d += 2 * dash {
		c.Line([]Point{at(d), at(min(d+dash, long))}, width, col)
	}
}

// stroke marks what a line covers, and gives the area that it lies in.
func (c *Canvas) stroke(points []Point, width float64) (all area) {
	all = area{c.Width, c.Height, 0, 0}
	for i, p := range points {
		q := points[max(i-1, 0)]
		if i == 0 && len(points) > 1 {
			continue
		}
		in := c.clip(min(p.X, q.X)-width/2-1, min(p.Y, q.Y)-width/2-1, max(p.X, q.X)+width/2+1, max(p.Y, q.Y)+width/2+1)
		all = area{min(all.x0, in.x0), min(all.y0, in.y0), max(all.x1, in.x1), max(all.y1, in.y1)}
		for y := in.y0; y < in.y1; y++ {
			for x := in.x0; x < in.x1; x++ {
				v := width/2 + 0.5 - distance(Point{float64(x) + 0.5, float64(y) + 0.5}, q, p)
				if v > 0 {
					m := &c.cover[y*c.Width+x]
					*m = max(*m, byte(255*min(v, 1, width)+0.5))
				}
			}
		}
	}
	return all
}

// fillCover paints what is marked in an area, and takes the marks away.
func (c *Canvas) fillCover(in area, col Color) {
	for y := in.y0; y < in.y1; y++ {
		for i := y*c.Width + in.x0; i < y*c.Width+in.x1; i++ {
			if v := c.cover[i]; v > 0 {
				c.blend(i, col, uint32(v))
				c.cover[i] = 0
			}
		}
	}
}

// distance is how far p is from the line between a and b.
func distance(p, a, b Point) float64 {
	dx, dy := b.X-a.X, b.Y-a.Y
	t := 0.0
	if long := dx*dx + dy*dy; long > 0 {
		t = max(0, min(((p.X-a.X)*dx+(p.Y-a.Y)*dy)/long, 1))
	}
	return math.Hypot(p.X-a.X-t*dx, p.Y-a.Y-t*dy)
}

// Polygon fills what is inside of the closed line through the points, by the even-odd rule.
func (c *Canvas) Polygon(points []Point, col Color) {
	const lines = 4 // per pixel
	if len(points) < 3 {
		return
	}
	top, bottom := points[0].Y, points[0].Y
	for _, p := range points {
		top, bottom = min(top, p.Y), max(bottom, p.Y)
	}
	in := c.clip(0, top, float64(c.Width), bottom)
	row := make([]float64, c.Width)
	var ends []float64
	for y := in.y0; y < in.y1; y++ {
		clear(row)
		for k := range lines {
			ends = crossings(ends[:0], points, float64(y)+(float64(k)+0.5)/lines)
			for i := 0; i+1 < len(ends); i += 2 {
				addSpan(row, max(0, ends[i]), min(ends[i+1], float64(c.Width)))
			}
		}
		for x, v := range row {
			if v > 0 {
				c.blend(y*c.Width+x, col, uint32(min(v/lines, 1)*255+0.5))
			}
		}
	}
}

// addSpan adds to each pixel of a row how much of it lies between a and b.
func addSpan(row []float64, a, b float64) {
	for x := int(a); float64(x) < b; x++ {
		row[x] += min(float64(x+1), b) - max(float64(x), a)
	}
}

// crossings gives where the closed line crosses a height, in order.
func crossings(xs []float64, points []Point, y float64) []float64 {
	for i, a := range points {
		b := points[(i+1)%len(points)]
		if (a.Y > y) == (b.Y > y) {
			continue
		}
		x := a.X + (y-a.Y)/(b.Y-a.Y)*(b.X-a.X)
		at := len(xs)
		xs = append(xs, x)
		for ; at > 0 && xs[at-1] > x; at-- {
			xs[at] = xs[at-1]
		}
		xs[at] = x
	}
	return xs
}

// Picture draws an RGB picture, three bytes for each pixel, into the rectangle of whole pixels; it is made larger or smaller, smoothly if asked, else with
// sharp edges between its pixels.
func (c *Canvas) Picture(x0, y0, width, height int, rgb []byte, w, h int, smooth bool) {
	if w < 1 || h < 1 || len(rgb) < 3*w*h {
		return
	}
	for y := max(0, -y0); y < min(height, c.Height-y0); y++ {
		for x := max(0, -x0); x < min(width, c.Width-x0); x++ {
			out := c.Pix[3*((y0+y)*c.Width+x0+x):][:3]
			sx, sy := (float64(x)+0.5)*float64(w)/float64(width), (float64(y)+0.5)*float64(h)/float64(height)
			if !smooth {
				copy(out, rgb[3*(min(int(sy), h-1)*w+min(int(sx), w-1)):])
				continue
			}
			sample(out, rgb, w, h, sx-0.5, sy-0.5)
		}
	}
}

// sample mixes the four pixels around a place.
func sample(out, rgb []byte, w, h int, x, y float64) {
	x, y = max(0, min(x, float64(w-1))), max(0, min(y, float64(h-1)))
	xa, ya := int(x), int(y)
	xb, yb := min(xa+1, w-1), min(ya+1, h-1)
	fx, fy := x-float64(xa), y-float64(ya)
	for k := range out {
		top := float64(rgb[3*(ya*w+xa)+k])*(1-fx) + float64(rgb[3*(ya*w+xb)+k])*fx
		low := float64(rgb[3*(yb*w+xa)+k])*(1-fx) + float64(rgb[3*(yb*w+xb)+k])*fx
		out[k] = byte(top*(1-fy) + low*fy + 0.5)
	}
}
