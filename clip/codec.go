package clip

import (
	"errors"
	"fmt"
	"math"
	"time"

	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/video"
)

const (
	// keyEvery is the longest time from one key picture to the next that is made here. A fragment
	// of the file begins with each.
	keyEvery = time.Second
	// defaultRate serves sources that do not tell theirs.
	defaultRate = 15
	// maxEncoderErrors in a row make the encoder be replaced.
	maxEncoderErrors = 3
)

// errNoEncoder says that there is no encoder for these pictures, now or at all.
var errNoEncoder = errors.New("no encoder")

type encoder = h264.VideoEncoder

// newEncoder is the encoder of a recorder that is told no other.
func newEncoder(c h264.Config) (encoder, error) { return h264.Software(c) }

// SetEncoder has clips encoded by what the factory makes, instead of OpenH264. It is called before Run.
func (r *Recorder) SetEncoder(f h264.Factory) {
	r.newEncoder = f
	r.noEncoder = false // until the factory says so
}

// A lossError says why one picture cannot be used.
type lossError struct {
	why Reason
	err error
}

func (e *lossError) Error() string { return e.err.Error() }
func (e *lossError) Unwrap() error { return e.err }

// A codec turns frames into packets and JPEGs. What it needs it makes at the first use and keeps
// until free. Its zero value lacks newEncoder only.
type codec struct {
	newEncoder func(h264.Config) (encoder, error)
	bitrate    int // 0: chosen

	jpegs    *jpeg.Decoder
	stills   *h264.Decoder
	enc      encoder
	encCfg   h264.Config
	encFails int
	img      video.I420
	buf      []byte // of JPEGs made
	unit     []byte // the last packet's memory

	last, lastKey time.Duration // of the packets made
}

// free gives back all memory and makes the codec as new.
func (c *codec) free() {
	c.closeEncoder()
	if c.jpegs != nil {
		c.jpegs.Close()
	}
	if c.stills != nil {
		c.stills.Close()
	}
	*c = codec{newEncoder: c.newEncoder, bitrate: c.bitrate}
}

func (c *codec) closeEncoder() {
	if c.enc != nil {
		c.enc.Close()
		c.enc = nil
	}
}

// used reports whether there is something to free.
func (c *codec) used() bool {
	return c.enc != nil || c.jpegs != nil || c.stills != nil || c.img.Y != nil || c.buf != nil
}

// decode fills c.img. Errors are lossErrors.
func (c *codec) decode(f *video.Frame) error {
	if f.Format.FourCC == video.MJPEG {
		return c.decodeJPEG(f.Data)
	}
	if err := h264.ToI420(&c.img, f); err != nil {
		return &lossError{DropUndecodable, err}
	}
	return nil
}

func (c *codec) decodeJPEG(data []byte) error {
	if c.jpegs == nil {
		c.jpegs = jpeg.NewDecoder()
	}
	err := c.jpegs.I420(&c.img, data)
	switch {
	case errors.Is(err, jpeg.ErrTruncated):
		return &lossError{DropTruncated, err}
	case err != nil:
		return &lossError{DropUndecodable, err}
	}
	return nil
}

// encode makes a packet of a JPEG or raw frame, valid until the next call; a key packet if asked, or if the next would come too
// late for one. Errors are lossErrors, or errNoEncoder.
func (c *codec) encode(f *video.Frame, forceKey bool) (video.Packet, error) {
	if err := c.decode(f); err != nil {
		return video.Packet{}, err
	}
	if err := c.ready(f); err != nil {
		return video.Packet{}, err
	}
	// The next picture is expected as long after this one as this one came after the last.
	forceKey = forceKey || f.Mono-c.lastKey+(f.Mono-c.last) > keyEvery
	p, err := c.enc.EncodeTo(c.unit, &c.img, f.Mono, f.Seq, forceKey)
	if err == nil && len(p.Data) == 0 {
		err = fmt.Errorf("encoder made nothing of picture %d", f.Seq)
	}
	if err != nil {
		if c.encFails++; c.encFails >= maxEncoderErrors {
			c.closeEncoder()
		}
		return video.Packet{}, &lossError{DropEncoder, err}
	}
	c.unit = p.Data
	c.encFails = 0
	c.last = f.Mono
	if p.Key {
		c.lastKey = f.Mono
	}
	return p, nil
}

