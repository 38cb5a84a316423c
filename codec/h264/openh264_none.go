//go:build !cgo

package h264

import (
	"time"

	"camward/video"
)

// Available reports whether this build can encode and decode.
const Available = false

// Backend names the library behind Encoder and Decoder, with its version; empty when there is none.
const Backend = ""

// An Encoder cannot be had in this build.
type Encoder struct{}

// NewEncoder checks cfg and returns ErrUnavailable.
func NewEncoder(cfg Config) (*Encoder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return nil, ErrUnavailable
}

// Encode returns ErrUnavailable.
func (*Encoder) Encode(*video.I420, time.Duration, uint64, bool) (video.Packet, error) {
	return video.Packet{}, ErrUnavailable
}

// EncodeTo returns ErrUnavailable.
func (*Encoder) EncodeTo([]byte, *video.I420, time.Duration, uint64, bool) (video.Packet, error) {
	return video.Packet{}, ErrUnavailable
}

// SetBitrate returns ErrUnavailable.
func (*Encoder) SetBitrate(int) error { return ErrUnavailable }

// Close does nothing.
func (*Encoder) Close() {}

// A Decoder cannot be had in this build.
type Decoder struct{}

// NewDecoder returns ErrUnavailable.
func NewDecoder() (*Decoder, error) { return nil, ErrUnavailable }

// Decode returns ErrUnavailable.
func (*Decoder) Decode([]byte, *video.I420) (bool, error) { return false, ErrUnavailable }

// DecodeLuma8 returns ErrUnavailable.
func (*Decoder) DecodeLuma8([]byte, *video.Plane) (bool, error) { return false, ErrUnavailable }

// Flush returns ErrUnavailable.
func (*Decoder) Flush(*video.I420) (bool, error) { return false, ErrUnavailable }

// Close does nothing.
func (*Decoder) Close() {}
