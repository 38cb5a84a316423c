package scenes

import (
	"math"
	"math/rand/v2"

	"camward/video"
)

// A grain is the sensor's noise in pictures 640 wide, as standard deviations of the linear signal, white being 1.
type grain struct {
	read   float64 // of no light
	shot   float64 // of photons at white; it goes with the root of the signal
	coarse float64 // share 0..1 that is in blotches of four pixels, as a camera's own noise filter leaves them
}

var (
	dayGrain   = grain{0.0008, 0.008, 0.1}
	roomGrain  = grain{0.0015, 0.014, 0.15}
	nightGrain = grain{0.008, 0.028, 0.25}
	heavyGrain = grain{0.022, 0.06, 0.25}
)

// tileSize is the side of the square of noise that all pictures' noise is cut from.
const tileSize = 512

// noiseOne is a standard deviation of 1 in the tile.
const noiseOne = 1024

// A sensor turns linear light into 8 bits.
type sensor struct {
	tile  []int16
	sigma [math.MaxUint16>>8 + 1]int32 // by signal, in 1/16384
	curve [math.MaxUint16 + 1]uint8
	light []int32 // illumination of one line in 1/4096
}

func newSensor(g grain, seed uint64, width, height int) *sensor {
	area := math.Sqrt(float64(width*height) / (640 * 480))
	s := &sensor{tile: noiseTile(math.Sqrt(1-g.coarse*g.coarse)*area, g.coarse, seed, width)}
	for i := range s.sigma {
		v := (float64(i) + 0.5) * 256 / unit
		s.sigma[i] = int32(unit*math.Sqrt(g.read*g.read+g.shot*g.shot*v) + 0.5)
	}
	for i := range s.curve {
		s.curve[i] = gamma(float64(i) / unit)
	}
	return s
}

// gamma is the transfer of ITU-R BT.709 with a soft shoulder, to full range.
func gamma(v float64) uint8 {
	if v > 0.8 {
		v = 0.8 + 0.2*(1-math.Exp(-(v-0.8)/0.2)) // highlights are pressed together, not cut off
	}
	if v < 0.018 {
		v *= 4.5
	} else {
		v = 1.099*math.Pow(v, 0.45) - 0.099
	}
	return uint8(max(0, min(255*v+0.5, 255)))
}

// noiseTile is Gaussian noise: fine of each pixel by itself, coarse of blotches, which are of one size and strength in a picture of any size.
func noiseTile(fine, coarse float64, seed uint64, width int) []int16 {
	r := rand.New(rand.NewPCG(seed, 5))
	white, blot := make([]float64, tileSize*tileSize), make([]float64, tileSize*tileSize)
	for i := range white {
		white[i], blot[i] = r.NormFloat64(), r.NormFloat64()
	}
	radius := max(1, min((width+160)/320, 8))
	for range 2 {
		blurRows(blot, radius)
		blurColumns(blot, radius)
	}
	var sum float64
	for _, v := range blot {
		sum += v * v
	}
	spread := math.Sqrt(sum / float64(len(blot)))
	tile := make([]int16, len(white))
	for i := range tile {
		v := fine*white[i] + coarse*blot[i]/spread
		tile[i] = int16(max(-30, min(v, 30)) * noiseOne)
	}
	return tile
}

// blurRows is a running mean along the lines of the tile, which has no borders.
func blurRows(p []float64, radius int) {
	line := make([]float64, tileSize)
	for y := range tileSize {
		row := p[y*tileSize:][:tileSize]
		copy(line, row)
		blurLine(func(i int) float64 { return line[i&(tileSize-1)] }, func(i int, v float64) { row[i] = v }, radius)
	}
}

func blurColumns(p []float64, radius int) {
	line := make([]float64, tileSize)
	for x := range tileSize {
		for y := range tileSize {
			line[y] = p[y*tileSize+x]
		}
		blurLine(func(i int) float64 { return line[i&(tileSize-1)] }, func(i int, v float64) { p[i*tileSize+x] = v }, radius)
	}
}

