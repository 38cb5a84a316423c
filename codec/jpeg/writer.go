package jpeg

import (
	"encoding/binary"
	"math/bits"
)

// A writer writes entropy-coded data with its stuffing (T.81 F.1.2.3).
type writer struct {
	out  []byte
	acc  uint64 // the lowest have bits are still to be written
	have int    // below 32
}

// put writes the lowest n bits of v, at most 32; v has no others.
func (w *writer) put(v uint32, n int) {
	w.acc = w.acc<<n | uint64(v)
	if w.have += n; w.have >= 32 {
		w.have -= 32
		w.word(uint32(w.acc >> w.have))
	}
}

// word writes 32 bits at a byte boundary.
func (w *writer) word(v uint32) {
	if (^v-0x01010101)&v&0x80808080 == 0 { // no byte is FF
		w.out = binary.BigEndian.AppendUint32(w.out, v)
		return
	}
	for shift := 24; shift >= 0; shift -= 8 {
		w.byte(byte(v >> shift))
	}
}

func (w *writer) byte(b byte) {
	if w.out = append(w.out, b); b == 0xFF {
		w.out = append(w.out, 0)
	}
}

// flush fills the last byte with ones.
func (w *writer) flush() {
	n := -w.have & 7
	w.put(1<<n-1, n)
	for w.have > 0 {
		w.have -= 8
		w.byte(byte(w.acc >> w.have))
	}
}

// copy writes the bits [from, to) of buf, in which at least 8 bytes follow them.
func (w *writer) copy(buf []byte, from, to int) {
	for ; to-from >= 32; from += 32 {
		w.put(uint32(binary.BigEndian.Uint64(buf[from>>3:])<<(from&7)>>32), 32)
	}
	if n := to - from; n > 0 {
		w.put(uint32(binary.BigEndian.Uint64(buf[from>>3:])<<(from&7)>>(64-n)), n)
	}
}

// difference writes a DC difference (T.81 F.1.2.1) by the codes of its table, by size. It reports false if the table has none for it.
func (w *writer) difference(codes *[16]code, diff int32) bool {
	v, size := diff, 0
	if diff < 0 {
		v, size = diff-1, bits.Len32(uint32(-diff))
	} else {
		size = bits.Len32(uint32(diff))
	}
	if size >= len(codes) || codes[size].length == 0 {
		return false
	}
	w.put(codes[size].code, codes[size].length)
	w.put(uint32(v)&(1<<size-1), size)
	return true
}
