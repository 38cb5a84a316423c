package motion

import "time"

// A trail follows a small part from picture to picture. Places are in 1/16 cell.
type trail struct {
	x, y   int32         // where it was last seen
	x0, y0 int32         // where it was first seen
	path   int32         // how far it has gone in all
	age    time.Duration // since it was first seen
	shown  time.Duration // for how much of that it was seen
	unseen time.Duration // since it was last seen; negative: there is no trail
	times  int16         // it was seen
	cells  int16         // of it when it was last seen
	seen   bool          // in the present picture
}

// maxTrails small parts are followed. What more there are in a picture is weather.
const maxTrails = 8

type trails [maxTrails]trail

func (ts *trails) clear() {
	for i := range ts {
		ts[i] = trail{unseen: -1}
	}
}

// pass lets dt pass for all trails and drops those not seen for longer than lost.
func (ts *trails) pass(dt, lost time.Duration) {
	for i := range ts {
		if t := &ts[i]; t.unseen >= 0 {
			t.seen = false
			t.age += dt
			if t.unseen += dt; t.unseen > lost {
				t.unseen = -1
			}
		}
	}
}

// follow continues the trail that the blob is nearest to, within reach in 1/16 cell, or begins one.
func (ts *trails) follow(b *blob, reach int32, dt time.Duration) {
	x, y := 8*int32(b.x0+b.x1+1), 8*int32(b.y0+b.y1+1)
	best, free := -1, -1
	least := reach + 1
	for i := range ts {
		t := &ts[i]
		if t.unseen < 0 {
			free = i
			continue
		}
		if t.seen {
			continue
		}
		if off := max(abs(t.x-x), abs(t.y-y)); off < least {
			best, least = i, off
		}
	}
	if best < 0 {
		if free >= 0 {
			ts[free] = trail{x: x, y: y, x0: x, y0: y, times: 1, seen: true, cells: b.cells}
		}
		return
	}
	t := &ts[best]
	t.path += least
	t.shown += dt
	t.times++
	t.x, t.y, t.unseen, t.seen, t.cells = x, y, 0, true, b.cells
}

// travels reports whether a part has gone on steadily for a while: seen most of the time, far from where it was first, by no detours, and not straight
// down as what falls does.
func (t *trail) travels(tn *tuning) bool {
	dx, dy := abs(t.x-t.x0), abs(t.y-t.y0)
	far := max(dx, dy)
	return t.seen && t.cells >= 2 && t.times >= 5 && t.age >= tn.travelAge && 4*t.shown >= 3*t.age &&
		far >= int32(16*tn.travel) && 4*far >= 3*t.path && (t.y < t.y0 || 2*dx >= dy)
}

// live counts the trails.
func (ts *trails) live() (n int) {
	for i := range ts {
		if ts[i].unseen >= 0 {
			n++
		}
	}
	return n
}
