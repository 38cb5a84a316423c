package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrNoHeader is returned for what has no whole movie header: not an MP4 file, or one cut
// before anything could be played.
var ErrNoHeader = errors.New("no mp4 header")

// A File is what Read found: the first video track and its samples.
type File struct {
	Width, Height int           // pixels as coded, before rotation
	Rotation      int           // degrees clockwise: 0, 90, 180 or 270
	Duration      time.Duration // to the end of the last sample shown
	SPS, PPS      []byte        // the first of each; nil if Codec is not avc1 or has them in its samples
	Codec         string        // type of the sample description: avc1 for what this module writes
	Samples       []Sample      // in decoding order
	Whole         int64         // bytes up to the end of the last whole fragment; the size of an intact file

	track      track
	fragmented bool
	durations  []durationField
	timescale  uint32 // of durations
}

// A Sample is one access unit in the file. Time is when it is shown; the earliest is 0,
// whatever edit lists say.
type Sample struct {
	Offset         int64
	Size           int
	Time, Duration time.Duration
	Key            bool // decoding can start here
}

// Info is what a file's header says.
type Info struct {
	Width, Height int // pixels as coded, before rotation
	Rotation      int // degrees clockwise: 0, 90, 180 or 270
	Duration      time.Duration
	Codec         string // as in File
}

// Read lists the samples of a fragmented or ordinary MP4 file of size bytes. A file that
// was cut, or whose end is garbage, is read up to its last whole fragment, which is no error;
// Whole tells. Any content is safe: memory stays within a small multiple of the file's size,
// at most maxSamples samples. Errors are ErrNoHeader, those of r, and malformed headers.
func Read(r io.ReaderAt, size int64) (*File, error) {
	s := scanner{r: r, size: size}
	if err := s.scan(); err != nil {
		return nil, fmt.Errorf("read mp4: %w", err)
	}
	if err := s.dropDamaged(); err != nil {
		return nil, fmt.Errorf("read mp4: %w", err)
	}
	f, err := s.file()
	if err != nil {
		return nil, fmt.Errorf("read mp4: %w", err)
	}
	return f, nil
}

// Header reads only the header, unless that does not give the duration: then it reads the
// fragments' headers too.
func Header(r io.ReaderAt, size int64) (Info, error) {
	var off int64
	for {
		s, ok, err := nextSpan(r, off, size)
		if err != nil {
			return Info{}, fmt.Errorf("read mp4 header: %w", err)
		}
		if !ok {
			return Info{}, fmt.Errorf("read mp4 header: %w", ErrNoHeader)
		}
		off = s.end
		if s.typ != "moov" {
			continue
		}
		m, err := loadMovie(r, s)
		if err != nil {
			return Info{}, fmt.Errorf("read mp4 header: %w", err)
		}
		d := m.length()
		if d == 0 {
			f, err := Read(r, size)
			if err != nil {
				return Info{}, err
			}
			d = f.Duration
		}
		t := &m.track
		return Info{Width: t.width, Height: t.height, Rotation: t.rotation, Duration: d, Codec: t.codec}, nil
	}
}

func loadMovie(r io.ReaderAt, s span) (*movie, error) {
	b, err := s.load(r, maxMoov)
	if err != nil {
		return nil, err
	}
	m, err := parseMovie(b, s.off+s.headerLen)
	if err != nil {
		return nil, fmt.Errorf("moov: %w", err)
	}
	return m, nil
}

// A scanner walks the top-level boxes.
type scanner struct {
	r       io.ReaderAt
	size    int64
	movie   *movie
	whole   int64
	samples []rawSample
	marks   []mark
	next    int64 // decode time after the last fragment
}

// A mark is the state before a fragment, to go back to.
type mark struct {
	samples int
	off     int64
}

func (s *scanner) scan() error {
	var moof *span // seen, its mdat not yet
	for at := int64(0); at < s.size; {
		b, ok, err := nextSpan(s.r, at, s.size)
		if err != nil {
			return err
		}
		if ok {
			moof, ok, err = s.box(b, moof)
		}
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		at = b.end
		if moof == nil {
			s.whole = at
		}
	}
	if s.movie == nil {
		return ErrNoHeader
	}
	return nil
}

