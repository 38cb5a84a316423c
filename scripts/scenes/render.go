package scenes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"camward/codec/jpeg"
	"camward/video"
)

// A Picture is one picture of a scene. What it holds is good until the next one.
type Picture struct {
	At      time.Duration // from the first picture
	Luma    *video.Plane  // full range
	Quality int           // what the camera's encoder would take, as in cjpeg
}

// A Renderer makes the pictures of a scene one after the other. Not safe for concurrent use.
type Renderer struct {
	scene  Scene
	world  *world
	rate   float64
	n      int
	base   *backdrop
	other  *backdrop
	canvas canvas
	lamp   lamplight
	sensor *sensor
	luma   video.Plane
	spare  []uint16
	rows   []wave
	i420   video.I420
	coded  []byte
}

// Renderer prepares the scene at a size of 16x12 to 4096x4096 and a rate of up to 120 pictures a second.
func (s Scene) Renderer(width, height int, rate float64) (*Renderer, error) {
	if width < 16 || height < 12 || width > 4096 || height > 4096 || !(rate > 0 && rate <= 120) {
		return nil, fmt.Errorf("scene %s: cannot be rendered at %dx%d and %g pictures a second", s.Name, width, height, rate)
	}
	w := s.build()
	r := &Renderer{scene: s, world: w, rate: rate}
	r.base = newBackdrop(w.place.draw(w.trees), width, height)
	if w.other != nil {
		r.other = newBackdrop(w.other.draw(w.trees), width, height)
	}
	r.canvas = canvas{pix: make([]uint16, width*height), width: width, height: height, sx: float64(width), sy: float64(height) / worldHeight}
	r.lamp = lamplight{width: width, height: height}
	r.sensor = newSensor(w.grain, w.seed, width, height)
	r.luma.Resize(width, height)
	return r, nil
}

// Truth tells what happens in what is rendered.
func (r *Renderer) Truth() Truth {
	return r.world.truthOf(r.scene, r.canvas.width, r.canvas.height, r.rate)
}

// Next renders the next picture; false after the last.
func (r *Renderer) Next() (p Picture, ok bool) {
	t := float64(r.n) / r.rate
	if t >= r.world.length-1e-9 {
		return p, false
	}
	r.n++
	at := time.Duration(math.Round(t * 1e9))
	quality := r.world.quality(t)
	if r.world.shown != nil {
		t = r.world.shown(t)
	}
	r.render(t)
	return Picture{At: at, Luma: &r.luma, Quality: quality}, true
}

// JPEG encodes the picture that Next gave last as the camera would. What it returns is good until the next call.
func (r *Renderer) JPEG(p Picture) ([]byte, error) {
	if r.i420.Width == 0 {
		r.i420.Resize(r.luma.Width, r.luma.Height)
		r.i420.FullRange = true
		for _, c := range [][]byte{r.i420.U, r.i420.V} {
			for i := range c {
				c[i] = 128
			}
		}
	}
	r.i420.Y = p.Luma.Pix
	var err error
	if r.coded, err = jpeg.Encode(r.coded, &r.i420, p.Quality); err != nil {
		return nil, fmt.Errorf("scene %s: %w", r.scene.Name, err)
	}
	return r.coded, nil
}

func (r *Renderer) render(t float64) {
	w, c := r.world, &r.canvas
	c.ox, c.oy = 0, 0
	if w.aim != nil {
		c.ox, c.oy = w.aim(t)
	}
	r.base.see(c)
	if w.mix != nil {
		r.blend(w.mix(t))
	}
	for i := range w.trees {
		r.sway(&w.trees[i], t)
	}
	for _, a := range w.actors {
		a.draw(c, t, w.shutter)
	}
	for _, f := range w.weather {
		f.draw(c, t, w.shutter)
	}
	if w.blur != nil {
		r.defocus(w.blur(t))
	}
	r.lamp.compute(w, t)
	noise := rand.New(rand.NewPCG(w.seed, uint64(int64(math.Round(t*1e6)))))
	r.sensor.expose(&r.luma, c, &r.lamp, noise)
	for _, o := range w.overlay {
		o.draw(&r.luma, t)
	}
}

