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
// pictures that are not baseline YCbCr or grey in one scan, and for tables that cannot say "no change".
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
	filler, ok := d.plan.filler()
	if !ok {
		return nil, false
	}
	body := data[d.scanData:]
	dst = append(dst, data[d.scanHead:d.scanData+d.cut.offset]...)
	d.unstuff(body[d.cut.offset:])
	w := writer{out: dst}
	for i := range d.cut.bits / 8 {
		w.put(uint32(d.buf[i]), 8)
	}
	if n := d.cut.bits % 8; n > 0 {
		w.put(uint32(d.buf[d.cut.bits/8]>>(8-n)), n)
	}
	total := d.plan.across * d.plan.down
	for mcu, end := d.cut.mcu, d.cut.end; ; end = min(end+d.restart, total) {
		for ; mcu < end; mcu++ {
			for _, f := range filler {
				w.put(f.code, f.length)
			}
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

// filler is an MCU that changes nothing: a DC difference of 0 and an EOB for each block.
func (p *plan) filler() ([]code, bool) {
	var codes []code
	for i := range p.blocks {
		dc, ok1 := p.blocks[i].dc.code(0)
		ac, ok2 := p.blocks[i].ac.code(0)
		if !ok1 || !ok2 {
			return nil, false
		}
		codes = append(codes, dc, ac)
	}
	return codes, true
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

// A writer writes entropy-coded data with its stuffing (T.81 F.1.2.3).
type writer struct {
	out  []byte
	acc  uint32
	have int // bits in acc, below 8
}

// put writes the lowest n bits of bits, at most 16.
func (w *writer) put(bits uint32, n int) {
	w.acc = w.acc<<n | bits
	w.have += n
	for w.have >= 8 {
		w.have -= 8
		b := byte(w.acc >> w.have)
		if w.out = append(w.out, b); b == 0xFF {
			w.out = append(w.out, 0)
		}
	}
}

// flush fills the last byte with ones.
func (w *writer) flush() {
	if w.have > 0 {
		n := 8 - w.have
		w.put(1<<n-1, n)
	}
}
