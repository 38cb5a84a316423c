// Package motion finds movement in a stream of small luma pictures: planes in, decisions out. It does no input or output,
// reads no clock and starts no goroutine; time is the stamp that comes with each plane.
//
// The picture is averaged into cells, at most 64 along its longer side. Each cell has a background, a mean
// deviation from it, and a flicker average; from these comes the difference that counts as a change there. One gain for
// the whole picture, the median of cell by background, follows the camera's exposure. A change counts where
// something near it changed just before, too, and motion is a connected set of such cells that lasts. A change of most of the
// picture at once is a scene change: the background is learned anew.
//
// All rates are in time, not in pictures, so that 1 to 60 pictures a second give like decisions. Luma is
// fixed-point: cells in 1/64 level, backgrounds in 1/1024.
package motion

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"camward/video"
)

// A Decision is what one plane led to.
type Decision struct {
	Moving      bool    // something moves now; short gaps are left for a Joiner
	SceneChange bool    // a change of the whole picture begins here: light switched, infra-red filter, camera turned
	Score       float64 // share of the picture that moves, 0..1, to choose the peak picture by; 0 when still
	Box         Rect    // around the largest moving part; zero when still

	// What led to it, for traces.
	Cells     int     // cells that count as changed
	Largest   int     // of them, cells in the largest connected part that moves
	Gain      float64 // brightness against the background's; 1 is unchanged
	Threshold float64 // mean over the picture of the difference that counts, in levels of 255
}

// A Rect is a part of the picture in fractions 0..1 of its width and height from the top left.
type Rect struct{ X0, Y0, X1, Y1 float64 }

// A Detector decides picture by picture whether something moves. It keeps about 200 KB of state and
// allocates nothing after New. Not safe for concurrent use.
type Detector struct {
	cfg   Config
	tune  tuning
	grid  grid
	scene scene
	parts labeller

	watch    mask // the cells that the configuration wants
	watched  int  // their number
	minCells int

	begun     bool
	last      time.Duration // stamp of the last plane analysed
	interval  time.Duration // between planes analysed, smoothed
	unsettled time.Duration
	learning  time.Duration // what is left of the time in which nothing is decided
	raw       [3]mask       // changed cells now and in the two pictures before
	gain      float64       // its mean over the last moments
	evidence  time.Duration // how long something has moved, less how long not
	decision  Decision
}

// New makes a detector. The error lists every fault of the configuration.
func New(cfg Config) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("motion detector: %w", err)
	}
	return &Detector{cfg: cfg, tune: defaultTuning()}, nil
}

// Step takes the next picture: its capture stamp and its luma, at least 20 x 15 samples, of which nothing is kept. Planes of an eighth
// of the camera's size are plenty; a smaller plane than 64 samples makes the cells larger. Pictures that come faster
// than the detector needs repeat the last decision. A plane of another size, a stamp that goes back and a gap of more
// than 3 s start learning anew.
func (d *Detector) Step(mono time.Duration, luma *video.Plane) Decision {
	if luma.Width < 1 || luma.Height < 1 {
		return Decision{}
	}
	if d.grid.fit(luma.Width, luma.Height) {
		d.layout()
	}
	dt := mono - d.last
	if d.begun && dt >= 0 && dt < d.tune.minInterval {
		d.decision.SceneChange = false // told once
		return d.decision
	}
	d.last = mono
	d.grid.average(luma, &d.scene.now)
	if !d.begun || dt < 0 || dt > d.tune.maxGap {
		d.begin()
		return d.decision
	}
	if d.interval == 0 {
		d.interval = dt
	}
	d.interval += (dt - d.interval) / 5
	d.decision = d.analyse(dt)
	return d.decision
}

// layout follows a new size of plane.
func (d *Detector) layout() {
	d.begun = false
	d.scene.cols, d.scene.rows = d.grid.cols, d.grid.rows
	d.watch = *maskOf(d.cfg.Include, d.cfg.Exclude, d.grid.cols, d.grid.rows)
	d.watched = max(1, d.watch.count())
	d.minCells = max(d.tune.minCells, int(d.cfg.MinArea*float64(d.grid.cols*d.grid.rows)+0.5))
}