// blend shows the other place instead, by the given share.
func (r *Renderer) blend(share float64) {
	if share <= 0 {
		return
	}
	if r.spare == nil {
		r.spare = make([]uint16, len(r.canvas.pix))
	}
	one := r.canvas
	one.pix = r.spare
	r.other.see(&one)
	k := int32(share * 256)
	for i, v := range r.canvas.pix {
		r.canvas.pix[i] = uint16(int32(v) + (int32(r.spare[i])-int32(v))*k>>8)
	}
}

// A wave is sine and cosine of a phase along one side of a picture.
type wave struct{ s1, c1, s2, c2 float64 }

// sway shows a tree as the wind bends it at the moment t.
func (r *Renderer) sway(tr *tree, t float64) {
	c, amp := &r.canvas, tr.sway*tr.wind(t)
	if amp < 1e-5 {
		return
	}
	px0, px1 := max(int((tr.x-tr.rx*1.2-c.ox)*c.sx), 0), min(int((tr.x+tr.rx*1.2-c.ox)*c.sx), c.width)
	py0, py1 := max(int((tr.y-tr.ry*1.2-c.oy)*c.sy), 0), min(int((tr.y+tr.ry*1.2-c.oy)*c.sy), c.height)
	if px1 <= px0 || py1 <= py0 {
		return
	}
	r.rows = r.rows[:0]
	w := 2 * math.Pi / tr.period
	for px := px0; px < px1; px++ {
		x := (float64(px) + 0.5) / c.sx
		r.rows = append(r.rows, wave{math.Sin(9 * x), math.Cos(9 * x), math.Sin(31 * x), math.Cos(31 * x)})
	}
	from := r.base
	if r.world.mix != nil && r.world.mix(t) > 0.5 {
		from = r.other
	}
	for py := py0; py < py1; py++ {
		y := (float64(py) + 0.5) / c.sy
		a, b := w*t+7*y, 2.7*w*t+23*y
		s1, c1, s2, c2 := math.Sin(a), math.Cos(a), math.Sin(b), math.Cos(b)
		dy := (y - tr.y) / (1.15 * tr.ry)
		for px := px0; px < px1; px++ {
			dx := ((float64(px)+0.5)/c.sx - tr.x) / (1.15 * tr.rx)
			fade := 1 - dx*dx - dy*dy // nothing moves at the border
			if fade <= 0 {
				continue
			}
			fade = min(2*fade, 1) * amp
			v := &r.rows[px-px0]
			slow, quick := s1*v.c1+c1*v.s1, s2*v.c2+c2*v.s2
			c.pix[py*c.width+px] = from.at((float64(px)+fade*(slow+0.4*quick)*c.sx)+c.ox*c.sx, float64(py)+fade*0.4*quick*c.sy+c.oy*c.sy)
		}
	}
}

// defocus blurs all by a box of about the given radius, in picture widths.
func (r *Renderer) defocus(radius float64) {
	n := int(radius*r.canvas.sx + 0.5)
	if n < 1 {
		return
	}
	if r.spare == nil {
		r.spare = make([]uint16, len(r.canvas.pix))
	}
	w, h := r.canvas.width, r.canvas.height
	for y := range h {
		boxBlur(r.spare[y*w:], r.canvas.pix[y*w:], w, 1, n)
	}
	for x := range w {
		boxBlur(r.canvas.pix[x:], r.spare[x:], h, w, n)
	}
}

// boxBlur is a running mean of n samples that are stride apart.
func boxBlur(dst, src []uint16, n, stride, radius int) {
	at := func(i int) uint32 { return uint32(src[max(0, min(i, n-1))*stride]) }
	sum := uint32(0)
	for i := -radius; i <= radius; i++ {
		sum += at(i)
	}
	for i := range n {
		dst[i*stride] = uint16(sum / uint32(2*radius+1))
		sum += at(i+radius+1) - at(i-radius)
	}
}

