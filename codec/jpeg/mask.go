package jpeg

import (
	"encoding/binary"
	"errors"

	"camward/video"
)

// A Masker blackens parts of pictures. A baseline picture of one scan, as cameras send them, stays compressed: blocks outside of the
// mask are copied bit by bit, those of every MCU that a polygon touches become black, and the DC differences that follow are
// coded anew. Other pictures are decoded, blackened and encoded.
//
// Nothing else of the input gets into the result: its header is written anew, so no thumbnail, no maker's note and no comment
// (APPn, COM), and neither do bytes that no MCU is made of, a second picture in the same buffer among them.
//
// It keeps tables and buffers between pictures, so that a stream of equal kind is masked without allocating. Not for concurrent use.
type Masker struct {
	shapes []video.Polygon
	mask   *video.Mask // for the size of the last picture
	dark   darkness
	head   LumaDecoder // reads headers, and holds the tables
	sof    byte        // the marker of the frame header
	steps  [2]lumaSteps
	comps  [3]maskedComponent
	same   []code // an MCU that repeats the one before
	lacks  bool   // the tables have no codes for what is to be written
	w      writer
	img    video.I420
}

// recodeQuality is that of pictures that had to be decoded: what cameras use, or more.
const recodeQuality = 90

// maxPadding is how many bytes may follow the last MCU's bits before a marker. Cameras align their data; more is a sign that
// MCUs are not where they seem to be.
const maxPadding = 4

// errRecode says that a picture is fit to be masked, but not without decoding it.
var errRecode = errors.New("not to be masked while compressed")

// NewMasker returns a masker that blackens polygons, which it keeps.
func NewMasker(shapes []video.Polygon) *Masker { return &Masker{shapes: shapes} }

// Mask appends to dst[:0], which must not overlap data, the picture in data less what the polygons cover. The result is whole,
// Huffman tables and EOI included. Data that just ends early is completed: MCUs that are missing repeat the last average.
//
// On an error there is no picture that could be shown. ErrTruncated says that the data is damaged elsewhere than at its end: blocks
// may then be anywhere, also those that the mask is to cover. ErrFormat says that it is no picture that this package reads.
func (m *Masker) Mask(dst, data []byte) ([]byte, error) {
	out, err := m.compressed(dst, data)
	if err == nil || err == ErrTruncated {
		return out, err
	}
	return m.recode(dst, data)
}

// recode masks a picture by way of its planes. Whatever libjpeg complains about makes it unfit.
func (m *Masker) recode(dst, data []byte) ([]byte, error) {
	d := NewDecoder()
	defer d.Close()
	if err := d.I420(&m.img, data); err != nil {
		return nil, err
	}
	if d.complained() {
		return nil, ErrTruncated
	}
	m.fit(m.img.Width, m.img.Height)
	if err := m.mask.BlackI420(&m.img); err != nil {
		return nil, err
	}
	return Encode(dst, &m.img, recodeQuality)
}

// fit makes the mask one for pictures of the given size.
func (m *Masker) fit(width, height int) {
	if m.mask != nil {
		if w, h := m.mask.Size(); w == width && h == height {
			return
		}
	}
	m.mask = video.NewMask(m.shapes, width, height)
	m.dark = darkness{}
}

// compressed masks a baseline picture of one scan. Any error but ErrTruncated means that it is not one.
func (m *Masker) compressed(dst, data []byte) ([]byte, error) {
	d := &m.head
	pos, err := start(data)
	if err != nil {
		return nil, err
	}
	m.w = writer{out: append(dst[:0], jfif...)}
	d.header = header{}
	for {
		s, err := nextSegment(data, pos)
		if err != nil {
			return nil, err
		}
		pos = s.end
		if s.marker == mSOS {
			return m.scan(s.body, data[pos:])
		}
		if err := d.segment(s); err != nil {
			return nil, err
		}
		if isSOF(s.marker) {
			m.sof = s.marker
		}
		if s.marker == mDQT || s.marker == mDHT { // read to their end, so they hide nothing
			m.w.out = append(m.w.out, data[s.start:s.end]...)
		}
	}
}

