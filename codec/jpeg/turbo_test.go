//go:build cgo

package jpeg

import (
	"testing"

	"camward/codec/jpeg/internal/yardstick"
	"camward/video"
)

func benchTurbo(b *testing.B, data []byte) {
	t := yardstick.NewTurbo()
	defer t.Close()
	var p video.Plane
	w, h, err := Size(data)
	if err != nil {
		b.Fatal(err)
	}
	p.Resize((w+7)/8, (h+7)/8)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := t.Luma(&p, data); err != nil {
			b.Fatal(err)
		}
	}
}
