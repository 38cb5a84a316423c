package m2m

import (
	"testing"

	"camward/video"
)

// The yardstick is copying the picture without looking at it.
func BenchmarkCopyIn(b *testing.B) {
	const w, h = 1280, 720
	for _, format := range []video.FourCC{video.YU12, video.NV12} {
		for _, full := range []bool{false, true} {
			name := format.String() + "/range=limited"
			if full {
				name = format.String() + "/range=full"
			}
			b.Run(name, func(b *testing.B) {
				l, err := layoutOf(format, w, h, []int{w})
				if err != nil {
					b.Fatal(err)
				}
				memory, img := [][]byte{make([]byte, l.size(0))}, picture(w, h, 0, full)
				b.SetBytes(w * h * 3 / 2)
				b.ReportAllocs()
				for b.Loop() {
					l.copyIn(memory, img, w, h)
				}
			})
		}
	}
	b.Run("yardstick=copy", func(b *testing.B) {
		dst, img := make([]byte, w*h*3/2), picture(w, h, 0, false)
		b.SetBytes(int64(len(dst)))
		for b.Loop() {
			n := copy(dst, img.Y)
			n += copy(dst[n:], img.U)
			copy(dst[n:], img.V)
		}
	})
}
