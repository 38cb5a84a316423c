package jpeg

import (
	"encoding/binary"

	"camward/video"
)

// A LumaDecoder reads only what motion detection needs of a picture: the DC coefficient of each
// luma block, which is the block's average. The rest is passed over without being reconstructed.
// The zero value is ready. It keeps tables and buffers between pictures, so that a stream of equal
// kind decodes without allocating. Not for concurrent use.
type LumaDecoder struct {
	dc, ac   [4]huffman
	acStep   [4]acSteps
	lumaStep lumaSteps
	skipStep [3]skipSteps

	header        // of the picture at hand
	buf    []byte // entropy-coded data of one restart interval without its stuffing
	plan   plan
	narrow bool      // as where words have 32 bits, for tests
	diffs  [10]int32 // of an MCU's luma blocks, where words have 32 bits; T.81 B.2.3 allows no more blocks

	// For complete: the luma scan's number of components, where its header and its data are, and
	// where the data first failed.
	scanned, scanHead, scanData int
	cut                         cut
}

// A header is what the segments before a scan set. DHT goes into the tables themselves.
type header struct {
	frame            frame
	quant            [4]uint16 // DC entry of each quantisation table
	haveQuant        [4]bool
	haveDC, haveAC   [4]bool
	restart          int // MCUs in a restart interval; 0 if there are none
	jfif             bool
	adobe, transform int // whether there is an Adobe segment, and its colour transform
}

// Decode makes dst the picture's luma at an eighth of its size, rounded up: one sample per 8x8
// block, the same that libjpeg-turbo gives at scale 1/8. It reads baseline and extended sequential
// pictures of 8 bits, greyscale or YCbCr with luma at full resolution, with or without Huffman
// tables, restart markers and separate scans. On ErrTruncated dst is complete, with 128 where
// there was no data; on other errors dst is not changed.
func (d *LumaDecoder) Decode(dst *video.Plane, data []byte) error {
	pos, err := start(data)
	if err != nil {
		return err
	}
	d.header = header{}
	for {
		s, err := nextSegment(data, pos)
		if err != nil {
			return err
		}
		pos = s.end
		if s.marker != mSOS {
			if err := d.segment(s); err != nil {
				return err
			}
			continue
		}
		if d.frame.n == 0 {
			return formatError("no frame header before the first scan")
		}
		sc, err := parseScan(s.body, &d.frame)
		if err != nil {
			return err
		}
		if !sc.has(0) { // a separate chroma scan
			pos = skipScan(data, pos)
			continue
		}
		if err := d.prepare(&sc); err != nil {
			return err
		}
		d.scanned, d.scanHead, d.scanData = sc.n, s.start, pos
		dst.Resize((d.frame.width+7)/8, (d.frame.height+7)/8)
		return d.scan(dst, data[pos:])
	}
}

// has reports whether the scan holds the component at index.
func (s *scan) has(index int) bool {
	for i := range s.n {
		if s.comp[i].index == index {
			return true
		}
	}
	return false
}

// segment takes in one header segment.
func (d *LumaDecoder) segment(s segment) (err error) {
	b := s.body
	switch {
	case isSOF(s.marker):
		if err := baseline(s.marker); err != nil {
			return err
		}
		if d.frame.n > 0 {
			return formatError("two frame headers")
		}
		d.frame, err = parseFrame(b)
		return err
	case s.marker == mDHT:
		return d.huffmanTables(b)
	case s.marker == mDQT:
		return d.quantTables(b)
	case s.marker == mDRI:
		if len(b) < 2 {
			return formatError("short DRI")
		}
		d.restart = int(binary.BigEndian.Uint16(b))
	case s.marker == mDAC:
		return formatError("arithmetic coding")
	case s.marker == mAPP0:
		d.jfif = d.jfif || len(b) >= 5 && string(b[:5]) == "JFIF\x00"
	case s.marker == mAPP14:
		if len(b) >= 12 && string(b[:5]) == "Adobe" {
			d.adobe, d.transform = 1, int(b[11])
		}
	}
	return nil
}

