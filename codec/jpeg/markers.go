package jpeg

import (
	"bytes"
	"encoding/binary"
)

// jfif is the SOI and APP0 that begin a JFIF file (JFIF 1.02): version 1.1, square pixels.
const jfif = "\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"

// A segment is one marker and its parameters. Markers without parameters have a nil body.
type segment struct {
	marker byte
	start  int    // offset of the 0xFF that introduces the marker
	body   []byte // without marker and length; aliases the input
	end    int    // offset of the byte after the segment
}

// start checks for SOI and returns the offset after it.
func start(data []byte) (int, error) {
	switch {
	case len(data) == 0:
		return 0, formatError("no data")
	case len(data) < 2 || data[0] != 0xFF || data[1] != mSOI:
		return 0, formatError("no SOI at its start")
	}
	return 2, nil
}

// nextSegment reads the segment at or after pos. As every decoder in the field does, it passes
// over stray bytes between segments. Running out of data is an ErrFormat: there is no picture yet.
func nextSegment(data []byte, pos int) (segment, error) {
	for {
		i := bytes.IndexByte(data[pos:], 0xFF)
		if i < 0 || pos+i+1 >= len(data) {
			return segment{}, formatError("ends within the header")
		}
		pos += i
		m := data[pos+1]
		switch {
		case m == 0xFF: // fill byte (T.81 B.1.1.2)
			pos++
			continue
		case m == 0: // a stuffed byte where no scan is
			pos += 2
			continue
		case m == mEOI || m == mSOI || m == mTEM || m >= mRST0 && m <= mRST7:
			if m == mEOI {
				return segment{}, formatError("EOI before any picture data")
			}
			pos += 2
			continue
		}
		if len(data)-pos < 4 {
			return segment{}, formatError("ends within the header")
		}
		n := int(binary.BigEndian.Uint16(data[pos+2:]))
		if n < 2 {
			return segment{}, formatError("segment length %d at offset %d", n, pos)
		}
		if n > len(data)-pos-2 {
			return segment{}, formatError("ends within the header")
		}
		return segment{marker: m, start: pos, body: data[pos+4 : pos+2+n], end: pos + 2 + n}, nil
	}
}

// isSOF tells frame headers from the other markers of their range (T.81 table B.1).
func isSOF(m byte) bool {
	return m >= mSOF0 && m <= mSOF15 && m != mDHT && m != mJPG && m != mDAC
}

// A component is one colour plane's entry in the frame header.
type component struct {
	id, h, v, quant byte // sampling factors 1..4, quantisation table 0..3
}

// A frame is the frame header (T.81 B.2.2). Components beyond n are zero.
type frame struct {
	width, height int
	n             int // components: 1, 3 or 4
	comp          [4]component
	hmax, vmax    int // largest sampling factors
}

// parseFrame reads the parameters of any SOF and checks them against T.81 and MaxSize.
func parseFrame(b []byte) (f frame, err error) {
	if len(b) < 6 || len(b) < 6+3*int(b[5]) {
		return f, formatError("short frame header")
	}
	if b[0] != 8 {
		return f, formatError("%d-bit", b[0])
	}
	f.height = int(binary.BigEndian.Uint16(b[1:]))
	f.width = int(binary.BigEndian.Uint16(b[3:]))
	if f.width == 0 || f.height == 0 || f.width > MaxSize || f.height > MaxSize {
		return frame{}, formatError("size %dx%d is outside 1x1..%dx%d", f.width, f.height, MaxSize, MaxSize)
	}
	f.n = int(b[5])
	if f.n != 1 && f.n != 3 && f.n != 4 {
		return frame{}, formatError("%d components", f.n)
	}
	for i := range f.n {
		c := component{id: b[6+3*i], h: b[7+3*i] >> 4, v: b[7+3*i] & 15, quant: b[8+3*i]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return frame{}, formatError("sampling factors %dx%d, quantisation table %d", c.h, c.v, c.quant)
		}
		f.comp[i] = c
		f.hmax, f.vmax = max(f.hmax, int(c.h)), max(f.vmax, int(c.v))
	}
	return f, nil
}

// baseline refuses what is not Huffman-coded sequential.
func baseline(marker byte) error {
	switch marker {
	case mSOF0, mSOF1:
		return nil
	case mSOF2:
		return ErrProgressive
	}
	return formatError("coding process SOF%d (lossless, hierarchical or arithmetic)", marker-mSOF0)
}

// A scan is the scan header (T.81 B.2.3): which components follow and with which tables.
type scan struct {
	n    int
	comp [4]struct {
		index  int  // into frame.comp
		dc, ac byte // Huffman tables 0..3
	}
}

// parseScan reads the parameters of an SOS.
func parseScan(b []byte, f *frame) (s scan, err error) {
	if len(b) < 1 || b[0] < 1 || b[0] > 4 || len(b) < 4+2*int(b[0]) {
		return s, formatError("bad scan header")
	}
	s.n = int(b[0])
	blocks := 0
	for i := range s.n {
		c := &s.comp[i]
		c.index = -1
		for j := range f.n {
			if f.comp[j].id == b[1+2*i] {
				c.index = j
				break
			}
		}
		c.dc, c.ac = b[2+2*i]>>4, b[2+2*i]&15
		if c.index < 0 || c.dc > 3 || c.ac > 3 {
			return scan{}, formatError("scan of component %d with tables %d and %d", b[1+2*i], c.dc, c.ac)
		}
		for j := range i {
			if s.comp[j].index == c.index {
				return scan{}, formatError("component %d twice in a scan", b[1+2*i])
			}
		}
		blocks += int(f.comp[c.index].h) * int(f.comp[c.index].v)
	}
	if s.n > 1 && blocks > 10 { // T.81 B.2.3
		return scan{}, formatError("%d blocks in an MCU", blocks)
	}
	return s, nil
}

// skipScan returns the offset of the marker that ends the entropy-coded data at pos, restart
// markers being part of the data, or len(data) if there is none.
func skipScan(data []byte, pos int) int {
	for {
		i := bytes.IndexByte(data[pos:], 0xFF)
		if i < 0 || pos+i+1 >= len(data) {
			return len(data)
		}
		pos += i
		switch m := data[pos+1]; {
		case m == 0 || m >= mRST0 && m <= mRST7:
			pos += 2
		case m == 0xFF:
			pos++
		default:
			return pos
		}
	}
}
