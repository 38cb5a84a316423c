package jpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"camward/video"
)

// oneScan are the pictures of testdata that are masked without decoding them.
var oneScan = []string{
	"ffmpeg-422-640x480.jpg", "ffmpeg-444-90x70.jpg",
	"cjpeg-420.jpg", "cjpeg-422.jpg", "cjpeg-440.jpg", "cjpeg-411.jpg", "cjpeg-444.jpg",
	"cjpeg-grey.jpg", "cjpeg-grey-2x2.jpg", "cjpeg-q1.jpg", "cjpeg-q100.jpg",
	"cjpeg-restart-blocks.jpg", "cjpeg-restart-rows.jpg", "cjpeg-16bit-quant.jpg", "cjpeg-1x1.jpg", "cjpeg-410-17x9.jpg",
}

// decoded are those that are not: their tables lack what black needs, they have several scans, or are progressive.
var decoded = []string{"ffmpeg-420-optimal-640x480.jpg", "cjpeg-optimize.jpg", "cjpeg-separate-scans.jpg", "cjpeg-luma-second.jpg", "cjpeg-progressive.jpg"}

var maskShapes = map[string][]video.Polygon{
	"none":      nil,
	"all":       {{{0, 0}, {1, 0}, {1, 1}, {0, 1}}},
	"top left":  {{{0, 0}, {0.3, 0}, {0.3, 0.4}, {0, 0.4}}},
	"low right": {{{0.6, 0.7}, {1, 0.7}, {1, 1}, {0.6, 1}}},
	"middle":    {{{0.4, 0.3}, {0.6, 0.3}, {0.7, 0.8}, {0.35, 0.6}}},
	"stripes":   {{{0.1, 0}, {0.2, 0}, {0.2, 1}, {0.1, 1}}, {{0.5, 0}, {0.55, 0}, {0.55, 1}, {0.5, 1}}, {{0, 0.5}, {1, 0.5}, {1, 0.55}}},
}

// mcuSize is that of an MCU in pixels, from the frame header of a picture that Repair has put right.
func mcuSize(tb testing.TB, data []byte) (w, h int) {
	tb.Helper()
	i := bytes.LastIndex(data[:scanStart(tb, data)], []byte{0xFF, mSOF0, 0})
	if i < 0 {
		i = bytes.LastIndex(data[:scanStart(tb, data)], []byte{0xFF, mSOF1, 0})
	}
	n := int(data[i+9])
	if n == 1 {
		return 8, 8
	}
	for c := range n {
		w, h = max(w, 8*int(data[i+11+3*c]>>4)), max(h, 8*int(data[i+11+3*c]&15))
	}
	return w, h
}

// compareMasked checks a masked picture, as djpeg decodes it, against the original: black where an MCU is touched, equal elsewhere.
func compareMasked(tb testing.TB, got, was *image.RGBA, shapes []video.Polygon, mw, mh int) {
	tb.Helper()
	if got.Rect != was.Rect {
		tb.Fatalf("got %v, want %v", got.Rect, was.Rect)
	}
	w, h := was.Rect.Dx(), was.Rect.Dy()
	mask := video.NewMask(shapes, w, h)
	for y := range h {
		for x := range w {
			want := was.RGBAAt(x, y)
			if mx, my := x/mw*mw, y/mh*mh; mask.Touches(mx, my, mx+mw, my+mh) {
				want.R, want.G, want.B = 0, 0, 0
			}
			if g := got.RGBAAt(x, y); g != want {
				tb.Fatalf("at %d,%d got %v, want %v", x, y, g, want)
			}
		}
	}
}

func TestMaskedPictureIsBlackInsideAndBitExactOutside(t *testing.T) {
	for name, shapes := range maskShapes {
		m := NewMasker(shapes) // one for all pictures: nothing of one must get into the next
		for _, file := range oneScan {
			data := readFile(t, file)
			out, err := m.compressed(nil, data)
			if err != nil {
				t.Errorf("%s, %s: %v", file, name, err)
				continue
			}
			mw, mh := mcuSize(t, data)
			compareMasked(t, reference(t, out), reference(t, data), shapes, mw, mh)
			if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
				t.Errorf("%s, %s: image/jpeg: %v", file, name, err)
			}
		}
	}
}

func TestMaskOfEveryQualityAndSamplingIsBitExactOutside(t *testing.T) {
	ppm := pipe(t, readFile(t, "cjpeg-q100.jpg"), "djpeg", "-pnm")
	r := rand.New(rand.NewPCG(3, 4))
	for q := 1; q <= 100; q += 3 {
		var p video.Polygon
		for range 3 + r.IntN(3) {
			p = append(p, [2]float64{r.Float64(), r.Float64()})
		}
		m := NewMasker([]video.Polygon{p})
		args := []string{"-quality", fmt.Sprint(q), "-sample", []string{"2x2", "2x1", "1x1"}[q%3]}
		if q%2 == 0 {
			args = append(args, "-restart", fmt.Sprintf("%dB", 1+r.IntN(9)))
		}
		data := pipe(t, ppm, "cjpeg", args...)
		out, err := m.compressed(nil, data)
		if err != nil {
			t.Errorf("%v: %v", args, err)
			continue
		}
		mw, mh := mcuSize(t, data)
		compareMasked(t, reference(t, out), reference(t, data), m.shapes, mw, mh)
	}
}
