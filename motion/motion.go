// Package motion finds movement in a stream of small luma pictures: planes in, decisions out. It does no input or output,
// reads no clock and starts no goroutine; time is the stamp that comes with each plane.
//
// The picture is averaged into cells, at most 64 along its longer side. Each cell has a background, a mean
// deviation from it, and a flicker average; from these comes the difference that counts as a change there. One gain for
// the whole picture, the median of cell by background, follows the camera's exposure. A change counts where
// something near it changed just before, too, and motion is a connected part of the picture that keeps changing so. A
// change of most of the picture at once is a scene change: the background is learned anew.
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
	SceneChange bool    // the whole picture began to change: light switched, infra-red filter, camera turned
	Scene       Scene   // what the whole picture changed to, told once when that is known: up to 4 s after SceneChange; SceneFrozen comes alone
	Score       float64 // share of the picture that moves, 0..1, to choose the peak picture by; 0 when still
	Box         Rect    // around the largest moving part; zero when still

	// What led to it, for traces.
	Cells     int     // cells that count as changed
	Largest   int     // of them, cells in the largest connected part that moves
	Gain      float64 // brightness against the background's; 1 is unchanged
	Threshold float64 // mean difference that counts, flicker left out, in levels of 255; 0 while learning
}

// A Rect is a part of the picture in fractions 0..1 of its width and height from the top left.
type Rect struct{ X0, Y0, X1, Y1 float64 }

// A Detector decides picture by picture whether something moves. It keeps about 230 KB of state and
// allocates nothing once it knows the size of the planes. Not safe for concurrent use.
type Detector struct {
	cfg   Config
	tune  tuning
	grid  grid
	scene scene
	focus focus
	creep creep
	parts labeller

	watch    mask // the cells that the configuration wants
	watched  int  // their number
	minCells int  // smallest part that counts

	begun    bool
	known    bool          // there was a picture before the one that it began with
	last     time.Duration // stamp of the last plane analysed
	interval time.Duration // between planes analysed, smoothed
	learning time.Duration // what is left of the time in which nothing is decided
	learned  time.Duration // how long learning has gone on
	same     time.Duration // how long the picture has been the same to the last bit
	hidden   bool          // nothing is seen: dark or covered; the background before that is remembered
	starting bool          // learning because nothing is known, not because the light changed
	again    bool          // and not for the first time
	gain     float64       // mean over the last moments
	changed  [3]mask       // changed cells now and in the two pictures before
	counted  mask          // of those now, the ones that count; parts are made of them
	labelled bool          // counted and parts are of the last plane analysed
	movers   movers        // what moves, or may
	crowd    crowd         // what came and went
	trails   trails        // of small parts
	evidence time.Duration // of the mover that has most
	decision Decision
	trace    Trace // of the last Step
}

// New makes a detector. The error lists every fault of the configuration.
func New(cfg Config) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("motion detector: %w", err)
	}
	return &Detector{cfg: cfg, tune: defaultTuning()}, nil
}

// Step takes the next picture: its capture stamp and its luma, of which nothing is kept. An eighth of the camera's width and
// height is plenty; less than 64 samples along the longer side makes the cells larger, and 20 x 15 is the least that is
// of use. Pictures that come faster than the detector needs repeat the last decision. A plane of another size, a
// stamp that goes back and a gap of more than 3 s start learning anew; for the 1.5 s of it nothing moves.
func (d *Detector) Step(mono time.Duration, luma *video.Plane) Decision {
	if luma.Width < 1 || luma.Height < 1 {
		return Decision{}
	}
	if d.grid.fit(luma.Width, luma.Height) {
		d.layout()
	}
	dt := mono - d.last
	if d.begun && dt >= 0 && dt < d.tune.minInterval {
		d.decision.SceneChange, d.decision.Scene = false, SceneNone // told once
		d.trace.Mono, d.trace.Reason, d.trace.Scene = mono, ReasonSkipped, SceneNone
		return d.decision
	}
	d.last = mono
	d.grid.average(luma, &d.scene.now)
	d.labelled = false
	if !d.begun || dt < 0 || dt > d.tune.maxGap {
		d.begin()
		d.note(mono, &d.decision, ReasonStart)
		return d.decision
	}
	if d.interval == 0 {
		d.interval = dt
	}
	d.interval += (dt - d.interval) / 5
	var why Reason
	d.decision, why = d.analyse(dt)
	d.note(mono, &d.decision, why)
	return d.decision
}

// layout follows a new size of plane.
func (d *Detector) layout() {
	d.begun = false
	d.scene.cols, d.scene.rows = d.grid.cols, d.grid.rows
	clear(d.scene.former[:]) // of other cells
	d.mask()
	d.minCells = d.cfg.leastCells(&d.tune, d.grid.cols, d.grid.rows)
}

