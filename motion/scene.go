package motion

import (
	"time"
)

const maxCells = maxSide * maxSide

// A tuning holds the constants of the detector; each has a physical meaning. They were chosen together on
// recordings of rooms, streets, yards, weather, night and exposure changes.
type tuning struct {
	minInterval time.Duration // pictures that come sooner are passed over
	maxGap      time.Duration // a longer pause starts learning anew
	relearn     time.Duration // length of learning
	sceneShare  float64       // of the picture changing at once: a scene change
	sceneGain   float64       // or brightness changing at once by this share

	noise      float64 // threshold in mean deviations
	edge       int32   // threshold in shares 1/edge of the local gradient: what a shake of a fraction of a cell does
	flicker    float64 // threshold in flicker averages
	startNoise float64 // levels of deviation assumed at first

	quiet       time.Duration // time constant of the background where nothing happens
	exposure    time.Duration // of the background's following of the picture's gain
	busy        time.Duration // and where something does, so that it isn't absorbed
	deviation   time.Duration // of the mean deviation
	flickerUp   time.Duration // of the flicker average while it happens
	flickerDown time.Duration // and after
	settle      time.Duration // what stands still this long becomes background

	lightStep, maxLearn    time.Duration
	unsteady               float64
	recent                 time.Duration // memory of what "changed in the last moments" means
	freshShare             float64       // of a part's cells that must have changed in the last moments, or it is a ghost
	reach                  float64       // cells a second that something moves
	sparse                 time.Duration // with pictures further apart only one picture before is asked
	minCells               int
	sure, fall, hold, kick float64
}

func defaultTuning() tuning {
	return tuning{
		minInterval: 55 * time.Millisecond,
		maxGap:      3 * time.Second,
		relearn:     700 * time.Millisecond,
		sceneShare:  0.35,
		sceneGain:   0.25,

		noise:      5,
		edge:       8,
		flicker:    3,
		startNoise: 1,

		quiet:       2500 * time.Millisecond,
		exposure:    time.Second,
		busy:        20 * time.Second,
		deviation:   4 * time.Second,
		flickerUp:   10 * time.Second,
		flickerDown: 20 * time.Second,
		settle:      3 * time.Second,

		maxLearn: 3 * time.Second, unsteady: .05,
		lightStep:  500 * time.Millisecond,
		recent:     500 * time.Millisecond,
		freshShare: 0.2,
		reach:      6,
		sparse:     300 * time.Millisecond,
		minCells:   3, sure: 2, fall: .7, hold: 2, kick: .05,
	}
}

// A scene is what is known of every cell, row by row with cols cells each.
type scene struct {
	cols, rows int
	now        [maxCells]int32 // the picture, in 1/64 level
	before     [maxCells]int32 // the picture before
	recent     [maxCells]int32 // its mean over the last moments, in 1/1024 level
	background [maxCells]int32 // in 1/1024 level
	deviation  [maxCells]int32 // mean |picture - background| where nothing happens, in 1/1024 level
	flicker    [maxCells]int32 // mean over a longer time of the differences that exceeded the threshold, 1/1024 level
	threshold  [maxCells]int32 // the difference that counts, without flicker, in 1/64 level
	still      [maxCells]int32 // how long a changed cell has stood still, in ms

	over    mask
	fresh   mask  // cells that changed in the last moments
	learned int32 // pictures in the background since learning began
	phase   int   // which rows get new thresholds next
	bins    [2048]uint16
}

// Thresholds move slowly, so each picture renews those of every fourth row.
const thresholdPhases = 4

// weight gives dt's share of a running mean with the given time constant, in 1/4096.
func weight(dt, constant time.Duration) int32 {
	return int32((4096*dt + constant/2) / (constant + dt))
}

func abs(v int32) int32 { return max(v, -v) }

// reset takes the present picture for the background and knows nothing else.
func (s *scene) reset(t *tuning) {
	n := s.cols * s.rows
	for i, v := range s.now[:n] {
		s.before[i] = v
		s.background[i], s.recent[i] = v<<4, v<<4
		s.deviation[i] = int32(t.startNoise * 1024)
		s.flicker[i], s.still[i] = 0, 0
		s.threshold[i] = 255 * levelUnit
	}
	s.fresh = mask{}
}