// box takes one box; moof is the one before it whose mdat has not come, as is the one it
// returns. ok is false if the file makes no sense from here on, which counts as its end.
func (s *scanner) box(b span, moof *span) (_ *span, ok bool, err error) {
	switch {
	case b.typ == "moov" && s.movie == nil:
		if s.movie, err = loadMovie(s.r, b); err != nil {
			return nil, false, err
		}
		if s.samples, err = s.movie.track.tables.samples(s.size); err != nil {
			return nil, false, fmt.Errorf("sample tables: %w", err)
		}
	case b.typ == "moof":
		return &b, moof == nil && s.movie != nil && b.end-b.off <= maxMoof, nil
	case b.typ == "mdat" && moof != nil:
		ok, err := s.fragment(*moof, b)
		return nil, ok, err
	}
	return moof, true, nil
}

// fragment adds the samples of moof, whose data end with mdat; ok is false if it is damaged.
func (s *scanner) fragment(moof, mdat span) (ok bool, err error) {
	b, err := moof.load(s.r, maxMoof)
	if err != nil {
		return false, err
	}
	before := len(s.samples)
	samples, next, err := s.movie.parseMoof(s.samples, b, moof.off, s.next)
	if err != nil {
		return false, nil
	}
	for _, x := range samples[before:] {
		if x.off+int64(x.size) > mdat.end {
			return false, nil
		}
	}
	s.samples, s.next = samples, next
	s.marks = append(s.marks, mark{samples: before, off: moof.off})
	return true, nil
}

// dropDamaged goes back from the end over fragments whose data are not NAL units: after a
// power cut a file may have its full length but zeros where data never reached the disk.
func (s *scanner) dropDamaged() error {
	if c := s.movie.track.codec; c != "avc1" && c != "avc3" {
		return nil
	}
	for len(s.marks) > 0 {
		last := s.marks[len(s.marks)-1]
		ok, err := s.intact(s.samples[last.samples:])
		if ok || err != nil {
			return err
		}
		s.samples, s.whole = s.samples[:last.samples], last.off
		s.marks = s.marks[:len(s.marks)-1]
	}
	return nil
}

// maxUnits is how many NAL units of a fragment intact looks at: more than a real one has.
const maxUnits = 1 << 14

// intact follows the NAL units' lengths through the samples.
func (s *scanner) intact(samples []rawSample) (bool, error) {
	var h [5]byte
	n := s.movie.track.lengthSize
	if n == 0 {
		return true, nil // no avcC: nothing can be told
	}
	units := 0
	for _, x := range samples {
		at, end := x.off, x.off+int64(x.size)
		for at < end {
			if units++; units > maxUnits {
				return true, nil
			}
			if end-at < int64(n)+1 {
				return false, nil
			}
			if err := readFull(s.r, h[:n+1], at); err != nil {
				return false, err
			}
			length := nalLength(h[:n])
			if length == 0 || h[n]&0x80 != 0 {
				return false, nil
			}
			at += int64(n) + length
		}
		if at != end {
			return false, nil
		}
	}
	return true, nil
}

// nalLength reads a length of 1, 2 or 4 bytes.
func nalLength(b []byte) int64 {
	switch len(b) {
	case 1:
		return int64(b[0])
	case 2:
		return int64(binary.BigEndian.Uint16(b))
	}
	return int64(binary.BigEndian.Uint32(b))
}

// file turns what was found into a File, with times from the first picture shown.
func (s *scanner) file() (*File, error) {
	t := &s.movie.track
	f := &File{Width: t.width, Height: t.height, Rotation: t.rotation, Codec: t.codec, Whole: s.whole,
		track: *t, fragmented: s.movie.fragmented, durations: s.movie.durations, timescale: s.movie.timescale}
	f.track.tables = tables{}
	if len(t.sps) > 0 {
		f.SPS = t.sps[0]
	}
	if len(t.pps) > 0 {
		f.PPS = t.pps[0]
	}
	if len(s.samples) == 0 {
		return f, nil
	}
	first := s.samples[0].decode + int64(s.samples[0].shift)
	for _, x := range s.samples {
		first = min(first, x.decode+int64(x.shift))
	}
	f.Samples = make([]Sample, len(s.samples))
	for i, x := range s.samples {
		at, err := scale(uint64(x.decode+int64(x.shift)-first), t.timescale)
		if err != nil {
			return nil, err
		}
		d, err := scale(uint64(x.duration), t.timescale)
		if err != nil {
			return nil, err
		}
		f.Samples[i] = Sample{Offset: x.off, Size: int(x.size), Time: at, Duration: d, Key: x.key}
		f.Duration = max(f.Duration, at+d)
	}
	return f, nil
}
