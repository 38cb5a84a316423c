package scenes

import (
	"math"
)

// nuisances are scenes of what changes the picture and is no motion; people come by in most of them.
var nuisances = []family{
	{name: "tree", scenes: 4, stage: treeSways},
	{name: "rain", scenes: 4, stage: rain},
	{name: "snow", scenes: 4, stage: snow},
	{name: "sun-patch", scenes: 4, stage: sunPatch},
	{name: "cloud-shadow", stage: cloudShadow},
	{name: "insects", scenes: 4, stage: insectsAtNight},
	{name: "headlights", stage: headlights},
	{name: "light-switch", stage: lightSwitch},
	{name: "ir-cut", stage: irCut},
	{name: "exposure-hunts", stage: exposureHunts},
	{name: "shake", stage: shake},
	{name: "mains-flicker", stage: mainsFlicker},
	{name: "noise", stage: heavyNoise},
	{name: "jpeg-pulse", stage: jpegPulse},
	{name: "clock", stage: onScreenClock},
	{name: "curtain", stage: curtain},
	{name: "screen", stage: television},
	{name: "birds", stage: birds},
	{name: "quiet", stage: func(w *world) { w.setting("yard", "room", "street", "lot") }},
	{name: "water", held: true, stage: water},
	{name: "lamp-blinks", held: true, stage: lampBlinks},
}

// gusts is how the wind comes and goes.
func (w *world) gusts() func(float64) float64 {
	f := w.wander(w.between(5, 12))
	return func(t float64) float64 { return max(0.15, min(0.6+0.5*f(t), 1.2)) }
}

func (w *world) plant(n int, sway float64) {
	wind := w.gusts()
	for range n {
		w.trees = append(w.trees, tree{x: w.between(0.05, 0.95), y: w.between(0.1, 0.35), rx: w.between(0.1, 0.22), ry: w.between(0.1, 0.22),
			seed: w.Uint64(), sway: sway * w.between(0.6, 1.2), period: w.between(1.2, 2.6), wind: wind})
	}
}

func treeSways(w *world) {
	w.setting("yard", "street")
	w.plant(1+w.IntN(3), w.between(0.006, 0.018))
	w.nuisance("swaying vegetation", 0, w.length)
	w.visit(16, 30)
}

func rain(w *world) {
	w.setting("yard", "street", "lot")
	w.ambient = constant(0.6)
	f := &fall{seed: w.Uint64(), number: 60 + w.IntN(200), speed: w.between(1.5, 3), near: w.between(0.0015, 0.003), far: 0.0006,
		drift: w.between(-0.3, 0.3), longestMark: 0.15, paint: paint{value: 0.7, alpha: w.between(0.2, 0.45)}}
	if w.coin() {
		w.night()
		f.paint.value = 1.5
	}
	w.shutter = 0.03
	g := w.wander(8)
	f.strength = func(t float64) float64 { return max(0.3, min(0.7+0.4*g(t), 1)) }
	w.weather = append(w.weather, f)
	w.nuisance("rain", 0, w.length)
	w.visit(14, 26)
}

func snow(w *world) {
	w.setting("yard", "street", "lot")
	f := &fall{seed: w.Uint64(), number: 100 + w.IntN(300), speed: w.between(0.3, 0.7), near: w.between(0.004, 0.014), far: 0.0012,
		drift: w.between(-0.6, 0.6), flutter: w.between(0.01, 0.03), longestMark: 0.05, paint: paint{value: 0.85, alpha: w.between(0.5, 0.95)}}
	if w.coin() {
		w.night()
		f.paint.value = 1.3
	}
	w.weather = append(w.weather, f)
	w.nuisance("snow", 0, w.length)
	w.visit(14, 26)
}

// The sun comes out and throws a window, or the light between two houses, on the ground; it fades again and wanders a little.
func sunPatch(w *world) {
	w.setting("room", "yard", "lot")
	type spot struct{ x, y, hw, hh, lean float64 }
	var spots []spot
	for range 1 + w.IntN(3) {
		spots = append(spots, spot{w.between(0.15, 0.85), w.between(0.35, 0.65), w.between(0.05, 0.15), w.between(0.04, 0.12), w.between(-0.8, 0.8)})
	}
	on, off, rise := w.between(7, 12), w.between(18, 24), w.between(0.8, 4)
	again := w.between(30, 33)
	height := w.between(0.5, 2)
	w.ambient = constant(0.55)
	w.lamps = append(w.lamps, func(x, y, t float64) float64 {
		k := smooth(on, on+rise, t) - smooth(off, off+rise, t) + smooth(again, again+rise, t)
		if k <= 0 {
			return 0
		}
		best := 0.0
		for _, s := range spots {
			dx, dy := math.Abs(x-s.x-s.lean*(y-s.y)-0.0005*t)-s.hw, math.Abs(y-s.y)-s.hh
			best = max(best, smooth(0.008, -0.008, max(dx, dy)))
		}
		return height * k * best
	})
	w.nuisance("sun patch", on, w.length)
	w.visit(off+rise+1, 27)
}

