//go:build !cgo

package jpeg

import "testing"

func benchTurbo(b *testing.B, _ []byte) { b.Skip("libjpeg-turbo needs a cgo build") }
