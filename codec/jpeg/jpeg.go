// Package jpeg reads and writes the JPEG pictures that cameras deal in (ITU-T T.81, baseline
// sequential, 8 bits): the average of each 8x8 luma block for motion detection, whole pictures as
// 4:2:0 planes for an encoder, and the repair of frames as webcams send them, which often lack
// Huffman tables, end early or carry trailing bytes.
//
// The luma decoder and the repair are plain Go everywhere. Whole pictures go through
// libjpeg-turbo in a cgo build and through image/jpeg otherwise; see Backend.
package jpeg

import (
	"errors"
	"fmt"
)

// MaxSize is the largest width and height accepted, in pixels. It is checked before anything is
// allocated.
const MaxSize = 8192

// Errors that callers decide on, tested with errors.Is.
var (
	// ErrFormat says that the data is not a JPEG picture that this package reads. The message
	// names what was found.
	ErrFormat = errors.New("not a readable JPEG")
	// ErrProgressive is the ErrFormat of a picture coded progressively.
	ErrProgressive = fmt.Errorf("%w: progressive", ErrFormat)
	// ErrTruncated says that the picture data ends early or is damaged. What could be decoded
	// is in the destination; the rest of it is mid-grey or a continuation of what came before.
	ErrTruncated = errors.New("JPEG data ends early")
)

// Markers (T.81 table B.1), without their leading 0xFF.
const (
	mSOF0  = 0xC0 // baseline
	mSOF1  = 0xC1 // extended sequential
	mSOF2  = 0xC2 // progressive
	mDHT   = 0xC4
	mJPG   = 0xC8
	mDAC   = 0xCC
	mSOF15 = 0xCF
	mRST0  = 0xD0
	mRST7  = 0xD7
	mSOI   = 0xD8
	mEOI   = 0xD9
	mSOS   = 0xDA
	mDQT   = 0xDB
	mDRI   = 0xDD
	mAPP0  = 0xE0
	mAPP14 = 0xEE
	mTEM   = 0x01
)

// Size reports the width and height in pixels that the frame header states, whatever the coding
// process. It reads no further than that header. Pictures beyond MaxSize are an ErrFormat.
func Size(data []byte) (width, height int, err error) {
	pos, err := start(data)
	if err != nil {
		return 0, 0, err
	}
	for {
		s, err := nextSegment(data, pos)
		if err != nil {
			return 0, 0, err
		}
		if isSOF(s.marker) {
			f, err := parseFrame(s.body)
			return f.width, f.height, err
		}
		if s.marker == mSOS {
			return 0, 0, formatError("no frame header before the first scan")
		}
		pos = s.end
	}
}

// formatError makes an ErrFormat that says what is wrong.
func formatError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}
