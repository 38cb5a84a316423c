package motion

import "time"

// A mover is something that moves, or may, followed from picture to picture.
type mover struct {
	part     blob          // of it, where it was last seen
	all      blob          // frame of all that changed there, which for something quick is more
	vx, vy   float64       // pace of its middle, in cells a second, mean over the last moments
	evidence time.Duration // how long it has moved, less how long not; 0: there is no mover
	seen     bool          // in the present picture
}

// maxMovers things are followed at once, the largest.
const maxMovers = 8

type movers [maxMovers]mover

// strongest gives the one with most evidence.
func (ms *movers) strongest() *mover {
	best := &ms[0]
	for i := range ms {
		if ms[i].evidence > best.evidence {
			best = &ms[i]
		}
	}
	return best
}

// free gives a place for another mover, if there is one.
func (ms *movers) free() *mover {
	for i := range ms {
		if ms[i].evidence <= 0 {
			return &ms[i]
		}
	}
	return nil
}

// A candidate is a part that moves.
type candidate struct {
	blob
	root  int  // of its run; -1 if there is none
	crept bool // it moves too slowly to be seen doing so from picture to picture
}

// largest lists the largest parts that move, largest first.
func (d *Detector) largest(room *[maxMovers]candidate) []candidate {
	n, creeping := 0, !d.creep.parts.empty()
	for i := range d.parts.runs {
		b := &d.parts.blobs[i]
		if int(d.parts.parent[i]) != i || n == maxMovers && b.cells <= room[n-1].cells || !d.moves(*b) || d.lit(i) {
			continue
		}
		n = min(n+1, maxMovers)
		k := n - 1
		for ; k > 0 && room[k-1].cells < b.cells; k-- {
			room[k] = room[k-1]
		}
		room[k] = candidate{blob: *b, root: i, crept: creeping && d.parts.within(i, &d.creep.parts) > 0}
	}
	return room[:n]
}

// follow lets each mover find its parts in the present picture, begins new ones of what is left, and weighs how long each has moved.
func (d *Detector) follow(dt time.Duration, parts []candidate) {
	d.crowd.pass(dt, &d.tune)
	var taken [maxMovers]bool
	for i := range d.movers {
		m := &d.movers[i]
		m.seen = false
		if m.evidence <= 0 {
			continue
		}
		var part candidate
		reach := 1 + int(max(0, d.tune.pace*dt.Seconds()-1)*m.part.long())
		for k := range parts {
			if p := &parts[k]; !taken[k] && p.near(&m.part, reach) {
				taken[k] = true
				part.add(&p.blob)
				part.crept = part.crept || p.crept
			}
		}
		if int(part.cells) >= d.minCells {
			m.step(part.blob, d.changed[0].whole(part.blob, d.scene.rows), dt, &d.tune)
		}
		if m.seen && !d.flits(m) {
			d.grow(m, dt, d.before(&part))
		} else {
			d.fade(m, dt)
		}
	}
	for k := range parts {
		if m := d.movers.free(); m != nil && !taken[k] && int(parts[k].cells) >= d.minCells {
			d.meet(m, &parts[k], dt)
		}
	}
}

// step moves m on to where it is now.
func (m *mover) step(part, all blob, dt time.Duration, t *tuning) {
	x0, y0 := m.all.middle()
	x, y := all.middle()
	w := float64(weight(dt, t.paceMean)) / 4096
	m.vx += ((x-x0)/dt.Seconds() - m.vx) * w
	m.vy += ((y-y0)/dt.Seconds() - m.vy) * w
	m.part, m.all, m.seen = part, all, true
}

// meet begins a mover. Where it came from is known: something changed near it in the pictures before.
func (d *Detector) meet(m *mover, p *candidate, dt time.Duration) {
	*m = mover{part: p.blob, all: d.changed[0].whole(p.blob, d.scene.rows), seen: true}
	x, y := m.all.middle()
	was, reach := p.blob, d.reach(d.tune.reach)
	for k := 1; k <= d.pictures(); k++ {
		if was = d.changed[k].frame(&was, reach, d.scene.rows); was.cells == 0 {
			break
		}
		all := d.changed[k].whole(was, d.scene.rows)
		x0, y0 := all.middle()
		s := float64(k) * d.interval.Seconds()
		m.vx, m.vy = (x-x0)/s, (y-y0)/s
	}
	if d.flits(m) {
		d.leave(m)
		return
	}
	before := d.before(p)
	if before == 0 && !d.hasty(m) && d.prompt(p) {
		before = time.Duration(d.pictures()) * d.interval
	}
	d.grow(m, dt, before)
}

