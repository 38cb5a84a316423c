//go:build cgo

package jpeg

import (
	"bytes"
	"testing"

	"camward/codec/jpeg/jpegtest"
	"camward/video"
)

// turboLuma returns libjpeg-turbo's decode of data.
func turboLuma(tb testing.TB, data []byte) func() {
	turbo := jpegtest.NewTurbo()
	tb.Cleanup(turbo.Close)
	w, h, err := Size(data)
	if err != nil {
		tb.Fatal(err)
	}
	var p video.Plane
	p.Resize((w+7)/8, (h+7)/8)
	return func() {
		if err := turbo.Luma(&p, data); err != nil {
			tb.Fatal(err)
		}
	}
}

// turboComparer returns a check of a plane against libjpeg-turbo's for pictures that it reads without complaint.
func turboComparer(tb testing.TB) func(*testing.T, *video.Plane, []byte) {
	turbo := jpegtest.NewTurbo()
	tb.Cleanup(turbo.Close)
	var want video.Plane
	return func(t *testing.T, got *video.Plane, data []byte) {
		t.Helper()
		if w, h, _ := Size(data); w <= 4 && h <= 4 {
			return // TurboJPEG takes the largest scale that gives the size asked for: a quarter is of that size too
		}
		want.Resize(got.Width, got.Height)
		data, err := Repair(nil, data) // TurboJPEG keeps the Huffman tables of the picture before
		if err != nil || turbo.Luma(&want, data) != nil {
			return
		}
		if diff := diffPlane(got, &want); diff != "" {
			t.Fatalf("unlike libjpeg-turbo: %s", diff)
		}
	}
}

// guardInner gives the decoder's own planes room for n bytes, of which those behind a picture are guarded.
func guardInner(d *Decoder, n int) (check func(*testing.T)) {
	inner := []*video.Plane{&d.y, &d.u, &d.v}
	for _, p := range inner {
		p.Pix = bytes.Repeat([]byte{guard}, n)[:0]
	}
	return func(t *testing.T) {
		t.Helper()
		for i, p := range inner {
			if cap(p.Pix) != n {
				t.Fatalf("plane %d is not where it was: %d bytes, had %d", i, cap(p.Pix), n)
			}
			if end := min(len(p.Pix)+64, n); !untouched(p.Pix[len(p.Pix):end]) {
				t.Fatalf("%dx%d: written beyond the end of inner plane %d", p.Width, p.Height, i)
			}
			for j := range p.Pix {
				p.Pix[j] = guard
			}
			p.Pix = p.Pix[:0]
		}
	}
}