// scan masks the scan with the given header, and writes all that is left of the picture.
func (m *Masker) scan(head, data []byte) ([]byte, error) {
	d := &m.head
	if d.frame.n == 0 {
		return nil, formatError("no frame header before the first scan")
	}
	sc, err := parseScan(head, &d.frame)
	if err != nil {
		return nil, err
	}
	for i := range d.frame.n { // T.81 B.2.3 has them in the frame header's order
		if sc.n != d.frame.n || sc.comp[i].index != i {
			return nil, errRecode
		}
	}
	if err := d.prepare(&sc); err != nil {
		return nil, err
	}
	m.prepare(&sc)
	m.fit(d.frame.width, d.frame.height)
	m.dark.fit(&d.plan, m.mask)
	m.header(&sc)
	if err := m.intervals(data); err != nil {
		return nil, err
	}
	out := append(m.w.out, 0xFF, mEOI)
	m.w.out = nil
	return out, nil
}

// prepare makes the tables for the components of a scan, and notes if black cannot be said with them.
func (m *Masker) prepare(s *scan) {
	d := &m.head
	// Steps larger than this wrap around in libjpeg, as a coefficient has 11 bits.
	m.lacks = d.plan.quant < 1 || d.plan.quant > 2047
	for i := range d.plan.blocks {
		b := &d.plan.blocks[i]
		if b.component == 0 { // has its luma steps
			continue
		}
		t := &m.steps[b.component-1]
		if b.component == 2 && b.pair == m.steps[0].from {
			t = &m.steps[0]
		}
		t.build(b.pair)
		b.luma, b.skip = &t.step, nil
	}
	m.comps[0].black = -(1023 + d.plan.quant) / max(d.plan.quant, 1)
	for i := range s.n {
		c := &s.comp[i]
		ends := m.comps[c.index].encode(&d.dc[c.dc], &d.ac[c.ac])
		m.lacks = m.lacks || !ends || !d.haveQuant[d.frame.comp[i].quant]
	}
	m.repetition()
}

// header writes what comes between the tables and the scan's data: the standard tables where the picture relies on them, and the
// rest from what was understood of it.
func (m *Masker) header(s *scan) {
	d := &m.head
	var defined tableSet
	for id := range 4 {
		if d.haveDC[id] {
			defined[0] |= 1 << id
		}
		if d.haveAC[id] {
			defined[1] |= 1 << id
		}
	}
	f := &d.frame
	out := missing(s, &defined).append(m.w.out)
	out = append(out, 0xFF, m.sof, 0, byte(8+3*f.n), 8)
	out = binary.BigEndian.AppendUint16(out, uint16(f.height))
	out = binary.BigEndian.AppendUint16(out, uint16(f.width))
	out = append(out, byte(f.n))
	for _, c := range f.comp[:f.n] {
		out = append(out, c.id, c.h<<4|c.v, c.quant)
	}
	if d.restart > 0 {
		out = append(out, 0xFF, mDRI, 0, 4, byte(d.restart>>8), byte(d.restart))
	}
	out = append(out, 0xFF, mSOS, 0, byte(6+2*s.n), byte(s.n))
	for _, c := range s.comp[:s.n] {
		out = append(out, f.comp[c.index].id, c.dc<<4|c.ac)
	}
	m.w.out = append(out, 0, 63, 0)
}

// A darkness says which MCUs a mask touches.
type darkness struct {
	across, down, stepX, stepY int
	mcus                       []bool
}

// fit makes it that of a plan. mask is the one that it had before, unless it was cleared.
func (k *darkness) fit(p *plan, mask *video.Mask) {
	if k.across == p.across && k.down == p.down && k.stepX == p.stepX && k.stepY == p.stepY {
		return
	}
	*k = darkness{p.across, p.down, p.stepX, p.stepY, make([]bool, p.across*p.down)}
	for i := range k.mcus {
		x, y := p.place(i)
		k.mcus[i] = mask.Touches(8*x, 8*y, 8*(x+p.stepX), 8*(y+p.stepY))
	}
}
