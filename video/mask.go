package video

import (
	"fmt"
	"math"
	"math/bits"
)

// A Polygon is a closed part of a picture: its corners in order, each as x and y in fractions 0..1 of the picture's width and
// height from the top left; the last corner joins the first. At least three corners.
type Polygon [][2]float64

// Faults says what is wrong with polygons, each fault under key and the index of what it concerns.
func Faults(key string, shapes []Polygon) (errs []error) {
	for i, p := range shapes {
		if len(p) < 3 {
			errs = append(errs, fmt.Errorf("%s[%d]: %d points, a polygon has at least 3", key, i, len(p)))
		}
		for j, q := range p {
			for _, v := range q {
				if math.IsNaN(v) || v < 0 || v > 1 {
					errs = append(errs, fmt.Errorf("%s[%d][%d]: [%v, %v] is outside 0..1", key, i, j, q[0], q[1]))
					break
				}
			}
		}
	}
	return errs
}

// A Mask says which pixels of a picture of one size polygons cover: each pixel that any of them has a part in, however small. What a
// polygon's outline goes round in either direction is inside, so that no rule of filling finds more. It does not change once made.
type Mask struct {
	width, height int
	first         []int32 // index of each row's first span, and after the last row's last
	spans         []span  // row by row, from the left, never touching
}

// A span is the pixels [from, to) of a row.
type span struct{ from, to int32 }

// NewMask rasterises polygons for pictures of width x height. Corners outside of 0..1 are taken to be where the picture ends.
func NewMask(shapes []Polygon, width, height int) *Mask {
	m := &Mask{width: width, height: height, first: make([]int32, 1, height+1)}
	r := rowBits{width: width, words: make([]uint64, (width+63)/64)}
	for y := range height {
		clear(r.words)
		for _, p := range shapes {
			r.outline(p, y, height)
			r.inside(p, y, height)
		}
		m.spans = r.appendSpans(m.spans)
		m.first = append(m.first, int32(len(m.spans)))
	}
	return m
}

// Size is that of the pictures that the mask was made for, in pixels.
func (m *Mask) Size() (width, height int) { return m.width, m.height }

// row gives the spans of a row.
func (m *Mask) row(y int) []span { return m.spans[m.first[y]:m.first[y+1]] }

// Touches reports whether any of the pixels [x0, x1) x [y0, y1) is covered. What lies outside of the picture is not.
func (m *Mask) Touches(x0, y0, x1, y1 int) bool {
	for y := max(y0, 0); y < min(y1, m.height); y++ {
		for _, s := range m.row(y) {
			if int(s.from) < x1 && int(s.to) > x0 {
				return true
			}
		}
	}
	return false
}

// rowBits collects what is covered of a row of pixels, a bit each.
type rowBits struct {
	width     int
	words     []uint64
	crossings []crossing
}

// A crossing is where the middle of a row meets an edge, and whether that goes up (-1) or down (+1).
type crossing struct {
	x    float64
	turn int
}

// outline covers the pixels of row y that edges of p pass through: all that p covers only in part are among them.
func (r *rowBits) outline(p Polygon, y, height int) {
	top, bottom := float64(y), float64(y+1)
	for i, a := range p {
		ax, ay := r.corner(a, height)
		bx, by := r.corner(p[(i+1)%len(p)], height)
		if ay > by {
			ax, ay, bx, by = bx, by, ax, ay
		}
		if by <= top || ay >= bottom {
			continue
		}
		x0, x1 := ax, bx
		if ay < top {
			x0 = ax + (top-ay)/(by-ay)*(bx-ax)
		}
		if by > bottom {
			x1 = ax + (bottom-ay)/(by-ay)*(bx-ax)
		}
		r.cover(min(x0, x1), max(x0, x1))
	}
}

// inside covers what of row y is within p at the middle of its height, by the nonzero winding rule. Together with outline that is
// every pixel that p touches: one without an edge in it is covered wholly or not at all.
func (r *rowBits) inside(p Polygon, y, height int) {
	middle := float64(y) + 0.5
	cs := r.crossings[:0]
	for i, a := range p {
		ax, ay := r.corner(a, height)
		bx, by := r.corner(p[(i+1)%len(p)], height)
		if (ay > middle) == (by > middle) {
			continue
		}
		c := crossing{x: ax + (middle-ay)/(by-ay)*(bx-ax), turn: 1}
		if ay > by {
			c.turn = -1
		}
		j := len(cs)
		for cs = append(cs, c); j > 0 && cs[j-1].x > c.x; j-- {
			cs[j] = cs[j-1]
		}
		cs[j] = c
	}
	r.crossings = cs
	for i, winding := 0, 0; i < len(cs); i++ {
		if winding != 0 {
			r.cover(cs[i-1].x, cs[i].x)
		}
		winding += cs[i].turn
	}
}

// corner is a polygon's corner in pixels, to the 65536th: 0.7 of 640 is 448 then, and a mask that ends where a pixel does
// does not reach the next by a rounding error.
func (r *rowBits) corner(q [2]float64, height int) (x, y float64) {
	at := func(v float64, size int) float64 {
		return math.Round(max(0, min(v, 1))*float64(size)*65536) / 65536
	}
	return at(q[0], r.width), at(q[1], height)
}

// cover covers every pixel that [x0, x1] has a part in; one that it meets only at its border it has not.
func (r *rowBits) cover(x0, x1 float64) {
	from, to := int(x0), min(int(math.Ceil(x1)), r.width)
	for x := from; x < to; {
		n := min(64-x&63, to-x)
		r.words[x>>6] |= ^uint64(0) >> (64 - n) << (x & 63)
		x += n
	}
}

// appendSpans appends what is covered.
func (r *rowBits) appendSpans(spans []span) []span {
	for x := r.next(0, 0); x < r.width; {
		end := r.next(x, ^uint64(0))
		spans = append(spans, span{int32(x), int32(end)})
		x = r.next(end, 0)
	}
	return spans
}

// next finds the first pixel from x on whose bit differs from those of skip; width if there is none.
func (r *rowBits) next(x int, skip uint64) int {
	for x < r.width {
		if w := (r.words[x>>6] ^ skip) >> (x & 63); w != 0 {
			return min(x+bits.TrailingZeros64(w), r.width)
		}
		x = x&^63 + 64
	}
	return r.width
}
