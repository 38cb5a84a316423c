package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of what a network camera may send.
const (
	maxPart    = 8 << 20   // bytes of one picture
	maxGap     = 1 << 20   // bytes between two pictures
	maxLine    = 4 << 10   // bytes of a header or delimiter line
	maxDashes  = 100       // around a boundary
	readChunk  = 32 << 10  // the least room offered to a read
	firstRoom  = 128 << 10 // of the buffer
	sureLength = 5         // bytes that must agree before picture data is taken for a delimiter
)

var (
	errHuge      = fmt.Errorf("a picture is larger than %d MiB", maxPart>>20)
	errNoPicture = fmt.Errorf("no picture within %d KiB", maxGap>>10)
	errCut       = errors.New("the connection ended within a picture")
)

// A partReader cuts a multipart/x-mixed-replace stream (RFC 2046 5.1, in the use that browsers made of it) into JPEGs.
//
// Cameras break every rule of that format, so three signs of a picture's end count, and the first that is
// sound wins: the part's Content-Length if an EOI stands there; a delimiter line, with or
// without its dashes and line ends; the picture's own EOI, found by walking its segments. Where a picture begins its SOI says, so
// that a first delimiter may be missing and anything may lie between two parts. A part that is stated to be something else
// than a picture is passed over.
//
// Memory is bounded by maxPart and somewhat more; in steady state nothing is allocated.
type partReader struct {
	r        io.Reader
	boundary []byte // without the dashes around it; empty if unknown
	buf      []byte
	from, to int // what is buffered and not used yet is buf[from:to]
	taken    int // bytes of it that the picture given last takes
	err      error
	head     partHead
}

// partHead is what is known of the part that is being read.
type partHead struct {
	fields bool // there was a header field
	ended  bool // by an empty line
	left   int  // bytes to come by its Content-Length; -1 if unknown
	image  bool // it is stated to be a picture
	other  bool // it is stated to be something else
}

func newPartReader(r io.Reader, boundary string) *partReader {
	return &partReader{r: r, boundary: []byte(strings.Trim(boundary, "- \t")), buf: make([]byte, firstRoom), head: partHead{left: -1}}
}

// boundaryOf reads the boundary from a Content-Type. It does not need to be a valid one: "boundary=--video boundary--"
// and "boundary =x" are sent.
func boundaryOf(contentType string) string {
	for p := range strings.SplitSeq(contentType, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "boundary") {
			value = strings.Trim(strings.TrimSpace(value), `"'`)
			return value[:min(len(value), 200)]
		}
	}
	return ""
}

// next returns the next picture, valid until the call after. It may be cut short or be no JPEG at all behind its first
// three bytes. errBadPicture is a picture that was announced and did not come; then the next may be asked for. io.EOF says that
// the stream ended between two pictures, errCut that it ended within one.
func (p *partReader) next() ([]byte, error) {
	p.from, p.taken = p.from+p.taken, 0
	if err := p.gap(); err != nil {
		return nil, err
	}
	n, err := p.body()
	if err != nil {
		return nil, err
	}
	p.taken, p.head = n, partHead{left: -1}
	b := p.buf[p.from : p.from+n]
	if end, ok := trimEOI(b); ok {
		b = b[:end]
	}
	return b, nil
}

