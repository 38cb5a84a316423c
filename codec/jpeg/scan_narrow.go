package jpeg

import (
	"math/bits"

	"camward/video"
)

// narrow says that this is a processor whose words have 32 bits. There an accumulator of 64 bits is in two registers, and as Go compiles for 32-bit
// ARM it is refilled byte by byte.
const narrow = bits.UintSize == 32

// intervalNarrow is intervalWide for such processors: it has no accumulator, but looks at the three bytes around a position in bits.
func (d *LumaDecoder) intervalNarrow(dst *video.Plane, n, mcu, end int) (done, bits int) {
	var (
		at uint // position in bits
		dc int32

		buf    = d.buf[:n+pad]
		blocks = d.plan.blocks
		x0, y0 = d.plan.place(mcu)
	)
	for ; mcu < end; mcu++ {
		past, ok := d.mcuNarrow(buf, at)
		if !ok {
			return mcu, int(at)
		}
		at = past
		for i := range blocks {
			b := &blocks[i]
			if b.luma == nil {
				continue
			}
			dc += d.diffs[i]
			if x, y := x0+b.x, y0+b.y; x < dst.Width && y < dst.Height {
				dst.Pix[y*dst.Stride+x] = sample(dc, d.plan.quant)
			}
		}
		if x0 += d.plan.stepX; x0 >= dst.Width {
			x0, y0 = 0, y0+d.plan.stepY
		}
	}
	return mcu, int(at)
}

// mcuNarrow passes over the MCU at a position in bits, puts its luma blocks' differences into d.diffs and returns where it ends. It is false if the
// MCU cannot be decoded, or not before the pad. See intervalWide for how steps go; a function of its own keeps what the loops need in registers.
func (d *LumaDecoder) mcuNarrow(buf []byte, at uint) (end uint, ok bool) {
	blocks := d.plan.blocks
	for i := range blocks {
		b := &blocks[i]
		var e uint
		if b.luma != nil {
			first := b.luma[look(buf, at)]
			d.diffs[i] = int32(first) >> 16
			e = uint(step(first))
		} else {
			e = uint(b.skip[look(buf, at)])
		}
		k := uint(0)
		for steps := b.next; k+e>>stepShift < 64; {
			k += e >> stepShift
			at += e & stepBits
			e = uint(steps[look(buf, at)])
		}
		if past := k + e>>stepShift; past == 64 || past-endOfBlock < 64 {
			at += e & stepBits
		} else if at, ok = d.blockNarrow(i, k, buf, at); !ok {
			return 0, false
		}
		if at > 8*uint(len(buf)-pad) {
			return 0, false
		}
	}
	return at, true
}

// blockNarrow passes over the rest of a block, from coefficient k on, symbol by symbol: reader.block without its accumulator.
func (d *LumaDecoder) blockNarrow(i int, k uint, buf []byte, at uint) (end uint, ok bool) {
	b := &d.plan.blocks[i]
	if k == 0 {
		size, length := b.dc.symbol(ahead(buf, at))
		if length == 0 {
			return 0, false
		}
		d.diffs[i] = magnitude(ahead(buf, at+length), uint(size))
		at += length + uint(size)
		k = 1
	}
	for k < 64 {
		sym, length := b.ac.symbol(ahead(buf, at))
		run, size := uint(sym>>4), uint(sym&15)
		if length == 0 {
			return 0, false
		}
		at += length + size
		if sym == 0 { // EOB
			return at, true
		}
		if size == 0 && run != 15 {
			return 0, false
		}
		k += run + 1
	}
	return at, k == 64
}

// ahead gives the 16 bits from a position in bits on, left-aligned. No code and no magnitude is longer.
func ahead(buf []byte, at uint) uint64 {
	i := at >> 3
	_ = buf[i+2]
	return uint64((uint32(buf[i])<<24|uint32(buf[i+1])<<16|uint32(buf[i+2])<<8)<<(at&7)) << 32
}

// look gives the window at a position in bits.
func look(buf []byte, at uint) uint32 {
	i := at >> 3
	_ = buf[i+2]
	return (uint32(buf[i])<<24 | uint32(buf[i+1])<<16 | uint32(buf[i+2])<<8) << (at & 7) >> (32 - window)
}