// before is how long a part that creeps has moved already when that is seen.
func (d *Detector) before(p *candidate) time.Duration {
	if p.crept {
		return d.least()
	}
	return 0
}

// prompt reports whether the part that counts for the first time has surely moved since its cells first changed: it is larger than drops are, and
// changes still, unlike what appeared at once.
func (d *Detector) prompt(p *candidate) bool {
	return p.root >= 0 && float64(p.cells) >= d.tune.prompt*float64(d.minCells) && d.parts.within(p.root, &d.scene.alive) >= d.tune.promptMin
}

// grow adds to the evidence for m the time in which it was seen to move, of a small part less, and the time before that it must have moved. Whatever
// the rate, at least two pictures are needed. In weather what is small tells little.
func (d *Detector) grow(m *mover, dt, before time.Duration) {
	least := d.least()
	sure := min(1, float64(m.part.cells)/(d.tune.sure*float64(d.minCells)))
	if excess := d.crowd.size - d.tune.crowd; excess > 0 && d.small(m) {
		sure /= min(1+excess, d.tune.doubt)
		before = 0
	}
	grow := min(time.Duration(float64(dt)*sure), least*6/10) + before
	m.evidence = min(m.evidence+grow, time.Duration(float64(least)*d.tune.hold))
}

// fade takes from the evidence for m the time in which it was not seen to move.
func (d *Detector) fade(m *mover, dt time.Duration) {
	if m.evidence -= time.Duration(float64(dt) * d.tune.fall); m.evidence <= 0 {
		d.leave(m)
	}
}

// leave gives m up and takes note of where something came and went, unless that was beside something else that moves.
func (d *Detector) leave(m *mover) {
	m.evidence = 0
	for i := range d.movers {
		if o := &d.movers[i]; o.evidence > 0 && o.all.near(&m.all, int(d.apart())) {
			return
		}
	}
	x, y := m.all.middle()
	d.crowd.add(x, y, d.apart(), &d.tune)
}

// hasty reports whether m is small and moves on by more than a few of its sizes a second. What is small otherwise is far away, and slow for its size;
// insects, drops and flakes before the lens are quick.
func (d *Detector) hasty(m *mover) bool {
	fast := d.tune.pace * m.all.long()
	return d.small(m) && m.vx*m.vx+m.vy*m.vy > fast*fast
}

// flits reports whether m is one of the hasty things of which there are many.
func (d *Detector) flits(m *mover) bool { return d.crowd.size > d.tune.crowd && d.hasty(m) }

func (d *Detector) small(m *mover) bool {
	return m.all.long() < d.tune.small*float64(max(d.scene.cols, d.scene.rows))
}

// apart is how many cells lie between things that have nothing to do with each other.
func (d *Detector) apart() float64 { return d.tune.apart * float64(max(d.scene.cols, d.scene.rows)) }

// least is the evidence that makes motion.
func (d *Detector) least() time.Duration { return max(d.cfg.MinDuration, time.Millisecond) }

// A crowd is what small things have come and gone lately, each somewhere else: weather, insects.
type crowd struct {
	size   float64 // their number, those longer ago counting less
	visits [maxMovers]visit
}

type visit struct {
	x, y float64 // in cells
	ago  time.Duration
}

func (c *crowd) pass(dt time.Duration, t *tuning) {
	c.size -= c.size * float64(weight(dt, t.crowdMean)) / 4096
	for i := range c.visits {
		c.visits[i].ago += dt
	}
}

// add takes note of something that came and went. One that comes and goes again and again, moving on between, counts once.
func (c *crowd) add(x, y, apart float64, t *tuning) {
	oldest := &c.visits[0]
	for i := range c.visits {
		p := &c.visits[i]
		if dx, dy := p.x-x, p.y-y; p.ago < t.crowdSame && dx*dx+dy*dy < apart*apart {
			*p = visit{x: x, y: y}
			return
		}
		if p.ago > oldest.ago {
			oldest = p
		}
	}
	*oldest = visit{x: x, y: y}
	c.size++
}
