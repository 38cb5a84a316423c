package h264

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"camward/video"
)

var rawFormats = []video.FourCC{video.YUYV, video.UYVY, video.NV12, video.YU12, video.Grey}

// noiseFrame has lines with so many bytes of padding.
func noiseFrame(t testing.TB, c video.FourCC, width, height, padding int) *video.Frame {
	t.Helper()
	f := &video.Frame{Format: video.Format{FourCC: c, Width: width, Height: height, FullRange: width%4 == 0}}
	f.Format.Stride = f.Format.TightStride() + padding
	size, err := f.Format.RawSize()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	f.Data = make([]byte, size)
	for i := range f.Data {
		f.Data[i] = byte(r.Uint32())
	}
	return f
}

func TestPlanesAreThoseOfThePlainConversion(t *testing.T) {
	for _, c := range rawFormats {
		for _, s := range [][3]int{{640, 480, 0}, {640, 480, 32}, {322, 241, 0}, {34, 3, 2}, {2, 2, 0}, {2, 1, 0}, {17, 5, 0}, {1, 1, 0}} {
			f := noiseFrame(t, c, s[0], s[1], s[2])
			var got, want video.I420
			if err := ToI420(&got, f); err != nil {
				t.Fatal(err)
			}
			if err := video.ToI420(&want, f); err != nil {
				t.Fatal(err)
			}
			if got.Width != want.Width || got.Height != want.Height || got.YStride != want.YStride || got.CStride != want.CStride || got.FullRange != want.FullRange {
				t.Fatalf("%v %v: shape %d x %d, strides %d, %d", c, s, got.Width, got.Height, got.YStride, got.CStride)
			}
			if !bytes.Equal(got.Y, want.Y) || !bytes.Equal(got.U, want.U) || !bytes.Equal(got.V, want.V) {
				t.Errorf("%v %v: planes differ: Y %v U %v V %v", c, s,
					!bytes.Equal(got.Y, want.Y), !bytes.Equal(got.U, want.U), !bytes.Equal(got.V, want.V))
			}
		}
	}
}

func TestFrameThatIsTooShortGivesNoPlanes(t *testing.T) {
	for _, c := range rawFormats {
		f := noiseFrame(t, c, 64, 48, 0)
		f.Data = f.Data[:len(f.Data)-1]
		if err := ToI420(new(video.I420), f); err == nil {
			t.Errorf("%v was accepted", c)
		}
	}
	if err := ToI420(new(video.I420), &video.Frame{Format: video.Format{FourCC: video.MJPEG, Width: 64, Height: 48}, Data: make([]byte, 1<<16)}); err == nil {
		t.Error("a compressed frame was accepted")
	}
}

func TestConversionAllocatesNothing(t *testing.T) {
	var dst video.I420
	for _, c := range rawFormats {
		f := noiseFrame(t, c, 640, 480, 0)
		if n := testing.AllocsPerRun(20, func() {
			if err := ToI420(&dst, f); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations a picture", c, n)
		}
	}
}

// The yardstick is the plain conversion.
func BenchmarkToI420(b *testing.B) {
	for _, c := range rawFormats[:3] {
		f := noiseFrame(b, c, 640, 480, 0)
		for _, way := range []struct {
			name    string
			convert func(*video.I420, *video.Frame) error
		}{{"cgo", ToI420}, {"yardstick", video.ToI420}} {
			b.Run(fmt.Sprintf("format=%v/by=%s", c, way.name), func(b *testing.B) {
				var dst video.I420
				b.SetBytes(int64(len(f.Data)))
				b.ReportAllocs()
				for b.Loop() {
					if err := way.convert(&dst, f); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
