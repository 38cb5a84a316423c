package jpeg

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"strings"
	"testing"

	"camward/video"
)

// BenchmarkLuma compares the luma decoder with libjpeg-turbo's 1/8-scale decode (cgo build only)
// and with a full decode by image/jpeg.
func BenchmarkLuma(b *testing.B) {
	data := readFile(b, "ffmpeg-422-640x480.jpg")
	b.Run("res=640x480/impl=camward", func(b *testing.B) { benchCamward(b, data) })
	b.Run("res=640x480/impl=turbo", func(b *testing.B) { benchTurbo(b, data) })
	b.Run("res=640x480/impl=image-jpeg", func(b *testing.B) { benchStdlib(b, data) })
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

// BenchmarkNewTables is the cost of a camera that sends other Huffman tables with each frame.
func BenchmarkNewTables(b *testing.B) {
	frames := [][]byte{readFile(b, "ffmpeg-420-optimal-640x480.jpg"), readFile(b, "cjpeg-optimize.jpg")}
	for _, change := range []bool{false, true} {
		b.Run(fmt.Sprintf("change=%v", change), func(b *testing.B) {
			var d LumaDecoder
			var p video.Plane
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				data := frames[0]
				if change && i%2 == 1 {
					data = frames[1]
				}
				if err := d.Decode(&p, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkI420 compares the build's backend with image/jpeg; both end with planes, in
// image/jpeg's case in the picture's own subsampling.
func BenchmarkI420(b *testing.B) {
	data := readFile(b, "ffmpeg-422-640x480.jpg")
	b.Run("res=640x480/impl="+strings.ReplaceAll(Backend, "/", "-"), func(b *testing.B) {
		d := NewDecoder()
		defer d.Close()
		var p video.I420
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if err := d.I420(&p, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("res=640x480/impl=stdlib", func(b *testing.B) { benchStdlib(b, data) })
}

func benchStdlib(b *testing.B, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