func blurLine(at func(int) float64, set func(int, float64), radius int) {
	sum := 0.0
	for i := -radius; i <= radius; i++ {
		sum += at(i)
	}
	for i := range tileSize {
		set(i, sum/float64(2*radius+1))
		sum += at(i+radius+1) - at(i-radius)
	}
}

// expose makes dst of the linear picture. Each frame's noise is another part of the tile.
func (s *sensor) expose(dst *video.Plane, c *canvas, lamp *lamplight, r *rand.Rand) {
	if len(s.light) != c.width {
		s.light = make([]int32, c.width)
	}
	from, sign := r.IntN(tileSize*tileSize), int32(1-2*r.IntN(2))
	for y := range c.height {
		lamp.line(s.light, y)
		at := (from + y*tileSize) & (tileSize*tileSize - 1)
		out, in, light := dst.Pix[y*dst.Stride:][:c.width], c.pix[y*c.width:][:c.width], s.light[:c.width]
		for x, v := range in {
			signal := min(int32(int64(v)*int64(light[x])>>12), math.MaxUint16)
			n := int32(s.tile[at]) * sign
			signal += n * s.sigma[signal>>8] / noiseOne
			out[x] = s.curve[max(0, min(signal, math.MaxUint16))]
			at = (at + 1) & (tileSize*tileSize - 1)
			if at&(tileSize-1) == 0 { // wider than the tile: go on elsewhere
				at = (at + 37*tileSize + 101) & (tileSize*tileSize - 1)
			}
		}
	}
}

// lamplight is the illumination of one picture, the camera's gain included.
type lamplight struct {
	grid          []float32 // at lightColumns x lightRows points; nil: flat
	level         float64
	flicker       func(row float64) float64 // by place from top to bottom, 0..1; nil: none
	width, height int
}

const lightColumns, lightRows = 161, 121

// compute looks at all that shines at the moment t.
func (l *lamplight) compute(w *world, t float64) {
	l.level = w.exposure(t)
	l.flicker = nil
	if w.mains > 0 {
		// The mains are a little off 50 Hz, and the shutter reads line by line in 25 ms.
		l.flicker = func(row float64) float64 { return 1 + w.mains*math.Cos(2*math.Pi*100.06*(t+0.025*row)) }
	}
	ambient := w.ambient(t)
	if len(w.shade) == 0 && len(w.lamps) == 0 {
		l.level *= ambient
		l.grid = nil
		return
	}
	if l.grid == nil {
		l.grid = make([]float32, lightColumns*lightRows)
	}
	for gy := range lightRows {
		y := float64(gy) / (lightRows - 1) * worldHeight
		for gx := range lightColumns {
			x := float64(gx) / (lightColumns - 1)
			v := ambient
			for _, f := range w.shade {
				v *= f(x, y, t)
			}
			for _, f := range w.lamps {
				v += f(x, y, t)
			}
			l.grid[gy*lightColumns+gx] = float32(v)
		}
	}
}

// line gives a line's illumination in 1/4096.
func (l *lamplight) line(out []int32, y int) {
	row := (float64(y) + 0.5) / float64(l.height)
	level := l.level * 4096
	if l.flicker != nil {
		level *= l.flicker(row)
	}
	if l.grid == nil {
		v := int32(min(level, 1<<19))
		for x := range out {
			out[x] = v
		}
		return
	}
	gy := row * (lightRows - 1)
	iy := min(int(gy), lightRows-2)
	v := float32(gy - float64(iy))
	top, low := l.grid[iy*lightColumns:][:lightColumns], l.grid[(iy+1)*lightColumns:][:lightColumns]
	step := float32(lightColumns-1) / float32(l.width)
	for x := range out {
		gx := (float32(x) + 0.5) * step
		ix := min(int(gx), lightColumns-2)
		u := gx - float32(ix)
		a := top[ix] + (top[ix+1]-top[ix])*u
		b := low[ix] + (low[ix+1]-low[ix])*u
		out[x] = int32(min(float32(level)*(a+(b-a)*v), 1<<19))
	}
}
