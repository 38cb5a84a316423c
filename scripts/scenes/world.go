package scenes

import (
	"math"
	"math/rand/v2"
)

// worldHeight is the picture's height in its width, which is the unit of all lengths. A picture of another shape is squeezed.
const worldHeight = 0.75

// A world is all that a scene is made of. Functions of time are in seconds from its first picture; illumination and reflectance are linear, 1
// being white.
type world struct {
	*rand.Rand
	seed   uint64
	length float64
	truth  Truth

	place    place // what stands there
	other    *place
	mix      func(t float64) float64        // share of other in what is seen; nil: none
	aim      func(t float64) (x, y float64) // where the camera points, off its rest; nil: at rest
	blur     func(t float64) float64        // circle of confusion beyond the lens's own, as a radius; nil: none
	shown    func(t float64) float64        // the moment that the picture at t shows: a camera that hangs
	trees    []tree
	actors   []actor // from the far to the near
	weather  []weather
	ambient  func(t float64) float64         // illumination of all
	shade    []func(x, y, t float64) float64 // factors of it
	lamps    []func(x, y, t float64) float64 // added to it
	exposure func(t float64) float64         // the camera's gain
	mains    float64                         // depth of the lamps' flicker, 0..1
	grain    grain
	quality  func(t float64) int // of the JPEG, as in cjpeg
	overlay  []overlay
	shutter  float64 // exposure time in s: what moves is smeared over it
}

func newWorld(r *rand.Rand, length float64) *world {
	w := &world{Rand: r, length: length, shutter: 0.01, grain: dayGrain}
	w.ambient = constant(1)
	w.exposure = constant(1)
	q := 60 + r.IntN(30)
	w.quality = func(float64) int { return q }
	return w
}

func constant(v float64) func(float64) float64 { return func(float64) float64 { return v } }

// between draws a number from a to b.
func (w *world) between(a, b float64) float64 { return a + (b-a)*w.Float64() }

// coin is true half of the times.
func (w *world) coin() bool { return w.IntN(2) == 0 }

// side gives -1 or 1.
func (w *world) side() float64 {
	if w.coin() {
		return -1
	}
	return 1
}

// smooth goes from 0 at a to 1 at b without a kink.
func smooth(a, b, v float64) float64 {
	v = max(0, min((v-a)/(b-a), 1))
	return v * v * (3 - 2*v)
}

// wander is a slow random function of time with values about -1..1, made of sines.
func (w *world) wander(period float64) func(float64) float64 {
	var f, p [3]float64
	for i := range f {
		f[i] = 2 * math.Pi / (period * w.between(0.6, 1.7))
		p[i] = w.between(0, 2*math.Pi)
	}
	return func(t float64) float64 {
		return (math.Sin(f[0]*t+p[0]) + math.Sin(f[1]*t+p[1]) + math.Sin(f[2]*t+p[2])) / 2.2
	}
}

// relax is how a camera's exposure meets a change of the light by the given factor at a moment: late, in part and not all at once.
func relax(at, factor, pace float64) func(float64) float64 {
	return func(t float64) float64 {
		if t < at {
			return 1
		}
		return math.Pow(factor, -0.8*(1-math.Exp(-(t-at)/pace)))
	}
}

// hash gives a number in 0..1 for a place of a lattice.
func hash(seed uint64, a, b int) float64 {
	h := seed ^ uint64(uint32(a))*0x9e3779b97f4a7c15 ^ uint64(uint32(b))*0xc2b2ae3d27d4eb4f
	h ^= h >> 31
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 29
	h *= 0x94d049bb133111eb
	h ^= h >> 32
	return float64(h>>11) / (1 << 53)
}

// texture is smooth value noise in 0..1 with one feature a unit.
func texture(seed uint64, x, y float64) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	u, v := smooth(0, 1, x-fx), smooth(0, 1, y-fy)
	top := hash(seed, ix, iy)*(1-u) + hash(seed, ix+1, iy)*u
	low := hash(seed, ix, iy+1)*(1-u) + hash(seed, ix+1, iy+1)*u
	return top*(1-v) + low*v
}
