package jpeg

import (
	"encoding/binary"
	"slices"
)

// Repair makes of a webcam's frame a JPEG file that every reader accepts: the standard Huffman
// tables go in before the first scan that uses tables not defined, bytes after EOI are cut off, and
// a missing EOI is added. Where the data ends early, a baseline picture of a single scan is
// also completed: what is missing continues the last average of each colour component. Other
// damage within the picture data stays.
//
// It returns data itself where nothing is wrong, and otherwise what it appended to dst[:0], which
// must not overlap data. Any coding process is accepted; an ErrFormat says that there is no picture
// to repair.
func Repair(dst, data []byte) ([]byte, error) {
	f, err := inspect(data)
	if err != nil {
		return nil, err
	}
	if f.whole(len(data)) {
		return data, nil
	}
	if f.cut {
		if out, ok := complete(dst[:0], data[:f.end], f.tables); ok {
			return out, nil
		}
	}
	return f.mend(dst[:0], data), nil
}

// findings are what is wrong with a picture's framing.
type findings struct {
	tables tableSet // standard tables to insert
	at     int      // where
	end    int      // length of what is kept, EOI included if there is one
	cut    bool     // EOI is missing
}

// whole reports whether nothing is wrong with data of the given length.
func (f *findings) whole(length int) bool {
	return f.tables == (tableSet{}) && !f.cut && f.end == length
}

// mend appends data with its framing put right.
func (f *findings) mend(dst, data []byte) []byte {
	dst = slices.Grow(dst, len(data)+maxTables+2)
	dst = append(dst, data[:f.at]...)
	dst = f.tables.append(dst)
	dst = append(dst, data[f.at:f.end]...)
	if f.cut {
		dst = append(dst, 0xFF, mEOI)
	}
	return dst
}

// inspect walks through the segments of a picture up to its end.
func inspect(data []byte) (f findings, err error) {
	pos, err := start(data)
	if err != nil {
		return f, err
	}
	var (
		fr            frame
		marker        byte
		defined       tableSet
		quants, scans bool
		floor         int // end of the last header segment
	)
	for {
		if scans && (pos+1 >= len(data) || data[pos+1] == mEOI || data[pos+1] == mSOI) {
			f.finish(data, pos, floor)
			return f, nil
		}
		s, err := nextSegment(data, pos)
		if err != nil {
			if scans { // cut within a segment between two scans
				f.end, f.cut = pos, true
				return f, nil
			}
			return f, err
		}
		pos, floor = s.end, s.end
		switch {
		case isSOF(s.marker):
			marker = s.marker
			if fr, err = parseFrame(s.body); err != nil {
				return f, err
			}
		case s.marker == mDQT:
			quants = true
		case s.marker == mDHT:
			if err := defines(&defined, s.body); err != nil {
				return f, err
			}
		case s.marker == mSOS:
			if fr.n == 0 || !quants {
				return f, formatError("no frame header or no quantisation table before the first scan")
			}
			sc, err := parseScan(s.body, &fr)
			if err != nil {
				return f, err
			}
			if baseline(marker) == nil {
				f.need(missing(&sc, &defined), s.start)
			}
			scans = true
			pos = skipScan(data, pos)
		}
	}
}

// need adds to the tables to insert, which all go in before the first scan that needs any.
func (f *findings) need(tables tableSet, at int) {
	if f.tables == (tableSet{}) {
		f.at = at
	}
	f.tables[0] |= tables[0]
	f.tables[1] |= tables[1]
}

// finish settles where the picture ends, given that pos is at EOI, at the SOI of another picture or
// at the end of the data. Nothing before floor is cut.
func (f *findings) finish(data []byte, pos, floor int) {
	switch {
	case pos+1 < len(data) && data[pos+1] == mEOI:
		f.end = pos + 2
	default:
		f.end, f.cut = pos, true
		for f.end > floor && data[f.end-1] == 0xFF { // half a marker
			f.end--
		}
	}
}

// defines notes which tables a DHT segment holds.
func defines(defined *tableSet, b []byte) error {
	for len(b) > 0 {
		class, id, n, err := tableSpec(b)
		if err != nil {
			return err
		}
		defined[class] |= 1 << id
		b = b[1+n:]
	}
	return nil
}

// A tableSet is a set of Huffman tables: for each class (DC, AC) bits by number.
type tableSet [2]uint8

// maxTables is the length of a DHT segment with all standard tables.
const maxTables = 420

// missing is the set of standard tables that the scan uses and nobody defined. Only tables 0 and 1
// have a standard.
func missing(s *scan, defined *tableSet) (need tableSet) {
	for i := range s.n {
		need[0] |= 1 << s.comp[i].dc &^ defined[0] & 3
		need[1] |= 1 << s.comp[i].ac &^ defined[1] & 3
	}
	return need
}

// append appends a DHT segment of the standard tables in the set, if there are any.
func (t tableSet) append(dst []byte) []byte {
	if t == (tableSet{}) {
		return dst
	}
	begin := len(dst)
	dst = append(dst, 0xFF, mDHT, 0, 0)
	for class, tables := range [2][2][]byte{{stdDCLuma, stdDCChroma}, {stdACLuma, stdACChroma}} {
		for id, spec := range tables {
			if t[class]&(1<<id) != 0 {
				dst = append(dst, byte(class<<4|id))
				dst = append(dst, spec...)
			}
		}
	}
	binary.BigEndian.PutUint16(dst[begin+2:], uint16(len(dst)-begin-2))
	return dst
}
