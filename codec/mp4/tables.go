package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A rawSample is a Sample in its track's ticks.
type rawSample struct {
	off      int64
	decode   int64 // decode time
	shift    int32 // from decode to presentation time
	size     uint32
	duration uint32
	key      bool
}

var errTooMany = fmt.Errorf("more than %d samples", maxSamples)

// tables are the sample tables of an ordinary (not fragmented) track, ISO/IEC 14496-12 8.6.1,
// 8.7.3 to 8.7.5: for each the entries' bytes, a whole number of entries.
type tables struct {
	durations []byte // stts: count, delta
	shifts    []byte // ctts: count, offset
	keys      []byte // stss: sample numbers from 1, ascending
	runs      []byte // stsc: first chunk from 1, samples per chunk, description
	sizes     []byte // stsz, unless all are the same
	size      uint32 // that same size
	count     uint32 // samples
	chunks    []byte // stco or co64: file offsets
	chunkSize int    // bytes of an entry of chunks: 4 or 8
	hasKeys   bool
}

// set takes the box typ, if it is one of the tables.
func (t *tables) set(typ string, payload []byte) (err error) {
	c := cursor{b: payload}
	switch typ {
	case "stts":
		t.durations, err = entries(&c, 8)
	case "ctts":
		t.shifts, err = entries(&c, 8)
	case "stss":
		t.hasKeys = true
		t.keys, err = entries(&c, 4)
	case "stsc":
		t.runs, err = entries(&c, 12)
	case "stco":
		t.chunkSize = 4
		t.chunks, err = entries(&c, 4)
	case "co64":
		t.chunkSize = 8
		t.chunks, err = entries(&c, 8)
	case "stsz":
		c.full()
		t.size, t.count = c.u32(), c.u32()
		switch {
		case t.count > maxSamples:
			err = errTooMany
		case t.size == 0:
			t.sizes = c.take(4 * int(t.count))
		}
		err = errors.Join(err, c.err())
	}
	return err
}

// entries reads the version, the flags and the count of a table, and its entries of n bytes.
func entries(c *cursor, n int) ([]byte, error) {
	c.full()
	count := c.u32()
	if uint64(count)*uint64(n) > uint64(len(c.b)) {
		return nil, errShort
	}
	return c.take(int(count) * n), c.err()
}

func word(table []byte, i int) uint32 { return binary.BigEndian.Uint32(table[4*i:]) }

// samples expands the tables. Samples that are not wholly within size bytes end the list:
// the file was cut.
func (t *tables) samples(size int64) ([]rawSample, error) {
	var out []rawSample
	times := runLength{table: t.durations}
	shifts := runLength{table: t.shifts}
	decode, key := int64(0), 0
	chunks := 0
	if t.chunkSize > 0 {
		chunks = len(t.chunks) / t.chunkSize
	}
	run := -1
	for chunk := range chunks {
		for run+1 < len(t.runs)/12 && word(t.runs, 3*(run+1)) <= uint32(chunk+1) {
			run++
		}
		if run < 0 {
			return nil, errors.New("stsc: the first chunk has no entry")
		}
		off := t.chunk(chunk)
		for range word(t.runs, 3*run+1) {
			if len(out) == int(t.count) {
				return out, nil
			}
			s := rawSample{off: off, decode: decode, size: t.sampleSize(len(out)), key: !t.hasKeys}
			if s.size == 0 || s.size > maxSample {
				return nil, fmt.Errorf("stsz: sample of %d bytes", s.size)
			}
			if off < 0 || off > size-int64(s.size) {
				return out, nil
			}
			s.duration = times.next()
			s.shift = int32(shifts.next())
			for key < len(t.keys)/4 && word(t.keys, key) <= uint32(len(out)+1) {
				s.key = s.key || word(t.keys, key) == uint32(len(out)+1)
				key++
			}
			out = append(out, s)
			off += int64(s.size)
			decode += int64(s.duration)
		}
	}
	return out, nil
}

func (t *tables) sampleSize(i int) uint32 {
	if t.size != 0 {
		return t.size
	}
	return word(t.sizes, i)
}

func (t *tables) chunk(i int) int64 {
	if t.chunkSize == 8 {
		return int64(binary.BigEndian.Uint64(t.chunks[8*i:])) // negative beyond any file
	}
	return int64(word(t.chunks, i))
}

// A runLength reads a table of (count, value) pairs, one value at a time; 0 after its end.
type runLength struct {
	table []byte
	left  uint32
	value uint32
}

func (r *runLength) next() uint32 {
	for r.left == 0 {
		if len(r.table) < 8 {
			return 0
		}
		r.left, r.value = word(r.table, 0), word(r.table, 1)
		r.table = r.table[8:]
	}
	r.left--
	return r.value
}
