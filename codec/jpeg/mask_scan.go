package jpeg

// A maskedComponent is what a Masker needs to write blocks of a component.
type maskedComponent struct {
	black int32    // DC coefficient of a black block
	dc    [16]code // codes of DC differences by size; of length 0 where there is none
	eob   code
}

// encode looks up the codes of a component's tables, and reports whether a block can end after its DC coefficient.
func (c *maskedComponent) encode(dc, ac *huffman) (ok bool) {
	for size := range c.dc {
		c.dc[size], _ = dc.code(byte(size))
	}
	c.eob, ok = ac.code(0)
	return ok
}

// intervals masks the entropy-coded data that data begins with, one restart interval after another.
func (m *Masker) intervals(data []byte) error {
	d := &m.head
	total := d.plan.across * d.plan.down
	interval := total
	if d.restart > 0 {
		interval = d.restart
	}
	for mcu, expect := 0, byte(mRST0); ; expect = mRST0 | (expect+1)&7 {
		n, used, marker := d.unstuff(data)
		end := min(mcu+interval, total)
		if err := m.interval(n, mcu, end, marker == 0); err != nil {
			return err
		}
		m.w.flush()
		data = data[used:]
		if mcu = end; mcu == total {
			if marker >= mRST0 && marker <= mRST7 { // more than the picture holds
				return ErrTruncated
			}
			if m.lacks {
				return errRecode
			}
			return nil
		}
		if marker != 0 {
			if marker != expect {
				return ErrTruncated
			}
			data = data[2:]
		}
		m.w.out = append(m.w.out, 0xFF, expect)
	}
}

// A forecast is the DC coefficients that differences are to, by component (T.81 F.1.1.5.1).
type forecast [4]int32

// An output is what has become of a restart interval so far.
type output struct {
	*Masker
	buf    []byte   // the interval's data
	from   int      // first bit that is still to be copied, unless masked
	masked bool     // so is the last MCU
	dc     forecast // of what was written; if not masked it is that of the data, and is not kept here
}

// mcu writes the MCU that begins at a bit of the data, or leaves it to be copied. dc is what its differences are to.
func (o *output) mcu(mcu, bit int, dc *forecast) {
	switch dark := o.dark.mcus[mcu]; {
	case dark && o.masked:
		o.still()
	case dark:
		o.copyTo(bit, dc)
		o.masked = true
		o.black(&o.dc)
	case o.masked:
		o.masked, o.from = false, o.resume(o.buf, bit, dc, &o.dc)
	}
}

// copyTo writes what is to be copied of the data before a bit.
func (o *output) copyTo(bit int, dc *forecast) {
	if !o.masked {
		o.w.copy(o.buf, o.from, bit)
		o.dc = *dc
	}
}

// interval masks the MCUs from mcu up to end, which the first n bytes of head.buf hold; last says that they may end early, as
// nothing comes after them. The bit reader is that of LumaDecoder.interval.
func (m *Masker) interval(n, mcu, end int, last bool) error {
	var (
		acc  uint64
		have uint
		pos  int
		dc   forecast

		buf    = m.head.buf[:n+pad]
		blocks = m.head.plan.blocks
		out    = output{Masker: m, buf: buf}
	)
	for ; mcu < end; mcu++ {
		mark, before := pos*8-int(have), dc
		for i := range blocks {
			b := &blocks[i]
			acc, have, pos = refill(buf, acc, have, pos)
			first := b.luma[acc>>(64-window)]
			e, diff := step(first), int32(first)>>16
			k := uint(0)
			for {
				next := k + uint(e>>stepShift)
				if next >= 64 {
					break
				}
				k = next
				acc <<= e & stepBits
				have -= uint(e & stepBits)
				e = b.next[acc>>(64-window)]
				next = k + uint(e>>stepShift)
				if next >= 64 {
					break
				}
				k = next
				acc <<= e & stepBits
				have -= uint(e & stepBits)
				acc, have, pos = refill(buf, acc, have, pos)
				e = b.next[acc>>(64-window)]
			}
			k += uint(e >> stepShift)
			ok := true
			if k == 64 || k-endOfBlock < 64 {
				acc <<= e & stepBits
				have -= uint(e & stepBits)
			} else {
				r := reader{buf, acc, have, pos}
				diff, ok = r.block(b, k-uint(e>>stepShift), diff)
				acc, have, pos = r.acc, r.have, r.pos
			}
			if at := pos*8 - int(have); !ok || at > 8*n {
				if !last || at+longest <= 8*n {
					return ErrTruncated
				}
				out.copyTo(mark, &before)
				m.complete(mcu, end, &out.dc)
				return nil
			}
			dc[b.component&3] += diff
		}
		out.mcu(mcu, mark, &before)
	}
	at := pos*8 - int(have)
	out.copyTo(at, &dc)
	if !padding(buf[(at+7)/8 : n]) {
		return ErrTruncated
	}
	return nil
}

