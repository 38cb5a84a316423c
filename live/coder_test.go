//go:build cgo

package live

import (
	"errors"
	"testing"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// A stubborn encoder takes no other bit rate.
type stubborn struct{ encoder }

func (stubborn) SetBitrate(int) error { return errors.New("no") }

func TestAnEncoderThatTakesNoOtherBitrateIsReplaced(t *testing.T) {
	var made []int
	c := coder{newEnc: func(cfg h264.Config) (encoder, error) {
		e, err := h264.Software(cfg)
		made = append(made, cfg.Bitrate)
		return stubborn{e}, err
	}}
	defer c.free()
	f := &video.Frame{Data: make([]byte, 64*48), Format: video.Format{FourCC: video.Grey, Width: 64, Height: 48, Rate: 15}}
	encoded := 0
	for i, bitrate := range []int{500_000, 500_000, 1_000_000, 1_000_000, 1_000_000} {
		if _, err := c.encode(f, time.Duration(i)*time.Second/15, plan{bitrate: bitrate, rate: 15}, false); err == nil {
			encoded++
		}
	}
	if encoded != 5 || len(made) != 2 || made[1] != 1_000_000 {
		t.Errorf("%d of 5 pictures encoded, encoders made for %d bits per second", encoded, made)
	}
}
