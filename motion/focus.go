package motion

import "time"

// A focus watches whether the picture keeps its edges. It compares the present with the background some seconds ago, which is kept where the
// background before a scene change is.
type focus struct {
	since time.Duration // the last look
	age   time.Duration // of what is compared with
	lost  time.Duration // how long the edges have been soft, or gone
	told  bool          // that they are soft; then what is compared with stays
}

// edges lets dt pass and names it once when the picture lost its edges with no scene change: out of focus while the same things are seen, or slowly
// covered or darkened.
func (d *Detector) edges(dt time.Duration) Scene {
	f, t := &d.focus, &d.tune
	if f.since += dt; f.since < t.focusLook {
		return SceneNone
	}
	look := f.since
	f.since = 0
	if d.hidden {
		d.reappear(look)
		return SceneNone
	}
	f.age += look
	seen, soft, same := d.scene.softened(t)
	if float64(seen) < t.focusSeen*float64(d.scene.cols*d.scene.rows) || float64(soft) < t.focusShare*float64(seen) {
		if f.lost, f.told = 0, false; f.age >= t.focusAge {
			d.watchEdges()
		}
		return SceneNone
	}
	if f.lost += look; f.lost < t.focusLost {
		return SceneNone
	}
	l := d.scene.liken()
	if l.now < t.plain {
		d.hidden = true
		return d.scene.judge(t)
	}
	if f.told || 2*same <= seen && l.correlation < t.sameInfra {
		return SceneNone
	}
	f.told = true
	return SceneFocus
}

// reappear ends the time in which nothing is seen when the picture has come back for a while with no scene change, as it does at dawn. Until then the
// background before is remembered.
func (d *Detector) reappear(look time.Duration) {
	f := &d.focus
	if now := d.scene.judge(&d.tune); now == SceneBlack || now == SceneCovered {
		f.lost = 0
		return
	}
	if f.lost += look; f.lost >= d.tune.focusLost {
		d.hidden = false
		d.watchEdges()
	}
}

// watchEdges compares with the background as it is now from here on.
func (d *Detector) watchEdges() {
	d.focus = focus{}
	if !d.hidden {
		d.scene.remember()
	}
}

// softened counts the places where the remembered background clearly bends between the cells at both sides, those of them where the picture of the
// last moments bends less, and those where it bends the same way still. A change of light between counts for nothing.
func (s *scene) softened(t *tuning) (seen, soft, same int) {
	for y := range s.rows {
		row, now := s.former[y*s.cols:][:s.cols], s.recent[y*s.cols:][:s.cols]
		for x := 1; x+1 < len(row); x++ {
			a, b, c := row[x-1]>>4, row[x]>>4, row[x+1]>>4
			was := a - 2*b + c
			if abs(was) < t.focusBend {
				continue
			}
			seen++
			p, q, r := now[x-1]>>4, now[x]>>4, now[x+1]>>4
			bend := int64(p-2*q+r) * int64(a+b+c) * 256
			full := int64(was) * int64(p+q+r)
			if was < 0 {
				bend, full = -bend, -full
			}
			if bend < full*int64(t.focusSoft*256) {
				soft++
			}
			if bend*8 > full*256 {
				same++
			}
		}
	}
	return seen, soft, same
}