func cloudShadow(w *world) {
	w.setting("yard", "street", "lot")
	seed, speed, deep, soft := w.Uint64(), w.between(0.03, 0.2)*w.side(), w.between(0.3, 0.6), w.between(0.08, 0.25)
	w.shade = append(w.shade, func(x, y, t float64) float64 {
		n := texture(seed, (x-speed*t)*1.1, y*1.1+0.02*t)
		return 1 - deep*smooth(0.5-soft, 0.5+soft, n)
	})
	w.nuisance("cloud shadow", 0, w.length)
	w.visit(10, 28)
}

func insectsAtNight(w *world) {
	w.setting("yard", "lot", "street")
	w.night()
	w.weather = append(w.weather, w.insects(10+w.IntN(20), 3, 38, true))
	w.nuisance("insects", 3, 38)
	w.visit(12, 26)
}

// Light of cars that aren't in the picture wanders over the walls.
func headlights(w *world) {
	w.setting("yard", "street", "room")
	w.night()
	for _, at := range []float64{w.between(6, 9), w.between(14, 18), w.between(27, 31)} {
		d, speed, y, size := w.side(), w.between(0.25, 0.7), w.between(0.15, 0.4), w.between(0.05, 0.14)
		strong := w.between(0.5, 2)
		w.lamps = append(w.lamps, func(x, yy, t float64) float64 {
			if t < at || t > at+1.8/speed {
				return 0
			}
			cx := 0.5 + d*(speed*(t-at)-0.9)
			dx, dy := (x-cx)/(1.6*size), (yy-y)/size
			return strong * (math.Exp(-dx*dx-dy*dy) + 0.15*math.Exp(-(dx*dx+dy*dy)/12))
		})
		w.nuisance("headlights", at, at+1.8/speed)
	}
	w.visit(20, 22)
}

// steps multiplies the illumination at moments, and the camera's exposure follows.
func (w *world) steps(kind string, rise float64, at []float64, factor []float64) {
	was, exposure := w.ambient, w.exposure
	var follow []func(float64) float64
	for i, t := range at {
		follow = append(follow, relax(t, factor[i], w.between(0.4, 1.5)))
		w.change(kind, t, t+rise)
	}
	w.ambient = func(t float64) float64 {
		v := was(t)
		for i, a := range at {
			v *= 1 + (factor[i]-1)*smooth(a, a+rise, t)
		}
		return v
	}
	w.exposure = func(t float64) float64 {
		v := exposure(t)
		for _, f := range follow {
			v *= f(t)
		}
		return v
	}
}

func lightSwitch(w *world) {
	w.setting("room")
	f := w.between(2.2, 5)
	w.ambient = constant(0.9 / f)
	cx := w.between(0.2, 0.8)
	w.shade = append(w.shade, func(x, y, t float64) float64 { return 1 - 0.3*math.Abs(x-cx)*smooth(9, 9.2, t) }) // the lamp is not where the window is
	w.steps("light", w.between(0.05, 0.5), []float64{9, 27}, []float64{f, 1 / f})
	w.visit(15, 19)
}

// The camera swings its infra-red filter away and turns its lamp on, and back in the morning.
func irCut(w *world) {
	w.setting("yard", "street", "lot")
	w.plant(w.IntN(2), 0.004)
	o := w.place
	o.infrared = true
	w.other = &o
	there, back, swing := w.between(9, 12), w.between(28, 31), w.between(0.1, 0.4)
	w.mix = func(t float64) float64 { return smooth(there, there+swing, t) - smooth(back, back+swing, t) }
	mix := w.mix
	w.shade = append(w.shade, func(x, y, t float64) float64 {
		x, y = x-0.5, y-0.4
		return 1 - mix(t)*(1-math.Exp(-(x*x+y*y)/0.35))
	})
	w.ambient = func(t float64) float64 { return 0.7 + 0.9*mix(t) }
	first, second := relax(there, 1.8, 0.8), relax(back, 1/1.8, 0.8)
	w.exposure = func(t float64) float64 { return first(t) * second(t) }
	w.grain = grain{0.004, 0.02, 0.2}
	w.change("ir_cut", there, there+swing)
	w.change("ir_cut", back, back+swing)
	w.visit(17, 20)
}

