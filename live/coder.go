package live

import (
	"fmt"
	"math"
	"time"

	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/video"
)

// maxEncoderErrors in a row make the encoder be replaced.
const maxEncoderErrors = 3

type encoder = h264.VideoEncoder

// newEncoder is the encoder of a server that is told no other.
func newEncoder(c h264.Config) (encoder, error) { return h264.Software(c) }

// A coder turns JPEG and raw frames into H.264. What it needs it makes at the first use and keeps until free.
type coder struct {
	newEnc func(h264.Config) (encoder, error)

	jpegs   *jpeg.Decoder
	img     video.I420
	enc     encoder
	cfg     h264.Config // of enc, with the bit rate it was given first
	bitrate int         // that enc has now
	fails   int
	unit    []byte // the last packet's memory
}

func (c *coder) free() {
	c.closeEncoder()
	if c.jpegs != nil {
		c.jpegs.Close()
	}
	*c = coder{newEnc: c.newEnc}
}

func (c *coder) closeEncoder() {
	if c.enc != nil {
		c.enc.Close()
		c.enc = nil
	}
}

// encode makes an access unit of a frame, stamped at, which must grow from call to call. It is valid until the next call.
func (c *coder) encode(f *video.Frame, at time.Duration, p plan, key bool) (video.Packet, error) {
	if err := c.decode(f); err != nil {
		return video.Packet{}, fmt.Errorf("decode %v picture: %w", f.Format.FourCC, err)
	}
	if err := c.ready(f.Format.Rate, p); err != nil {
		return video.Packet{}, fmt.Errorf("prepare encoder: %w", err)
	}
	packet, err := c.enc.EncodeTo(c.unit, &c.img, at, f.Seq, key)
	if err != nil {
		if c.fails++; c.fails >= maxEncoderErrors {
			c.closeEncoder()
		}
		return video.Packet{}, fmt.Errorf("encode picture: %w", err)
	}
	c.fails = 0
	c.unit = packet.Data
	return packet, nil
}

// decode fills c.img.
func (c *coder) decode(f *video.Frame) error {
	if f.Format.FourCC != video.MJPEG {
		return h264.ToI420(&c.img, f)
	}
	if c.jpegs == nil {
		c.jpegs = jpeg.NewDecoder()
	}
	return c.jpegs.I420(&c.img, f.Data)
}

// ready makes sure of an encoder for c.img with the plan's bit rate.
func (c *coder) ready(rate float64, p plan) error {
	if !(rate > 0 && rate <= 1000) {
		rate = defaultRate
	}
	// Rate control shares the bits among as many pictures as the encoder was told; when fewer come, each may be larger.
	bitrate := p.bitrate
	if p.rate > 0 {
		bitrate = int(float64(bitrate) * max(1, rate/p.rate))
	}
	cfg := h264.Config{Width: c.img.Width, Height: c.img.Height, Rate: rate, FullRange: c.img.FullRange}
	if c.enc != nil && cfg == c.cfg {
		// Each change unsettles rate control, so small ones are not worth it.
		if math.Abs(float64(bitrate-c.bitrate)) <= 0.05*float64(c.bitrate) {
			return nil
		}
		if c.enc.SetBitrate(bitrate) == nil {
			c.bitrate = bitrate
			return nil
		}
	}
	c.closeEncoder()
	first := cfg
	first.Bitrate = bitrate
	enc, err := c.newEnc(first)
	if err != nil {
		return err
	}
	c.enc, c.cfg, c.bitrate, c.fails = enc, cfg, bitrate, 0
	return nil
}
