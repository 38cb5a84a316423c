package demo

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"camward/codec/jpeg"
	"camward/video"
)

var noon = time.Date(2026, 3, 1, 12, 34, 56, 0, time.UTC)

func render(s *Scene, n uint64, at time.Time) *video.I420 {
	p := &video.I420{}
	s.Render(p, n, at)
	return p
}

func same(a, b *video.I420) bool {
	return bytes.Equal(a.Y, b.Y) && bytes.Equal(a.U, b.U) && bytes.Equal(a.V, b.V)
}

func TestPictureDependsOnlyOnItsNumberAndTheClock(t *testing.T) {
	a, b := New(Default()), New(Default())
	render(a, 0, noon)
	for _, n := range []uint64{0, 1, 150, 1 << 30} {
		if !same(render(a, n, noon), render(b, n, noon)) {
			t.Errorf("picture %d differs between two scenes", n)
		}
	}
	if same(render(a, 1, noon), render(a, 1, noon.Add(time.Second))) {
		t.Error("the clock does not show")
	}
	if same(render(a, 1, noon), render(a, 2, noon)) {
		t.Error("there is no noise")
	}
}

func TestEveryPictureCarriesItsNumber(t *testing.T) {
	s := New(Default())
	for n := uint64(0); n < 400; n += 7 {
		p := render(s, n, noon)
		x, y := video.MarkAt(p.Width, p.Height)
		got, ok := video.ReadMark(&video.Plane{Pix: p.Y, Width: p.Width, Height: p.Height, Stride: p.YStride}, x, y)
		if !ok || got != uint32(n) {
			t.Errorf("picture %d reads as %d %v", n, got, ok)
		}
	}
}

// blocks is the mean of each 8x8 block of luma.
func blocks(t *testing.T, p *video.I420) *video.Plane {
	f := &video.Frame{Format: video.Format{FourCC: video.Grey, Width: p.Width, Height: p.Height}, Data: p.Y}
	var l video.Plane
	if err := video.Luma8(&l, f); err != nil {
		t.Fatal(err)
	}
	return &l
}

// changed counts the blocks in which two pictures differ by more than six levels.
func changed(t *testing.T, a, b *video.I420) (n int) {
	la, lb := blocks(t, a), blocks(t, b)
	for i := range la.Pix {
		if d := int(la.Pix[i]) - int(lb.Pix[i]); d > 6 || d < -6 {
			n++
		}
	}
	return n
}

func TestPersonWalksThroughAtEightSecondsForSixAndAgainEveryThirty(t *testing.T) {
	s := New(Default())
	empty := render(s, 0, noon)
	for _, tt := range []struct {
		at   float64 // seconds
		want bool
	}{{0, false}, {5, false}, {7.9, false}, {8.7, true}, {11, true}, {13.3, true}, {14.1, false}, {20, false}, {37.9, false}, {41, true}, {44.1, false}, {71, true}} {
		n := uint64(tt.at*15 + 0.5)
		if got := s.Walking(n); got != tt.want {
			t.Errorf("at %v s: Walking = %v", tt.at, got)
		}
		switch got := changed(t, empty, render(s, n, noon)); {
		case tt.want && got < 50:
			t.Errorf("at %v s: %d blocks changed, the person should fill more", tt.at, got)
		case !tt.want && got != 0:
			t.Errorf("at %v s: %d blocks changed in an empty scene", tt.at, got)
		}
	}
}

func TestPersonComesOnceWhenItIsNotToComeAgain(t *testing.T) {
	o := Default()
	o.First, o.Every = 2*time.Second, 0
	s := New(o)
	if !s.Walking(3*15) || s.Walking(33*15) || s.Walking(100*15) {
		t.Error("the person came at another time")
	}
}

func TestEverySizeIsPainted(t *testing.T) {
	for _, z := range [][2]int{{16, 16}, {64, 48}, {258, 34}, {320, 240}, {1280, 720}} {
		o := Default()
		o.Width, o.Height = z[0], z[1]
		s := New(o)
		p := render(s, 11*15, noon)
		if p.Width != z[0] || p.Height != z[1] || !p.FullRange {
			t.Errorf("%v: got %dx%d", z, p.Width, p.Height)
		}
	}
}

func TestRenderingDoesNotAllocate(t *testing.T) {
	s := New(Default())
	var p video.I420
	s.Render(&p, 0, noon)
	if n := testing.AllocsPerRun(5, func() { s.Render(&p, 160, noon) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkRender(b *testing.B) {
	s := New(Default())
	var p video.I420
	for _, n := range []uint64{0, 165} {
		b.Run(fmt.Sprintf("walking=%v/res=640x480", s.Walking(n)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Render(&p, n, noon)
			}
		})
	}
	var out []byte
	b.Run("yardstick=jpeg/res=640x480", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if out, err = jpeg.Encode(out, &p, 80); err != nil {
				b.Fatal(err)
			}
		}
	})
}
