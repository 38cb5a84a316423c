package motion

import (
	"iter"
	"math/bits"
)

// A blob is an 8-connected set of cells.
type blob struct {
	cells, fresh   int16 // fresh: those of them that changed in the last moments
	x0, y0, x1, y1 uint8 // inclusive
}

func (b *blob) join(o blob) {
	b.cells += o.cells
	b.fresh += o.fresh
	b.x0, b.y0 = min(b.x0, o.x0), min(b.y0, o.y0)
	b.x1, b.y1 = max(b.x1, o.x1), max(b.y1, o.y1)
}

// add joins o to b, which may be empty.
func (b *blob) add(o *blob) {
	if b.cells == 0 {
		*b = *o
	} else {
		b.join(*o)
	}
}

// middle is the middle of the frame, in cells.
func (b *blob) middle() (x, y float64) {
	return float64(int(b.x0)+int(b.x1)) / 2, float64(int(b.y0)+int(b.y1)) / 2
}

// long is the longer side of the frame, in cells.
func (b *blob) long() float64 { return float64(max(b.x1-b.x0, b.y1-b.y0)) + 1 }

// near reports whether less than reach cells lie between the frames.
func (b *blob) near(o *blob, reach int) bool {
	return int(b.x0) <= int(o.x1)+reach && int(o.x0) <= int(b.x1)+reach && int(b.y0) <= int(o.y1)+reach && int(o.y0) <= int(b.y1)+reach
}

// rect is the blob's frame in fractions of a picture of cols x rows cells.
func (b *blob) rect(cols, rows float64) Rect {
	return Rect{float64(b.x0) / cols, float64(b.y0) / rows, float64(b.x1+1) / cols, float64(b.y1+1) / rows}
}

// A labeller finds blobs: it joins runs of cells with the runs that touch them in the row above.
type labeller struct {
	runs   int
	blobs  [maxCells / 2]blob     // of a run, and at its root of the whole blob
	ends   [maxCells / 2][2]uint8 // first and last column of each run
	rows   [maxCells / 2]uint8    // of each run
	parent [maxCells / 2]int16    // a run of the same blob; at the root the run itself
}

// label finds the blobs of m; all lists them.
func (l *labeller) label(m, fresh *mask, rows int) {
	l.runs = 0
	above := 0 // first run of the row above
	for y, w := range m[:rows] {
		first := l.runs
		for w != 0 {
			x := bits.TrailingZeros64(w)
			n := bits.TrailingZeros64(^(w >> x))
			run := below(n) << x
			w &^= run
			i := l.runs
			l.runs++
			l.parent[i] = int16(i)
			l.rows[i] = uint8(y)
			l.ends[i] = [2]uint8{uint8(x), uint8(x + n - 1)}
			l.blobs[i] = blob{int16(n), int16(bits.OnesCount64(run & fresh[y])), uint8(x), uint8(y), uint8(x + n - 1), uint8(y)}
			above = l.attach(i, above, first)
		}
		above = first
	}
}

// attach joins run i with those of the row above that touch it: runs from above to before end. It gives the first that
// a later run of the row may touch.
func (l *labeller) attach(i, above, end int) int {
	from, to := int(l.ends[i][0])-1, int(l.ends[i][1])+1
	for above < end && int(l.ends[above][1]) < from {
		above++
	}
	for j := above; j < end && int(l.ends[j][0]) <= to; j++ {
		if a, b := l.root(i), l.root(j); a != b {
			l.parent[a] = int16(b)
			l.blobs[b].join(l.blobs[a])
		}
	}
	return above
}

func (l *labeller) root(i int) int {
	for int(l.parent[i]) != i {
		l.parent[i] = l.parent[l.parent[i]]
		i = int(l.parent[i])
	}
	return i
}

// all gives every blob of the last label.
func (l *labeller) all() iter.Seq[blob] {
	return func(yield func(blob) bool) {
		for i := range l.runs {
			if int(l.parent[i]) == i && !yield(l.blobs[i]) {
				return
			}
		}
	}
}

// within counts the cells that the blob with the given root shares with m.
func (l *labeller) within(root int, m *mask) (n int) {
	for i := range l.runs {
		if l.root(i) == root {
			first, last := int(l.ends[i][0]), int(l.ends[i][1])
			n += bits.OnesCount64(m[l.rows[i]] & (below(last-first+1) << first))
		}
	}
	return n
}

// mark adds the blob with the given root to m.
func (l *labeller) mark(root int, m *mask) {
	for i := range l.runs {
		if l.root(i) == root {
			first, last := int(l.ends[i][0]), int(l.ends[i][1])
			m[l.rows[i]] |= below(last-first+1) << first
		}
	}
}

// largest gives the root of the largest blob; 0 if there is none.
func (l *labeller) largest() (root int) {
	for i := range l.runs {
		if int(l.parent[i]) == i && (l.blobs[i].cells > l.blobs[root].cells || int(l.parent[root]) != root) {
			root = i
		}
	}
	return root
}
