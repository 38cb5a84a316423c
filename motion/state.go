package motion

import (
	"math"
	"time"
)

// A Scene names what happened to the whole picture.
type Scene uint8

// What may happen to the whole picture. It is judged once the new picture stands still, against the one before; what
// is frozen or black is still looked at, so nothing of this silences the detector.
const (
	SceneNone    Scene = iota
	SceneLight         // lit otherwise: the same things, brighter or darker
	SceneInfra         // the same things in other proportions of brightness, as the filter against infra-red makes when it moves
	SceneMoved         // another view: the camera was turned or carried
	SceneCovered       // something plain before the lens, or the things in view lost their edges
	SceneBlack         // nothing but darkness
	SceneFrozen        // the same picture over and over, without the noise that a sensor has
	SceneFocus         // the same things, but their edges are gone: out of focus, or fog
)

var sceneNames = [...]string{"none", "light", "infra-red", "moved", "covered", "black", "frozen", "focus"}

// String gives the name in lower case.
func (s Scene) String() string {
	if int(s) < len(sceneNames) {
		return sceneNames[s]
	}
	return "unknown"
}

// remember keeps the background as it was before the scene changed.
func (s *scene) remember() { copy(s.former[:s.cols*s.rows], s.background[:s.cols*s.rows]) }

// A likeness compares two pictures by the steps of brightness from each cell to those right of and below it.
type likeness struct {
	level       float64 // mean of the later picture, in levels
	before, now float64 // mean size of the steps, in levels
	correlation float64 // of the steps, -1..1; 0 where one picture has none
}

// liken compares the background with the one remembered.
func (s *scene) liken() likeness {
	const unit = 1024
	var sum, aa, bb, ab, a1, b1 float64
	n := 0
	for y := range s.rows - 1 {
		for x := range s.cols - 1 {
			i := y*s.cols + x
			sum += float64(s.background[i])
			for _, j := range [2]int{i + 1, i + s.cols} {
				a, b := float64(s.former[j]-s.former[i]), float64(s.background[j]-s.background[i])
				aa, bb, ab = aa+a*a, bb+b*b, ab+a*b
				a1, b1 = a1+math.Abs(a), b1+math.Abs(b)
			}
			n++
		}
	}
	if n == 0 {
		return likeness{}
	}
	l := likeness{level: sum / float64(n) / unit, before: a1 / float64(2*n) / unit, now: b1 / float64(2*n) / unit}
	if aa > 0 && bb > 0 {
		l.correlation = ab / math.Sqrt(aa*bb)
	}
	return l
}

// judge names the change from the remembered background to the present one.
func (s *scene) judge(t *tuning) Scene {
	switch l := s.liken(); {
	case l.level < t.black && l.now < t.plain:
		return SceneBlack
	case l.now < t.plain || l.correlation < t.sameInfra && l.now < t.coveredShare*l.before:
		return SceneCovered
	case l.correlation >= t.sameLight:
		return SceneLight
	case l.correlation >= t.sameInfra:
		return SceneInfra
	default:
		return SceneMoved
	}
}

// frozen takes note of a picture that is the last one again, to the last bit, and reports once when that has gone on
// for long. thawed is true for the first other picture after that.
func (d *Detector) frozen(dt time.Duration) (begins, thawed bool) {
	s := &d.scene
	for i, v := range s.now[:s.cols*s.rows] {
		if v != s.before[i] {
			thawed = d.same >= d.tune.frozen
			d.same = 0
			return false, thawed
		}
	}
	was := d.same
	d.same += dt
	return was < d.tune.frozen && d.same >= d.tune.frozen, false
}

// settled names what the picture changed to when that has been learnt. When what was before the lens is gone and the same is seen as before, there is no
// name for that. At the start, there is nothing to compare with.
func (d *Detector) settled() Scene {
	if d.starting {
		if l := d.scene.liken(); l.level >= d.tune.black || l.now >= d.tune.plain {
			d.watchEdges()
			return SceneNone
		}
		d.hidden = true
		return SceneBlack
	}
	was, now := d.hidden, d.scene.judge(&d.tune)
	d.hidden = now == SceneBlack || now == SceneCovered
	switch {
	case was && d.hidden, was && now == SceneLight:
		now = SceneNone
	}
	d.watchEdges()
	return now
}
