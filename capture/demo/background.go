package demo

import (
	"math"

	"camward/video"
)

// rgb is a colour with components 0 to 255.
type rgb struct{ r, g, b float64 }

func (c rgb) scale(k float64) rgb { return rgb{c.r * k, c.g * k, c.b * k} }

func (c rgb) blend(o rgb, a float64) rgb {
	return rgb{c.r + (o.r-c.r)*a, c.g + (o.g-c.g)*a, c.b + (o.b-c.b)*a}
}

// ycc is JFIF's conversion (ITU-T T.871), full range.
func (c rgb) ycc() (y, u, v float64) {
	y = 0.299*c.r + 0.587*c.g + 0.114*c.b
	return y, 128 + (c.b-y)*0.564, 128 + (c.r-y)*0.713
}

// paintBackground paints the yard, at whatever size, into dst.
func paintBackground(dst *video.I420, w, h int) {
	pix := make([]rgb, w*h)
	for y := range h {
		for x := range w {
			// coordinates of a 640x480 picture, from the centre of the pixel
			px, py := (float64(x)+0.5)*640/float64(w), (float64(y)+0.5)*480/float64(h)
			pix[y*w+x] = yard(px, py).scale(vignette(px, py))
		}
	}
	dst.Resize(w, h)
	dst.FullRange = true
	at := func(x, y int) rgb { return pix[min(max(y, 0), h-1)*w+min(max(x, 0), w-1)] }
	for y := range h {
		for x := range w {
			// a lens is never as sharp as its sensor
			c := at(x, y).scale(0.5).add(at(x-1, y), 0.125).add(at(x+1, y), 0.125).add(at(x, y-1), 0.125).add(at(x, y+1), 0.125)
			pixel(dst, x, y, c)
		}
	}
	neutralMark(dst)
}

func (c rgb) add(o rgb, k float64) rgb { return rgb{c.r + o.r*k, c.g + o.g*k, c.b + o.b*k} }

// pixel writes a colour; the chroma of the last of four pixels stands for all.
func pixel(dst *video.I420, x, y int, c rgb) {
	l, u, v := c.ycc()
	dst.Y[y*dst.YStride+x] = byte(min(max(l, levelMin), levelMax))
	dst.U[y/2*dst.CStride+x/2] = byte(min(max(u, 0), 255))
	dst.V[y/2*dst.CStride+x/2] = byte(min(max(v, 0), 255))
}

// neutralMark takes the colour from where the mark will be.
func neutralMark(dst *video.I420) {
	x, y := video.MarkAt(dst.Width, dst.Height)
	if y < 0 || x+video.MarkWidth > dst.Width {
		return
	}
	for r := y / 2; r < (y+video.MarkHeight)/2; r++ {
		for c := x / 2; c < (x+video.MarkWidth)/2; c++ {
			dst.U[r*dst.CStride+c], dst.V[r*dst.CStride+c] = 128, 128
		}
	}
}

func vignette(x, y float64) float64 {
	dx, dy := (x-320)/320, (y-240)/240
	return 1 - 0.13*(dx*dx+dy*dy)
}

// The yard's lines, in a picture of 640x480.
const (
	groundLine = 252.0 // where fence and house meet the lawn
	houseLeft  = 372.0
	walkTop    = 356.0 // the paved way that the person takes
	walkBottom = 428.0
)

// yard is the colour of the scene at a point.
func yard(x, y float64) rgb {
	if y >= groundLine {
		return ground(x, y)
	}
	if x >= houseLeft-10 {
		if c, ok := house(x, y); ok {
			return c
		}
	}
	if y > 176+3*math.Sin(x/90) && x < houseLeft {
		return fence(x, y)
	}
	return sky(x, y)
}

