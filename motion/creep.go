package motion

import "time"

// A creep looks for what moves on by less than the background follows: by a fraction of a cell a second. It compares, a few times in a
// second, the background with a slower one.
type creep struct {
	slow    [maxCells]int32 // the slow background, in 1/1024 level, as bright as the background is
	jumped  mask            // cells that differ and changed quickly when they began to: the background's concern
	differs mask            // cells that differ from the slow background
	crept   mask            // cells that did so at the last look too
	born    [spans]mask     // of those, the ones that came to differ within the present span and those before
	parts   mask            // cells of parts that creep
	since   time.Duration   // the last look
	past    [longAgo]mask   // cells that differed in the spans before, for whatever reason: what comes and goes does not creep
	now     mask            // the same of the present span
	worn    mask            // all of past
	rest    time.Duration   // until it looks again
	span    time.Duration   // how much of the present span is over
}

// spans are how many are remembered.
const spans = 6

// longAgo is how many spans ago is long.
const longAgo = 12

// reset lets nothing creep until a while from now.
func (c *creep) reset(t *tuning) {
	c.jumped, c.differs, c.crept, c.parts = mask{}, mask{}, mask{}, mask{}
	c.born = [spans]mask{}
	c.since, c.rest = 0, t.creepRest
}

// creeps lets dt pass, and looks when it is time.
func (d *Detector) creeps(dt time.Duration, threshold float64) {
	c, s, t := &d.creep, &d.scene, &d.tune
	for y := range s.rows {
		c.jumped[y] = (c.jumped[y] | s.alive[y]) & s.differs[y]
		c.now[y] |= c.jumped[y] | c.crept[y]
	}
	if c.span += dt; c.span >= t.creepSpan {
		c.turn(s.rows)
	}
	if c.rest > 0 {
		if c.rest -= dt; c.rest <= 0 {
			copy(c.slow[:s.cols*s.rows], s.recent[:s.cols*s.rows])
		}
		return
	}
	if c.since += dt; c.since < t.creepLook {
		return
	}
	was := c.crept
	c.compare(s, t, max(d.cfg.MinContrast, threshold*5/6))
	c.since = 0
	var earlier mask
	near := c.jumped
	near.dilate(1)
	for y := range s.rows {
		c.crept[y] &= d.watch[y]
		c.born[0][y] = (c.born[0][y] | c.crept[y]&^was[y]&^c.worn[y]) & c.crept[y]
		earlier[y] = 0
		for k := 1; k < spans; k++ {
			earlier[y] |= c.born[k][y] & c.crept[y]
		}
		was[y] = c.crept[y] &^ near[y]
	}
	d.parts.label(&was, &c.born[0], s.rows)
	c.parts = mask{}
	for i := range d.parts.runs {
		b := &d.parts.blobs[i]
		if int(d.parts.parent[i]) != i || int(b.cells) < 2*d.minCells || int(b.fresh) < d.minCells || d.parts.within(i, &earlier) < d.minCells ||
			float64(b.cells) > t.creepMax*float64(s.cols*s.rows) {
			continue
		}
		if same, enough := d.texture(i, &c.slow); enough && !same {
			d.parts.mark(i, &c.parts)
		}
	}
}

// turn begins another span.
func (c *creep) turn(rows int) {
	c.span = 0
	copy(c.born[1:], c.born[:])
	copy(c.past[1:], c.past[:])
	c.born[0], c.past[0], c.now = mask{}, c.now, mask{}
	for y := range rows {
		c.worn[y] = 0
		for k := range c.past {
			c.worn[y] |= c.past[k][y]
		}
	}
}

// compare marks the cells where the last moments differ from the slow background now and at the last look, and moves that on.
func (c *creep) compare(s *scene, t *tuning, least float64) {
	gain := int32(s.ratio(&s.recent, 4, &c.slow)*4096 + 0.5)
	share := weight(c.since, t.creepQuiet)
	flicker, low := int32(t.flicker*64), int32(least*levelUnit)
	for y := range s.rows {
		var word uint64
		from, to := y*s.cols, (y+1)*s.cols
		recent := s.recent[from:to]
		slow, flick := c.slow[from:to][:len(recent)], s.flicker[from:to][:len(recent)]
		above := c.slow[max(y-1, 0)*s.cols:][:len(recent)]
		under := c.slow[min(y+1, s.rows-1)*s.cols:][:len(recent)]
		jumped, was := c.jumped[y], c.crept[y]
		for x, v := range recent {
			if jumped>>x&1 != 0 {
				slow[x] = s.background[from+x]
				continue
			}
			expected := min((slow[x]>>4)*gain>>8, white<<4)
			diff := v - expected
			edge := max(abs(slow[min(x+1, len(recent)-1)]-slow[max(x-1, 0)]), abs(under[x]-above[x]))
			limit := low + edge>>4/t.edge + flick[x]*flicker>>10
			if was>>x&1 != 0 {
				limit /= 2
			}
			if abs(diff)>>4 > limit {
				word |= 1 << x
			}
			slow[x] = expected + diff*share>>12
		}
		c.crept[y], c.differs[y] = word&(c.differs[y]|was), word
	}
}

// texture reports whether the part with the given root and the cells to its left and right have texture, and whether that is the same as
// in a background in 1/1024 level. Where there is no texture, it can't be told.
func (d *Detector) texture(root int, background *[maxCells]int32) (same, enough bool) {
	pairs, apart, both := int32(0), int32(0), int32(0)
	l, s := &d.parts, &d.scene
	for i := range l.runs {
		if l.root(i) != root {
			continue
		}
		row := int(l.rows[i]) * s.cols
		from, to := row+max(int(l.ends[i][0])-1, 0), row+min(int(l.ends[i][1])+1, s.cols-1)
		now, background := s.now[from:to+1], background[from:to+1]
		for x := range len(now) - 1 {
			step := now[x+1] - now[x]
			was := background[x+1]>>4 - background[x]>>4
			apart += abs(step - was)
			both += abs(step) + abs(was)
		}
		pairs += int32(len(now) - 1)
	}
	t := &d.tune
	return float64(apart) < t.creepSame*float64(both), pairs >= t.creepPairs && float64(both) > 2*t.creepPlain*levelUnit*float64(pairs)
}
