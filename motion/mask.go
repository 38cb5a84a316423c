package motion

import "math/bits"

// maxSide is the longest side of the grid in cells: a row of cells is one machine word.
const maxSide = 64

// A mask holds one bit per cell, a word per row, bit x for column x.
type mask [maxSide]uint64

// below gives the n lowest bits.
func below(n int) uint64 { return ^uint64(0) >> (64 - n) }

func (m *mask) empty() bool { return *m == mask{} }

func (m *mask) count() (n int) {
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// dilate adds the cells up to n away from those of m, corners included. Bits beyond the grid's last column may come to be set.
func (m *mask) dilate(n int) {
	for r := 0; r < n; {
		step := min(n-r, 2*r+1) // what has grown by r is grown further in one go
		was := *m
		for y := range m {
			was[y] |= was[y]<<step | was[y]>>step
		}
		*m = was
		for y := range maxSide - step {
			m[y] |= was[y+step]
			m[y+step] |= was[y]
		}
		r += step
	}
}

// erode leaves the cells all around which, corners included, are others of m.
func (m *mask) erode() {
	above := uint64(0)
	for y, here := range m {
		under := uint64(0)
		if y+1 < maxSide {
			under = m[y+1]
		}
		all := above & here & under
		m[y] = all & (all << 1) & (all >> 1)
		above = here
	}
}

// frame frames the cells of m within b's frame, grown by reach. It has no cells if there are none.
func (m *mask) frame(b *blob, reach, rows int) (out blob) {
	x0, x1 := max(0, int(b.x0)-reach), min(maxSide-1, int(b.x1)+reach)
	columns := below(x1-x0+1) << x0
	for y := max(0, int(b.y0)-reach); y <= min(rows-1, int(b.y1)+reach); y++ {
		if w := m[y] & columns; w != 0 {
			out.add(&blob{cells: 1, x0: uint8(bits.TrailingZeros64(w)), x1: uint8(maxSide - 1 - bits.LeadingZeros64(w)), y0: uint8(y), y1: uint8(y)})
		}
	}
	return out
}

// whole grows b's frame while cells of m touch it, by eight cells each way at most.
func (m *mask) whole(b blob, rows int) blob {
	for range 8 {
		f := m.frame(&b, 1, rows)
		x0, y0, x1, y1 := b.x0, b.y0, b.x1, b.y1
		b.add(&f)
		if f.cells == 0 || b.x0 == x0 && b.y0 == y0 && b.x1 == x1 && b.y1 == y1 {
			break
		}
	}
	return b
}

// maskOf marks the cells of a grid whose centre is inside any polygon of include (or all, if there is none) and inside no
// polygon of exclude.
func maskOf(include, exclude []Polygon, cols, rows int) *mask {
	m := new(mask)
	for y := range rows {
		for x := range cols {
			px, py := (float64(x)+0.5)/float64(cols), (float64(y)+0.5)/float64(rows)
			if (len(include) == 0 || insideAny(include, px, py)) && !insideAny(exclude, px, py) {
				m[y] |= 1 << x
			}
		}
	}
	return m
}

func insideAny(ps []Polygon, x, y float64) bool {
	for _, p := range ps {
		if contains(p, x, y) {
			return true
		}
	}
	return false
}

// contains counts the edges that a ray to the right crosses.
func contains(p Polygon, x, y float64) (in bool) {
	for i, a := range p {
		b := p[(i+1)%len(p)]
		if (a[1] > y) != (b[1] > y) && x < a[0]+(y-a[1])/(b[1]-a[1])*(b[0]-a[0]) {
			in = !in
		}
	}
	return in
}