// A backdrop is a place at the size of the pictures, with a margin on each side.
type backdrop struct {
	pix           []uint16
	width, height int // margins included
	mx, my        int
}

// newBackdrop scales a drawn place by means over areas.
func newBackdrop(master []uint16, width, height int) *backdrop {
	b := &backdrop{mx: int(math.Ceil(margin*float64(width))) + 1, my: int(math.Ceil(margin*float64(height))) + 1}
	b.width, b.height = width+2*b.mx, height+2*b.my
	b.pix = make([]uint16, b.width*b.height)
	scaleX := masterWidth / ((1 + 2*margin) * float64(width)) // master pixels per pixel
	scaleY := masterHeight / ((1 + 2*margin) * float64(height))
	left, top := margin*float64(width)-float64(b.mx), margin*float64(height)-float64(b.my)
	wide := make([]float64, b.width*masterHeight)
	line := make([]float64, masterWidth)
	for y := range masterHeight {
		for x := range line {
			line[x] = float64(master[y*masterWidth+x])
		}
		resample(wide[y*b.width:], line, b.width, 1, scaleX, left)
	}
	column, out := make([]float64, masterHeight), make([]float64, b.height)
	for x := range b.width {
		for y := range column {
			column[y] = wide[y*b.width+x]
		}
		resample(out, column, b.height, 1, scaleY, top)
		for y, v := range out {
			b.pix[y*b.width+x] = uint16(v)
		}
	}
	return b
}

// resample takes the mean of src over each of n intervals of scale samples, between samples where they are finer.
func resample(dst, src []float64, n, stride int, scale, offset float64) {
	at := func(f float64) float64 {
		f = max(0, min(f-0.5, float64(len(src)-1)))
		i := min(int(f), len(src)-2)
		return src[i] + (src[i+1]-src[i])*(f-float64(i))
	}
	taps := max(1, int(math.Ceil(scale)))
	for i := range n {
		sum := 0.0
		for k := range taps {
			sum += at((float64(i) + offset + (float64(k)+0.5)/float64(taps)) * scale)
		}
		dst[i*stride] = sum / float64(taps)
	}
}

// see copies what the canvas' aim shows.
func (b *backdrop) see(c *canvas) {
	if c.ox == 0 && c.oy == 0 {
		for y := range c.height {
			copy(c.pix[y*c.width:][:c.width], b.pix[(y+b.my)*b.width+b.mx:])
		}
		return
	}
	dx, dy := c.ox*c.sx, c.oy*c.sy
	for y := range c.height {
		fy := max(0, min(float64(y+b.my)+dy, float64(b.height-2)))
		iy := int(fy)
		v := int32((fy - float64(iy)) * 256)
		fx := max(0, min(float64(b.mx)+dx, float64(b.width-c.width-2)))
		ix := int(fx)
		u := int32((fx - float64(ix)) * 256)
		top, low := b.pix[iy*b.width+ix:][:c.width+1], b.pix[(iy+1)*b.width+ix:][:c.width+1]
		out := c.pix[y*c.width:][:c.width]
		for x := range out {
			p := int32(top[x]) + (int32(top[x+1])-int32(top[x]))*u>>8
			q := int32(low[x]) + (int32(low[x+1])-int32(low[x]))*u>>8
			out[x] = uint16(p + (q-p)*v>>8)
		}
	}
}

// at looks between pixels of the picture at rest.
func (b *backdrop) at(x, y float64) uint16 {
	x, y = max(0, min(x+float64(b.mx), float64(b.width-2))), max(0, min(y+float64(b.my), float64(b.height-2)))
	ix, iy := int(x), int(y)
	u, v := int32((x-float64(ix))*256), int32((y-float64(iy))*256)
	i := iy*b.width + ix
	p := int32(b.pix[i]) + (int32(b.pix[i+1])-int32(b.pix[i]))*u>>8
	q := int32(b.pix[i+b.width]) + (int32(b.pix[i+b.width+1])-int32(b.pix[i+b.width]))*u>>8
	return uint16(p + (q-p)*v>>8)
}
