package video

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

// rawFrame makes a frame of noise with a stride pad bytes longer than needed.
func rawFrame(c FourCC, w, h, pad int) *Frame {
	f := &Frame{Format: Format{FourCC: c, Width: w, Height: h}}
	f.Format.Stride = f.Format.TightStride() + pad
	n, err := f.Format.RawSize()
	if err != nil {
		panic(err)
	}
	f.Data = make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for i := range f.Data {
		f.Data[i] = byte(r.Uint32())
	}
	return f
}

// lumaAt is the definition that the fast paths are held against.
func lumaAt(f *Frame, x, y int) byte {
	switch f.Format.FourCC {
	case YUYV:
		return f.Data[y*f.Format.Stride+2*x]
	case UYVY:
		return f.Data[y*f.Format.Stride+2*x+1]
	}
	return f.Data[y*f.Format.Stride+x]
}

var rawFormats = []FourCC{YUYV, UYVY, NV12, YU12, Grey}

func TestLuma8IsTheRoundedMeanOfEachBlock(t *testing.T) {
	for _, c := range rawFormats {
		for _, s := range []struct{ w, h, pad int }{{64, 48, 0}, {64, 48, 32}, {70, 50, 0}, {66, 54, 6}, {8, 8, 0}, {2, 2, 0}, {7, 3, 0}, {1, 1, 1}} {
			f := rawFrame(c, s.w, s.h, s.pad)
			var got Plane
			if err := Luma8(&got, f); err != nil {
				t.Fatalf("%v %+v: %v", c, s, err)
			}
			if got.Width != (s.w+7)/8 || got.Height != (s.h+7)/8 {
				t.Fatalf("%v %+v: got %dx%d", c, s, got.Width, got.Height)
			}
			for by := range got.Height {
				for bx := range got.Width {
					sum, n := 0, 0
					for y := by * 8; y < min(by*8+8, s.h); y++ {
						for x := bx * 8; x < min(bx*8+8, s.w); x++ {
							sum += int(lumaAt(f, x, y))
							n++
						}
					}
					if g, want := int(got.Pix[by*got.Stride+bx]), (sum+n/2)/n; g != want {
						t.Fatalf("%v %+v block %d,%d: got %d, want %d", c, s, bx, by, g, want)
					}
				}
			}
		}
	}
}

func TestLuma8OfWhiteDoesNotOverflow(t *testing.T) {
	for _, c := range rawFormats {
		f := rawFrame(c, 64, 16, 0)
		fill(f.Data, 255)
		var got Plane
		if err := Luma8(&got, f); err != nil {
			t.Fatal(err)
		}
		for i, v := range got.Pix {
			if v != 255 {
				t.Fatalf("%v block %d: got %d, want 255", c, i, v)
			}
		}
	}
}

func TestRawConversionsRefuseWhatIsNotAWholeRawPicture(t *testing.T) {
	whole := rawFrame(YUYV, 64, 48, 0)
	tests := []struct {
		name string
		f    *Frame
	}{
		{"compressed", &Frame{Format: Format{FourCC: MJPEG, Width: 64, Height: 48}, Data: make([]byte, 1<<16)}},
		{"short", &Frame{Format: whole.Format, Data: whole.Data[:len(whole.Data)-1]}},
		{"empty", &Frame{Format: whole.Format}},
		{"no size", &Frame{Format: Format{FourCC: Grey}, Data: make([]byte, 10)}},
		{"negative", &Frame{Format: Format{FourCC: Grey, Width: -8, Height: -8}, Data: make([]byte, 64)}},
		{"overflowing", &Frame{Format: Format{FourCC: Grey, Width: 1 << 30, Height: 1 << 30}, Data: make([]byte, 64)}},
		{"narrow stride", &Frame{Format: Format{FourCC: YUYV, Width: 64, Height: 48, Stride: 64}, Data: make([]byte, 1<<16)}},
		{"unknown", &Frame{Format: Format{FourCC: 7, Width: 64, Height: 48}, Data: make([]byte, 1<<16)}},
	}
	for _, tt := range tests {
		var p Plane
		var i I420
		if Luma8(&p, tt.f) == nil {
			t.Errorf("%s: Luma8 took it", tt.name)
		}
		if ToI420(&i, tt.f) == nil {
			t.Errorf("%s: ToI420 took it", tt.name)
		}
	}
}

