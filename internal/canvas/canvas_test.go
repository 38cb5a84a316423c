package canvas

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// decoded is what another program reads of a canvas.
func decoded(t *testing.T, c *Canvas) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := c.WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("CANVAS_PNG"); name != "" { // to be looked at
		os.WriteFile(name, b.Bytes(), 0o644)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func at(img image.Image, x, y int) Color {
	c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
	return Color(c.R)<<24 | Color(c.G)<<16 | Color(c.B)<<8 | 0xff
}

func TestPNGIsReadByOthersToTheLastBit(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 2}, {37, 5}, {64, 300}} {
		c := New(size[0], size[1], 0x102030ff)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range c.Pix {
			c.Pix[i] = byte(r.Uint32() >> (i % 25))
		}
		img := decoded(t, c)
		if b := img.Bounds(); b.Dx() != size[0] || b.Dy() != size[1] {
			t.Fatalf("%v became %v", size, b)
		}
		for y := range size[1] {
			for x := range size[0] {
				p := c.Pix[3*(y*size[0]+x):]
				if want := Color(p[0])<<24 | Color(p[1])<<16 | Color(p[2])<<8 | 0xff; at(img, x, y) != want {
					t.Fatalf("%v: pixel %d,%d is %08x, want %08x", size, x, y, at(img, x, y), want)
				}
			}
		}
	}
}

func TestShapesCoverTheirPixels(t *testing.T) {
	const back, ink = 0xffffffff, 0x204060ff
	tests := []struct {
		name string
		draw func(*Canvas)
		in   [][2]int
		out  [][2]int
		half [][2]int
	}{
		{"rectangle", func(c *Canvas) { c.Rect(10, 10, 20, 15.5, ink) }, [][2]int{{10, 10}, {19, 14}}, [][2]int{{9, 10}, {20, 12}, {12, 16}}, [][2]int{{12, 15}}},
		{"frame", func(c *Canvas) { c.Frame(10, 10, 30, 30, 2, ink) }, [][2]int{{10, 10}, {11, 20}, {29, 29}, {20, 28}}, [][2]int{{12, 12}, {20, 20}, {30, 20}}, nil},
		{"line", func(c *Canvas) { c.Line([]Point{{5, 5.5}, {40, 5.5}, {40.5, 30}}, 3, ink) }, [][2]int{{5, 5}, {20, 4}, {20, 6}, {40, 20}}, [][2]int{{20, 8}, {20, 20}, {45, 5}}, nil},
		{"dashes", func(c *Canvas) { c.Dashed(Point{0, 8.5}, Point{64, 8.5}, 8, 1, ink) }, [][2]int{{4, 8}, {20, 8}}, [][2]int{{12, 8}, {28, 8}}, nil},
		{"polygon", func(c *Canvas) { c.Polygon([]Point{{10, 10}, {50, 10}, {10, 50}}, ink) }, [][2]int{{12, 12}, {11, 40}}, [][2]int{{40, 40}, {9, 20}, {50, 12}}, [][2]int{{30, 29}}},
		{"clipped", func(c *Canvas) { c.Rect(-5, -5, 500, 3, ink); c.Line([]Point{{-9, 20}, {900, 20}}, 2, ink) }, [][2]int{{0, 0}, {63, 2}, {63, 20}}, [][2]int{{0, 4}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := New(64, 64, back)
			tt.draw(c)
			img := decoded(t, c)
			check := func(list [][2]int, what string, ok func(Color) bool) {
				for _, p := range list {
					if v := at(img, p[0], p[1]); !ok(v) {
						t.Errorf("%v is %08x, want it %s", p, v, what)
					}
				}
			}
			check(tt.in, "drawn", func(v Color) bool { return v == ink })
			check(tt.out, "left alone", func(v Color) bool { return v == back })
			check(tt.half, "between", func(v Color) bool { return v != back && v != ink })
		})
	}
}

func TestHalfACoverMixesColors(t *testing.T) {
	c := New(4, 4, 0x000000ff)
	c.Rect(0, 0, 4, 4, Color(0xff8000ff).Alpha(0.5))
	if got := at(decoded(t, c), 1, 1); got != 0x804000ff {
		t.Errorf("%08x", got)
	}
}

func TestAPictureIsScaled(t *testing.T) {
	rgb := []byte{255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}
	c := New(40, 40, 0)
	c.Picture(0, 0, 40, 40, rgb, 2, 2, false)
	img := decoded(t, c)
	for p, want := range map[[2]int]Color{{0, 0}: 0xff0000ff, {19, 19}: 0xff0000ff, {20, 0}: 0x00ff00ff, {0, 20}: 0x0000ffff, {39, 39}: 0xffffffff} {
		if got := at(img, p[0], p[1]); got != want {
			t.Errorf("%v is %08x, want %08x", p, got, want)
		}
	}
	c.Picture(-20, -20, 80, 80, rgb, 2, 2, true)
	c.Picture(0, 0, 10, 10, rgb, 5, 5, true) // has not so many pixels
}

func TestEveryLetterIsKnownAndStandsOnItsLine(t *testing.T) {
	unknown := strings.Join(strokesOf('\x00'), " ")
	for _, r := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;-+%/()=<>'\"!?_[]#&*" {
		if strings.Join(strokesOf(r), " ") == unknown {
			t.Errorf("%c is not known", r)
		}
		c := New(100, 60, 0xffffffff)
		end := c.Text(20, 40, 24, string(r), 0x000000ff)
		if w := TextWidth(24, string(r)); math.Abs(end-20-w) > 1e-9 {
			t.Errorf("%c ends at %v and is %v wide", r, end, w)
		}
		ink := 0
		for y := range c.Height {
			for x := range c.Width {
				if c.Pix[3*(y*c.Width+x)] > 128 {
					continue
				}
				ink++
				if float64(x) < 17 || float64(x) > end+3 || y < 13 || y > 50 {
					t.Fatalf("%c has ink at %d,%d", r, x, y)
				}
			}
		}
		if ink < 9 {
			t.Errorf("%c has %d pixels", r, ink)
		}
	}
}

func TestTextIsWrappedBetweenWords(t *testing.T) {
	const text = "Something moved on the left for longer than that"
	lines := Wrap(10, 150, text)
	if strings.Join(lines, " ") != text || len(lines) < 2 {
		t.Errorf("%q", lines)
	}
	for _, l := range lines {
		if w := TextWidth(10, l); w > 150 {
			t.Errorf("%q is %v long", l, w)
		}
	}
}
