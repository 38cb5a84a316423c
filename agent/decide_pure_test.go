//go:build !cgo

package agent

import "testing"

func turboEighth(testing.TB, int, int) func([]byte) error { return nil }