// more adds at least one byte to what is buffered. Offsets from p.from stay what they are.
func (p *partReader) more() error {
	if p.err != nil {
		return p.err
	}
	if len(p.buf)-p.to < readChunk && p.from > 0 {
		copy(p.buf, p.buf[p.from:p.to])
		p.from, p.to = 0, p.to-p.from
	}
	if len(p.buf)-p.to < readChunk {
		grown := make([]byte, max(min(2*len(p.buf), maxPart+firstRoom), len(p.buf)+readChunk))
		copy(grown, p.buf[:p.to])
		p.buf = grown
	}
	for range 100 {
		n, err := p.r.Read(p.buf[p.to:])
		p.to += n
		p.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// gap goes to the next SOI, through delimiters, headers and whatever else is there.
func (p *partReader) gap() error {
	for skipped := 0; skipped <= maxGap; {
		line, soi, err := p.line()
		if err != nil {
			return err
		}
		n := len(line)
		p.from += n
		skipped += n
		if p.head.ended && p.head.left >= 0 {
			p.head.left = max(p.head.left-n, 0)
		}
		if soi {
			return nil
		}
		missing := p.head.image && p.head.ended
		switch {
		case p.delimits(line):
			p.head = partHead{left: -1}
			if missing {
				return errBadPicture
			}
		case !p.head.ended:
			p.head.field(line)
			if p.head.ended && p.head.other && p.head.left > 0 {
				if err := p.pass(min(p.head.left, maxPart)); err != nil {
					return err
				}
				skipped += p.head.left
				p.head.left = -1
			}
		}
	}
	return errNoPicture
}

// line gives what stands before the next SOI, or up to and with the next line feed, and whether it is an SOI that
// follows. What is too long for a line comes in pieces.
func (p *partReader) line() (line []byte, soi bool, err error) {
	for {
		b := p.buf[p.from:p.to]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[:i+1]
		}
		if i := bytes.Index(b, startOfPicture); i >= 0 {
			return b[:i], true, nil
		}
		if len(b) > 0 && b[len(b)-1] == '\n' {
			return b, false, nil
		}
		if len(b) > maxLine {
			return b[:len(b)-2], false, nil // an SOI may have begun
		}
		if err := p.more(); err != nil {
			return nil, false, err
		}
	}
}

var startOfPicture = []byte{0xff, markSOI, 0xff}

// pass skips n bytes.
func (p *partReader) pass(n int) error {
	for {
		have := min(n, p.to-p.from)
		p.from += have
		if n -= have; n == 0 {
			return nil
		}
		if err := p.more(); err != nil {
			return err
		}
	}
}

// delimits tells a delimiter line. Where the boundary is not known, or is not what was promised, any line that begins
// with two dashes counts.
func (p *partReader) delimits(line []byte) bool {
	if bytes.HasPrefix(line, []byte("--")) {
		return true
	}
	return len(p.boundary) > 0 && bytes.Equal(bytes.Trim(line, "- \t\r\n"), p.boundary)
}

// field takes a line of a part's header.
func (h *partHead) field(line []byte) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		h.ended = h.fields
		return
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return
	}
	value = bytes.TrimSpace(value)
	switch name = bytes.TrimSpace(name); {
	case bytes.EqualFold(name, []byte("Content-Length")):
		h.fields, h.left = true, decimal(value)
	case bytes.EqualFold(name, []byte("Content-Type")):
		h.fields = true
		h.image = len(value) >= 6 && bytes.EqualFold(value[:6], []byte("image/"))
		h.other = !h.image && bytes.IndexByte(value, '/') > 0 && !bytes.HasPrefix(value, []byte("application/octet-stream"))
	}
}

