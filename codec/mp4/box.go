package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A builder appends boxes (ISO/IEC 14496-12 4.2) to a buffer.
type builder struct{ b []byte }

func (w *builder) u8(v ...byte)   { w.b = append(w.b, v...) }
func (w *builder) u16(v uint16)   { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *builder) u32(v uint32)   { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *builder) u64(v uint64)   { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *builder) str(s string)   { w.b = append(w.b, s...) }
func (w *builder) zeros(n int)    { w.b = append(w.b, make([]byte, n)...) }
func (w *builder) bytes(v []byte) { w.b = append(w.b, v...) }

// begin opens a box and returns where, for end.
func (w *builder) begin(typ string) int {
	at := len(w.b)
	w.u32(0)
	w.str(typ)
	return at
}

// full opens a box with version and flags (4.2, FullBox).
func (w *builder) full(typ string, version byte, flags uint32) int {
	at := w.begin(typ)
	w.u32(uint32(version)<<24 | flags)
	return at
}

func (w *builder) end(at int) { binary.BigEndian.PutUint32(w.b[at:], uint32(len(w.b)-at)) }

// The limits below bound what a hostile file can make Read allocate or compute.
const (
	maxMoov    = 64 << 20 // the tables of maxSamples samples fit well
	maxMoof    = 8 << 20
	maxSamples = 1 << 20 // 9.7 hours at 30 pictures per second
	maxSample  = 64 << 20
)

var errShort = errors.New("box ends too early")

// A span is a whole top-level box of a file.
type span struct {
	typ       string
	off, end  int64 // of the box with its header
	headerLen int64
}

// nextSpan reads the header of the box at off. ok is false if no whole box is there: the
// file was cut within it, or what follows is not a box.
func nextSpan(r io.ReaderAt, off, size int64) (s span, ok bool, err error) {
	var h [16]byte
	n := min(int64(len(h)), size-off)
	if n < 8 {
		return s, false, nil
	}
	if err := readFull(r, h[:n], off); err != nil {
		return s, false, err
	}
	s = span{typ: string(h[4:8]), off: off, headerLen: 8}
	length := uint64(binary.BigEndian.Uint32(h[:]))
	switch {
	case length == 0 && s.typ == "mdat": // reaches to the end of the file
		length = uint64(size - off)
	case length == 1 && n == 16:
		length, s.headerLen = binary.BigEndian.Uint64(h[8:]), 16
	}
	if length < uint64(s.headerLen) || length > uint64(size-off) || !printable(h[4:8]) {
		return s, false, nil
	}
	s.end = off + int64(length)
	return s, true, nil
}

// printable tells a box type from the garbage that a power cut may leave at a file's end.
func printable(b []byte) bool {
	for _, x := range b {
		if (x < ' ' || x > '~') && x != 0xa9 {
			return false
		}
	}
	return true
}

// load reads the payload of s, which must not be longer than limit.
func (s span) load(r io.ReaderAt, limit int64) ([]byte, error) {
	n := s.end - s.off - s.headerLen
	if n > limit {
		return nil, fmt.Errorf("box %q has %d bytes", s.typ, n)
	}
	b := make([]byte, n)
	return b, readFull(r, b, s.off+s.headerLen)
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), off, err)
}

// eachBox calls f with the type, the payload and the payload's place within b of each box in
// b, and stops at the first error.
func eachBox(b []byte, f func(typ string, payload []byte, at int) error) error {
	at := 0
	for len(b)-at >= 8 {
		head, length := 8, uint64(binary.BigEndian.Uint32(b[at:]))
		switch {
		case length == 0:
			length = uint64(len(b) - at)
		case length == 1 && len(b)-at >= 16:
			head, length = 16, binary.BigEndian.Uint64(b[at+8:])
		}
		if length < uint64(head) || length > uint64(len(b)-at) {
			return errShort
		}
		typ, end := string(b[at+4:at+8]), at+int(length)
		if err := f(typ, b[at+head:end:end], at+head); err != nil {
			return fmt.Errorf("%s: %w", typ, err)
		}
		at = end
	}
	return nil // fewer than 8 bytes may follow: QuickTime ends some containers with a zero word
}

// A cursor reads big-endian fields. After the first read beyond the end, all give 0 and short
// stays true.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if c.short || n < 0 || n > len(c.b) {
		c.short = true
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) u8() byte {
	if v := c.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if v := c.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if v := c.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if v := c.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// word reads a field that version 1 of a box widened to 64 bits.
func (c *cursor) word(version byte) uint64 {
	if version == 1 {
		return c.u64()
	}
	return uint64(c.u32())
}

// full reads the version and flags of a FullBox.
func (c *cursor) full() (version byte, flags uint32) {
	v := c.u32()
	return byte(v >> 24), v & 0xffffff
}

func (c *cursor) err() error {
	if c.short {
		return errShort
	}
	return nil
}
