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
		quant  = d.plan.quant
		x0, y0 = d.plan.place(mcu)
	)
	for ; mcu < end; mcu++ {
		mark := at
		for i := range blocks {
			b := &blocks[i]
			e, diff := b.first(uint64(look(buf, at)))
			e, k, past := walk(b.next, buf, e, at)
			at = past
			// See intervalWide: only what ends exactly is taken.
			if k += uint(e >> stepShift); k == 64 || k-endOfBlock < 64 {
				at += uint(e & stepBits)
			} else {
				r := readerAt(buf, int(at))
				var ok bool
				if diff, ok = r.block(b, k-uint(e>>stepShift), diff); !ok {
					return mcu, int(mark)
				}
				at = uint(r.at())
			}
			if at > uint(8*n) {
				return mcu, int(mark)
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
	return mcu, int(at)
}

// walk goes from a block's first step on until one ends the block, or crosses its end. It returns that step, where it is and how many
// coefficients come before it. A function of its own keeps the loop's values in registers.
//
//go:noinline
func walk(steps *[entries]step, buf []byte, first step, at uint) (last step, k, end uint) {
	e := uint(first)
	for {
		next := k + e>>stepShift
		if next >= 64 {
			return step(e), k, at
		}
		k = next
		at += e & stepBits
		e = uint(steps[look(buf, at)])
	}
}

// look gives the window at a position in bits.
func look(buf []byte, at uint) uint32 {
	i := at >> 3
	_ = buf[i+2]
	return (uint32(buf[i])<<24 | uint32(buf[i+1])<<16 | uint32(buf[i+2])<<8) << (at & 7) >> (32 - window)
}