// sky has trees before it.
func sky(x, y float64) rgb {
	c := rgb{172, 190, 210}.blend(rgb{222, 226, 226}, y/200)
	c = c.blend(rgb{236, 238, 240}, 0.6*smooth(0.45, 0.75, octaves(x/150, y/60, 3)))
	crown := 120 - 55*octaves(x/75+9, 0.5, 3) - 18*octaves(x/14, y/14, 2)
	if a := smooth(-2, 3, y-crown); a > 0 {
		leaves := octaves(x/9+40, y/7, 3)
		c = c.blend(rgb{44, 62, 36}.blend(rgb{104, 122, 74}, leaves*smooth(0, 90, 190-y)+0.15*leaves), a)
	}
	return c
}

// fence is of upright boards with two rails.
func fence(x, y float64) rgb {
	const board = 17.0
	n, in := math.Floor(x/board), math.Mod(x, board)/board
	c := rgb{128, 104, 80}.scale(0.86 + 0.22*hash2(n, 3))
	c = c.scale(0.92 + 0.16*octaves(x/2.2+n*7, y/38, 2))
	if in < 0.09 {
		c = c.scale(0.5)
	}
	top := 176 + 3*math.Sin(x/90)
	for _, rail := range [2]float64{196, 234} {
		if y > rail && y < rail+7 {
			c = c.blend(rgb{112, 90, 70}, 0.6)
		}
		if y >= rail+7 && y < rail+9 {
			c = c.scale(0.7)
		}
	}
	c = c.scale(0.86 + 0.14*smooth(0, 20, y-top))
	return c.scale(1 - 0.3*smooth(groundLine-9, groundLine, y))
}

// house reports false where the sky stands above it.
func house(x, y float64) (rgb, bool) {
	const eaves, roofTop = 74.0, 12.0
	if y < eaves {
		slope := houseLeft - 14 + (eaves-y)*0.95
		if y < roofTop || x < slope {
			return rgb{}, false
		}
		row := math.Floor(y / 8)
		c := rgb{98, 68, 58}.scale(0.85 + 0.25*hash2(math.Floor((x+row*7)/13), row))
		if math.Mod(y, 8) < 1.4 {
			c = c.scale(0.68)
		}
		return c, true
	}
	if x < houseLeft {
		return rgb{150, 146, 138}.scale(0.6), y < eaves+6 // the gutter
	}
	c := rgb{196, 186, 164}.scale(0.95 + 0.06*octaves(x/40, y/30, 3))
	if m := math.Mod(y, 11); m < 1.3 {
		c = c.scale(0.83)
	} else {
		c = c.scale(0.97 + 0.03*m/11)
	}
	c = c.scale(1 - 0.42*smooth(eaves+26, eaves, y)) // shade under the eaves
	c = opening(c, x, y, 404, 118, 68, 72)
	c = opening(c, x, y, 566, 118, 60, 72)
	c = door(c, x, y)
	if y > groundLine-16 {
		c = rgb{126, 122, 116}.scale(0.9 + 0.2*octaves(x/5, y/5, 2))
	}
	return c, true
}

// opening is a window: frame, cross and dark glass that mirrors the sky.
func opening(c rgb, x, y, left, top, w, h float64) rgb {
	u, v := (x-left)/w, (y-top)/h
	if u < -0.08 || u > 1.08 || v < -0.08 || v > 1.12 {
		return c
	}
	if u < 0 || u > 1 || v < 0 || v > 1 || math.Abs(u-0.5) < 0.025 || math.Abs(v-0.45) < 0.02 {
		return rgb{222, 220, 214}.scale(0.92 - 0.25*smooth(1.02, 1.1, v))
	}
	glass := rgb{46, 54, 62}.blend(rgb{128, 142, 152}, 0.75*smooth(0.9, 0.1, v+0.35*u))
	if u < 0.2+0.06*math.Sin(v*9) || u > 0.8-0.05*math.Sin(v*7+1) { // curtains
		glass = glass.blend(rgb{168, 160, 148}, 0.5)
	}
	return glass.scale(0.95 + 0.1*octaves(x/30, y/18, 2))
}

