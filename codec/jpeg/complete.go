package jpeg

import (
	"slices"

	"camward/video"
)

// A cut is where a scan's data first fails.
type cut struct {
	mcu    int  // first MCU without data
	end    int  // one past the last MCU of its restart interval
	offset int  // of that interval's data within the scan
	bits   int  // of it that are good, stuffing not counted
	expect byte // number of the restart marker that ends the interval
}

// complete appends to dst the picture in data, which may have lost its end, with the Huffman tables
// given put before its scan. From the first MCU that cannot be decoded on, it
// writes MCUs that repeat the average of the last good one. It reports false for
// pictures that are not baseline YCbCr or grey in one scan, and for tables without EOB.
func complete(dst, data []byte, tables tableSet) ([]byte, bool) {
	var d LumaDecoder
	var luma video.Plane
	err := d.Decode(&luma, data)
	if err != nil && err != ErrTruncated || d.scanned != d.frame.n {
		return nil, false
	}
	dst = slices.Grow(dst, len(data)+maxTables+len(data)/4)
	dst = append(dst, data[:d.scanHead]...)
	dst = tables.append(dst)
	if err == nil {
		dst = append(dst, data[d.scanHead:]...)
		return append(dst, 0xFF, mEOI), true
	}
	fs, ok := d.plan.filler()
	if !ok {
		return nil, false
	}
	body := data[d.scanData:]
	dst = append(dst, data[d.scanHead:d.scanData+d.cut.offset]...)
	d.unstuff(body[d.cut.offset:])
	w := writer{out: dst}
	w.copy(d.buf, 0, d.cut.bits)
	total := d.plan.across * d.plan.down
	var up [4]bool
	for mcu, end := d.cut.mcu, d.cut.end; ; end = min(end+d.restart, total) {
		for ; mcu < end; mcu++ {
			w.fill(fs, &up)
		}
		w.flush()
		if mcu == total {
			break
		}
		w.out = append(w.out, 0xFF, mRST0+d.cut.expect)
		d.cut.expect = (d.cut.expect + 1) & 7
	}
	return append(w.out, 0xFF, mEOI), true
}

// A code is a string of bits.
type code struct {
	code   uint32
	length int
}

// A filler codes a block that changes nothing: a DC difference of 0 and an EOB. Tables made for one
// picture may lack the 0; then the smallest difference there is goes up and down in turn.
type filler struct {
	dc, eob   code
	size      int // of the difference's magnitude, in bits
	component int
}

// filler gives one MCU.
func (p *plan) filler() ([]filler, bool) {
	var fs []filler
	for i := range p.blocks {
		f, ok := p.blocks[i].filler()
		if !ok {
			return nil, false
		}
		fs = append(fs, f)
	}
	return fs, true
}

func (c *coding) filler() (filler, bool) {
	eob, ok := c.ac.code(0)
	for size := 0; ok && size < 16; size++ {
		if dc, found := c.dc.code(byte(size)); found {
			return filler{dc: dc, eob: eob, size: size, component: c.component}, true
		}
	}
	return filler{}, false
}

// fill writes an MCU; up says for each component which way its next difference goes.
func (w *writer) fill(fs []filler, up *[4]bool) {
	for _, f := range fs {
		w.put(f.dc.code, f.dc.length)
		if f.size > 0 {
			half := uint32(1) << (f.size - 1)
			if !up[f.component] {
				half--
			}
			w.put(half, f.size)
			up[f.component] = !up[f.component]
		}
		w.put(f.eob.code, f.eob.length)
	}
}

// code finds the code of a symbol.
func (h *huffman) code(sym byte) (code, bool) {
	i := slices.Index(h.spec[16:], sym)
	for length := 1; i >= 0 && length <= 16; length++ {
		if l := &h.long[length]; i < l.index+int(l.max-l.min) {
			return code{l.min + uint32(i-l.index), length}, true
		}
	}
	return code{}, false
}
