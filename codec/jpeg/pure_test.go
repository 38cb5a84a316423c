//go:build !cgo

package jpeg

import (
	"testing"

	"camward/video"
)

func benchTurbo(b *testing.B, _ []byte) { b.Skip("libjpeg-turbo needs a cgo build") }

func turboComparer(testing.TB) func(*testing.T, *video.Plane, []byte) {
	return func(*testing.T, *video.Plane, []byte) {}
}
