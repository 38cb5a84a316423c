package motion

import "time"

const (
	maxCells = maxSide * maxSide
	maxGain  = 2.5 // a larger one can't be told from white
	white    = 255 * levelUnit
)

// A scene is what is known of every cell, row by row with cols cells each. Arithmetic is in 32 bits: a level in 1/1024
// takes 18 of them and a weight 12.
type scene struct {
	cols, rows int
	now        [maxCells]int32  // the picture, in 1/64 level
	before     [maxCells]int32  // the picture before, in 1/64 level
	recent     [maxCells]int32  // its mean over the last moments, in 1/1024 level
	background [maxCells]int32  // in 1/1024 level
	former     [maxCells]int32  // the background before the last scene change, in 1/1024 level
	deviation  [maxCells]int32  // mean difference from the background where nothing happens, in 1/1024 level
	flicker    [maxCells]int32  // long mean of the differences that exceed base, in 1/1024 level
	base       [maxCells]int32  // the difference that counts, flicker left out, in 1/64 level
	still      [maxCells]int32  // how long a cell that differs has not changed, in ms
	weights    [maxCells]uint16 // by which zones multiply base, in 1/256

	differs mask  // cells whose difference exceeds base
	alive   mask  // cells that differ and changed against the picture before
	fresh   mask  // cells that changed in the last moments
	learned int32 // pictures in the background since learning began
	phase   int   // the row that renews its thresholds next
	bins    [maxGain * gainOne]uint16
}

// weight gives the share of a picture that lasts dt in a running mean with the given time constant, in 1/4096.
func weight(dt, constant time.Duration) int32 {
	return int32((4096*dt + constant/2) / (constant + dt))
}

func abs(v int32) int32 { return max(v, -v) }

// reset takes the present picture for the background and knows nothing else.
func (s *scene) reset(t *tuning) {
	for i, v := range s.now[:s.cols*s.rows] {
		s.before[i] = v
		s.background[i], s.recent[i] = v<<4, v<<4
		s.deviation[i] = int32(t.startNoise * 1024)
		s.flicker[i], s.still[i] = 0, 0
		s.base[i] = white
	}
	s.differs, s.fresh = mask{}, mask{}
}

const gainOne = 512 // a gain of 1 in bins

// gain is the brightness of the picture by that of the background.
func (s *scene) gain() float64 { return s.ratio(&s.now, 0, &s.background) }

// ratio is the median of now, in 1/64 level shifted left, by a background in 1/1024 over a third of the cells, those near black or white left out.
func (s *scene) ratio(now *[maxCells]int32, shift int, background *[maxCells]int32) float64 {
	const dark, bright, enough = 16 * levelUnit, 250 * levelUnit, 64
	clear(s.bins[:])
	n := 0
	for i := 0; i < s.cols*s.rows; i += 3 {
		was, is := uint32(background[i]>>4), uint32(now[i]>>shift)
		if was-dark > bright-dark || is > bright { // unsigned: was < dark wraps
			continue
		}
		s.bins[min(is*gainOne/was, uint32(len(s.bins)-1))]++
		n++
	}
	if n < enough {
		return 1
	}
	half := n / 2
	for i, v := range &s.bins {
		if half < int(v) {
			return (float64(i) + (float64(half)+0.5)/float64(v)) / gainOne
		}
		half -= int(v)
	}
	return maxGain
}

// learnFlicker is for a start, when nothing is known of what always flickers, such as a clock: each change
// from picture to picture counts for much. Call it before learn.
func (s *scene) learnFlicker(t *tuning) {
	kick := int32(t.startKick * 4096)
	for i, v := range s.now[:s.cols*s.rows] {
		if change := abs(v - s.before[i]); change > s.base[i] {
			s.flicker[i] += max(0, change<<4-s.flicker[i]) * kick >> 12
		}
	}
}

// learn moves the background to the mean of the pictures since learning began.
func (s *scene) learn(t *tuning, dt time.Duration) {
	s.learned++
	share := max(4096/s.learned, weight(dt, t.quiet))
	dev := max(share/2, weight(dt, t.deviation))
	for i, v := range s.now[:s.cols*s.rows] {
		s.background[i] += (v<<4 - s.background[i]) * share >> 12
		// Against the picture before, since the background still moves; that has the noise of two pictures. Of a
		// thing that passes not much is taken for noise.
		noise := min(abs(v-s.before[i])<<4*7/10, 8<<10)
		s.deviation[i] += (noise - s.deviation[i]) * dev >> 12
		s.recent[i] = v << 4
		s.before[i] = v
		s.still[i] = 0
	}
	s.differs, s.fresh = mask{}, mask{}
}

