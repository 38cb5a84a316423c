//go:build !cgo

package h264

import (
	"errors"
	"testing"
)

func TestWithoutCgoTheCodecSaysThatItIsAbsent(t *testing.T) {
	if _, err := NewEncoder(Config{Width: 640, Height: 480, Rate: 15, Bitrate: 1_000_000}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("NewEncoder: %v", err)
	}
	if _, err := NewDecoder(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("NewDecoder: %v", err)
	}
	if Available || Backend != "" {
		t.Errorf("Available %v, Backend %q", Available, Backend)
	}
}