func exposureHunts(w *world) {
	w.setting("yard", "room", "street")
	deep, period := w.between(0.1, 0.35), w.between(1.2, 4)
	swell := w.wander(9)
	w.exposure = func(t float64) float64 { return 1 + deep*max(0, 0.5+0.5*swell(t))*math.Sin(2*math.Pi*t/period) }
	w.nuisance("exposure", 0, w.length)
	w.visit(12, 28)
}

// A mast in the wind: 1 to 4 px of a picture 640 wide.
func shake(w *world) {
	w.setting("yard", "street", "lot")
	a := w.between(1, 4) / 640
	fx, fy, bouts := w.wander(w.between(0.25, 0.9)), w.wander(w.between(0.25, 0.9)), w.wander(7)
	w.aim = func(t float64) (float64, float64) {
		k := a * max(0, min(0.5+bouts(t), 1))
		return k * fx(t), 0.7 * k * fy(t)
	}
	w.nuisance("shake", 0, w.length)
	w.visit(12, 28)
}

func mainsFlicker(w *world) {
	w.setting("room")
	w.mains = w.between(0.06, 0.25)
	w.nuisance("mains flicker", 0, w.length)
	w.visit(12, 28)
}

func heavyNoise(w *world) {
	w.setting("yard", "room", "lot")
	w.grain = heavyGrain
	w.grain.read *= w.between(0.7, 1.4)
	w.grain.coarse = w.between(0.1, 0.5)
	w.ambient = constant(w.between(0.15, 0.5))
	w.nuisance("noise", 0, w.length)
	w.visit(14, 26)
}

// The camera's encoder turns its quality up and down once or twice a second.
func jpegPulse(w *world) {
	w.setting("yard", "room", "street")
	low, high, period, share := 12+w.IntN(20), 60+w.IntN(30), w.between(0.5, 2), w.between(0.2, 0.6)
	w.quality = func(t float64) int {
		if math.Mod(t, period) < period*share {
			return high
		}
		return low
	}
	w.nuisance("pulsing quality", 0, w.length)
	w.visit(12, 28)
}

func onScreenClock(w *world) {
	w.setting("yard", "room", "street", "lot")
	c := &clock{x: 0.02, y: 0.02, height: w.between(0.03, 0.07), start: w.IntN(86400), tenths: w.coin(), box: w.coin()}
	if w.coin() {
		c.x, c.y = 0.45, 0.66
	}
	w.overlay = append(w.overlay, c)
	w.nuisance("clock", 0, w.length)
	w.visit(12, 28)
}

func curtain(w *world) {
	w.setting("room")
	x, wide := w.between(0.05, 0.7), w.between(0.12, 0.25)
	c := &cloth{x0: x, y0: 0.02, x1: x + wide, y1: w.between(0.35, 0.5), value: w.between(0.3, 0.75), folds: float64(4 + w.IntN(4)), draught: w.gusts()}
	w.weather = append(w.weather, c)
	w.nuisance("curtain", 0, w.length)
	w.visit(14, 26)
}

func television(w *world) {
	w.setting("room")
	x, y, wide := w.between(0.1, 0.6), w.between(0.12, 0.25), w.between(0.12, 0.28)
	s := &screen{x0: x, y0: y, x1: x + wide, y1: y + wide*9/16, seed: w.Uint64(), brightness: w.between(0.5, 1.2)}
	w.weather = append(w.weather, s)
	w.ambient = constant(w.between(0.25, 0.7))
	w.lamps = append(w.lamps, s.glow)
	w.nuisance("screen", 0, w.length)
	w.visit(14, 26)
}

// Birds fly by, far off and once near. They are animals but nobody wants to be told of each, so they count neither way; a person
// between them does.
func birds(w *world) {
	w.setting("yard", "lot", "street")
	for range 4 + w.IntN(4) {
		at, size, d, y := w.between(3, 15), w.between(0.008, 0.02), w.side(), w.between(0.05, 0.3)
		last := at + w.between(3, 6)
		b := &bird{plumage: 0.05, beat: w.between(3, 8)}
		b.path = path{{at, 0.5 - d*0.6, y, size}, {last, 0.5 + d*0.6, y + w.between(-0.1, 0.1), size}}
		w.actors = append(w.actors, b)
		w.ignore(at, last+2, "specks of birds")
	}
	near := &bird{plumage: w.between(0.03, 0.2), beat: 5}
	d, size := w.side(), w.between(0.1, 0.2)
	near.path = path{{31, 0.5 - d*0.7, 0.35, size}, {33.2, 0.5 + d*0.7, 0.25, size}}
	w.actors = append(w.actors, near)
	w.ignore(31, 35.2, "a bird")
	w.nuisance("birds", 0, w.length)
	w.cross(w.between(0.2, 0.35), 22)
}

