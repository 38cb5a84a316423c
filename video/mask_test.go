package video

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// picture draws a mask, '#' for what is covered.
func picture(m *Mask) (s string) {
	w, h := m.Size()
	for y := range h {
		for x := range w {
			if m.Touches(x, y, x+1, y+1) {
				s += "#"
			} else {
				s += "."
			}
		}
		s += "\n"
	}
	return s
}

func TestMaskCoversEveryPixelThatAPolygonHasAPartIn(t *testing.T) {
	tests := []struct {
		name   string
		shapes []Polygon
		want   string
	}{
		{"none", nil, "........\n........\n........\n........\n"},
		{"all", []Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}, "########\n########\n########\n########\n"},
		{"ends where pixels do", []Polygon{{{0.25, 0.25}, {0.5, 0.25}, {0.5, 0.75}, {0.25, 0.75}}}, "........\n..##....\n..##....\n........\n"},
		{"a little more", []Polygon{{{0.24, 0.24}, {0.51, 0.24}, {0.51, 0.76}, {0.24, 0.76}}}, ".####...\n.####...\n.####...\n.####...\n"},
		{"within one pixel", []Polygon{{{0.9, 0.6}, {0.95, 0.6}, {0.92, 0.7}}}, "........\n........\n.......#\n........\n"},
		{"a line", []Polygon{{{0, 0.1}, {1, 0.1}, {0, 0.1}}}, "########\n........\n........\n........\n"},
		{"a steep line", []Polygon{{{0.3, 0}, {0.32, 1}, {0.3, 0}}}, "..#.....\n..#.....\n..#.....\n..#.....\n"},
		{"a diagonal through corners of pixels", []Polygon{{{0, 0}, {0.5, 1}, {0, 1}}}, "#.......\n##......\n###.....\n####....\n"},
		{"clockwise or not", []Polygon{{{0, 0}, {0, 1}, {0.5, 1}}}, "#.......\n##......\n###.....\n####....\n"},
		{"two apart and two that meet", []Polygon{{{0, 0}, {0.2, 0}, {0.2, 0.2}, {0, 0.2}}, {{0.5, 0}, {0.75, 0}, {0.75, 0.25}, {0.5, 0.25}}, {{0.75, 0}, {1, 0}, {1, 0.25}, {0.75, 0.25}}}, "##..####\n........\n........\n........\n"},
		{"outside", []Polygon{{{-5, -5}, {0.1, -5}, {0.1, 9}, {-5, 9}}}, "#.......\n#.......\n#.......\n#.......\n"},
	}
	for _, tt := range tests {
		if got := picture(NewMask(tt.shapes, 8, 4)); got != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestMaskCoversTheMiddleOfAStar(t *testing.T) {
	star := Polygon{{0.5, 0}, {0.8, 1}, {0, 0.35}, {1, 0.35}, {0.2, 1}}
	if !NewMask([]Polygon{star}, 100, 100).Touches(50, 50, 51, 51) {
		t.Error("what the outline goes round twice is not covered")
	}
}

// TestMaskMissesNoPointInsideAPolygon tries random polygons and points; the reference is the winding number of the point itself.
func TestMaskMissesNoPointInsideAPolygon(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		w, h := 1+r.IntN(200), 1+r.IntN(50)
		var p Polygon
		for range 3 + r.IntN(6) {
			p = append(p, [2]float64{r.Float64(), r.Float64()})
		}
		m := NewMask([]Polygon{p}, w, h)
		for range 500 {
			q := [2]float64{r.Float64(), r.Float64()}
			if r.IntN(4) == 0 { // on an edge, but for the last bits
				i, s := r.IntN(len(p)), r.Float64()
				a, b := p[i], p[(i+1)%len(p)]
				q = [2]float64{a[0] + s*(b[0]-a[0]), a[1] + s*(b[1]-a[1])}
			} else if winding(p, q) == 0 {
				continue
			}
			x, y := q[0]*float64(w), q[1]*float64(h)
			if math.Abs(x-math.Round(x)) < 1e-4 || math.Abs(y-math.Round(y)) < 1e-4 {
				continue
			}
			if !m.Touches(int(x), int(y), int(x)+1, int(y)+1) {
				t.Fatalf("%v at %dx%d: %v is not covered\n%s", p, w, h, q, picture(m))
			}
		}
	}
}

// winding is how often p goes round q.
func winding(p Polygon, q [2]float64) (n int) {
	for i, a := range p {
		b := p[(i+1)%len(p)]
		left := (b[0]-a[0])*(q[1]-a[1]) - (q[0]-a[0])*(b[1]-a[1])
		switch {
		case a[1] <= q[1] && b[1] > q[1] && left > 0:
			n++
		case a[1] > q[1] && b[1] <= q[1] && left < 0:
			n--
		}
	}
	return n
}

func TestMaskCoversHardlyMoreThanItsPolygons(t *testing.T) {
	m := NewMask([]Polygon{{{0.1, 0.1}, {0.7, 0.1}, {0.7, 0.7}, {0.1, 0.7}}}, 640, 480)
	n := 0
	for y := range 480 {
		for _, s := range m.row(y) {
			n += int(s.to - s.from)
		}
	}
	if want := (448 - 64) * (336 - 48); n != want {
		t.Errorf("%d pixels are covered, want %d", n, want)
	}
}

// corners of a mask with odd borders, so that chroma samples are covered in part.
var oddShapes = []Polygon{{{0.17, 0.2}, {0.6, 0.13}, {0.83, 0.77}, {0.3, 0.91}}, {{0.9, 0}, {1, 0}, {1, 0.08}}}

