package jpeg

import (
	"bytes"
	"encoding/binary"

	"camward/video"
)

// A plan is the order of blocks in a scan (T.81 A.2): what each block of an MCU is and where its
// sample goes.
type plan struct {
	across, down int // MCUs
	stepX, stepY int // luma blocks in an MCU
	blocks       []block
	quant        int32 // of the luma DC coefficient
	single       bool  // a scan of one component
}

// A coding is how a component's blocks are coded. Exactly one of luma and skip is set.
type coding struct {
	pair
	component int // index in the frame header
	luma      *[entries]uint32
	skip      *[entries]step
	next      *[entries]step
}

// A block is one 8x8 block of an MCU, for luma with its place there.
type block struct {
	coding
	x, y int
}

// first looks up the step that begins the block, and for luma the DC difference.
func (c *coding) first(w uint64) (step, int32) {
	if c.luma == nil {
		return c.skip[w], 0
	}
	e := c.luma[w]
	return step(e), int32(e) >> 16
}

// layout sets the size of the scan in MCUs and forgets its blocks. A scan of one component has
// MCUs of one block whatever the sampling factors (T.81 A.2.2).
func (p *plan) layout(f *frame, s *scan) {
	p.stepX, p.stepY = 1, 1
	if s.n > 1 {
		p.stepX, p.stepY = f.hmax, f.vmax
	}
	p.across = (f.width + 8*p.stepX - 1) / (8 * p.stepX)
	p.down = (f.height + 8*p.stepY - 1) / (8 * p.stepY)
	p.blocks = p.blocks[:0]
	p.single = s.n == 1
}

// add appends the blocks of one component to the MCU.
func (p *plan) add(f *frame, index int, c coding) {
	h, v := int(f.comp[index].h), int(f.comp[index].v)
	if p.single {
		h, v = 1, 1
	}
	for y := range v {
		for x := range h {
			p.blocks = append(p.blocks, block{coding: c, x: x, y: y})
		}
	}
}

// place is where the top left luma block of an MCU goes.
func (p *plan) place(mcu int) (x, y int) {
	return mcu % p.across * p.stepX, mcu / p.across * p.stepY
}

// pad is how much zeroed memory follows the data in LumaDecoder.buf: more than a block of zeros
// can take, plus what the bit reader reads ahead.
const pad = 512

// scan decodes the entropy-coded data that data begins with, one restart interval after
// another. Where an interval is damaged it goes on at the next restart marker.
func (d *LumaDecoder) scan(dst *video.Plane, data []byte) error {
	total := d.plan.across * d.plan.down
	interval := total
	if d.restart > 0 {
		interval = d.restart
	}
	var damage error
	size := len(data)
	for mcu, expect := 0, byte(0); mcu < total; expect = (expect + 1) & 7 {
		n, used, marker := d.unstuff(data)
		end := min(mcu+interval, total)
		done, bits := d.interval(dst, n, mcu, end)
		if damage == nil {
			d.cut = cut{mcu: done, end: end, offset: size - len(data), bits: bits, expect: expect}
		}
		if done < end {
			damage = ErrTruncated
			d.plan.grey(dst, done, end)
		}
		data = data[used:]
		mcu = end
		if mcu == total {
			break
		}
		skip, ok := 0, marker >= mRST0 && marker <= mRST7 && d.restart > 0
		if ok {
			skip, data = d.resync(data, expect)
		}
		if !ok || skip < 0 {
			d.plan.grey(dst, mcu, total)
			return ErrTruncated
		}
		if skip > 0 { // whole intervals are missing
			damage = ErrTruncated
			end := min(mcu+skip*interval, total)
			d.plan.grey(dst, mcu, end)
			mcu, expect = end, expect+byte(skip)
		}
	}
	return damage
}

// resync finds the restart marker to go on from. data begins with a restart marker; one up to
// three ahead of what is expected means that so many intervals are lost, and is returned as
// skip; others are stale and passed over. The data returned begins after the marker; skip is -1 if
// there is none.
func (d *LumaDecoder) resync(data []byte, expect byte) (skip int, rest []byte) {
	for len(data) >= 2 && data[1] >= mRST0 && data[1] <= mRST7 {
		ahead := (data[1] - mRST0 - expect) & 7
		data = data[2:]
		if ahead <= 3 {
			return int(ahead), data
		}
		_, used, _ := d.unstuff(data)
		data = data[used:]
	}
	return -1, data
}

// unstuff copies entropy-coded data into d.buf up to the next marker, turning FF 00 into FF (T.81
// F.1.2.3), and zeroes the pad after it. It returns the number of bytes there, the number of bytes
// read, and the marker, which it does not read; 0 at the end of the data.
func (d *LumaDecoder) unstuff(data []byte) (n, used int, marker byte) {
	if len(d.buf) < len(data)+pad {
		d.buf = make([]byte, len(data)+len(data)/4+pad)
	}
	buf := d.buf
	for {
		i := bytes.IndexByte(data[used:], 0xFF)
		if i < 0 {
			n += copy(buf[n:], data[used:])
			used = len(data)
			break
		}
		n += copy(buf[n:], data[used:used+i])
		used += i
		for used+1 < len(data) && data[used+1] == 0xFF { // fill bytes
			used++
		}
		if used+1 == len(data) {
			used++
			break
		}
		if marker = data[used+1]; marker != 0 {
			break
		}
		buf[n] = 0xFF
		n++
		used += 2
	}
	clear(buf[n : n+pad])
	return n, used, marker
}

