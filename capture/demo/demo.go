// Package demo renders a scene that looks like a camera's picture: a yard in front of a
// house, sensor noise, a clock in the corner, and now and then a person who walks through.
// It stands in where no camera is at hand. Each picture carries its number as a
// video mark, so that what came out at the other end can be compared with what was shown.
//
// A picture depends on nothing but the scene's options, its number and the time on its clock.
package demo

import (
	"encoding/binary"
	"time"

	"camward/video"
)

// Crossing is how long the person takes to walk through the picture.
const Crossing = 6 * time.Second

// Options describe a scene. Width and Height are even and at least 16; a mark needs 264 x 16.
type Options struct {
	Width, Height int           // pixels
	Rate          float64       // pictures per second
	First         time.Duration // when the person first appears, counted from picture 0
	Every         time.Duration // from one appearance to the next; 0: there is only the first
}

// Default is 640x480 at 15 pictures per second, a person at 8 s and every 30 s from then on.
func Default() Options {
	return Options{Width: 640, Height: 480, Rate: 15, First: 8 * time.Second, Every: 30 * time.Second}
}

// A Scene holds what does not change between pictures. Safe for concurrent use.
type Scene struct {
	opts       Options
	background video.I420
	noise      []byte // noiseBias plus Gaussian noise, read from a different place for each line
}

// New paints the scene's background, which takes some tens of milliseconds.
func New(o Options) *Scene {
	s := &Scene{opts: o, noise: noiseTable()}
	paintBackground(&s.background, o.Width, o.Height)
	return s
}

// Render makes dst picture n of the scene, its clock showing at, in full range. It does not allocate once
// dst has its size.
func (s *Scene) Render(dst *video.I420, n uint64, at time.Time) {
	dst.Resize(s.opts.Width, s.opts.Height)
	dst.FullRange = true
	copy(dst.Y, s.background.Y)
	copy(dst.U, s.background.U)
	copy(dst.V, s.background.V)
	if since, ok := s.walking(n); ok {
		drawPerson(dst, since.Seconds(), Crossing.Seconds())
	}
	s.addNoise(dst, n)
	drawClock(dst, at)
	luma := video.Plane{Pix: dst.Y, Width: dst.Width, Height: dst.Height, Stride: dst.YStride}
	x, y := video.MarkAt(dst.Width, dst.Height)
	video.DrawMark(&luma, x, y, uint32(n))
}

// Walking reports whether the person is in picture n.
func (s *Scene) Walking(n uint64) bool {
	_, ok := s.walking(n)
	return ok
}

// walking gives the time since the person began to cross.
func (s *Scene) walking(n uint64) (time.Duration, bool) {
	t := time.Duration(float64(n)/s.opts.Rate*float64(time.Second)) - s.opts.First
	if t >= 0 && s.opts.Every > 0 {
		t %= s.opts.Every
	}
	return t, t >= 0 && t < Crossing
}

// The noise is kept within noiseBias of zero, and the picture within levelMin..levelMax, so that eight
// bytes are added at once without a carry from one into the next.
const (
	noiseBias          = 6
	noiseLen           = 1 << 16
	levelMin, levelMax = 8, 240
)

// noiseTable makes noise of about 1.7 levels of standard deviation, as the sum of uniform values.
func noiseTable() []byte {
	t := make([]byte, noiseLen+8)
	seed := uint64(1)
	for i := range t {
		seed = mix(seed + uint64(i))
		sum := 0
		for b := range 4 {
			sum += int(seed >> (16 * b) & 0xffff)
		}
		v := (float64(sum)/65536 - 2) * 2.95 // four uniform values: mean 2, standard deviation 0.58
		t[i] = byte(min(max(int(v+noiseBias+0.5), 0), 2*noiseBias))
	}
	return t
}

func (s *Scene) addNoise(dst *video.I420, n uint64) {
	const bias = noiseBias * 0x0101010101010101
	for y := range dst.Height {
		line := dst.Y[y*dst.YStride:][:dst.Width]
		at := int(mix(n<<16^uint64(y)) % (noiseLen - 1<<14)) // a line has at most 8192 samples
		noise := s.noise[at:]
		x := 0
		for ; x+8 <= len(line); x += 8 {
			v := binary.LittleEndian.Uint64(line[x:]) + binary.LittleEndian.Uint64(noise[x:]) - bias
			binary.LittleEndian.PutUint64(line[x:], v)
		}
		for ; x < len(line); x++ {
			line[x] += noise[x] - noiseBias
		}
	}
}

// mix scrambles a number (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// digits is a 5x7 font of 0 to 9 and the colon, a row per byte, leftmost in bit 4.
var digits = [11][7]byte{
	{14, 17, 19, 21, 25, 17, 14},
	{4, 12, 4, 4, 4, 4, 14},
	{14, 17, 1, 2, 4, 8, 31},
	{31, 2, 4, 2, 1, 17, 14},
	{2, 6, 10, 18, 31, 2, 2},
	{31, 16, 30, 1, 1, 17, 14},
	{6, 8, 16, 30, 17, 17, 14},
	{31, 1, 2, 4, 8, 8, 8},
	{14, 17, 17, 14, 17, 17, 14},
	{14, 17, 17, 15, 1, 2, 12},
	{0, 12, 12, 0, 12, 12, 0},
}

// drawClock writes HH:MM:SS into the upper right corner, light with a dark edge.
func drawClock(dst *video.I420, at time.Time) {
	h, m, sec := at.Clock()
	text := [8]int{h / 10, h % 10, 10, m / 10, m % 10, 10, sec / 10, sec % 10}
	scale := max(1, dst.Height/240)
	x := dst.Width - (6*len(text)+2)*scale
	y := 4 * scale
	if x < scale || y+8*scale > dst.Height {
		return
	}
	for pass, level := range [2]byte{24, 236} { // the edge, then the digits over it
		grow := scale / 2 * (1 - pass)
		for i, d := range text {
			for row, bits := range digits[d] {
				for col := range 5 {
					if bits>>(4-col)&1 != 0 {
						fillBox(dst, x+(6*i+col)*scale-grow, y+row*scale-grow, scale+2*grow, level)
					}
				}
			}
		}
	}
}

// fillBox fills a square of luma and makes its chroma neutral.
func fillBox(dst *video.I420, x, y, side int, level byte) {
	for r := y; r < y+side; r++ {
		line := dst.Y[r*dst.YStride+x:][:side]
		for i := range line {
			line[i] = level
		}
		for c := x / 2; c < (x+side+1)/2; c++ {
			dst.U[r/2*dst.CStride+c], dst.V[r/2*dst.CStride+c] = 128, 128
		}
	}
}