// huffmanTables reads a DHT segment (T.81 B.2.4.2).
func (d *LumaDecoder) huffmanTables(b []byte) error {
	for len(b) > 0 {
		class, id, n, err := tableSpec(b)
		if err != nil {
			return err
		}
		h, have := &d.dc[id], &d.haveDC[id]
		if class == 1 {
			h, have = &d.ac[id], &d.haveAC[id]
		}
		if !h.load(b[1 : 1+n]) {
			return formatError("Huffman table %d.%d is no prefix code", class, id)
		}
		*have = true
		b = b[1+n:]
	}
	return nil
}

// tableSpec checks the Huffman table at the head of b and returns the length of its definition,
// which follows the first byte.
func tableSpec(b []byte) (class, id byte, n int, err error) {
	if len(b) < 17 {
		return 0, 0, 0, formatError("short DHT")
	}
	n = 16
	for _, c := range b[1:17] {
		n += int(c)
	}
	class, id = b[0]>>4, b[0]&15
	if class > 1 || id > 3 || n > 16+256 || n > len(b)-1 {
		return 0, 0, 0, formatError("Huffman table %d.%d of %d symbols", class, id, n-16)
	}
	if class == 0 {
		for _, size := range b[17 : 1+n] {
			if size > 15 {
				return 0, 0, 0, formatError("DC difference of %d bits", size)
			}
		}
	}
	return class, id, n, nil
}

// quantTables reads a DQT segment (T.81 B.2.4.1); only the DC entries are kept.
func (d *LumaDecoder) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, id := b[0]>>4, b[0]&15
		n := 1 + 64*(1+int(wide))
		if wide > 1 || id > 3 || len(b) < n {
			return formatError("quantisation table %d.%d of %d bytes", wide, id, len(b))
		}
		d.quant[id] = uint16(b[1])
		if wide == 1 {
			d.quant[id] = binary.BigEndian.Uint16(b[1:])
		}
		d.haveQuant[id] = true
		b = b[n:]
	}
	return nil
}

// prepare checks that the first component is luma as Decode promises it, and makes the plan of the
// scan with all tables that it needs.
func (d *LumaDecoder) prepare(s *scan) error {
	f := &d.frame
	y := f.comp[0]
	switch {
	case f.n == 4:
		return formatError("4 components (CMYK)")
	case f.n == 3 && d.isRGB():
		return formatError("RGB, not YCbCr")
	case f.n == 3 && (int(y.h) != f.hmax || int(y.v) != f.vmax):
		return formatError("luma is subsampled")
	case !d.haveQuant[y.quant]:
		return formatError("no quantisation table %d", y.quant)
	}
	d.plan.layout(f, s)
	d.plan.quant = int32(d.quant[y.quant])
	skips := 0
	for i := range s.n {
		c := s.comp[i]
		dc, ac := &d.dc[c.dc], &d.ac[c.ac]
		if !d.haveDC[c.dc] && !standard(dc, c.dc, stdDCLuma, stdDCChroma) ||
			!d.haveAC[c.ac] && !standard(ac, c.ac, stdACLuma, stdACChroma) {
			return formatError("no Huffman tables %d and %d", c.dc, c.ac)
		}
		d.acStep[c.ac].build(ac)
		b := coding{pair: pairOf(dc, ac), component: c.index, next: &d.acStep[c.ac].step}
		if c.index == 0 {
			d.lumaStep.build(b.pair)
			b.luma = &d.lumaStep.step
		} else {
			if skips == 0 || d.skipStep[skips-1].from != b.pair {
				d.skipStep[skips].build(b.pair)
				skips++
			}
			b.skip = &d.skipStep[skips-1].step
		}
		d.plan.add(f, c.index, b)
	}
	return nil
}

// standard makes h the standard luma (id 0) or chroma (id 1) table.
func standard(h *huffman, id byte, luma, chroma []byte) bool {
	switch id {
	case 0:
		return h.load(luma)
	case 1:
		return h.load(chroma)
	}
	return false
}

// isRGB decides as libjpeg does (jdapimin.c, default_decompress_parms): JFIF means YCbCr, then an
// Adobe segment decides, then the component identifiers.
func (d *LumaDecoder) isRGB() bool {
	if d.jfif {
		return false
	}
	if d.adobe == 1 {
		return d.transform == 0
	}
	c := &d.frame.comp
	return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
}
