package scene

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"camward/video"
)

func TestEveryPictureCarriesItsNumber(t *testing.T) {
	s := New(640, 480, Times{10, 20, 40, 0})
	x, y := video.MarkAt(640, 480)
	for n := range 50 {
		if got, ok := video.ReadMark(s.Luma(n), x, y); !ok || got != uint32(n) {
			t.Fatalf("picture %d reads as %d, %v", n, got, ok)
		}
	}
}

func TestNumbersSurviveTheCameraJPEG(t *testing.T) {
	s := New(640, 480, Times{1, 2, 4, 0})
	data, err := s.Film(4)
	if err != nil {
		t.Fatal(err)
	}
	film, err := Cut(data)
	if err != nil || len(film) != 4 {
		t.Fatalf("%d pictures, %v; want 4", len(film), err)
	}
	x, y := video.MarkAt(640, 480)
	for n, b := range film {
		img, err := jpeg.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("picture %d: %v", n, err)
		}
		p := img.(*image.YCbCr)
		luma := video.Plane{Pix: p.Y, Width: 640, Height: 480, Stride: p.YStride}
		if got, ok := video.ReadMark(&luma, x, y); !ok || got != uint32(n) {
			t.Fatalf("picture %d reads as %d, %v", n, got, ok)
		}
	}
}

func TestTheFigureIsThereWhenItShouldBe(t *testing.T) {
	s := New(320, 240, Times{10, 20, 40, 2})
	difference := func(a, b int) (cells int) {
		first := bytes.Clone(s.Luma(a).Pix)
		for i, v := range s.Luma(b).Pix[:320*200] { // above the mark
			if d := int(v) - int(first[i]); d > 20 || d < -20 {
				cells++
			}
		}
		return cells
	}
	for _, tt := range []struct {
		n    int
		want bool
	}{{5, false}, {9, false}, {20, true}, {31, false}, {45, false}, {60, true}, {100, false}} {
		if got := difference(0, tt.n) > 500; got != tt.want {
			t.Errorf("picture %d: figure %v, want %v", tt.n, got, tt.want)
		}
	}
}
