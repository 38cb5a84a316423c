//go:build !linux

package m2m

import (
	"time"

	"camward/codec/h264"
	"camward/video"
)

// Find returns ErrAbsent.
func Find() (Node, error) { return Node{}, ErrAbsent }

// An Encoder cannot be had on this system.
type Encoder struct{}

// Hardware finds nothing on this system.
type Hardware struct{}

// New checks cfg and returns ErrAbsent.
func (*Hardware) New(cfg h264.Config) (*Encoder, error) { return New(cfg) }

// New checks cfg and returns ErrAbsent.
func New(cfg h264.Config) (*Encoder, error) {
	if err := validate(cfg); err != nil {
		return nil, err
	}
	return nil, ErrAbsent
}

// Node returns nothing.
func (*Encoder) Node() Node { return Node{} }

// EncodeTo returns ErrAbsent.
func (*Encoder) EncodeTo([]byte, *video.I420, time.Duration, uint64, bool) (video.Packet, error) {
	return video.Packet{}, ErrAbsent
}

// SetBitrate returns ErrAbsent.
func (*Encoder) SetBitrate(int) error { return ErrAbsent }

// Close does nothing.
func (*Encoder) Close() {}
