package motion

// MaxBoxes is how many moving parts a View holds.
const MaxBoxes = 16

// A View is what a Detector sees, for a person to look at. It shares nothing with the detector.
type View struct {
	Decision              // that the last Step gave
	Cols, Rows int        // of the grid; 0 before the first plane
	Cells      [64]uint64 // cells that count as changed: a word for each row, bit x for column x
	Boxes      [MaxBoxes]Rect
	N          int     // how many of Boxes there are: around parts that move and are large enough, in the order of their first row
	Share      float64 // of the picture, that the largest moving part takes, however small; Config.MinArea is compared with that
	MinArea    float64 // as it holds now
	Learning   bool    // nothing is decided for the moment
}

// View fills v with what the last Step saw. It does not allocate. Like Step, it is for one goroutine at a time.
func (d *Detector) View(v *View) {
	*v = View{Decision: d.decision, Cols: d.grid.cols, Rows: d.grid.rows, MinArea: d.cfg.MinArea, Learning: d.learning > 0 || !d.begun}
	if !d.labelled {
		return
	}
	v.Cells = d.counted
	v.Share = float64(d.decision.Largest) / float64(d.grid.cols*d.grid.rows)
	for i := range d.parts.runs {
		b := &d.parts.blobs[i]
		if int(d.parts.parent[i]) == i && int(b.cells) >= d.minCells && v.N < MaxBoxes && d.moves(*b) && !d.lit(i) {
			v.Boxes[v.N] = b.rect(float64(d.grid.cols), float64(d.grid.rows))
			v.N++
		}
	}
}