func TestBlackLeavesNothingOfWhatIsCoveredAndAllElse(t *testing.T) {
	for _, c := range rawFormats {
		for _, s := range []struct{ w, h, pad int }{{64, 48, 0}, {64, 48, 32}, {70, 50, 0}, {37, 21, 3}, {1, 1, 0}} {
			for _, full := range []bool{false, true} {
				f, was := rawFrame(c, s.w, s.h, s.pad), rawFrame(c, s.w, s.h, s.pad)
				f.Format.FullRange, was.Format.FullRange = full, full
				size := len(f.Data)
				f.Data = append(f.Data, "the next picture"...)
				m := NewMask(oddShapes, s.w, s.h)
				if err := m.Black(f); err != nil {
					t.Fatalf("%v %+v: %v", c, s, err)
				}
				if len(f.Data) != size {
					t.Fatalf("%v %+v: %d bytes, want %d", c, s, len(f.Data), size)
				}
				checkBlack(t, m, f, was)
			}
		}
	}
}

// checkBlack compares luma and chroma, sample by sample, with the mask by its pixels.
func checkBlack(t *testing.T, m *Mask, f, was *Frame) {
	t.Helper()
	w, h := m.Size()
	tall := 1
	if c := f.Format.FourCC; c == NV12 || c == YU12 {
		tall = 2
	}
	for y := range h {
		for x := range w {
			luma := lumaAt(was, x, y)
			if m.Touches(x, y, x+1, y+1) {
				luma = blackLuma(f.Format.FullRange)
			}
			if got := lumaAt(f, x, y); got != luma {
				t.Fatalf("%v %dx%d: luma at %d,%d is %d, want %d", f.Format.FourCC, w, h, x, y, got, luma)
			}
			cx, cy := x&^1, y/tall*tall
			u, v := sampleUV(was, x/2, y/tall)
			if m.Touches(cx, cy, cx+2, cy+tall) {
				u, v = 128, 128
			}
			if gu, gv := sampleUV(f, x/2, y/tall); gu != u || gv != v {
				t.Fatalf("%v %dx%d: chroma at %d,%d is %d,%d, want %d,%d", f.Format.FourCC, w, h, x, y, gu, gv, u, v)
			}
		}
	}
}

// sampleUV is the chroma sample cx, cy of a raw frame as it is stored.
func sampleUV(f *Frame, cx, cy int) (u, v byte) {
	st, luma := f.Format.Stride, f.Format.Stride*f.Format.Height
	switch f.Format.FourCC {
	case YUYV:
		return f.Data[cy*st+4*cx+1], f.Data[cy*st+4*cx+3]
	case UYVY:
		return f.Data[cy*st+4*cx], f.Data[cy*st+4*cx+2]
	case NV12:
		return f.Data[luma+cy*st+2*cx], f.Data[luma+cy*st+2*cx+1]
	case YU12:
		cs := (st + 1) / 2
		return f.Data[luma+cy*cs+cx], f.Data[luma+cs*((f.Format.Height+1)/2)+cy*cs+cx]
	}
	return 128, 128
}

func TestBlackOfPlanesIsThatOfFrames(t *testing.T) {
	for _, s := range []struct{ w, h int }{{64, 48}, {37, 21}} {
		f := rawFrame(YU12, s.w, s.h, 0)
		var got, want I420
		m := NewMask(oddShapes, s.w, s.h)
		if err := ToI420(&got, f); err != nil {
			t.Fatal(err)
		}
		if err := m.BlackI420(&got); err != nil {
			t.Fatal(err)
		}
		if err := m.Black(f); err != nil {
			t.Fatal(err)
		}
		if err := ToI420(&want, f); err != nil {
			t.Fatal(err)
		}
		if string(got.Y) != string(want.Y) || string(got.U) != string(want.U) || string(got.V) != string(want.V) {
			t.Errorf("%dx%d: the planes differ", s.w, s.h)
		}
	}
}

func TestBlackRefusesWhatTheMaskIsNotFor(t *testing.T) {
	m := NewMask(oddShapes, 64, 48)
	short := rawFrame(YUYV, 64, 48, 0)
	short.Data = short.Data[:len(short.Data)-1]
	for name, f := range map[string]*Frame{
		"larger":     rawFrame(Grey, 64, 50, 0),
		"turned":     rawFrame(Grey, 48, 64, 0),
		"short":      short,
		"compressed": {Format: Format{FourCC: MJPEG, Width: 64, Height: 48}, Data: make([]byte, 1<<16)},
		"unknown":    {Format: Format{FourCC: 7, Width: 64, Height: 48}, Data: make([]byte, 1<<16)},
	} {
		if m.Black(f) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	var img I420
	img.Resize(64, 50)
	if m.BlackI420(&img) == nil {
		t.Error("planes of another size: taken")
	}
}

func TestBlackDoesNotAllocate(t *testing.T) {
	m := NewMask(oddShapes, 640, 480)
	for _, c := range rawFormats {
		f := rawFrame(c, 640, 480, 0)
		if n := testing.AllocsPerRun(5, func() {
			if m.Black(f) != nil {
				t.Fatal("refused")
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations, want 0", c, n)
		}
	}
}

func BenchmarkBlack(b *testing.B) {
	m := NewMask(oddShapes, 640, 480)
	for _, c := range rawFormats {
		f := rawFrame(c, 640, 480, 0)
		b.Run(fmt.Sprintf("format=%v/res=640x480", c), func(b *testing.B) {
			b.SetBytes(int64(len(f.Data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Black(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f := rawFrame(YUYV, 640, 480, 0)
	dst := make([]byte, len(f.Data))
	b.Run("yardstick=copy/format=YUYV/res=640x480", func(b *testing.B) {
		b.SetBytes(int64(len(f.Data)))
		for b.Loop() {
			copy(dst, f.Data)
		}
	})
}

func BenchmarkNewMask(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewMask(oddShapes, 640, 480)
	}
}
