package mp4

import (
	"errors"
	"fmt"
	"time"
)

// A movie is what moov says, with the first video track of it.
type movie struct {
	timescale  uint32 // of the movie
	duration   uint64 // mvhd
	fragmented bool   // there is an mvex
	fragments  uint64 // mehd: duration with fragments, 0 if not said
	defaults   map[uint32]trackDefaults
	durations  []durationField
	track      track
	found      bool
}

// trackDefaults are a trex's.
type trackDefaults struct{ duration, size, flags uint32 }

// A durationField is a place in the file that holds the whole duration in movie ticks.
type durationField struct {
	off  int64
	size int // 4 or 8
}

// A track is one trak.
type track struct {
	id            uint32
	rotation      int
	timescale     uint32
	handler       string
	codec         string
	width, height int
	lengthSize    int // bytes of a NAL unit's length
	sps, pps      [][]byte
	tables        tables
	duration      durationField
}

// parseMovie reads the payload of a moov that begins at off in the file.
func parseMovie(b []byte, off int64) (*movie, error) {
	m := &movie{defaults: map[uint32]trackDefaults{}}
	err := eachBox(b, func(typ string, p []byte, at int) error {
		c := cursor{b: p}
		switch typ {
		case "mvhd":
			v, _ := c.full()
			c.word(v)
			c.word(v)
			m.timescale = c.u32()
			m.addDuration(v, p, c, off+int64(at))
			m.duration = known(c.word(v), v)
			return c.err()
		case "trak":
			t, err := parseTrak(p, off+int64(at))
			if t.handler != "vide" || m.found {
				return nil // an unreadable sound track does no harm
			}
			m.track, m.found = t, true
			m.durations = append(m.durations, t.duration)
			return err
		case "mvex":
			m.fragmented = true
			return m.parseMvex(p, off+int64(at))
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !m.found:
		return nil, errors.New("no video track")
	case m.timescale == 0 || m.track.timescale == 0:
		return nil, errors.New("no timescale")
	}
	return m, nil
}

// addDuration notes the field that c stands before; p is the payload c reads, found at off.
func (m *movie) addDuration(version byte, p []byte, c cursor, off int64) {
	m.durations = append(m.durations, fieldAt(version, p, c, off))
}

func fieldAt(version byte, p []byte, c cursor, off int64) durationField {
	size := 4
	if version == 1 {
		size = 8
	}
	return durationField{off: off + int64(len(p)-len(c.b)), size: size}
}

// known turns the value for an unknown duration, all ones, into 0.
func known(d uint64, version byte) uint64 {
	if d == 1<<64-1 || version == 0 && d == 1<<32-1 {
		return 0
	}
	return d
}

func (m *movie) parseMvex(b []byte, off int64) error {
	return eachBox(b, func(typ string, p []byte, at int) error {
		c := cursor{b: p}
		switch typ {
		case "mehd":
			v, _ := c.full()
			m.addDuration(v, p, c, off+int64(at))
			m.fragments = known(c.word(v), v)
		case "trex":
			c.full()
			id := c.u32()
			c.u32() // default_sample_description_index
			m.defaults[id] = trackDefaults{c.u32(), c.u32(), c.u32()}
		}
		return c.err()
	})
}

func parseTrak(b []byte, off int64) (t track, err error) {
	err = eachBox(b, func(typ string, p []byte, at int) error {
		switch typ {
		case "tkhd":
			return t.parseTkhd(p, off+int64(at))
		case "mdia":
			return t.parseMdia(p)
		}
		return nil
	})
	return t, err
}

func (t *track) parseTkhd(p []byte, off int64) error {
	c := cursor{b: p}
	v, _ := c.full()
	c.word(v)
	c.word(v)
	t.id = c.u32()
	c.u32()
	t.duration = fieldAt(v, p, c, off)
	c.word(v)
	c.take(16)
	var m [9]int32
	for i := range m {
		m[i] = int32(c.u32())
	}
	turn := [4]int32{m[0] >> 16, m[1] >> 16, m[3] >> 16, m[4] >> 16}
	for degrees, r := range rotations {
		if turn == r {
			t.rotation = degrees
		}
	}
	return c.err()
}

func (t *track) parseMdia(b []byte) error {
	return eachBox(b, func(typ string, p []byte, _ int) error {
		c := cursor{b: p}
		switch typ {
		case "mdhd":
			v, _ := c.full()
			c.word(v)
			c.word(v)
			t.timescale = c.u32()
		case "hdlr":
			c.full()
			c.u32()
			t.handler = string(c.take(4))
		case "minf":
			return eachBox(p, func(typ string, p []byte, _ int) error {
				if typ != "stbl" {
					return nil
				}
				return t.parseStbl(p)
			})
		}
		return c.err()
	})
}

func (t *track) parseStbl(b []byte) error {
	return eachBox(b, func(typ string, p []byte, _ int) error {
		switch typ {
		case "stsd":
			return t.parseStsd(p)
		case "stz2":
			return errors.New("compact sample sizes are not supported")
		}
		return t.tables.set(typ, p)
	})
}

// parseStsd takes the first sample description. Those of other than video tracks are read
// as far as they go, since hdlr need not come first.
func (t *track) parseStsd(b []byte) error {
	c := cursor{b: b}
	c.full()
	c.u32()
	if c.short {
		return errShort
	}
	first := true
	return eachBox(c.b, func(typ string, p []byte, _ int) error {
		if !first {
			return nil
		}
		first = false
		t.codec = typ
		if typ != "avc1" && typ != "avc3" {
			c := cursor{b: p}
			c.take(24)
			t.width, t.height = int(c.u16()), int(c.u16())
			return nil
		}
		c := cursor{b: p}
		c.take(24)
		t.width, t.height = int(c.u16()), int(c.u16())
		c.take(50)
		if c.short {
			return errShort
		}
		return eachBox(c.b, func(typ string, p []byte, _ int) error {
			if typ != "avcC" {
				return nil
			}
			return t.parseAvcC(p)
		})
	})
}

func (t *track) parseAvcC(b []byte) error {
	c := cursor{b: b}
	if v := c.u8(); v != 1 {
		return fmt.Errorf("version %d", v)
	}
	c.take(3)
	t.lengthSize = int(c.u8()&3) + 1
	if t.lengthSize == 3 {
		return errors.New("NAL unit lengths of 3 bytes")
	}
	t.sps, t.pps = nil, nil
	for range c.u8() & 0x1f {
		if nal := c.take(int(c.u16())); len(nal) > 0 {
			t.sps = append(t.sps, nal)
		}
	}
	for range c.u8() {
		if nal := c.take(int(c.u16())); len(nal) > 0 {
			t.pps = append(t.pps, nal)
		}
	}
	return c.err()
}

// length is the duration that the header gives, 0 if it does not.
func (m *movie) length() time.Duration {
	d := m.duration
	if m.fragmented {
		d = m.fragments
	}
	t, err := scale(d, m.timescale)
	if err != nil {
		return 0
	}
	return t
}

// scale converts ticks. It refuses more than a century, so that two results can be added.
func scale(ticks uint64, timescale uint32) (time.Duration, error) {
	s, rest := ticks/uint64(timescale), ticks%uint64(timescale)
	if s >= 1<<32 {
		return 0, fmt.Errorf("time %d/%d s is out of range", ticks, timescale)
	}
	return time.Duration(s)*time.Second + time.Duration(rest*uint64(time.Second)/uint64(timescale)), nil
}
