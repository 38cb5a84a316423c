package h264

import (
	"errors"
	"fmt"
	"math"
	"time"

	"camward/video"
)

// ErrUnavailable is returned by NewEncoder and NewDecoder in a build without cgo.
var ErrUnavailable = errors.New("no H.264 encoder in this build")

var errClosed = errors.New("H.264 codec used after Close")

// A VideoEncoder turns pictures into an H.264 constrained baseline stream. [Encoder] is one, those of the board's
// hardware and what switches between them are others (package m2m). Its methods must not be called concurrently.
type VideoEncoder interface {
	// EncodeTo turns one picture, which must be of the configured size, into one access unit and returns when it is
	// done; img is not kept. The packet carries mono and seq. Its Data lies in buf's memory from the beginning, or in
	// new memory where that is too short or nil: who does not need the last packet any more hands in its Data, and
	// nothing is allocated. A key picture begins with SPS and PPS; the first is one. forceKey asks for another, which
	// hardware may make some pictures later, and from which Config.KeyInterval is counted anew. mono must not run backwards. An
	// error says that there is no packet for this picture; those after it are tried all the same.
	EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error)
	// SetBitrate changes the wanted average, bits per second, from the next picture on.
	SetBitrate(bps int) error
	// Close frees the encoder. Calling it again does nothing.
	Close()
}

// A Factory makes an encoder for a configuration. An error that is ErrUnavailable says that there will be none.
type Factory func(Config) (VideoEncoder, error)

// Software is the Factory of NewEncoder.
func Software(cfg Config) (VideoEncoder, error) {
	e, err := NewEncoder(cfg)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// A Config says what an Encoder makes.
type Config struct {
	Width, Height int     // of the pictures given to Encode, pixels, 16..4096; an odd last column or line is cropped
	Rate          float64 // pictures per second, above 0: a hint for rate control, the real timing is that of the pictures
	Bitrate       int     // wanted average, bits per second, 1000 or more; pictures that are fine with less take less
	KeyInterval   int     // pictures from one IDR picture to the next; 0 means only the first and those forced
	FullRange     bool    // luma spans 0..255; written into the stream
}

const (
	minSide = 16   // one macroblock; OpenH264 refuses less
	maxSide = 4096 // longer sides are refused
	maxArea = 36864 * 256
	maxRate = 60 // OpenH264's MAX_FRAME_RATE
)

// validate reports every fault at once.
func (c Config) validate() error {
	var errs []error
	if c.Width < minSide || c.Width > maxSide || c.Height < minSide || c.Height > maxSide || c.Width*c.Height > maxArea {
		errs = append(errs, fmt.Errorf("picture size %d x %d is not encodable", c.Width, c.Height))
	}
	if !(c.Rate > 0 && c.Rate <= 1000) { // also refuses NaN
		errs = append(errs, fmt.Errorf("rate %g is outside 0..1000 pictures per second", c.Rate))
	}
	if err := checkBitrate(c.Bitrate); err != nil {
		errs = append(errs, err)
	}
	if c.KeyInterval < 0 || c.KeyInterval > 1<<20 {
		errs = append(errs, fmt.Errorf("key interval %d is outside 0..%d", c.KeyInterval, 1<<20))
	}
	return errors.Join(errs...)
}

// finest is the lowest quantiser (QP) that is used. What makes a picture finer than 26 is seen by nobody (the luma of a webcam's
// pictures keeps 40 to 45 dB), but costs time, flash and line: of a still scene more than half. Who asks for a multiple of the bits that
// such pictures usually take wants them finer, and gets 4 less for each doubling.
func (c Config) finest() int {
	usual := 8 * math.Pow(float64(c.Width*c.Height)*c.Rate, 0.75)
	return int(min(max(26-4*math.Log2(float64(c.Bitrate)/(2*usual)), 12), 26))
}

func checkBitrate(bps int) error {
	if bps < 1000 || bps > 200_000_000 {
		return fmt.Errorf("bit rate %d is outside 1000..200000000", bps)
	}
	return nil
}

// checkPicture makes sure that the encoder, which is not Go, never reads outside the planes.
func checkPicture(img *video.I420, width, height int) error {
	cw, ch := (width+1)/2, (height+1)/2
	switch {
	case img.Width != width || img.Height != height:
		return fmt.Errorf("picture is %d x %d, the encoder was made for %d x %d", img.Width, img.Height, width, height)
	case img.YStride < width || img.YStride > 1<<16 || img.CStride < cw || img.CStride > 1<<16,
		len(img.Y) < img.YStride*(height-1)+width,
		len(img.U) < img.CStride*(ch-1)+cw,
		len(img.V) < img.CStride*(ch-1)+cw:
		return fmt.Errorf("picture's planes (%d, %d, %d bytes, strides %d and %d) are too short for %d x %d",
			len(img.Y), len(img.U), len(img.V), img.YStride, img.CStride, width, height)
	}
	return nil
}