// begin takes the present picture for the background.
func (d *Detector) begin() {
	d.scene.reset(&d.tune)
	d.begun = true
	d.interval = 0
	d.learn()
	d.decision = Decision{Gain: 1}
}

// learn forgets what moved and lets the background follow the picture for a while.
func (d *Detector) learn() {
	d.learning = d.tune.relearn
	d.unsettled = 0
	d.scene.learned = 1
	d.raw = [3]mask{}
	d.evidence = 0
	d.gain = 1
}

func (d *Detector) analyse(dt time.Duration) Decision {
	gain := d.scene.gain()
	dec := Decision{Gain: gain}
	if d.learning > 0 {
		d.learning -= dt
		d.unsettled += dt
		if math.Abs(gain-1) > d.tune.unsteady && d.unsettled < d.tune.maxLearn {
			d.learning, d.scene.learned = d.tune.relearn, 0
		}
		d.scene.learn(&d.tune, dt)
		d.scene.setThresholds(&d.tune, d.cfg.MinContrast)
		return dec
	}
	d.raw[2], d.raw[1] = d.raw[1], d.raw[0]
	limit := 1 + d.tune.sceneGain
	step := gain / d.gain
	sudden := step > limit || step*limit < 1
	d.gain += (gain - d.gain) * float64(weight(dt, d.tune.lightStep)) / 4096
	if !sudden {
		d.scene.compare(&d.tune, dt, gain, &d.raw[0])
		dec.Threshold = d.scene.setThresholds(&d.tune, d.cfg.MinContrast)
		changed := 0
		for y := range d.raw[0][:d.scene.rows] {
			d.raw[0][y] &= d.watch[y]
			changed += bits.OnesCount64(d.raw[0][y])
		}
		sudden = float64(changed) > d.tune.sceneShare*float64(d.watched)
	}
	if sudden {
		d.learn()
		dec.SceneChange = true
		return dec
	}
	part := d.largest(&dec)
	if dec.Moving = d.lasting(dt, int(part.cells)); dec.Moving {
		cols, rows := float64(d.scene.cols), float64(d.scene.rows)
		dec.Score = float64(max(part.cells, 1)) / (cols * rows)
		if part.cells > 0 {
			dec.Box = Rect{float64(part.x0) / cols, float64(part.y0) / rows, float64(part.x1+1) / cols, float64(part.y1+1) / rows}
		}
	}
	return dec
}

// largest finds the largest connected part that moves among the cells that changed near where something changed before.
func (d *Detector) largest(dec *Decision) (best blob) {
	var counted mask
	counted = d.raw[0]
	d.nearBefore(&counted)
	for _, w := range counted[:d.scene.rows] {
		dec.Cells += bits.OnesCount64(w)
	}
	d.parts.label(&counted, &d.scene.fresh, d.scene.rows)
	for b := range d.parts.all() {
		if float64(b.fresh) >= d.tune.freshShare*float64(b.cells) && b.cells > best.cells {
			best = b
		}
	}
	dec.Largest = int(best.cells)
	return best
}

// nearBefore keeps those cells of m that are within reach of a cell that changed in the picture before and, if that was not
// long ago, of one in the picture before that.
func (d *Detector) nearBefore(m *mask) {
	reach := max(1, int(d.interval.Seconds()*d.tune.reach+0.5))
	before := 2
	if d.interval > d.tune.sparse {
		before = 1
	}
	for k := 1; k <= before; k++ {
		near := d.raw[k]
		for range min(reach*k, maxSide) {
			near.dilate()
		}
		for y := range m {
			m[y] &= near[y]
		}
	}
}

// lasting weighs the last pictures: evidence grows by the time in which a large enough part moves, slower for a small one, and
// shrinks by the time in which none does. Whatever the rate, at least two pictures are needed.
func (d *Detector) lasting(dt time.Duration, cells int) bool {
	least := max(d.cfg.MinDuration, time.Millisecond)
	if cells < d.minCells {
		d.evidence = max(0, d.evidence-time.Duration(float64(dt)*d.tune.fall))
	} else {
		w := min(1, float64(cells)/(d.tune.sure*float64(d.minCells)))
		d.evidence = min(d.evidence+min(time.Duration(float64(dt)*w), least*6/10), time.Duration(float64(least)*d.tune.hold))
	}
	return d.evidence+dt/4 >= least
}