// SetConfig replaces all settings from the next Step on. What is known of the picture stays known, so nothing is learnt anew. The error
// lists every fault; then all stays as it is.
func (d *Detector) SetConfig(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	d.cfg = cfg
	d.mask()
	d.minCells = cfg.leastCells(&d.tune, d.grid.cols, d.grid.rows)
	if d.begun {
		d.scene.setBase(&d.tune, cfg.MinContrast, 1)
	}
	return nil
}

// SetMasks replaces the parts of the picture that count, as Config's Include and Exclude have them, from the next Step on. What moves
// outside them is known already, so nothing is learnt anew. The error lists every fault; then all stays as it is.
func (d *Detector) SetMasks(include, exclude []Polygon) error {
	cfg := d.cfg
	cfg.Include, cfg.Exclude = include, exclude
	if err := cfg.Validate(); err != nil {
		return err
	}
	d.cfg = cfg
	d.mask()
	return nil
}

// mask follows a new size of grid or new polygons.
func (d *Detector) mask() {
	d.watch = *maskOf(d.cfg.Include, d.cfg.Exclude, d.grid.cols, d.grid.rows)
	d.watched = d.watch.count()
	d.scene.weigh(d.cfg.Zones)
}

// begin takes the present picture for the background.
func (d *Detector) begin() {
	d.begun = true
	d.interval, d.same, d.hidden = 0, 0, false
	d.scene.reset(&d.tune)
	d.creep = creep{}
	d.scene.learned = 1
	d.scene.setBase(&d.tune, d.cfg.MinContrast, 1)
	d.startLearning()
	d.learning, d.starting = d.tune.start, true
	d.again, d.known = d.known, true
	d.decision = Decision{Gain: 1}
}

// startLearning forgets what moved and lets the background follow the picture for a while.
func (d *Detector) startLearning() {
	d.learning, d.learned, d.starting = d.tune.learn, 0, false
	d.gain = 1
	d.changed = [3]mask{}
	d.evidence, d.movers = 0, movers{}
	d.trails.clear()
	d.creep.reset(&d.tune)
}

func (d *Detector) analyse(dt time.Duration) (dec Decision, why Reason) {
	dec.Gain = d.scene.gain()
	begins, thawed := d.frozen(dt)
	if begins {
		dec.Scene = SceneFrozen
	}
	if d.learning > 0 {
		d.learn(dt, dec.Gain)
		if d.learning <= 0 {
			dec.Scene = d.settled()
		}
		return dec, ReasonLearning
	}
	d.changed[2], d.changed[1] = d.changed[1], d.changed[0]
	if d.lightStep(dt, dec.Gain) || d.compare(dt, &dec) || thawed { // what went on behind a frozen picture is no motion
		d.watchEdges()
		d.startLearning()
		d.scene.learned = 0
		dec.SceneChange = true
		return dec, ReasonScene
	}
	if s := d.edges(dt); s != SceneNone {
		dec.Scene = s
	}
	part := d.seek(dt, &dec)
	best := d.movers.strongest()
	d.evidence = best.evidence
	moving := d.evidence+min(dt/4, d.least()/10) >= d.least()
	why = d.why(part.cells, moving)
	if !moving {
		return dec, why
	}
	dec.Moving = true
	if d.creep.parts.empty() { // what moves leaves traces that would be taken for creeping
		d.creep.reset(&d.tune)
	}
	dec.Box = d.decision.Box // where it was last
	cols, rows := float64(d.scene.cols), float64(d.scene.rows)
	if best.seen {
		dec.Box = best.part.rect(cols, rows)
	}
	dec.Score = float64(max(part.cells, 1)) / (cols * rows)
	return dec, why
}

// learn is a picture of learning. It starts over while the light still changes, as in the seconds
// after a camera came back and looks for its exposure, or after an infra-red filter moved. The very first start is short in any case: what moves
// before the camera is switched on is to be seen.
func (d *Detector) learn(dt time.Duration, gain float64) {
	d.learning -= dt
	d.learned += dt
	if (!d.starting || d.again) && math.Abs(gain-1) > d.tune.unsteady && d.learned < d.tune.maxLearn {
		d.learning, d.scene.learned = max(d.learning, d.tune.learn), 0
	}
	if d.starting {
		d.scene.learnFlicker(&d.tune)
	}
	d.scene.learn(&d.tune, dt)
	d.scene.setBase(&d.tune, d.cfg.MinContrast, 1)
}

// lightStep reports whether the brightness of the picture jumped against the last moments'. A slower change is the
// camera's exposure, which the gain makes up for.
func (d *Detector) lightStep(dt time.Duration, gain float64) bool {
	step, limit := gain/d.gain, 1+d.tune.sceneGain
	d.gain += (gain - d.gain) * float64(weight(dt, d.tune.sceneRise)) / 4096
	return step > limit || step*limit < 1
}