// Light plays on water: a part of the ground is bent by ripples, with glints.
func water(w *world) {
	w.setting("yard", "lot")
	seed, y0, wide := w.Uint64(), w.between(0.35, 0.5), w.between(0.08, 0.15)
	w.shade = append(w.shade, func(x, y, t float64) float64 {
		in := smooth(wide, wide-0.02, math.Abs(y-y0))
		if in == 0 {
			return 1
		}
		n := texture(seed, x*25+t*0.8, y*60-t*1.7) * texture(seed+1, x*31-t*1.1, y*50+t)
		return 1 + in*(1.6*n-0.4)
	})
	w.nuisance("water", 0, w.length)
	w.visit(12, 26)
}

// A warning lamp blinks, and what is around it with it.
func lampBlinks(w *world) {
	w.setting("street", "lot", "room")
	x0, y0, period, size := w.between(0.2, 0.8), w.between(0.2, 0.5), w.between(0.6, 1.6), w.between(0.03, 0.1)
	w.ambient = constant(0.4)
	w.lamps = append(w.lamps, func(x, y, t float64) float64 {
		if math.Mod(t, period) > period*0.4 {
			return 0
		}
		x, y = x-x0, y-y0
		return 1.2 * math.Exp(-(x*x+y*y)/(size*size))
	})
	w.nuisance("blinking lamp", 0, w.length)
	w.visit(12, 26)
}

// faults are scenes of what happens to the camera.
var faults = []family{
	{name: "moved", stage: moved},
	{name: "covered", stage: covered},
	{name: "frozen", stage: frozen},
	{name: "black", stage: black},
	{name: "focus", stage: focusLost},
}

// The camera is turned: for a second all slides, then it looks elsewhere. Somebody does that, so the turning itself counts neither way.
func moved(w *world) {
	w.setting("yard", "street", "lot", "room")
	o := w.place
	o.seed += 99
	w.other = &o
	at, d := w.between(12, 16), w.side()
	w.aim = func(t float64) (float64, float64) {
		if t < at || t > at+1 {
			return 0, 0
		}
		return d * 0.028 * math.Sin(math.Pi*(t-at)), 0.01 * math.Sin(2*math.Pi*(t-at))
	}
	w.mix = func(t float64) float64 { return smooth(at+0.3, at+0.8, t) }
	w.change("moved", at, at+1)
	w.ignore(at-0.2, at+1.5, "the camera is turned")
	w.visit(22, 28)
}

// Something is held before the lens and taken away; a hand moves, so coming and going count neither way.
func covered(w *world) {
	w.setting("yard", "room", "lot")
	at, off, d := w.between(9, 12), w.between(20, 23), w.side()
	s := &slab{value: w.between(0.005, 0.04)}
	s.path = path{{at, 0.5 - d*1.6, 0.4, 1.6}, {at + 0.6, 0.5, 0.4, 1.6}, {off, 0.5, 0.4, 1.6}, {off + 0.6, 0.5 + d*1.6, 0.4, 1.6}}
	w.actors = append(w.actors, s)
	w.change("covered", at, off+0.6)
	w.ignore(at-0.2, at+2, "a hand")
	w.ignore(off-0.2, off+2.6, "a hand")
	w.visit(26, 31)
}

// The same picture comes again and again for a while, then the present one.
func frozen(w *world) {
	w.setting("yard", "street", "lot", "room")
	w.overlay = append(w.overlay, &clock{x: 0.02, y: 0.02, height: 0.04, start: w.IntN(86400)})
	from, to := w.between(8, 11), w.between(17, 22)
	w.shown = func(t float64) float64 {
		if t >= from && t < to {
			return from
		}
		return t
	}
	w.change("frozen", from, to)
	w.visit(24, 30)
}

// The picture fails for a while: black.
func black(w *world) {
	w.setting("yard", "street", "room")
	from, to := w.between(8, 11), w.between(17, 22)
	was := w.ambient
	w.ambient = func(t float64) float64 {
		if t >= from && t < to {
			return 0
		}
		return was(t)
	}
	w.change("black", from, to)
	w.visit(25, 30)
}

// The lens goes out of focus and, after a while, back.
func focusLost(w *world) {
	w.setting("yard", "street", "room")
	from, to, far, pace := w.between(8, 11), w.between(18, 21), w.between(0.008, 0.02), w.between(0.3, 2)
	w.blur = func(t float64) float64 { return far * (smooth(from, from+pace, t) - smooth(to, to+pace, t)) }
	w.change("focus", from, to+pace)
	w.visit(24, 30)
}