// decimal reads a length; -1 for what is none.
func decimal(b []byte) int {
	if len(b) == 0 || len(b) > 9 {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// body finds the end of the picture that begins at p.from.
func (p *partReader) body() (int, error) {
	if p.head.left > maxPart {
		p.head.left = -1 // a lie, or the picture will show it
	}
	for p.head.left > p.to-p.from {
		if err := p.more(); err != nil {
			return 0, cutBy(err)
		}
	}
	if n := p.head.left; n > 0 {
		if _, ok := trimEOI(p.buf[p.from : p.from+n]); ok {
			return n, nil
		}
	}
	walk := walker{pos: 2}
	searched := 0
	for {
		b := p.buf[p.from:p.to]
		line, next := p.delimiter(b, searched, p.err != nil)
		searched = next
		own := walk.end(b)
		switch {
		case line >= 0 && (own < 0 || line < own):
			return line, nil
		case own >= 0:
			return own, nil
		case len(b) > maxPart:
			return 0, errHuge
		}
		if err := p.more(); err != nil {
			return 0, cutBy(err)
		}
	}
}

// cutBy is what err means within a picture.
func cutBy(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}

// delimiter looks in b from offset at on for a delimiter, and gives the offset at which the picture before it ends, or
// -1 and the offset to look from when there is more. final says that there will not be more.
func (p *partReader) delimiter(b []byte, at int, final bool) (end, next int) {
	if len(p.boundary) == 0 {
		return -1, len(b)
	}
	for {
		i := bytes.Index(b[at:], p.boundary)
		if i < 0 {
			return -1, max(at, len(b)-len(p.boundary)+1)
		}
		i += at
		before := i
		for before > 0 && b[before-1] == '-' && i-before < maxDashes {
			before--
		}
		after, complete := lineEnd(b, i+len(p.boundary))
		if !complete && !final {
			return -1, i
		}
		if end, sure := endBefore(b, before); sure > 0 {
			dashes := i - before
			if after {
				sure++
			}
			if sure+dashes+len(p.boundary) >= sureLength && (dashes >= 2 || after) {
				return end, i
			}
		}
		at = i + 1
	}
}

// lineEnd tells whether nothing but dashes and blanks stand between offset i and the line's end, and whether b
// is long enough to tell.
func lineEnd(b []byte, i int) (ok, complete bool) {
	for n := 0; i < len(b) && n < maxDashes; i, n = i+1, n+1 {
		switch b[i] {
		case '\n':
			return true, true
		case '-', ' ', '\t', '\r':
		default:
			return false, true
		}
	}
	return false, i < len(b)
}

// endBefore gives the end of a picture that a delimiter at offset i follows, and how many bytes speak for it: a line end,
// which belongs to the delimiter (RFC 2046 5.1.1), or an EOI, for cameras that leave the line end out.
func endBefore(b []byte, i int) (end, sure int) {
	switch {
	case i >= 2 && b[i-2] == '\r' && b[i-1] == '\n':
		return i - 2, 2
	case i >= 1 && b[i-1] == '\n':
		return i - 1, 1
	case i >= 2 && b[i-2] == 0xff && b[i-1] == markEOI:
		return i, 2
	}
	return 0, 0
}

// trimEOI looks for an EOI at the end of b, with padding behind it allowed for, and gives the offset after it.
func trimEOI(b []byte) (end int, ok bool) {
	end = len(b)
	for end > 2 && (b[end-1] == 0 || b[end-1] == '\n' || b[end-1] == '\r' || b[end-1] == ' ' || b[end-1] == 0xff) {
		end--
	}
	return end, end > 4 && b[end-2] == 0xff && b[end-1] == markEOI
}

// A walker follows the segments of a JPEG (T.81 B.1.1) as its bytes come in.
type walker struct{ pos int }

// end gives the offset after the EOI, or that of the SOI of another picture; -1 as long as neither is in b.
func (w *walker) end(b []byte) int {
	for w.pos < len(b) {
		i := bytes.IndexByte(b[w.pos:], 0xff)
		if i < 0 {
			w.pos = len(b)
			return -1
		}
		m := w.pos + i + 1
		for m < len(b) && b[m] == 0xff { // fill bytes
			m++
		}
		w.pos = m - 1
		if m == len(b) {
			return -1
		}
		switch mark := b[m]; {
		case mark == markEOI:
			return m + 1
		case mark == markSOI:
			return m - 1
		case mark == 0 || mark == markTEM || mark >= 0xd0 && mark <= 0xd7: // stuffing, and markers that stand alone
			w.pos = m + 1
		case m+2 >= len(b):
			return -1
		default:
			w.pos = m + 1 + max(int(b[m+1])<<8|int(b[m+2]), 2)
		}
	}
	return -1
}
