package demo

import (
	"math"

	"camward/video"
)

// point is a place in the picture.
type point struct{ x, y float64 }

func (p point) at(angle, length float64) point {
	return point{p.x + length*math.Sin(angle), p.y + length*math.Cos(angle)}
}

// A limb is a rounded stroke from a to b, ra and rb its half widths.
type limb struct {
	a, b   point
	ra, rb float64
	colour rgb
}

var (
	skin    = rgb{196, 150, 124}
	hair    = rgb{52, 40, 34}
	jacket  = rgb{42, 58, 98}
	sleeve  = rgb{36, 50, 86}
	jeans   = rgb{58, 62, 74}
	farLeg  = rgb{44, 47, 58}
	leather = rgb{30, 27, 26}
)

// drawPerson draws the person t seconds after the crossing of length whole began: from beyond the left edge to beyond
// the right one.
func drawPerson(dst *video.I420, t, whole float64) {
	h := 0.40 * float64(dst.Height) // from sole to crown
	width := float64(dst.Width)
	margin := 0.25 * h
	x := -margin + (width+2*margin)*t/whole
	ground := 0.845 * float64(dst.Height)
	shadow(dst, point{x + 0.10*h, ground + 0.005*h}, 0.24*h, 0.028*h)
	var buf [16]limb
	for _, l := range figure(buf[:0], x, ground, h, t) {
		drawLimb(dst, l)
	}
}

// figure is the person's limbs, the farther ones first, in stride phase.
func figure(out []limb, x, ground, h, t float64) []limb {
	const steps = 1.85 // per second
	phase := math.Pi * steps * t
	swing := math.Sin(phase)
	bob := 0.045 * h * swing * swing // the hip sinks as the legs part
	hip := point{x, ground - 0.49*h + bob}
	neck := point{x + 0.025*h, hip.y - 0.33*h}
	shoulder := point{neck.x - 0.005*h, neck.y + 0.045*h}
	head := point{neck.x + 0.018*h, neck.y - 0.085*h}

	arm := func(side float64, c rgb) {
		a := -0.55 * side * swing
		elbow := shoulder.at(a, 0.17*h)
		hand := elbow.at(a+0.35+0.2*math.Max(0, -side*swing), 0.16*h)
		out = append(out, limb{elbow, hand, 0.027 * h, 0.021 * h, c}, limb{shoulder, elbow, 0.034 * h, 0.028 * h, c},
			limb{hand, hand.at(a+0.4, 0.02*h), 0.02 * h, 0.017 * h, skin})
	}
	leg := func(side float64, c rgb) {
		a := 0.48 * side * swing
		bend := 0.10 + 0.75*math.Max(0, math.Cos(phase)*side)*math.Max(0, 1-math.Abs(swing)*0.5)
		knee := hip.at(a+0.05, 0.245*h)
		ankle := knee.at(a-bend, 0.225*h)
		ankle.y = math.Min(ankle.y, ground-0.02*h)
		out = append(out, limb{ankle, point{ankle.x + 0.062*h, ankle.y + 0.012*h}, 0.022 * h, 0.017 * h, leather},
			limb{knee, ankle, 0.04 * h, 0.028 * h, c}, limb{hip, knee, 0.058 * h, 0.042 * h, c})
	}
	arm(-1, sleeve.scale(0.8))
	leg(-1, farLeg)
	leg(1, jeans)
	out = append(out,
		limb{neck, head, 0.03 * h, 0.03 * h, skin.scale(0.85)},
		limb{point{hip.x, hip.y - 0.02*h}, point{neck.x - 0.004*h, neck.y + 0.065*h}, 0.072 * h, 0.084 * h, jacket},
		limb{point{head.x - 0.008*h, head.y - 0.018*h}, point{head.x - 0.01*h, head.y - 0.008*h}, 0.058 * h, 0.056 * h, hair},
		limb{point{head.x + 0.012*h, head.y + 0.002*h}, point{head.x + 0.014*h, head.y + 0.026*h}, 0.047 * h, 0.04 * h, skin})
	arm(1, sleeve)
	return out
}

// drawLimb blends a limb into the picture, soft at the edge, lighter where it faces the sky's left.
func drawLimb(dst *video.I420, l limb) {
	r := max(l.ra, l.rb) + 2
	x0, x1 := int(min(l.a.x, l.b.x)-r), int(max(l.a.x, l.b.x)+r)+1
	y0, y1 := int(min(l.a.y, l.b.y)-r), int(max(l.a.y, l.b.y)+r)+1
	ly, lu, lv := l.colour.ycc()
	for y := max(y0, 0); y < min(y1, dst.Height); y++ {
		for x := max(x0, 0); x < min(x1, dst.Width); x++ {
			cover, lateral := l.cover(float64(x)+0.5, float64(y)+0.5)
			if cover <= 0 {
				continue
			}
			folds := 10 * (octave(x, y) - 0.5)
			p := &dst.Y[y*dst.YStride+x]
			level := ly*(1-0.28*lateral) + folds
			*p = byte(min(max(float64(*p)+(level-float64(*p))*cover, levelMin), levelMax))
			if x&1 == 0 && y&1 == 0 {
				at := y/2*dst.CStride + x/2
				dst.U[at] = byte(float64(dst.U[at]) + (lu-float64(dst.U[at]))*cover)
				dst.V[at] = byte(float64(dst.V[at]) + (lv-float64(dst.V[at]))*cover)
			}
		}
	}
}

// octave is a cheap texture, 0 to 1.
func octave(x, y int) float64 {
	return float64(mix(uint64(x/3)<<20^uint64(y/4))>>56) / 255
}

// cover gives how much of the pixel at (x, y) the limb covers, and how far to the right of its
// axis the pixel lies, -1 to 1.
func (l limb) cover(x, y float64) (cover, lateral float64) {
	dx, dy := l.b.x-l.a.x, l.b.y-l.a.y
	along := 0.0
	if n := dx*dx + dy*dy; n > 0 {
		along = min(max(((x-l.a.x)*dx+(y-l.a.y)*dy)/n, 0), 1)
	}
	px, py := x-l.a.x-along*dx, y-l.a.y-along*dy
	r := l.ra + (l.rb-l.ra)*along
	d := math.Sqrt(px*px+py*py) - r
	return min(max(0.5-d/1.8, 0), 1), min(max((px+0.5*py)/r, -1), 1)
}

// shadow darkens an ellipse on the ground.
func shadow(dst *video.I420, c point, rx, ry float64) {
	for y := max(int(c.y-ry), 0); y < min(int(c.y+ry)+1, dst.Height); y++ {
		for x := max(int(c.x-rx), 0); x < min(int(c.x+rx)+1, dst.Width); x++ {
			u, v := (float64(x)-c.x)/rx, (float64(y)-c.y)/ry
			if d := u*u + v*v; d < 1 {
				p := &dst.Y[y*dst.YStride+x]
				*p = byte(max(float64(*p)*(1-0.4*(1-d)), levelMin))
			}
		}
	}
}
