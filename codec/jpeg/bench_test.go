package jpeg

import (
	"bytes"
	"image/jpeg"
	"testing"

	"camward/video"
)

// BenchmarkLuma compares the luma decoder with libjpeg-turbo's 1/8-scale decode (cgo build only)
// and with a full decode by image/jpeg.
func BenchmarkLuma(b *testing.B) {
	data := readFile(b, "ffmpeg-422-640x480.jpg")
	b.Run("res=640x480/impl=camward", func(b *testing.B) { benchCamward(b, data) })
	b.Run("res=640x480/impl=turbo", func(b *testing.B) { benchTurbo(b, data) })
	b.Run("res=640x480/impl=image-jpeg", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchCamward(b *testing.B, data []byte) {
	var d LumaDecoder
	var p video.Plane
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(&p, data); err != nil {
			b.Fatal(err)
		}
	}
}