func door(c rgb, x, y float64) rgb {
	const left, top, w = 498.0, 120.0, 44.0
	u, v := (x-left)/w, (y-top)/(groundLine-top)
	if u < -0.12 || u > 1.12 || v < -0.05 {
		return c
	}
	if u < 0 || u > 1 || v < 0 {
		return rgb{218, 214, 206}.scale(0.93)
	}
	c = rgb{92, 44, 40}.scale(0.9 + 0.2*octaves(x/3, y/40, 2))
	if p := math.Mod(v*3, 1); u > 0.15 && u < 0.85 && p > 0.15 && p < 0.85 {
		c = c.scale(0.82)
	}
	if math.Hypot((u-0.86)*w, (v-0.55)*132) < 2.6 {
		c = rgb{206, 190, 140}
	}
	return c
}

// ground is lawn, the paved way across, and the way to the door.
func ground(x, y float64) rgb {
	depth := 60 / (y - groundLine + 46) // texture grows towards the camera
	gx, gy := (x-320)*depth, 900*depth
	grass := rgb{74, 96, 48}.blend(rgb{128, 142, 82}, octaves(gx/5, gy/3.2, 4))
	grass = grass.blend(rgb{140, 130, 88}, 0.5*smooth(0.5, 0.8, octaves(gx/46+3, gy/40, 3)))
	c := grass.scale(0.8 + 0.3*octaves(gx*1.7, gy*1.1, 2))
	edge := 2.2 * (octaves(x/11, y/6, 2) - 0.5)
	doorway := math.Abs(x-(520-(y-groundLine)*0.35)) - (24 + (y-groundLine)*0.16)
	across := math.Max(walkTop-y, y-walkBottom)
	paved := smooth(1.5, -1.5, across+edge)
	if y < walkTop+4 {
		paved = math.Max(paved, smooth(1.5, -1.5, doorway+edge))
	}
	if paved > 0 {
		c = c.blend(slab(gx, gy, x, y), paved)
	}
	if x > houseLeft-30 { // the house's shade
		c = c.scale(1 - 0.34*smooth(groundLine+34, groundLine+6, y)*smooth(houseLeft-26, houseLeft+10, x))
	}
	return c.scale(1 - 0.35*smooth(groundLine+7, groundLine, y))
}

// slab is concrete with joints.
func slab(gx, gy, x, y float64) rgb {
	c := rgb{158, 153, 144}.scale(0.9 + 0.16*octaves(gx/14+5, gy/9, 3))
	c = c.scale(0.95 + 0.1*octaves(x/1.9, y/1.6, 1))
	const joint = 34.0
	jx := math.Abs(math.Mod(math.Abs(gx)+joint/2, joint) - joint/2)
	jy := math.Abs(math.Mod(gy, joint*2) - joint)
	return c.scale(1 - 0.3*smooth(1.3, 0.3, math.Min(jx, jy*0.5)))
}

// smooth rises from 0 at a to 1 at b without corners; a may be the greater.
func smooth(a, b, x float64) float64 {
	t := min(max((x-a)/(b-a), 0), 1)
	return t * t * (3 - 2*t)
}

// octaves is value noise, 0 to 1, the sum of n octaves.
func octaves(x, y float64, n int) float64 {
	sum, weight, total := 0.0, 1.0, 0.0
	for range n {
		sum += weight * value(x, y)
		total += weight
		x, y, weight = x*2.03+17, y*2.03+31, weight*0.55
	}
	return sum / total
}

// value is noise that is random at whole coordinates and smooth between.
func value(x, y float64) float64 {
	x0, y0 := math.Floor(x), math.Floor(y)
	fx, fy := smooth(0, 1, x-x0), smooth(0, 1, y-y0)
	top := hash2(x0, y0)*(1-fx) + hash2(x0+1, y0)*fx
	bottom := hash2(x0, y0+1)*(1-fx) + hash2(x0+1, y0+1)*fx
	return top*(1-fy) + bottom*fy
}

// hash2 is a fixed random value, 0 to 1, for a point with whole coordinates.
func hash2(x, y float64) float64 {
	return float64(mix(uint64(int64(x))<<32^uint64(uint32(int64(y))))>>40) / (1 << 24)
}
