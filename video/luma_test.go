package video

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// noisePicture has padding after its lines but the last.
func noisePicture(width, height, padding int) *I420 {
	r := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	p := &I420{}
	p.Resize(width, height)
	p.YStride += padding
	p.Y = make([]byte, p.YStride*(height-1)+width)
	for i := range p.Y {
		p.Y[i] = byte(r.Uint32())
	}
	return p
}

func TestLumaOfAPictureIsThatOfTheSameFrame(t *testing.T) {
	for _, size := range [][3]int{{640, 480, 0}, {640, 480, 64}, {322, 242, 6}, {17, 9, 0}, {7, 7, 1}, {1, 1, 0}, {8, 8, 0}, {9, 8, 3}, {8, 9, 3}} {
		w, h, pad := size[0], size[1], size[2]
		img := noisePicture(w, h, pad)
		f := &Frame{Format: Format{FourCC: Grey, Width: w, Height: h}}
		for y := range h {
			f.Data = append(f.Data, img.Y[y*img.YStride:][:w]...)
		}
		var got, want Plane
		if err := LumaOf(&got, img); err != nil {
			t.Fatal(err)
		}
		if err := Luma8(&want, f); err != nil {
			t.Fatal(err)
		}
		if got.Width != want.Width || got.Height != want.Height || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%dx%d with %d bytes of padding:\ngot  %v\nwant %v", w, h, pad, got, want)
		}
	}
}

func TestLumaOfAPictureThatIsTooShortIsRefused(t *testing.T) {
	for name, img := range map[string]*I420{
		"zero":            {},
		"short by one":    {Width: 16, Height: 16, YStride: 16, Y: make([]byte, 255)},
		"short stride":    {Width: 16, Height: 16, YStride: 15, Y: make([]byte, 256)},
		"negative height": {Width: 16, Height: -1, YStride: 16, Y: make([]byte, 256)},
		"too wide":        {Width: maxSide + 1, Height: 1, YStride: maxSide + 1, Y: make([]byte, maxSide+1)},
	} {
		if err := LumaOf(new(Plane), img); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestLumaOfAllocatesNothing(t *testing.T) {
	img, dst := noisePicture(641, 481, 7), new(Plane)
	if n := testing.AllocsPerRun(20, func() {
		if err := LumaOf(dst, img); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a picture", n)
	}
}

// The yardstick is copying the plane.
func BenchmarkLumaOf(b *testing.B) {
	for _, s := range [][2]int{{640, 480}, {1280, 720}} {
		img, dst := noisePicture(s[0], s[1], 0), new(Plane)
		b.Run(fmt.Sprintf("res=%dx%d", s[0], s[1]), func(b *testing.B) {
			b.SetBytes(int64(len(img.Y)))
			b.ReportAllocs()
			for b.Loop() {
				if err := LumaOf(dst, img); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("yardstick=copy/res=%dx%d", s[0], s[1]), func(b *testing.B) {
			out := make([]byte, len(img.Y))
			b.SetBytes(int64(len(img.Y)))
			for b.Loop() {
				copy(out, img.Y)
			}
		})
	}
}

func TestMeansBySingleBytesAndByWordsAreTheSame(t *testing.T) {
	const stride = 16*9 + 3
	src := make([]byte, 8*stride)
	for fill := range 3 {
		for i := range src {
			src[i] = [...]byte{0, 255, byte(i*i>>3 ^ i*7)}[fill]
		}
		for n := range 10 {
			want, got := make([]byte, n), make([]byte, n)
			rowMeansOfPairs(want, src, stride)
			rowMeansOfBytes(got, src, stride, 2)
			if !bytes.Equal(got, want) {
				t.Errorf("packed, %d blocks: got %v, want %v", n, got, want)
			}
			rowMeansOfWords(want, src, stride)
			rowMeansOfBytes(got, src, stride, 1)
			if !bytes.Equal(got, want) {
				t.Errorf("planar, %d blocks: got %v, want %v", n, got, want)
			}
		}
	}
}