// compare finds the cells that changed and reports whether that is too much of the picture for something that moves in
// it. What the configuration doesn't watch can neither make a scene change nor be blind to one.
func (d *Detector) compare(dt time.Duration, dec *Decision) (scene bool) {
	const every = 4 // thresholds move slowly, so a picture renews some rows only
	stride := every
	if dt > d.tune.sparse {
		stride = 1
	}
	d.scene.compare(d.tune.rates(dt), dec.Gain, &d.changed[0])
	dec.Threshold = d.scene.setBase(&d.tune, d.cfg.MinContrast, stride)
	all, watched := 0, 0
	for y := range d.changed[0][:d.scene.rows] {
		row := &d.changed[0][y]
		all += bits.OnesCount64(*row)
		*row &= d.watch[y]
		watched += bits.OnesCount64(*row)
	}
	cells := float64(d.scene.cols * d.scene.rows)
	return float64(all) > d.tune.sceneShare*cells && float64(watched) > d.tune.sceneShare*float64(d.watched)
}

// seek finds the connected parts that move, among the cells that changed near where something changed before, and follows them. It gives
// the largest.
func (d *Detector) seek(dt time.Duration, dec *Decision) (best blob) {
	d.creeps(dt, dec.Threshold)
	d.counted = d.changed[0]
	d.nearBefore(&d.counted)
	fresh := d.scene.fresh
	for y := range d.scene.rows {
		d.counted[y] |= d.creep.parts[y]
		fresh[y] |= d.creep.parts[y]
	}
	dec.Cells = d.counted.count()
	d.parts.label(&d.counted, &fresh, d.scene.rows)
	d.labelled = true
	var room [maxMovers]candidate
	parts := d.largest(&room)
	if len(parts) > 0 {
		best = parts[0].blob
	}
	dec.Largest = int(best.cells)
	if t := d.travel(dt); t != nil && len(parts) > 0 {
		parts = d.credit(t, parts, &room)
	}
	d.follow(dt, parts)
	return best
}

// moves tells a part that moves from one that only differs.
func (d *Detector) moves(b blob) bool {
	return float64(b.fresh) >= min(d.tune.freshMin, d.tune.freshShare*float64(b.cells))
}

// nearBefore keeps those cells of m that are within reach of a cell that changed in the picture before and, if that was not
// long ago, of one in the picture before that. What is solid may be quick, so it is within reach of what was solid further off.
func (d *Detector) nearBefore(m *mask) {
	reach, leap := d.reach(d.tune.reach), d.reach(d.tune.leap)
	solid := *m
	solid.erode()
	large := !solid.empty()
	if large {
		solid.dilate(2)
	}
	for k := 1; k <= d.pictures(); k++ {
		near := d.changed[k]
		near.dilate(reach * k)
		if large {
			was := d.changed[k]
			was.erode()
			was.dilate(leap * k)
			for y := range near {
				near[y] |= was[y] & solid[y]
			}
		}
		for y := range m {
			m[y] &= near[y]
		}
	}
}

// reach is how many cells something that moves on at speed may be off after one picture.
func (d *Detector) reach(speed float64) int {
	return max(1, int(d.interval.Seconds()*speed*float64(max(d.grid.cols, d.grid.rows))/maxSide+0.5))
}

// pictures is how many pictures before must have changed near where one counts.
func (d *Detector) pictures() int {
	if d.interval > d.tune.sparse {
		return 1
	}
	return 2
}

// travel follows the small parts and gives the trail of one that has gone on steadily from where it was first seen, if there is one.
func (d *Detector) travel(dt time.Duration) *trail {
	t := &d.tune
	small := int16(t.sure * float64(d.minCells))
	d.trails.pass(dt, t.lost)
	reach := int32(16 * (1.5 + t.reach*d.interval.Seconds()))
	for i := range d.parts.runs {
		if b := &d.parts.blobs[i]; int(d.parts.parent[i]) == i && b.cells < small {
			d.trails.follow(b, reach, dt)
		}
	}
	if d.trails.live() > t.fewTrails || d.minCells > t.minCells { // larger parts are asked for
		return nil
	}
	for i := range d.trails {
		if d.trails[i].travels(t) {
			return &d.trails[i]
		}
	}
	return nil
}

// credit lets the part that t ends at count in full.
func (d *Detector) credit(t *trail, parts []candidate, room *[maxMovers]candidate) []candidate {
	x, y := uint8(max(t.x, 0)/16), uint8(max(t.y, 0)/16)
	b := blob{cells: int16(d.tune.sure * float64(d.minCells)), x0: x, y0: y, x1: x, y1: y}
	for i := range parts {
		if p := &parts[i]; p.near(&b, 0) {
			p.cells = max(p.cells, b.cells)
			return parts
		}
	}
	n := min(len(parts), maxMovers-1)
	room[n] = candidate{blob: b, root: -1}
	return room[:n+1]
}
