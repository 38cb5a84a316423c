package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxPicture bounds one compressed picture, so that a broken recording cannot fill the memory.
const maxPicture = 16 << 20

// JPEG markers (ITU-T T.81, table B.1), second byte.
const (
	markSOI = 0xd8
	markEOI = 0xd9
	markSOS = 0xda
	markTEM = 0x01
)

// An mjpegReader cuts a stream of concatenated JPEGs into pictures. It walks the segments, so
// that a thumbnail inside one is not taken for a picture; what lies between pictures
// (padding, the headers of a multipart stream) is skipped; a picture cut short by the start
// of the next, or by the end of the stream, is yielded as far as it goes.
type mjpegReader struct {
	r   *bufio.Reader
	buf []byte
	soi bool // the next picture's SOI has been read
	max int  // bytes of a picture
}

func newMJPEGReader(r io.Reader) *mjpegReader {
	return &mjpegReader{r: bufio.NewReaderSize(r, 64<<10), max: maxPicture}
}

// next returns the next picture, valid until the call after; io.EOF at the end. Headers without
// a scan are no picture.
func (m *mjpegReader) next() ([]byte, error) {
	for {
		if !m.soi {
			if err := m.findSOI(); err != nil {
				return nil, err
			}
		}
		m.soi = false
		m.buf = append(m.buf[:0], 0xff, markSOI)
		if scan, err := m.picture(); scan || err != nil {
			return m.buf, err
		}
	}
}

// picture takes what follows an SOI, up to the picture's end, the start of another, or the end of the stream. It
// reports whether a scan was in it.
func (m *mjpegReader) picture() (scan bool, err error) {
	for {
		mark, err := m.marker()
		if err == nil {
			switch {
			case mark == markEOI:
				return scan, nil
			case mark == markSOI:
				m.buf = m.buf[:len(m.buf)-2]
				p, _ := m.r.Peek(1) // at the end, the next read says so
				m.soi = len(p) == 1 && p[0] == 0xff
				return scan, nil
			case mark != markTEM && (mark < 0xd0 || mark > 0xd7): // RSTn and TEM stand alone
				scan = scan || mark == markSOS
				err = m.segment()
			}
		}
		if errors.Is(err, io.EOF) && scan {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// findSOI reads up to and including the next FF D8 that another marker follows.
func (m *mjpegReader) findSOI() error {
	for {
		if _, err := m.r.ReadSlice(0xff); errors.Is(err, bufio.ErrBufferFull) {
			continue
		} else if err != nil {
			return err
		}
		p, err := m.r.Peek(2)
		if err != nil {
			return err // two bytes are no picture
		}
		if p[0] == markSOI && p[1] == 0xff {
			_, err = m.r.Discard(1)
			return err
		}
	}
}

// marker takes everything up to and including the next marker, the entropy-coded data of a
// scan with its stuffed FF 00 included (T.81 B.1.1.5), and returns it.
func (m *mjpegReader) marker() (byte, error) {
	for {
		p, err := m.r.ReadSlice(0xff)
		m.buf = append(m.buf, p...)
		if len(m.buf) > m.max {
			return 0, m.endless()
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		} else if err != nil {
			return 0, err
		}
		b := byte(0xff)
		for b == 0xff { // fill bytes may precede a marker
			if b, err = m.r.ReadByte(); err != nil {
				return 0, err
			}
			m.buf = append(m.buf, b)
			if len(m.buf) > m.max {
				return 0, m.endless()
			}
		}
		if b != 0 {
			return b, nil
		}
	}
}

func (m *mjpegReader) endless() error {
	return fmt.Errorf("no end of the picture within %d MiB", m.max>>20)
}

// segment takes the length and body of a marker segment.
func (m *mjpegReader) segment() error {
	if err := m.take(2); err != nil {
		return err
	}
	n := int(m.buf[len(m.buf)-2])<<8 | int(m.buf[len(m.buf)-1])
	return m.take(max(n-2, 0))
}

// take appends the next n bytes; io.EOF when there are fewer.
func (m *mjpegReader) take(n int) error {
	at := len(m.buf)
	m.buf = slices.Grow(m.buf, n)[:at+n]
	got, err := io.ReadFull(m.r, m.buf[at:])
	m.buf = m.buf[:at+got]
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return err
}

// isJPEG reports whether b begins as a JPEG does: SOI and another marker.
func isJPEG(b []byte) bool {
	return len(b) >= 4 && b[0] == 0xff && b[1] == markSOI && b[2] == 0xff
}