// gain is the median of picture by background over a third of the cells, those near black or white left out.
func (s *scene) gain() float64 {
	const one, dark, bright = 512, 16 * levelUnit, 250 * levelUnit
	clear(s.bins[:])
	n := 0
	for i := 0; i < s.cols*s.rows; i += 3 {
		was, is := s.background[i]>>4, s.now[i]
		if was < dark || was > bright || is > bright {
			continue
		}
		s.bins[min(int(is*one/was), len(s.bins)-1)]++
		n++
	}
	if n < 64 {
		return 1
	}
	half := n / 2
	for i, v := range &s.bins {
		if half < int(v) {
			return (float64(i) + (float64(half)+0.5)/float64(v)) / one
		}
		half -= int(v)
	}
	return 1
}

// learn moves the background to the mean of the pictures since learning began.
func (s *scene) learn(t *tuning, dt time.Duration) {
	s.learned++
	share := max(4096/s.learned, weight(dt, t.quiet))
	dev := max(share/2, weight(dt, t.deviation))
	n := s.cols * s.rows
	for i, v := range s.now[:n] {
		diff := v<<4 - s.background[i]
		s.background[i] += diff * share >> 12
		// Against the picture before, since the background still moves; that has the noise of two pictures.
		noise := abs(v-s.before[i]) << 4 * 7 / 10
		s.deviation[i] += (min(noise, 8<<10) - s.deviation[i]) * dev >> 12
		s.recent[i] = v << 4
		s.still[i] = 0
		s.before[i] = v
	}
	s.fresh = mask{}
}

// compare marks the cells that differ from the background, brightened by gain, by more than their threshold, and
// lets every cell's memory follow.
func (s *scene) compare(t *tuning, dt time.Duration, gain float64, changed *mask) {
	g := int32(gain*4096 + 0.5)
	quiet, busy := weight(dt, t.quiet), weight(dt, t.busy)
	dev, up, down := weight(dt, t.deviation), weight(dt, t.flickerUp), weight(dt, t.flickerDown)
	recent, expose := weight(dt, t.recent), weight(dt, t.exposure)
	flicker := int32(t.flicker * 64)
	kick := int32(t.kick * 4096)
	ms, settle := int32(dt.Milliseconds()), int32(t.settle.Milliseconds())
	for y := range s.rows {
		var word, fresh, over uint64
		a, b := y*s.cols, (y+1)*s.cols
		now, before := s.now[a:b], s.before[a:b]
		for x, v := range now {
			i := a + x
			back := s.background[i]
			expected := (back >> 4) * g >> 12
			diff := v - min(expected, 255*levelUnit)
			size := abs(diff)
			base := s.threshold[i]
			limit := base + s.flicker[i]*flicker>>10
			if size > limit {
				word |= 1 << x
			}
			share := quiet
			if size > base {
				share = busy
				if s.over[y]>>x&1 == 0 {
					s.flicker[i] += max(0, size<<4-s.flicker[i]) * kick >> 12
				}
				over |= 1 << x
				s.flicker[i] += (size<<4 - s.flicker[i]) * up >> 12
				if abs(v-before[x]) < base/2 {
					if s.still[i] += ms; s.still[i] > settle {
						share = quiet
					}
				} else {
					s.still[i] = 0
				}
			} else {
				s.still[i] = 0
				s.flicker[i] -= s.flicker[i] * down >> 12
				s.deviation[i] += (size<<4 - s.deviation[i]) * dev >> 12
			}
			// The background takes over the exposure, too, at its own pace.
			s.background[i] = back + (expected<<4-back)*expose>>12 + diff<<4*share>>12
			step := v<<4 - s.recent[i]
			if abs(step) > limit<<3 {
				fresh |= 1 << x
			}
			s.recent[i] += step * recent >> 12
			before[x] = v
		}
		changed[y], s.fresh[y], s.over[y] = word, fresh, over
	}
}

// setThresholds renews the thresholds of some rows and gives their mean in levels, flicker left out.
func (s *scene) setThresholds(t *tuning, least float64) float64 {
	noise := int32(t.noise * 64)
	low := int32(least * levelUnit)
	sum := int64(0)
	n := 0
	for y := s.phase; y < s.rows; y += thresholdPhases {
		up, down := max(y-1, 0)*s.cols, min(y+1, s.rows-1)*s.cols
		for x := range s.cols {
			i := y*s.cols + x
			across := abs(s.background[y*s.cols+min(x+1, s.cols-1)] - s.background[y*s.cols+max(x-1, 0)])
			along := abs(s.background[down+x] - s.background[up+x])
			v := max(low, s.deviation[i]*noise>>10) + max(across, along)/(16*t.edge)
			s.threshold[i] = v
			sum += int64(v)
			n++
		}
	}
	s.phase = (s.phase + 1) % thresholdPhases
	return float64(sum) / float64(max(n, 1)) / levelUnit
}
