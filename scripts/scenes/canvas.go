package scenes

import "math"

// A canvas is a picture in linear light, in 1/16384, that shapes are drawn on. Coordinates are of the world.
type canvas struct {
	pix           []uint16
	width, height int
	sx, sy        float64 // pixels per picture width
	ox, oy        float64 // the camera's aim
}

// A paint is how a shape looks.
type paint struct {
	value float64 // reflectance or signal
	alpha float64 // 0..1, how much it hides
	soft  float64 // width of its edge; never less than a pixel
	glow  bool    // it is added to what is there instead of hiding it
}

func solid(value float64) paint { return paint{value: value, alpha: 1, soft: 0.003} }

// fill draws a shape that is given by its distance function: below 0 is inside.
func (c *canvas) fill(x0, y0, x1, y1 float64, p paint, distance func(x, y float64) float64) {
	soft := max(p.soft, 1/c.sx)
	px0, px1 := int(math.Floor((x0-soft-c.ox)*c.sx)), int(math.Ceil((x1+soft-c.ox)*c.sx))
	py0, py1 := int(math.Floor((y0-soft-c.oy)*c.sy)), int(math.Ceil((y1+soft-c.oy)*c.sy))
	px0, px1, py0, py1 = max(px0, 0), min(px1, c.width), max(py0, 0), min(py1, c.height)
	value := p.value * unit
	for py := py0; py < py1; py++ {
		y := (float64(py)+0.5)/c.sy + c.oy
		row := c.pix[py*c.width:]
		for px := px0; px < px1; px++ {
			cover := 0.5 - distance((float64(px)+0.5)/c.sx+c.ox, y)/soft
			if cover <= 0 {
				continue
			}
			cover = min(cover, 1) * p.alpha
			was := float64(row[px])
			if p.glow {
				row[px] = uint16(min(was+value*cover, math.MaxUint16))
			} else {
				row[px] = uint16(min(was+(value-was)*cover, math.MaxUint16))
			}
		}
	}
}

// capsule is a line from a to b with round ends.
func (c *canvas) capsule(ax, ay, bx, by, r float64, p paint) {
	dx, dy := bx-ax, by-ay
	inv := 1 / max(dx*dx+dy*dy, 1e-12)
	c.fill(min(ax, bx)-r, min(ay, by)-r, max(ax, bx)+r, max(ay, by)+r, p, func(x, y float64) float64 {
		x, y = x-ax, y-ay
		h := max(0, min((x*dx+y*dy)*inv, 1))
		x, y = x-dx*h, y-dy*h
		return math.Sqrt(x*x+y*y) - r
	})
}

// ellipse has its axes along the picture's.
func (c *canvas) ellipse(x, y, rx, ry float64, p paint) {
	least := min(rx, ry)
	c.fill(x-rx, y-ry, x+rx, y+ry, p, func(px, py float64) float64 {
		px, py = (px-x)/rx, (py-y)/ry
		return (math.Sqrt(px*px+py*py) - 1) * least
	})
}

// box has corners of radius r.
func (c *canvas) box(x0, y0, x1, y1, r float64, p paint) {
	mx, my, hx, hy := (x0+x1)/2, (y0+y1)/2, (x1-x0)/2-r, (y1-y0)/2-r
	c.fill(x0, y0, x1, y1, p, func(x, y float64) float64 {
		x, y = math.Abs(x-mx)-hx, math.Abs(y-my)-hy
		if x <= 0 || y <= 0 {
			return max(x, y) - r
		}
		return math.Sqrt(x*x+y*y) - r
	})
}