// longest is how many bits a code has at most. One that cannot be read nearer to the end of the data was cut there.
const longest = 16

// padding reports whether bytes between the last MCU and a marker look as if they were there to fill a gap.
func padding(b []byte) bool {
	if len(b) <= maxPadding {
		return true
	}
	for _, v := range b[1:] {
		if v != b[0] {
			return false
		}
	}
	return true
}

// black writes a black MCU.
func (m *Masker) black(dc *forecast) {
	for i := range m.head.plan.blocks {
		n := m.head.plan.blocks[i].component & 3
		c := &m.comps[n]
		m.difference(c, c.black-dc[n])
		m.w.put(c.eob.code, c.eob.length)
		dc[n] = c.black
	}
}

// difference writes a DC difference, or notes that the tables have no code for it: the walk goes on all the same, as damage is to
// be found before the picture is decoded by somebody who would overlook it.
func (m *Masker) difference(c *maskedComponent, diff int32) {
	if !m.w.difference(&c.dc, diff) {
		m.lacks = true
	}
}

// still writes an MCU like the one before: no differences.
func (m *Masker) still() {
	for _, c := range m.same {
		m.w.put(c.code, c.length)
	}
}

// repetition makes an MCU without differences, in as few pieces as can be put.
func (m *Masker) repetition() {
	m.same = m.same[:0]
	piece := code{}
	for i := range m.head.plan.blocks {
		c := &m.comps[m.head.plan.blocks[i].component]
		m.lacks = m.lacks || c.dc[0].length == 0
		for _, next := range [...]code{c.dc[0], c.eob} {
			if piece.length+next.length > 32 {
				m.same = append(m.same, piece)
				piece = code{}
			}
			piece = code{piece.code<<next.length | next.code, piece.length + next.length}
		}
	}
	m.same = append(m.same, piece)
}

// resume writes the MCU that begins at a bit of buf after masked ones: for each component the first difference is another, the rest is
// copied. It returns where the MCU ends.
func (m *Masker) resume(buf []byte, bit int, dc, out *forecast) int {
	r := readerAt(buf, bit)
	var begun [4]bool
	for i := range m.head.plan.blocks {
		b := &m.head.plan.blocks[i]
		n, begin := b.component&3, r.at()
		if !begun[n] {
			begun[n] = true
			size, length := b.dc.symbol(r.acc)
			diff := magnitude(r.acc<<length, uint(size))
			r.take(length + uint(size))
			begin = r.at()
			m.difference(&m.comps[n], dc[n]+diff-out[n])
			r.block(b, 1, 0)
		} else {
			r.block(b, 0, 0)
		}
		m.w.copy(buf, begin, r.at())
	}
	return r.at()
}

// complete writes MCUs for which there is no data: black where the mask touches them, else what came last.
func (m *Masker) complete(mcu, end int, dc *forecast) {
	for ; mcu < end; mcu++ {
		if m.dark.mcus[mcu] {
			m.black(dc)
		} else {
			m.still()
		}
	}
}

// readerAt is a reader at a bit of buf.
func readerAt(buf []byte, bit int) reader {
	r := reader{buf: buf, pos: bit >> 3}
	r.take(0)
	r.take(uint(bit & 7))
	return r
}

// at is the position in bits.
func (r *reader) at() int { return r.pos*8 - int(r.have) }
