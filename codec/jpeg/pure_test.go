//go:build !cgo

package jpeg

import (
	"testing"

	"camward/video"
)

func turboLuma(testing.TB, []byte) func() { return nil }

func turboComparer(testing.TB) func(*testing.T, *video.Plane, []byte) {
	return func(*testing.T, *video.Plane, []byte) {}
}

func guardInner(*Decoder, int) func(*testing.T) { return func(*testing.T) {} }