// interval decodes the MCUs from mcu up to end out of the first n bytes of d.buf and returns the
// first MCU that it could not decode, and how many bits came before that.
func (d *LumaDecoder) interval(dst *video.Plane, n, mcu, end int) (done, bits int) {
	if narrow || d.narrow {
		return d.intervalNarrow(dst, n, mcu, end)
	}
	return d.intervalWide(dst, n, mcu, end)
}

// intervalWide is interval where words have 64 bits.
//
// The bit reader: acc holds bits left-aligned, at least have of them valid; pos is where the next
// refill reads. A refill gives 56 bits or more, enough for two steps or a first step and one more.
func (d *LumaDecoder) intervalWide(dst *video.Plane, n, mcu, end int) (done, bits int) {
	var (
		acc  uint64
		have uint
		pos  int
		dc   int32

		buf    = d.buf[:n+pad]
		blocks = d.plan.blocks
		quant  = d.plan.quant
		x0, y0 = d.plan.place(mcu)
	)
	for ; mcu < end; mcu++ {
		mark := pos*8 - int(have)
		for i := range blocks {
			b := &blocks[i]
			acc, have, pos = refill(buf, acc, have, pos)
			first, diff := b.first(acc >> (64 - window))
			e := uint(first)
			k := uint(0)
			for {
				next := k + e>>stepShift
				if next >= 64 {
					break
				}
				k = next
				acc <<= e & stepBits
				have -= e & stepBits
				e = uint(b.next[acc>>(64-window)])
				next = k + e>>stepShift
				if next >= 64 {
					break
				}
				k = next
				acc <<= e & stepBits
				have -= e & stepBits
				acc, have, pos = refill(buf, acc, have, pos)
				e = uint(b.next[acc>>(64-window)])
			}
			// The last step may end the block, or cross its end: symbols after coefficient 63
			// belong to the next block. Only what ends exactly is taken.
			k += e >> stepShift
			if k == 64 || k-endOfBlock < 64 {
				acc <<= e & stepBits
				have -= e & stepBits
			} else {
				r := reader{buf, acc, have, pos}
				var ok bool
				if diff, ok = r.block(b, k-e>>stepShift, diff); !ok {
					return mcu, mark
				}
				acc, have, pos = r.acc, r.have, r.pos
			}
			if pos-int(have>>3) > n {
				return mcu, mark
			}
			if b.luma != nil {
				dc += diff
				if x, y := x0+b.x, y0+b.y; x < dst.Width && y < dst.Height {
					dst.Pix[y*dst.Stride+x] = sample(dc, quant)
				}
			}
		}
		if x0 += d.plan.stepX; x0 >= dst.Width {
			x0, y0 = 0, y0+d.plan.stepY
		}
	}
	return mcu, pos*8 - int(have)
}

// refill adds to have valid bits at the head of acc what fits of the bytes at pos.
func refill(buf []byte, acc uint64, have uint, pos int) (uint64, uint, int) {
	return acc | binary.BigEndian.Uint64(buf[pos:pos+8:pos+8])>>(have&63), have | 56, pos + int(63-have)>>3
}

// sample reconstructs a block's average from its DC coefficient as libjpeg's 1x1 inverse DCT does
// (jidctred.c), including how that wraps what no encoder produces.
func sample(dc, quant int32) byte {
	v := (int32(int16(dc))*quant + 4) >> 3
	v = v<<22>>22 + 128
	return byte(max(0, min(v, 255)))
}

// A reader is the bit reader of interval for the rare cases: codes longer than the window,
// and steps that would cross the end of a block.
type reader struct {
	buf  []byte
	acc  uint64
	have uint
	pos  int
}

// take passes over n bits, at most 31, and refills.
func (r *reader) take(n uint) {
	r.acc <<= n
	r.have -= n
	r.acc, r.have, r.pos = refill(r.buf, r.acc, r.have, r.pos)
}

// block passes over the rest of a block symbol by symbol, from coefficient k on. At 0 it reads the
// DC difference; else it returns diff. It reports false at what no encoder writes: a code that is
// in no table, a run beyond coefficient 63, or a symbol that only progressive coding defines.
func (r *reader) block(b *block, k uint, diff int32) (int32, bool) {
	r.take(0)
	if k == 0 {
		size, length := b.dc.symbol(r.acc)
		if length == 0 {
			return 0, false
		}
		diff = magnitude(r.acc<<length, uint(size))
		r.take(length + uint(size))
		k = 1
	}
	for k < 64 {
		sym, length := b.ac.symbol(r.acc)
		run, size := uint(sym>>4), uint(sym&15)
		if length == 0 {
			return 0, false
		}
		r.take(length + size)
		if sym == 0 { // EOB
			return diff, true
		}
		if size == 0 && run != 15 {
			return 0, false
		}
		k += run + 1
	}
	return diff, k == 64
}

// grey sets the luma of the MCUs from mcu up to end to 128.
func (p *plan) grey(dst *video.Plane, mcu, end int) {
	for ; mcu < end; mcu++ {
		x0, y0 := p.place(mcu)
		for y := y0; y < min(y0+p.stepY, dst.Height); y++ {
			for x := x0; x < min(x0+p.stepX, dst.Width); x++ {
				dst.Pix[y*dst.Stride+x] = 128
			}
		}
	}
}
