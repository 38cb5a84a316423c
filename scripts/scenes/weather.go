package scenes

import "math"

// A weather is what drifts before the lens and is no motion that anybody wants: rain, snow, insects.
type weather interface {
	draw(c *canvas, t, shutter float64)
}

// A fall is rain or snow: drops or flakes, each of which falls again from another place as soon as it is down.
type fall struct {
	seed        uint64
	number      int
	speed       float64 // of a near one, picture heights a second
	near, far   float64 // radius of the nearest and the farthest
	drift       float64 // sideways, as a share of the speed
	flutter     float64 // sideways and back
	paint       paint
	strength    func(t float64) float64 // 0..1 of the number
	longestMark float64                 // of a streak
}

func (f *fall) draw(c *canvas, t, shutter float64) {
	n := float64(f.number)
	if f.strength != nil {
		n *= f.strength(t)
	}
	for i := range int(n) {
		depth := hash(f.seed, i, -1) // 1 is near
		depth *= depth
		r := f.far + (f.near-f.far)*depth
		speed := f.speed * (0.35 + 0.65*depth)
		turn := t*speed + hash(f.seed, i, -2)*10
		k := int(turn)
		y := (turn-float64(k))*(worldHeight+0.2) - 0.1
		x := hash(f.seed, i, k)*1.4 - 0.2 + f.drift*y + f.flutter*math.Sin(t*(1+3*hash(f.seed, i, -3))+float64(i))
		long := min(speed*shutter, f.longestMark)
		p := f.paint
		p.soft = max(p.soft, r)
		c.capsule(x-f.drift*long, y-long, x, y, r, p)
	}
}

// A swarm is insects before the lens. At night the camera's lamp makes them shine; they are near, so they are large and blurred.
type swarm struct {
	insects []insect
}

type insect struct {
	from, to float64
	x, y     func(t float64) float64
	radius   float64
	paint    paint
	beat     float64 // of the wings, a second; their shine follows
}

func (s *swarm) draw(c *canvas, t, shutter float64) {
	for i := range s.insects {
		in := &s.insects[i]
		if t < in.from || t > in.to {
			continue
		}
		p := in.paint
		if in.beat > 0 {
			p.value *= 0.6 + 0.4*math.Sin(2*math.Pi*in.beat*t)
		}
		c.capsule(in.x(t-shutter), in.y(t-shutter), in.x(t), in.y(t), in.radius, p)
	}
}

// insects fly through from to to; shining ones are lit by the camera.
func (w *world) insects(number int, from, to float64, shining bool) *swarm {
	s := &swarm{}
	for range number {
		start := w.between(from, to)
		in := insect{from: start, to: min(start+w.between(0.4, 4), to), radius: w.between(0.006, 0.03)}
		wx, wy := w.wander(w.between(0.4, 1.5)), w.wander(w.between(0.4, 1.5))
		x, y, vx, vy := w.between(0, 1), w.between(0, worldHeight), w.between(-0.25, 0.25), w.between(-0.2, 0.2)
		in.x = func(t float64) float64 { return x + vx*(t-start) + 0.1*wx(t) }
		in.y = func(t float64) float64 { return y + vy*(t-start) + 0.08*wy(t) }
		in.paint = paint{value: 0.03, alpha: w.between(0.3, 0.8), soft: in.radius}
		if shining {
			in.paint = paint{value: w.between(0.3, 1.8), alpha: 1, soft: 1.5 * in.radius, glow: true}
			in.beat = w.between(4, 40)
		}
		s.insects = append(s.insects, in)
	}
	return s
}

// A cloth hangs and moves in a draught: folds that run across it.
type cloth struct {
	x0, y0, x1, y1 float64
	value          float64
	folds          float64
	draught        func(t float64) float64 // 0..1
}

func (c *cloth) draw(on *canvas, t, _ float64) {
	a := c.draught(t)
	n := int(c.folds)
	wide := (c.x1 - c.x0) / float64(n)
	for i := range n {
		sway := a * 0.025 * math.Sin(1.9*t+0.8*float64(i)) * float64(i+1) / float64(n)
		x := c.x0 + wide*float64(i)
		shade := c.value * (0.75 + 0.25*math.Cos(2.2*float64(i)+a*math.Sin(1.4*t)))
		on.capsule(x+wide/2, c.y0, x+wide/2+sway, c.y1, wide*0.6, paint{value: shade, alpha: 1, soft: 0.008})
	}
}

// A screen shows something of its own: cuts, fades and movement within a rectangle.
type screen struct {
	x0, y0, x1, y1 float64
	seed           uint64
	brightness     float64
}

// shot is the present cut, its age, and how bright it is.
func (s *screen) shot(t float64) (n int, age, level float64) {
	const cut = 2.3
	n = int(t / cut)
	age = t - float64(n)*cut
	return n, age, s.brightness * (0.2 + 0.8*hash(s.seed, n, 1))
}

func (s *screen) draw(c *canvas, t, _ float64) {
	n, age, level := s.shot(t)
	c.box(s.x0, s.y0, s.x1, s.y1, 0.002, solid(level*0.5))
	w, h := s.x1-s.x0, s.y1-s.y0
	for i := range 3 {
		x := s.x0 + w*(0.15+0.6*hash(s.seed, n, 10+i)+0.05*age*(hash(s.seed, n, 20+i)-0.5))
		y := s.y0 + h*(0.2+0.4*hash(s.seed, n, 30+i))
		c.box(x, y, min(x+w*0.25, s.x1), min(y+h*0.35, s.y1), 0.002, solid(level*1.6*hash(s.seed, n, 40+i)))
	}
}

// glow is what the screen adds to the light of the room.
func (s *screen) glow(x, y, t float64) float64 {
	_, _, level := s.shot(t)
	dx, dy := x-(s.x0+s.x1)/2, y-(s.y0+s.y1)/2
	return 0.35 * level * math.Exp(-(dx*dx+dy*dy)/0.12)
}
