// Package video is the vocabulary that every stage of the picture's path shares:
// captured frames and the pool they come from, the formats they may have,
// uncompressed pictures, and compressed H.264 packets.
//
// It imports nothing of this module and does no input or output.
package video

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A FourCC names a pixel format by the kernel's four-character code
// (Documentation/userspace-api/media/v4l/pixfmt.rst), first character in the
// lowest byte.
type FourCC uint32

// The formats camward handles. Strides and planes are as V4L2 defines them.
const (
	MJPEG FourCC = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24 // one JFIF picture per frame, often without Huffman tables
	YUYV  FourCC = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24 // packed 4:2:2, Y0 U Y1 V
	UYVY  FourCC = 'U' | 'Y'<<8 | 'V'<<16 | 'Y'<<24 // packed 4:2:2, U Y0 V Y1
	NV12  FourCC = 'N' | 'V'<<8 | '1'<<16 | '2'<<24 // luma plane, then interleaved U V at half size
	YU12  FourCC = 'Y' | 'U'<<8 | '1'<<16 | '2'<<24 // luma, U and V planes (I420)
	Grey  FourCC = 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24 // luma alone
	H264  FourCC = 'H' | '2'<<8 | '6'<<16 | '4'<<24 // Annex B byte stream, one access unit per frame
)

// ParseFourCC turns a four-character code such as "MJPG" into a FourCC.
func ParseFourCC(s string) (FourCC, error) {
	if len(s) != 4 {
		return 0, fmt.Errorf("pixel format %q is not four characters", s)
	}
	return FourCC(s[0]) | FourCC(s[1])<<8 | FourCC(s[2])<<16 | FourCC(s[3])<<24, nil
}

// String gives the four characters; bytes that do not print become '?'.
func (c FourCC) String() string {
	b := []byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)}
	for i, x := range b {
		if x < ' ' || x > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// MarshalText gives the four characters.
func (c FourCC) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (c *FourCC) UnmarshalText(b []byte) (err error) {
	*c, err = ParseFourCC(string(b))
	return err
}

// Compressed reports whether frames of this format are MJPEG or H.264 rather
// than raw pictures.
func (c FourCC) Compressed() bool { return c == MJPEG || c == H264 }

// A Format says what a Frame holds.
type Format struct {
	FourCC    FourCC  `json:"format"`
	Width     int     `json:"width"`  // pixels
	Height    int     `json:"height"` // pixels
	Stride    int     `json:"-"`      // bytes from one line of the first plane to the next; 0 when compressed
	Rate      float64 `json:"rate"`   // nominal pictures per second as granted by the source; 0 if unknown
	FullRange bool    `json:"-"`      // luma spans 0..255 (as in JPEG) rather than 16..235
}

// String reads as "MJPG 640x480 15 fps".
func (f Format) String() string {
	s := fmt.Sprintf("%v %dx%d", f.FourCC, f.Width, f.Height)
	if f.Rate > 0 {
		s += fmt.Sprintf(" %.4g fps", f.Rate)
	}
	return s
}

// A Frame is one captured picture, shared read-only by its holders. Each holder owns one
// reference and calls Release exactly once; whoever passes it on calls Retain first.
// Retain and Release may be called from any goroutine.
type Frame struct {
	Format Format
	Data   []byte
	Seq    uint64        // the source's counter; a gap means dropped pictures
	Mono   time.Duration // the source's CLOCK_MONOTONIC stamp; wall time is derived once the clock is trusted

	refs atomic.Int32
	pool *Pool
}

// Retain adds a reference for one more holder.
func (f *Frame) Retain() {
	if f.refs.Add(1) <= 1 {
		panic("video: Retain of a released frame")
	}
}

// Release gives up the caller's reference; nothing of the frame may be read after it.
// The last release returns the frame to its pool.
func (f *Frame) Release() {
	switch n := f.refs.Add(-1); {
	case n < 0:
		panic("video: frame released more often than retained")
	case n == 0 && f.pool != nil:
		f.pool.put(f)
	}
}

// A Packet is one H.264 access unit (ITU-T H.264 7.4.1.2.3), owned by the garbage collector
// and never changed once made.
type Packet struct {
	Data []byte        // Annex B byte stream; a key packet begins with SPS and PPS
	Mono time.Duration // capture stamp of the picture, as Frame.Mono
	Seq  uint64        // as Frame.Seq
	Key  bool          // an IDR picture: decoding can start here
}

// A Plane is a rectangle of 8-bit samples. Line y begins at Pix[y*Stride].
type Plane struct {
	Pix           []byte
	Width, Height int // samples
	Stride        int // samples from one line to the next, at least Width
}

// Resize makes p exactly width x height with Stride = width, keeping its memory where that
// is large enough. The contents are undefined afterwards.
func (p *Plane) Resize(width, height int) {
	p.Pix = grow(p.Pix, width*height)
	p.Width, p.Height, p.Stride = width, height, width
}

// An I420 is a picture in 4:2:0 planes: Y is width x height; U and V are half of that, rounded
// up, in both directions. FullRange is as in Format.
type I420 struct {
	Y, U, V          []byte
	Width, Height    int
	YStride, CStride int
	FullRange        bool
}

// Resize makes the picture width x height, keeping its memory where that is large enough.
// The contents are undefined afterwards.
func (p *I420) Resize(width, height int) {
	cw, ch := (width+1)/2, (height+1)/2
	p.Y = grow(p.Y, width*height)
	p.U = grow(p.U, cw*ch)
	p.V = grow(p.V, cw*ch)
	p.Width, p.Height, p.YStride, p.CStride = width, height, width, cw
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
