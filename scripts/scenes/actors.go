package scenes

import "math"

// An actor is something that moves of itself. extent is its bounds at a moment, false while it isn't there; shutter is the time
// over which its movement is smeared.
type actor interface {
	extent(t float64) (x0, x1, y0, y1 float64, ok bool)
	speed(t float64) float64
	draw(c *canvas, t, shutter float64)
}

// A stop is where something is at a moment: the middle of its feet or wheels, and its size.
type stop struct{ t, x, y, size float64 }

// A path leads in straight lines from stop to stop; before the first and after the last there is nothing.
type path []stop

func (p path) at(t float64) (s stop, ok bool) {
	if len(p) == 0 || t < p[0].t || t > p[len(p)-1].t {
		return s, false
	}
	for i := 1; i < len(p); i++ {
		a, b := p[i-1], p[i]
		if t <= b.t {
			u := (t - a.t) / max(b.t-a.t, 1e-9)
			return stop{t, a.x + (b.x-a.x)*u, a.y + (b.y-a.y)*u, a.size + (b.size-a.size)*u}, true
		}
	}
	return p[len(p)-1], true
}

// speed is in picture widths a second, and its sign the direction across.
func (p path) speed(t float64) float64 {
	a, ok := p.at(t - 0.05)
	b, ok2 := p.at(t + 0.05)
	if !ok || !ok2 {
		return 0
	}
	return math.Copysign(math.Hypot(b.x-a.x, b.y-a.y)/0.1, b.x-a.x+1e-12)
}

// edge is the softness of what moves.
func (p path) edge(t, shutter float64) float64 { return 0.0025 + math.Abs(p.speed(t))*shutter }

// A person walks; size is the height.
type person struct {
	path
	shirt, trousers, skin float64
	pace                  float64 // steps a second when walking
	shadow                float64 // how much darker its shadow is, 0..1
}

func (p *person) extent(t float64) (x0, x1, y0, y1 float64, ok bool) {
	s, ok := p.at(t)
	return s.x - 0.16*s.size, s.x + 0.16*s.size, s.y - s.size, s.y, ok
}

func (p *person) draw(c *canvas, t, shutter float64) {
	s, ok := p.at(t)
	if !ok {
		return
	}
	h, edge := s.size, p.edge(t, shutter)
	of := func(v float64) paint { return paint{value: v, alpha: 1, soft: edge} }
	stride, toward := 0.0, 1.0
	if v := p.speed(t); math.Abs(v) > 0.05*h {
		stride, toward = math.Sin(math.Pi*p.pace*t), math.Copysign(1, v)
	}
	if p.shadow > 0 {
		c.ellipse(s.x+0.2*h, s.y, 0.3*h, 0.05*h, paint{value: 0, alpha: p.shadow, soft: 0.02})
	}
	bob := 0.012 * h * math.Abs(stride)
	hip, neck := s.y-0.5*h-bob, s.y-0.82*h-bob
	swing := 0.15 * h * stride * toward
	c.capsule(s.x, hip, s.x+swing, s.y-0.03*h, 0.05*h, of(p.trousers*0.9))
	c.capsule(s.x, hip, s.x-swing, s.y-0.03*h, 0.05*h, of(p.trousers))
	c.capsule(s.x, neck, s.x-swing*0.7, hip+0.02*h, 0.03*h, of(p.shirt*0.85))
	c.capsule(s.x, hip-0.02*h, s.x, neck+0.05*h, 0.1*h, of(p.shirt))
	c.capsule(s.x, neck, s.x+swing*0.7, hip+0.02*h, 0.03*h, of(p.shirt*1.1))
	c.ellipse(s.x+0.01*h*toward, s.y-0.925*h-bob, 0.055*h, 0.07*h, of(p.skin))
	c.ellipse(s.x, s.y-0.965*h-bob, 0.055*h, 0.035*h, of(p.skin*0.3))
}

// A car drives; size is the length.
type car struct {
	path
	body, glass float64
	shadow      float64
}

func (p *car) extent(t float64) (x0, x1, y0, y1 float64, ok bool) {
	s, ok := p.at(t)
	return s.x - s.size/2, s.x + s.size/2, s.y - 0.36*s.size, s.y, ok
}

