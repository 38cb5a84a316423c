package jpeg

// window is the number of bits that one table look-up sees. 12 keeps all tables of a picture
// within about 40 kB and resolves two to three AC symbols at once.
const (
	window  = 12
	entries = 1 << window
)

// A huffman is one Huffman table (T.81 C.2): its definition as in DHT, and what is derived from
// it. The zero value holds no table.
type huffman struct {
	spec    []byte          // 16 counts and the symbols, as in DHT
	version int             // changes with spec; 0 means none was loaded
	single  [entries]uint16 // symbol<<8 | length of the code at the head of the window; 0 if longer
	long    [17]struct {    // codes longer than the window, by length
		min, max uint32 // first code, and one past the last
		index    int    // of the first code's symbol in spec[16:]
	}
}

// load makes h the table defined by spec, which is copied. Loading the table it already is costs
// a comparison. It reports false if spec is no Huffman code.
func (h *huffman) load(spec []byte) bool {
	if h.version > 0 && string(h.spec) == string(spec) {
		return true
	}
	h.spec = append(h.spec[:0], spec...)
	clear(h.single[:])
	h.version++
	code, index := uint32(0), 0
	for length := 1; length <= 16; length++ {
		n := int(spec[length-1])
		l := &h.long[length]
		l.min, l.max, l.index = code, code+uint32(n), index
		if l.max > 1<<length {
			h.spec = h.spec[:0]
			return false
		}
		if length <= window {
			for i := range n {
				lo := (code + uint32(i)) << (window - length)
				entry := uint16(spec[16+index+i])<<8 | uint16(length)
				span := h.single[lo : lo+1<<(window-length)]
				for j := range span {
					span[j] = entry
				}
			}
		}
		index += n
		code = l.max << 1
	}
	return true
}

// symbol decodes the code at the head of acc, left-aligned. A length of 0 means that there is none.
func (h *huffman) symbol(acc uint64) (sym byte, length uint) {
	if e := h.single[acc>>(64-window)]; e != 0 {
		return byte(e >> 8), uint(e & 0xFF)
	}
	for length := uint(window + 1); length <= 16; length++ {
		l := &h.long[length]
		if code := uint32(acc >> (64 - length)); code >= l.min && code < l.max {
			return h.spec[16+l.index+int(code-l.min)], length
		}
	}
	return 0, 0
}

// A step is what a look-up says about the bits in its window: how many bits to pass over (bits
// 0..5) and how many coefficients that advances (from bit 6), plus endOfBlock if an EOB
// is among the symbols, or unresolved if the first code does not fit into the window. The
// last symbol's own code fits, its magnitude bits need not. A step is at most 27 bits long.
type step = uint16

const (
	stepBits   = 63
	stepShift  = 6
	endOfBlock = 128
	unresolved = 255
)

// extend appends to a step of used bits and adv coefficients the AC symbols that follow in
// window w.
func (h *huffman) extend(w uint, used, adv uint) step {
	for used < window {
		e := h.single[w<<used&(entries-1)]
		length := uint(e & 0xFF)
		if length == 0 || used+length > window {
			break
		}
		run, size := uint(e>>12), uint(e>>8&15)
		if e>>8 == 0 {
			used += length
			adv += endOfBlock
			break
		}
		if adv+run+1 > 63 || size == 0 && run != 15 { // the latter is damage, for reader.block to report
			break
		}
		used += length + size
		adv += run + 1
	}
	if used == 0 {
		adv = unresolved
	}
	return step(adv<<stepShift | used)
}

// A pair is the tables that code one component's blocks, and with their versions what a derived
// table was made from.
type pair struct {
	dc, ac               *huffman
	dcVersion, acVersion int
}

func pairOf(dc, ac *huffman) pair { return pair{dc, ac, dc.version, ac.version} }

// acSteps passes over AC coefficients.
type acSteps struct {
	version int
	step    [entries]step
}

func (t *acSteps) build(ac *huffman) {
	if t.version == ac.version {
		return
	}
	t.version = ac.version
	for w := range t.step {
		t.step[w] = ac.extend(uint(w), 0, 0)
	}
}

// skipSteps begins a block whose DC coefficient is not wanted: that one, and AC coefficients
// as far as the window reaches.
type skipSteps struct {
	from pair
	step [entries]step
}

func (t *skipSteps) build(p pair) {
	if t.from == p {
		return
	}
	t.from = p
	for w := range t.step {
		e := p.dc.single[w]
		if e == 0 {
			t.step[w] = unresolved << stepShift
			continue
		}
		t.step[w] = p.ac.extend(uint(w), uint(e&0xFF)+uint(e>>8&15), 1)
	}
}

// lumaSteps begins a block whose DC difference is wanted: that is in the upper 16 bits, signed,
// and a step in the lower.
type lumaSteps struct {
	from pair
	step [entries]uint32
}

func (t *lumaSteps) build(p pair) {
	if t.from == p {
		return
	}
	t.from = p
	for w := range t.step {
		e := p.dc.single[w]
		length, size := uint(e&0xFF), uint(e>>8&15)
		if e == 0 || length+size > window {
			t.step[w] = unresolved << stepShift
			continue
		}
		bits := uint64(w) << (64 - window) << length
		diff := magnitude(bits, size)
		t.step[w] = uint32(diff)<<16 | uint32(p.ac.extend(uint(w), length+size, 1))
	}
}

// magnitude is EXTEND of T.81 F.2.2.1 applied to the size bits at the head of acc.
func magnitude(acc uint64, size uint) int32 {
	if size == 0 {
		return 0
	}
	v := int32(acc >> (64 - size))
	if v < 1<<(size-1) {
		v += -1<<size + 1
	}
	return v
}
