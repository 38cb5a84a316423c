package jpeg

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"camward/video"
)

// BenchmarkLuma compares the luma decoder with libjpeg-turbo's 1/8-scale decode (cgo build only)
// and with a full decode by image/jpeg.
func BenchmarkLuma(b *testing.B) {
	data := readFile(b, "ffmpeg-422-640x480.jpg")
	for _, impl := range lumaImpls(b, data) {
		b.Run("res=640x480/impl="+impl.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				impl.decode()
			}
		})
	}
}

// BenchmarkLumaRatio runs the same decoders in turn and reports the luma decoder's fastest time as a
// share of each other's fastest, which holds on a busy machine too.
func BenchmarkLumaRatio(b *testing.B) {
	b.Run("res=640x480", func(b *testing.B) {
		impls := lumaImpls(b, readFile(b, "ffmpeg-422-640x480.jpg"))
		best := fastest(b, impls)
		for i, impl := range impls[1:] {
			b.ReportMetric(float64(best[0])/float64(best[1+i]), "of-"+impl.name)
		}
		b.ReportMetric(float64(best[0])/1e6, "best-ms")
	})
}

type lumaImpl struct {
	name   string
	decode func()
}

// lumaImpls are the decoders to compare, camward's first.
func lumaImpls(b *testing.B, data []byte) []lumaImpl {
	var d LumaDecoder
	var p video.Plane
	impls := []lumaImpl{{"camward", func() {
		if err := d.Decode(&p, data); err != nil {
			b.Fatal(err)
		}
	}}}
	if turbo := turboLuma(b, data); turbo != nil {
		impls = append(impls, lumaImpl{"turbo", turbo})
	}
	return append(impls, lumaImpl{"image-jpeg", func() { stdlib(b, data) }})
}

func stdlib(b *testing.B, data []byte) {
	if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
		b.Fatal(err)
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
	b.Run("res=640x480/impl=stdlib", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			stdlib(b, data)
		}
	})
}

// maskImpls are the ways to mask a picture that BenchmarkMask compares, and a walk through it for its luma.
func maskImpls(b *testing.B, data []byte) []lumaImpl {
	var buf []byte
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var impls []lumaImpl
	for _, name := range []string{"middle", "stripes", "all"} {
		m := NewMasker(maskShapes[name])
		impls = append(impls, lumaImpl{"impl=camward/mask=" + name, func() {
			out, err := m.Mask(buf, data)
			check(err)
			buf = out
		}})
	}
	var d LumaDecoder
	var p video.Plane
	impls = append(impls, lumaImpl{"yardstick=luma-walk", func() { check(d.Decode(&p, data)) }})
	whole := NewDecoder()
	b.Cleanup(whole.Close)
	var img video.I420
	mask := video.NewMask(maskShapes["middle"], 640, 480)
	return append(impls, lumaImpl{"yardstick=decode-encode", func() {
		check(whole.I420(&img, data))
		check(mask.BlackI420(&img))
		out, err := Encode(buf, &img, recodeQuality)
		check(err)
		buf = out
	}})
}

// BenchmarkMask compares masking a compressed picture with walking through it for its luma, and with decoding, blackening and encoding it.
func BenchmarkMask(b *testing.B) {
	data := readFile(b, "ffmpeg-422-640x480.jpg")
	for _, impl := range maskImpls(b, data) {
		b.Run("res=640x480/"+impl.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				impl.decode()
			}
		})
	}
}

// BenchmarkMaskRatio runs them in turn and reports the fastest time of each, which holds on a busy machine too.
func BenchmarkMaskRatio(b *testing.B) {
	b.Run("res=640x480", func(b *testing.B) {
		impls := maskImpls(b, readFile(b, "ffmpeg-422-640x480.jpg"))
		best := fastest(b, impls)
		for i, impl := range impls {
			b.ReportMetric(float64(best[i])/1e6, "ms-"+impl.name)
		}
	})
}

// fastest runs implementations in turn and gives the shortest time of each.
func fastest(b *testing.B, impls []lumaImpl) []time.Duration {
	best := make([]time.Duration, len(impls))
	for b.Loop() {
		for i, impl := range impls {
			begin := time.Now()
			impl.decode()
			if t := time.Since(begin); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	return best
}