// rates are the weights of one picture in the running means.
type rates struct {
	quiet, busy, exposure, deviation, up, kick, down, recent int32
	flicker                                                  int32 // threshold by flicker average, in 1/64
	ms, settle                                               int32
}

func (t *tuning) rates(dt time.Duration) rates {
	return rates{
		quiet: weight(dt, t.quiet), busy: weight(dt, t.busy), exposure: weight(dt, t.exposure),
		deviation: weight(dt, t.deviation), recent: weight(dt, t.recent),
		up: weight(dt, t.flickerUp), kick: int32(t.flickerKick * 4096), down: weight(dt, t.flickerDown),
		flicker: int32(t.flicker * 64),
		ms:      int32(dt.Milliseconds()), settle: int32(t.settle.Milliseconds()),
	}
}

// compare marks the cells that differ from the background, brightened by gain, by more than their threshold, and
// lets every cell's memory follow the picture.
func (s *scene) compare(r rates, gain float64, changed *mask) {
	g := int32(gain*4096 + 0.5)
	for y := range s.rows {
		var word, fresh, differs, alive uint64
		was := s.differs[y]
		from, to := y*s.cols, (y+1)*s.cols
		now := s.now[from:to]
		before, recent, background := s.before[from:to][:len(now)], s.recent[from:to][:len(now)], s.background[from:to][:len(now)]
		flicker, base, still := s.flicker[from:to][:len(now)], s.base[from:to][:len(now)], s.still[from:to][:len(now)]
		for x, v := range now {
			back := background[x]
			expected := (back >> 4) * g >> 12
			diff := v - min(expected, white)
			size := abs(diff)
			limit := base[x] + flicker[x]*r.flicker>>10
			if size > limit {
				word |= 1 << x
			}
			share := r.quiet
			if size > base[x] {
				differs |= 1 << x
				over := size<<4 - flicker[x]
				if was>>x&1 == 0 {
					flicker[x] += max(over, 0) * r.kick >> 12
				}
				flicker[x] += over * r.up >> 12
				share = r.busy
				if abs(v-before[x]) >= base[x]/2 {
					still[x] = 0
					alive |= 1 << x
				} else if still[x] += r.ms; still[x] > r.settle {
					still[x] = r.settle
					share = r.quiet
				}
			} else {
				flicker[x] -= flicker[x] * r.down >> 12
				still[x] = 0
				s.deviation[from+x] += (size<<4 - s.deviation[from+x]) * r.deviation >> 12
			}
			// The background takes over the exposure at a pace of its own, wherever something moves too.
			background[x] = min(back+(expected<<4-back)*r.exposure>>12+diff<<4*share>>12, white<<4)
			step := min(max(v<<4-recent[x], -base[x]<<4), base[x]<<4) // so that a step of any height is fresh equally long
			if abs(step) > base[x]<<3 {
				fresh |= 1 << x
			}
			recent[x] = v<<4 - step + step*r.recent>>12
			before[x] = v
		}
		changed[y], s.fresh[y], s.differs[y], s.alive[y] = word, fresh, differs, alive
	}
}

// setBase renews the thresholds of every stride-th row, others at each call, and gives their mean in levels. least is
// Config.MinContrast.
func (s *scene) setBase(t *tuning, least float64, stride int) float64 {
	noise, low := int32(t.noise*64), int32(least*levelUnit)
	sum, n := int64(0), 0
	for y := s.phase % stride; y < s.rows; y += stride {
		row := s.background[y*s.cols:][:s.cols]
		above := s.background[max(y-1, 0)*s.cols:][:len(row)]
		under := s.background[min(y+1, s.rows-1)*s.cols:][:len(row)]
		deviation, base := s.deviation[y*s.cols:][:len(row)], s.base[y*s.cols:][:len(row)]
		weights := s.weights[y*s.cols:][:len(row)]
		for x := range row {
			across := abs(row[min(x+1, len(row)-1)] - row[max(x-1, 0)])
			along := abs(under[x] - above[x])
			v := max(low, deviation[x]*noise>>10) + max(across, along)>>4/t.edge
			v = v * int32(weights[x]) >> 8
			base[x] = v
			sum += int64(v)
		}
		n += len(row)
	}
	s.phase++
	return float64(sum) / float64(max(n, 1)*levelUnit)
}
