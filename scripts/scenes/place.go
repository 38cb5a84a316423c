package scenes

import "math"

// A place is what stands before the camera and stays: reflectances, drawn once.
type place struct {
	seed     uint64
	kind     string // room, yard, street or lot
	infrared bool   // as seen without the infra-red filter: leaves and cloth are bright
}

// horizon is where the ground begins, from the top in picture widths.
func (p place) horizon() float64 {
	return map[string]float64{"room": 0.34, "yard": 0.26, "street": 0.24, "lot": 0.18}[p.kind]
}

// A patch is a rectangle of the place with a texture.
type patch struct {
	x0, y0, x1, y1 float64
	reflectance    float64
	contrast       float64 // of its texture, as a share
	fine           float64 // features of the texture per picture width
	leafy          bool
}

// patches lists what the place is made of, the nearer after the farther.
func (p place) patches() []patch {
	r := func(n int, a, b float64) float64 { return a + (b-a)*hash(p.seed, n, 77) }
	h := p.horizon()
	list := []patch{
		{-1, -1, 2, h, r(1, 0.3, 0.6), 0.15, 6, false},
		{-1, h, 2, 2, r(2, 0.14, 0.34), 0.3, 60, p.kind == "yard"},
	}
	houses := 3
	if p.kind == "lot" {
		houses = 1
	}
	for i := range houses {
		x := r(10+i, -0.1, 0.8)
		wide := r(20+i, 0.15, 0.4)
		list = append(list, patch{x, r(30+i, -0.05, h-0.06), x + wide, h + r(40+i, 0, 0.05), r(50+i, 0.1, 0.55), 0.2, 40, false})
		for j := range 2 {
			wx := x + wide*(0.15+0.45*float64(j))
			list = append(list, patch{wx, h * 0.35, wx + wide*0.25, h * 0.7, r(60+2*i+j, 0.03, 0.7), 0.1, 30, false})
		}
	}
	switch p.kind {
	case "street":
		list = append(list, patch{-1, 0.42, 2, 0.62, 0.1, 0.25, 120, false}, patch{-1, 0.515, 2, 0.522, 0.5, 0.4, 40, false})
	case "lot":
		for i := range 7 {
			x := 0.02 + 0.15*float64(i)
			list = append(list, patch{x, 0.3, x + 0.006, 0.45, 0.6, 0.3, 80, false})
		}
	case "room":
		for i := range 4 {
			x := r(80+i, 0, 0.9)
			list = append(list, patch{x, r(90+i, 0.2, 0.45), x + r(100+i, 0.08, 0.25), r(110+i, 0.42, 0.6), r(120+i, 0.05, 0.5), 0.25, 90, false})
		}
	case "yard":
		list = append(list, patch{0.42, h, 0.55, 2, 0.38, 0.3, 100, false}, patch{-1, h - 0.05, 2, h + 0.01, 0.2, 0.6, 110, true})
	}
	return list
}

// The place is drawn this large, with a margin that a shaking camera may look into, and made smaller or larger from there.
const (
	masterWidth  = 960
	masterHeight = 720
	margin       = 0.03
)

// draw gives the reflectances of the place with its trees in 1/16384, row by row of masterWidth, margins included in its extent.
func (p place) draw(trees []tree) []uint16 {
	list := p.patches()
	out := make([]uint16, masterWidth*masterHeight)
	for y := range masterHeight {
		wy := (float64(y)+0.5)/masterHeight*(worldHeight*(1+2*margin)) - margin*worldHeight
		for x := range masterWidth {
			wx := (float64(x)+0.5)/masterWidth*(1+2*margin) - margin
			v := 0.0
			for i := len(list) - 1; i >= 0; i-- {
				if q := &list[i]; wx >= q.x0 && wx < q.x1 && wy >= q.y0 && wy < q.y1 {
					v = p.surface(i, q, wx, wy)
					break
				}
			}
			for i := range trees {
				v = trees[i].leaves(v, wx, wy, p.infrared)
			}
			out[y*masterWidth+x] = linear(v)
		}
	}
	return soften(out, masterWidth, masterHeight)
}

func (p place) surface(i int, q *patch, x, y float64) float64 {
	s := p.seed + uint64(i)*101
	n := 0.5*texture(s, x*q.fine, y*q.fine) + 0.3*texture(s+1, x*q.fine*3.1, y*q.fine*3.1) + 0.2*texture(s+2, x*5, y*5)
	v := q.reflectance
	if p.infrared {
		v = 0.25 + 0.5*v
		if q.leafy {
			v += 0.3
		}
	}
	return v * (1 + 2*q.contrast*(n-0.5))
}

// unit is a reflectance or a signal of 1.
const unit = 16384

func linear(v float64) uint16 { return uint16(max(0, min(v*unit, math.MaxUint16))) }

// soften is the lens: a box of three by three.
func soften(in []uint16, width, height int) []uint16 {
	out := make([]uint16, len(in))
	for y := range height {
		up, mid, down := in[max(y-1, 0)*width:][:width], in[y*width:][:width], in[min(y+1, height-1)*width:][:width]
		for x := range width {
			l, r := max(x-1, 0), min(x+1, width-1)
			sum := uint32(up[l]) + uint32(up[x]) + uint32(up[r]) + uint32(mid[l]) + uint32(mid[x]) + uint32(mid[r]) +
				uint32(down[l]) + uint32(down[x]) + uint32(down[r])
			out[y*width+x] = uint16(sum / 9)
		}
	}
	return out
}

// A tree sways: a part of the place that is displaced by the wind.
type tree struct {
	x, y, rx, ry float64
	seed         uint64
	sway         float64                 // largest displacement
	period       float64                 // in s
	wind         func(t float64) float64 // 0..1
}

// leaves draws the tree over v.
func (t *tree) leaves(v, x, y float64, infrared bool) float64 {
	d := math.Hypot((x-t.x)/t.rx, (y-t.y)/t.ry) + 0.35*(texture(t.seed, x*45, y*45)-0.5)
	if d > 1 {
		return v
	}
	n := 0.6*texture(t.seed+1, x*70, y*70) + 0.4*texture(t.seed+2, x*160, y*160)
	leaf := 0.03 + 0.3*n*n
	if infrared {
		leaf = 0.25 + 0.6*n*n
	}
	return leaf
}
