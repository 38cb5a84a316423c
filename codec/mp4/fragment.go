package mp4

import (
	"errors"
	"fmt"
)

// parseMoof appends the video track's samples of a movie fragment (ISO/IEC 14496-12 8.8)
// whose moof box, with payload b, begins at off. next is where the track's time continues if
// the fragment does not say; it returns where the next one would.
func (m *movie) parseMoof(dst []rawSample, b []byte, off, next int64) ([]rawSample, int64, error) {
	err := eachBox(b, func(typ string, p []byte, _ int) error {
		if typ != "traf" {
			return nil
		}
		t := trackFragment{base: off, at: off, decode: next}
		var err error
		if dst, err = t.parse(m, dst, p); err == nil && t.ours {
			next = t.decode
		}
		return err
	})
	return dst, next, err
}

// A trackFragment is the state while reading a traf.
type trackFragment struct {
	trackDefaults
	ours   bool
	base   int64 // what data offsets count from
	at     int64 // file offset of the next sample
	decode int64 // its decode time
}

func (t *trackFragment) parse(m *movie, dst []rawSample, b []byte) ([]rawSample, error) {
	err := eachBox(b, func(typ string, p []byte, _ int) error {
		c := cursor{b: p}
		switch typ {
		case "tfhd":
			return t.parseTfhd(m, &c)
		case "tfdt":
			v, _ := c.full()
			d := c.word(v)
			if d > 1<<60 {
				return errors.New("time is out of range")
			}
			t.decode = int64(d)
			return c.err()
		case "trun":
			if !t.ours {
				return nil
			}
			var err error
			dst, err = t.parseTrun(dst, &c)
			return err
		}
		return nil
	})
	return dst, err
}

func (t *trackFragment) parseTfhd(m *movie, c *cursor) error {
	_, flags := c.full()
	id := c.u32()
	t.ours = id == m.track.id
	t.trackDefaults = m.defaults[id]
	if flags&0x1 != 0 {
		base := c.u64()
		if base > 1<<60 {
			return errors.New("data offset is out of range")
		}
		t.base = int64(base)
	}
	t.at = t.base
	if flags&0x2 != 0 {
		c.u32()
	}
	if flags&0x8 != 0 {
		t.trackDefaults.duration = c.u32()
	}
	if flags&0x10 != 0 {
		t.trackDefaults.size = c.u32()
	}
	if flags&0x20 != 0 {
		t.trackDefaults.flags = c.u32()
	}
	return c.err()
}

func (t *trackFragment) parseTrun(dst []rawSample, c *cursor) ([]rawSample, error) {
	_, flags := c.full()
	count := c.u32()
	if uint64(len(dst))+uint64(count) > maxSamples {
		return dst, errTooMany
	}
	if flags&0x1 != 0 {
		t.at = t.base + int64(int32(c.u32()))
	}
	first, hasFirst := uint32(0), flags&0x4 != 0
	if hasFirst {
		first = c.u32()
	}
	for i := range count {
		d := t.trackDefaults
		var shift int32
		if flags&0x100 != 0 {
			d.duration = c.u32()
		}
		if flags&0x200 != 0 {
			d.size = c.u32()
		}
		if flags&0x400 != 0 {
			d.flags = c.u32()
		} else if i == 0 && hasFirst {
			d.flags = first
		}
		if flags&0x800 != 0 {
			shift = int32(c.u32())
		}
		switch {
		case c.short:
			return dst, errShort
		case d.size == 0 || d.size > maxSample || t.at < 0:
			return dst, fmt.Errorf("sample of %d bytes at %d", d.size, t.at)
		}
		dst = append(dst, rawSample{off: t.at, decode: t.decode, shift: shift,
			size: d.size, duration: d.duration, key: d.flags&0x10000 == 0})
		t.at += int64(d.size)
		t.decode += int64(d.duration)
	}
	return dst, c.err()
}
