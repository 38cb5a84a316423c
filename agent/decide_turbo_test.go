//go:build cgo

package agent

import (
	"testing"

	"camward/codec/jpeg/jpegtest"
	"camward/video"
)

// turboEighth is libjpeg-turbo's decode to an eighth of a size.
func turboEighth(tb testing.TB, width, height int) func(data []byte) error {
	turbo := jpegtest.NewTurbo()
	tb.Cleanup(turbo.Close)
	var p video.Plane
	p.Resize((width+7)/8, (height+7)/8)
	return func(data []byte) error { return turbo.Luma(&p, data) }
}