func (p *car) draw(c *canvas, t, shutter float64) {
	s, ok := p.at(t)
	if !ok {
		return
	}
	l, edge := s.size, p.edge(t, shutter)
	of := func(v float64) paint { return paint{value: v, alpha: 1, soft: edge} }
	if p.shadow > 0 {
		c.ellipse(s.x+0.03*l, s.y-0.01*l, 0.56*l, 0.06*l, paint{value: 0, alpha: p.shadow, soft: 0.02})
	}
	c.box(s.x-0.27*l, s.y-0.36*l, s.x+0.22*l, s.y-0.15*l, 0.05*l, of(p.body*0.92))
	c.box(s.x-0.23*l, s.y-0.335*l, s.x-0.03*l, s.y-0.22*l, 0.02*l, of(p.glass))
	c.box(s.x, s.y-0.335*l, s.x+0.18*l, s.y-0.22*l, 0.02*l, of(p.glass))
	c.box(s.x-0.5*l, s.y-0.22*l, s.x+0.5*l, s.y-0.06*l, 0.05*l, of(p.body))
	for _, x := range []float64{-0.31, 0.31} {
		c.ellipse(s.x+x*l, s.y-0.075*l, 0.075*l, 0.075*l, of(0.02))
		c.ellipse(s.x+x*l, s.y-0.075*l, 0.035*l, 0.035*l, of(0.25))
	}
}

// An animal has four legs; size is the length of its trunk.
type animal struct {
	path
	fur  float64
	pace float64
}

func (p *animal) extent(t float64) (x0, x1, y0, y1 float64, ok bool) {
	s, ok := p.at(t)
	return s.x - 0.6*s.size, s.x + 0.8*s.size, s.y - 0.9*s.size, s.y, ok
}

func (p *animal) draw(c *canvas, t, shutter float64) {
	s, ok := p.at(t)
	if !ok {
		return
	}
	l, edge := s.size, p.edge(t, shutter)
	of := paint{value: p.fur, alpha: 1, soft: edge}
	d := math.Copysign(1, p.speed(t))
	step := math.Sin(math.Pi*p.pace*t) * 0.14 * l
	for _, leg := range []float64{-0.38, -0.3, 0.3, 0.38} {
		c.capsule(s.x+leg*l, s.y-0.4*l, s.x+leg*l+step, s.y-0.03*l, 0.04*l, of)
		step = -step
	}
	c.capsule(s.x-0.36*l, s.y-0.5*l, s.x+0.36*l, s.y-0.5*l, 0.15*l, of)
	c.ellipse(s.x+0.55*l*d, s.y-0.68*l, 0.16*l, 0.13*l, of)
	c.capsule(s.x-0.45*l*d, s.y-0.58*l, s.x-0.68*l*d, s.y-0.75*l, 0.035*l, of)
}

// A bird flies; size is its span.
type bird struct {
	path
	plumage float64
	beat    float64 // a second
}

func (p *bird) extent(t float64) (x0, x1, y0, y1 float64, ok bool) {
	s, ok := p.at(t)
	return s.x - s.size/2, s.x + s.size/2, s.y - s.size/3, s.y + s.size/3, ok
}

func (p *bird) draw(c *canvas, t, shutter float64) {
	s, ok := p.at(t)
	if !ok {
		return
	}
	of := paint{value: p.plumage, alpha: 1, soft: p.edge(t, shutter)}
	tip := s.size / 3 * math.Sin(2*math.Pi*p.beat*t)
	c.capsule(s.x-0.15*s.size, s.y, s.x+0.15*s.size, s.y, 0.07*s.size, of)
	c.capsule(s.x, s.y, s.x-0.1*s.size, s.y-tip, 0.05*s.size, of)
	c.capsule(s.x, s.y, s.x+0.1*s.size, s.y-tip*0.8, 0.05*s.size, of)
}

// A slab is a plain thing, such as what covers the lens; size is its width, and it hangs down over all the picture's height.
type slab struct {
	path
	value float64
}

func (p *slab) extent(t float64) (x0, x1, y0, y1 float64, ok bool) {
	s, ok := p.at(t)
	return s.x - s.size/2, s.x + s.size/2, 0, worldHeight, ok
}

func (p *slab) draw(c *canvas, t, _ float64) {
	if s, ok := p.at(t); ok {
		c.box(s.x-s.size/2, -0.5, s.x+s.size/2, 1.5, 0.1, paint{value: p.value, alpha: 1, soft: 0.08})
	}
}

// A post stands in front of all else and hides who comes from behind it. It doesn't move, so it is no part of the truth.
type post struct{ x0, y0, x1, y1, value float64 }

func (p *post) extent(float64) (x0, x1, y0, y1 float64, ok bool) { return p.x0, p.x1, p.y0, p.y1, true }
func (p *post) speed(float64) float64                            { return 0 }
func (p *post) draw(c *canvas, _, _ float64)                     { c.box(p.x0, p.y0, p.x1, p.y1, 0.002, solid(p.value)) }
