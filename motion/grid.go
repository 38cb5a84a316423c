package motion

import (
	"math/bits"

	"camward/video"
)

// levelUnit is one level of luma in the unit of cells.
const levelUnit = 64

// A grid averages planes of one size into at most 64 x 64 cells of equal shape. A cell may begin and end inside a sample,
// so that the same scene gives the same cells at any size of plane.
type grid struct {
	width, height int
	cols, rows    int
	xs, ys        [maxSide]taps
	xweight       uint32 // sum of the weights across a cell, in 1/16 sample
	pairs         bool   // no cell is wider than two samples: first and last are all it has, and last is beside first
	skip          int    // of the lines of a large plane only every skip-th is read
	line          [maxSide]uint32
	lineAt        int // line of the plane that the field above holds
}

// Taps are the samples of one cell in one direction. first and last weigh in 1/16, those between 16; a cell
// inside one sample has only the first.
type taps struct{ at, n, first, last int32 }

// fit lays the grid out for a plane of the given size and reports whether it changed.
func (g *grid) fit(width, height int) bool {
	if width == g.width && height == g.height {
		return false
	}
	*g = grid{width: width, height: height}
	long := max(width, height)
	side := min(long, maxSide)
	g.cols = max(1, (width*side+long/2)/long)
	g.rows = max(1, (height*side+long/2)/long)
	xspan := layout(&g.xs, width, g.cols)
	g.pairs = width > 1 && inPairs(g.xs[:g.cols], int32(width))
	layout(&g.ys, height, g.rows)
	g.skip = max(1, height/g.rows/4)
	g.xweight = uint32(xspan)
	return true
}

// layout cuts n samples into k cells and gives a cell's length in 1/16 sample; less than 1/16 sample between
// cells is left out, so that all weigh the same.
func layout(t *[maxSide]taps, n, k int) int {
	span := n * 16 / k
	for i := range k {
		from := i * n * 16 / k
		to := from + span
		a, b := from/16, (to-1)/16
		if a == b {
			t[i] = taps{at: int32(a), n: 1, first: int32(span)}
			continue
		}
		t[i] = taps{at: int32(a), n: int32(b - a + 1), first: int32(16*(a+1) - from), last: int32(to - 16*b)}
	}
	return span
}

// inPairs makes each cell a pair of neighbouring samples, one of them perhaps without weight, if no cell is wider.
func inPairs(xs []taps, width int32) bool {
	for _, t := range xs {
		if t.n > 2 {
			return false
		}
	}
	if t := &xs[len(xs)-1]; t.at == width-1 {
		*t = taps{at: width - 2, n: 2, last: t.first}
	}
	return true
}

// average fills cells, row by row with cols cells each, in 1/64 levels.
func (g *grid) average(p *video.Plane, cells *[maxCells]int32) {
	g.lineAt = -1
	var acc [maxSide]uint32
	for y := range g.rows {
		t := g.ys[y]
		clear(acc[:g.cols])
		weight := uint32(0)
		for k := int32(0); k < t.n; k++ {
			w := uint32(16)
			switch k {
			case 0:
				w = uint32(t.first)
			case t.n - 1:
				w = uint32(t.last)
			default:
				if g.skip > 1 && int(k)%g.skip != 0 {
					continue
				}
			}
			g.sumLine(p, int(t.at+k))
			weight += w
			for x, s := range g.line[:g.cols] {
				acc[x] += s * w
			}
		}
		scale := uint32(uint64(levelUnit) << 32 / (uint64(weight) * uint64(g.xweight)))
		row := cells[y*g.cols:][:g.cols]
		for x := range row {
			hi, _ := bits.Mul32(acc[x], scale)
			row[x] = int32(hi)
		}
	}
}

// sumLine sums line y of the plane into g.line, in 1/16 samples.
func (g *grid) sumLine(p *video.Plane, y int) {
	if y == g.lineAt {
		return
	}
	g.lineAt = y
	pix := p.Pix[y*p.Stride:][:p.Width]
	line := g.line[:g.cols]
	if g.pairs {
		for x := range line {
			t := &g.xs[x]
			s := pix[t.at:][:2]
			line[x] = uint32(s[0])*uint32(t.first) + uint32(s[1])*uint32(t.last)
		}
		return
	}
	for x := range line {
		t := &g.xs[x]
		s := pix[t.at:]
		sum := uint32(s[0]) * uint32(t.first)
		if n := int(t.n) - 1; n > 0 && n < len(s) {
			sum += uint32(s[n]) * uint32(t.last)
			for _, v := range s[1:n] {
				sum += uint32(v) * 16
			}
		}
		line[x] = sum
	}
}