func TestToI420KeepsLumaAndAveragesChromaOfTwoLines(t *testing.T) {
	for _, c := range rawFormats {
		for _, s := range []struct{ w, h, pad int }{{64, 48, 0}, {38, 22, 12}, {7, 5, 0}} {
			f := rawFrame(c, s.w, s.h, s.pad)
			var got I420
			if err := ToI420(&got, f); err != nil {
				t.Fatal(err)
			}
			for y := range s.h {
				for x := range s.w {
					if g, want := got.Y[y*got.YStride+x], lumaAt(f, x, y); g != want {
						t.Fatalf("%v %+v luma %d,%d: got %d, want %d", c, s, x, y, g, want)
					}
				}
			}
			for y := range (s.h + 1) / 2 {
				for x := range (s.w + 1) / 2 {
					u, v := chromaAt(f, x, y)
					if gu, gv := got.U[y*got.CStride+x], got.V[y*got.CStride+x]; gu != u || gv != v {
						t.Fatalf("%v %+v chroma %d,%d: got %d %d, want %d %d", c, s, x, y, gu, gv, u, v)
					}
				}
			}
		}
	}
}

func chromaAt(f *Frame, x, y int) (u, v byte) {
	st, h := f.Format.Stride, f.Format.Height
	luma := st * h
	avg := func(off int) byte {
		return byte((int(f.Data[2*y*st+off]) + int(f.Data[min(2*y+1, h-1)*st+off]) + 1) / 2)
	}
	switch f.Format.FourCC {
	case YUYV:
		return avg(4*x + 1), avg(4*x + 3)
	case UYVY:
		return avg(4 * x), avg(4*x + 2)
	case NV12:
		return f.Data[luma+y*st+2*x], f.Data[luma+y*st+2*x+1]
	case YU12:
		cs := (st + 1) / 2
		return f.Data[luma+y*cs+x], f.Data[luma+cs*((h+1)/2)+y*cs+x]
	}
	return 128, 128
}

func TestConversionsDoNotAllocateOnceTheirTargetHasItsSize(t *testing.T) {
	for _, c := range rawFormats {
		f := rawFrame(c, 640, 480, 0)
		var p Plane
		var i I420
		n := testing.AllocsPerRun(5, func() {
			if Luma8(&p, f) != nil || ToI420(&i, f) != nil {
				t.Fatal("refused")
			}
		})
		if n != 0 {
			t.Errorf("%v: %v allocations, want 0", c, n)
		}
	}
}

// toPlane makes the luma of a JPEG or a raw gray picture.
func grayPlane(t *testing.T, raw []byte, w, h int) *Plane {
	t.Helper()
	if len(raw) != w*h {
		t.Fatalf("got %d bytes, want %d", len(raw), w*h)
	}
	return &Plane{Pix: raw, Width: w, Height: h, Stride: w}
}

// run feeds in to a program and returns what it prints.
func run(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func BenchmarkLuma8(b *testing.B) {
	for _, c := range rawFormats {
		f := rawFrame(c, 640, 480, 0)
		b.Run(fmt.Sprintf("format=%v/res=640x480", c), func(b *testing.B) {
			var p Plane
			b.SetBytes(int64(len(f.Data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Luma8(&p, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f := rawFrame(YUYV, 640, 480, 0)
	dst := make([]byte, len(f.Data))
	b.Run("yardstick=copy/format=YUYV/res=640x480", func(b *testing.B) {
		b.SetBytes(int64(len(f.Data)))
		b.ReportAllocs()
		for b.Loop() {
			copy(dst, f.Data)
		}
	})
}

func BenchmarkToI420(b *testing.B) {
	for _, c := range rawFormats {
		f := rawFrame(c, 640, 480, 0)
		b.Run(fmt.Sprintf("format=%v/res=640x480", c), func(b *testing.B) {
			var p I420
			b.SetBytes(int64(len(f.Data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := ToI420(&p, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
