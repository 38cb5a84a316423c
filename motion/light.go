package motion

import "math/bits"

// lit reports whether the part with the given root is a place where only the light changed: what could be seen of its background's texture is
// still there, brighter or darker by a factor of the place, which a thing before it would hide. Texture are bends of brightness over three
// cells in a row: light that falls on a place in a soft cone slopes but hardly bends. Where the background hardly bends either, its slopes
// tell; where it is plain, nothing does.
func (d *Detector) lit(root int) bool {
	if d.parts.within(root, &d.creep.parts) > 0 {
		return false // looked at already
	}
	m := &d.counted
	l, s, t := &d.parts, &d.scene, &d.tune
	var bends, slopes votes
	for i := range l.runs {
		if l.root(i) != root {
			continue
		}
		y, first, last := int(l.rows[i]), int(l.ends[i][0]), int(l.ends[i][1])
		for x := first + 1; x < last; x++ {
			s.shape(y*s.cols+x, 1, t, &bends, &slopes)
		}
		if y == 0 || y+1 >= s.rows {
			continue
		}
		for w := below(last-first+1) << first & m[y-1] & m[y+1]; w != 0; w &= w - 1 { // what touches above and below is of the same part
			s.shape(y*s.cols+bits.TrailingZeros64(w), s.cols, t, &bends, &slopes)
		}
	}
	if bends.seen < t.litSeen {
		return slopes.kept(t)
	}
	return bends.kept(t)
}

// votes count places with texture, and those of them that keep it.
type votes struct{ seen, same int }

// kept reports whether more places agree than chance makes.
func (v votes) kept(t *tuning) bool {
	return v.seen >= t.litSeen && float64(v.same) >= t.litShare*float64(v.seen)+t.litLuck
}

// shape looks at a cell between its neighbours at both sides: does the background clearly bend there, or slope, and does the present
// picture do likewise?
func (s *scene) shape(at, side int, t *tuning, bends, slopes *votes) {
	a, b, c := s.background[at-side]>>4, s.background[at]>>4, s.background[at+side]>>4
	p, q, r := s.now[at-side], s.now[at], s.now[at+side]
	least := max(t.litStep, s.deviation[at]>>4*t.litNoise)
	bright, was := (p+q+r)>>3, (a+b+c)>>3 // 13 bits, and 17 of a difference
	bends.add((a-2*b+c)>>1, (p-2*q+r)>>1, bright, was, least>>1)
	slopes.add((c-a)>>1, (r-p)>>1, bright, was, least>>1)
}

// add takes a difference within the background and that within the picture at the same place.
func (v *votes) add(before, now, bright, was, least int32) {
	if abs(before) < least {
		return
	}
	v.seen++
	if 2*abs(now*was-before*bright) < abs(before)*bright {
		v.same++
	}
}
