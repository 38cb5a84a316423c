// Package m2m makes H.264 with the encoder of the board: a V4L2 memory-to-memory device with the
// multi-planar interface (Documentation/userspace-api/media/v4l/dev-encoder.rst), such as that of a Raspberry
// Pi up to 4. It is driven by ioctl, without cgo, and found by what it can do, not by its path.
//
// Hardware fails in ways that software does not: it stalls, it is taken by another process, its firmware
// gives up. So an [Encoder] fails for good at the first fault, at most [StallAfter] after it was given a
// picture, and a [Fallback] hands out encoders that go on in software and return to the hardware after a while.
//
// The hardware needs Linux; elsewhere [Find] finds none.
package m2m

import (
	"errors"
	"fmt"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// StallAfter is how long the hardware may take for one picture.
const StallAfter = time.Second

var (
	// ErrAbsent says that this machine has no usable hardware encoder.
	ErrAbsent = errors.New("no V4L2 hardware encoder")
	// ErrStalled says that the hardware made nothing of a picture within StallAfter.
	ErrStalled = errors.New("the hardware encoder stalled")
	// ErrUnsupported says that the hardware works, but not with such a configuration: asking again is in vain.
	ErrUnsupported = errors.New("the hardware encoder cannot do that")

	errClosed = errors.New("hardware encoder used after Close")
)

// A Node is a device node that encodes H.264.
type Node struct {
	Path   string       // as /dev/video11
	Driver string       // as bcm2835-codec
	Card   string       // as the driver describes the device
	Input  video.FourCC // the raw format it is given: YU12, NV12, or their forms with a buffer for each plane, YM12 and NM12
}

// String reads as "bcm2835-codec-encode (/dev/video11)".
func (n Node) String() string { return fmt.Sprintf("%s (%s)", n.Card, n.Path) }

// V4L2_PIX_FMT_YUV420M and V4L2_PIX_FMT_NV12M: as YU12 and NV12, each plane in memory of its own.
const (
	ym12 video.FourCC = 'Y' | 'M'<<8 | '1'<<16 | '2'<<24
	nm12 video.FourCC = 'N' | 'M'<<8 | '1'<<16 | '2'<<24
)

// The limits of a configuration; those of the hardware are found by trying.
const (
	minSide = 16
	maxSide = 4096
)

// validate reports every fault of a configuration at once.
func validate(c h264.Config) error {
	var errs []error
	if c.Width < minSide || c.Width > maxSide || c.Height < minSide || c.Height > maxSide {
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

func checkBitrate(bps int) error {
	if bps < 1000 || bps > 200_000_000 {
		return fmt.Errorf("bit rate %d is outside 1000..200000000", bps)
	}
	return nil
}

// checkPicture tells a picture that cannot be encoded, which is its maker's fault, from one that the
// hardware fails at.
func checkPicture(img *video.I420, width, height int) error {
	cw, ch := (width+1)/2, (height+1)/2
	switch {
	case img.Width != width || img.Height != height:
		return fmt.Errorf("picture is %d x %d, the encoder was made for %d x %d", img.Width, img.Height, width, height)
	case img.YStride < width || img.CStride < cw,
		len(img.Y) < img.YStride*(height-1)+width,
		len(img.U) < img.CStride*(ch-1)+cw,
		len(img.V) < img.CStride*(ch-1)+cw:
		return fmt.Errorf("picture's planes (%d, %d, %d bytes, strides %d and %d) are too short for %d x %d",
			len(img.Y), len(img.U), len(img.V), img.YStride, img.CStride, width, height)
	}
	return nil
}

// A level is a row of table A-1 of ITU-T H.264 with the kernel's number for it (V4L2_MPEG_VIDEO_H264_LEVEL_*).
type level struct {
	id      int32
	blocks  int // MaxFS, macroblocks
	rate    int // MaxMBPS, macroblocks per second
	bitrate int // MaxBR x 1000
}

// levels begins with 3.1, which WebRTC's 42e01f names and every decoder of the field reads.
var levels = [...]level{
	{9, 3600, 108_000, 14_000_000},       // 3.1
	{11, 8192, 245_760, 20_000_000},      // 4.0
	{13, 8704, 522_240, 50_000_000},      // 4.2
	{14, 22_080, 589_824, 135_000_000},   // 5.0
	{15, 36_864, 983_040, 240_000_000},   // 5.1
	{16, 36_864, 2_073_600, 240_000_000}, // 5.2
}

// levelOf is the lowest level that a configuration fits, or the highest there is.
func levelOf(c h264.Config) int32 {
	blocks := ((c.Width + 15) / 16) * ((c.Height + 15) / 16)
	for _, l := range levels {
		if blocks <= l.blocks && float64(blocks)*c.Rate <= float64(l.rate) && c.Bitrate <= l.bitrate {
			return l.id
		}
	}
	return levels[len(levels)-1].id
}
