// Package scene draws what the lab's cameras see: a still room with sensor noise, through which
// a figure walks at set times. Every picture carries its number as a machine-readable mark
// (video.DrawMark), so that what the cloud holds can be compared with what a camera showed.
package scene

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"camward/video"
)

// Times say when the figure walks, in pictures. A scene repeats every Period: Quiet ones, Walk ones
// with the figure, and the rest quiet again. After Walks walks (0: never) it stays quiet.
type Times struct{ Quiet, Walk, Period, Walks int }

// ParseTimes reads "QUIET,WALK,PERIOD,WALKS".
func ParseTimes(s string) (t Times, err error) {
	if _, err := fmt.Sscanf(s, "%d,%d,%d,%d", &t.Quiet, &t.Walk, &t.Period, &t.Walks); err != nil || t.Period < 1 || t.Walk < 1 {
		return t, fmt.Errorf("times of walks %q: want QUIET,WALK,PERIOD,WALKS", s)
	}
	return t, nil
}

// A Scene draws pictures by number. It is not safe for concurrent use; the pictures it returns are
// its own until the next call.
type Scene struct {
	Times
	room  video.Plane // what never changes
	luma  video.Plane
	yuyv  []byte
	noise []byte // longer than a picture; read from another place each time
}

// New returns a scene of width x height pixels, both multiples of 16.
func New(width, height int, t Times) *Scene {
	s := &Scene{Times: t}
	s.room.Resize(width, height)
	s.luma.Resize(width, height)
	seed := uint32(1)
	random := func(n uint32) uint32 { // Numerical Recipes' linear congruence; repeatable is all it must be
		seed = seed*1664525 + 1013904223
		return seed >> 16 % n
	}
	s.noise = make([]byte, width*height+noiseShift*noiseShifts)
	for i := range s.noise {
		s.noise[i] = byte(random(5))
	}
	for y := range height {
		for x := range width {
			v := 90 + 40*x/width + 30*y/height // light from one side
			if x/80%2 == 0 && y/120%2 == 0 {
				v += 25 // furniture
			}
			s.room.Pix[y*width+x] = byte(v)
		}
	}
	return s
}

const (
	noiseShift  = 331
	noiseShifts = 64
)

// Luma draws picture n.
func (s *Scene) Luma(n int) *video.Plane {
	from := s.noise[n%noiseShifts*noiseShift:][:len(s.luma.Pix)]
	for i, v := range s.room.Pix {
		s.luma.Pix[i] = v + from[i]
	}
	if at := n%s.Period - s.Quiet; at >= 0 && at < s.Walk && (s.Walks == 0 || n/s.Period < s.Walks) {
		s.figure(at)
	}
	x, y := video.MarkAt(s.luma.Width, s.luma.Height)
	video.DrawMark(&s.luma, x, y, uint32(n))
	return &s.luma
}

// figure draws a dark body with a bright head, at-th step of its walk from left to right.
func (s *Scene) figure(at int) {
	w, h := s.luma.Width, s.luma.Height
	bw, bh := w/10, h/2
	left := (w + bw) * at / s.Walk // enters and leaves fully
	for y := h / 4; y < h/4+bh; y++ {
		level := byte(45)
		if y < h/4+bh/5 {
			level = 215
		}
		for x := max(0, left-bw); x < min(w, left); x++ {
			s.luma.Pix[y*w+x] = level + byte(x+y)%7
		}
	}
}

// YUYV is picture n as packed 4:2:2, grey.
func (s *Scene) YUYV(n int) []byte {
	p := s.Luma(n)
	if s.yuyv == nil {
		s.yuyv = bytes.Repeat([]byte{0x80}, 2*len(p.Pix))
	}
	for i, v := range p.Pix {
		s.yuyv[2*i] = v
	}
	return s.yuyv
}

// Film is the pictures 0 to n-1 as JPEGs, one right after the other.
func (s *Scene) Film(n int) ([]byte, error) {
	var out bytes.Buffer
	picture := image.NewYCbCr(image.Rect(0, 0, s.room.Width, s.room.Height), image.YCbCrSubsampleRatio420)
	for i := range picture.Cb {
		picture.Cb[i], picture.Cr[i] = 0x80, 0x80
	}
	for i := range n {
		p := s.Luma(i)
		for y := range p.Height {
			copy(picture.Y[y*picture.YStride:], p.Pix[y*p.Stride:][:p.Width])
		}
		if err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: 80}); err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, err)
		}
	}
	return out.Bytes(), nil
}

// Cut takes a film apart again: a picture ends (FFD9) where the next one begins (FFD8FF), a
// pair that can't occur inside a picture without a thumbnail.
func Cut(film []byte) ([][]byte, error) {
	border := []byte{0xff, 0xd9, 0xff, 0xd8, 0xff}
	if !bytes.HasPrefix(film, border[2:]) {
		return nil, errors.New("not a row of JPEG pictures")
	}
	var jpegs [][]byte
	for {
		i := bytes.Index(film, border)
		if i < 0 {
			return append(jpegs, film), nil
		}
		jpegs = append(jpegs, film[:i+2])
		film = film[i+2:]
	}
}