// ready makes sure of an encoder for c.img whose clock does not run backwards.
func (c *codec) ready(f *video.Frame) error {
	rate := f.Format.Rate
	if !(rate > 0 && rate <= 1000) {
		rate = defaultRate
	}
	cfg := h264.Config{Width: c.img.Width, Height: c.img.Height, Rate: rate, Bitrate: c.bitrate, FullRange: c.img.FullRange}
	if cfg.Bitrate == 0 {
		cfg.Bitrate = bitrate(cfg.Width, cfg.Height, rate)
	}
	if c.enc != nil && cfg == c.encCfg && f.Mono > c.last {
		return nil
	}
	c.closeEncoder()
	enc, err := c.newEncoder(cfg)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoEncoder, err)
	}
	c.enc, c.encCfg, c.encFails = enc, cfg, 0
	c.last, c.lastKey = math.MinInt64/4, math.MinInt64/4 // the first is a key picture
	return nil
}

// bitrate is what a clip of that size and rate gets if none is configured, bits per second: 0.8
// Mbit/s for 640x480 at 15 pictures a second, 1.8 for 1280x720. It grows slower than the number of
// pixels, since larger pictures hold less per pixel that changes.
func bitrate(width, height int, rate float64) int {
	b := 8 * math.Pow(float64(width*height)*rate, 0.75)
	return int(min(max(b, 200_000), 12_000_000))
}

// jpeg makes an intact JPEG of a frame, valid until the next call and as long as the frame. The sps
// and pps are for H.264 frames that lack their own. Errors are lossErrors.
func (c *codec) jpeg(f *video.Frame, sps, pps []byte, quality int) (data []byte, err error) {
	switch f.Format.FourCC {
	case video.MJPEG:
		// Decoding is the only way to see damage inside the data.
		if err := c.decodeJPEG(f.Data); err != nil {
			return nil, err
		}
		if data, err = jpeg.Repair(nil, f.Data); err != nil { // mostly f.Data itself
			return nil, &lossError{DropUndecodable, err}
		}
		return data, nil
	case video.H264:
		err = c.decodeKey(f, sps, pps)
	default:
		err = c.decode(f)
	}
	if err != nil {
		return nil, err
	}
	if c.buf, err = jpeg.Encode(c.buf[:0], &c.img, quality); err != nil {
		return nil, &lossError{DropUndecodable, err}
	}
	return c.buf, nil
}

// decodeKey fills c.img from a key picture.
func (c *codec) decodeKey(f *video.Frame, sps, pps []byte) error {
	if c.stills == nil {
		d, err := h264.NewDecoder()
		if err != nil {
			return &lossError{DropUndecodable, err}
		}
		c.stills = d
	}
	data := f.Data
	if own, _ := h264.ParameterSets(data); own == nil {
		data = withParameterSets(data, sps, pps)
	}
	ok, err := c.stills.Decode(data, &c.img)
	if err == nil && !ok { // it waits for what may come before it in display order
		ok, err = c.stills.Flush(&c.img)
	}
	if err == nil && !ok {
		err = errors.New("decode H.264: the key picture gave none")
	}
	if err != nil {
		return &lossError{DropUndecodable, err}
	}
	return nil
}

// withParameterSets puts an access unit behind the given sets, in memory of its own.
func withParameterSets(annexB, sps, pps []byte) []byte {
	out := make([]byte, 0, len(annexB)+len(sps)+len(pps)+8)
	for _, nal := range [][]byte{sps, pps} {
		out = append(out, 0, 0, 0, 1)
		out = append(out, nal...)
	}
	return append(out, annexB...)
}
