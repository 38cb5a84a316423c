// Package mp4 writes fragmented MP4 files with one H.264 track, and reads those and ordinary
// ones (ISO/IEC 14496-12 and 14496-15).
//
// A written file is playable up to its last whole fragment at any time, so a crash costs at
// most the second being buffered; Read says where that fragment ends, Repair trims to it.
// There are no edit lists, which Chromium ignores in fragmented files: time starts at the
// first picture.
package mp4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// ErrParameterSets is returned by Write for a packet whose SPS or PPS differs from the
// track's. The packet is not written; the writer can be closed, and the packet begins the
// next file.
var ErrParameterSets = errors.New("H.264 parameter sets differ from the file's")

var errClosed = errors.New("mp4 writer used after Close")

const (
	fragmentTicks = timescale // a fragment's length at most, give or take half a picture
	maxFragment   = 256       // samples; bounds the moof, for which room is kept in front of the data
	maxBuffered   = 4 << 20   // bytes of a fragment, give or take a picture; one second at 32 Mbit/s, beyond which fragments are shorter
	moofRoom      = 128 + 12*maxFragment
	lonePicture   = timescale / 25 // duration of a file's only picture, when nothing tells
)

// A Writer writes one file. It keeps at most one fragment in memory and calls the underlying
// writer once for the header and once a fragment. Its methods must not be called concurrently.
type Writer struct {
	w          io.Writer
	track      Track
	onFragment func() error
	err        error // of a failed write: the file's end is undefined from then on

	started bool
	first   time.Duration // Mono of the first picture
	start   uint64        // ticks of the pending fragment's first picture, from the file's first
	last    uint64        // ticks of the last picture
	step    uint64        // ticks between the last two pictures
	total   uint64        // ticks to the end of the last sample written
	seq     uint32        // of the last moof
	samples []pending
	buf     []byte // moofRoom bytes, then the pending samples
	moof    builder
}

// A pending sample waits for its fragment to be complete.
type pending struct {
	size, duration uint32
	key            bool
}

// NewWriter checks t, reporting every fault at once, and writes the file's header to w. If w
// is an io.WriterAt, the file must begin at its offset 0, so that Close can complete the
// header; an *os.File must then not be opened with O_APPEND.
func NewWriter(w io.Writer, t Track) (*Writer, error) {
	if err := t.validate(); err != nil {
		return nil, fmt.Errorf("mp4 track: %w", err)
	}
	t.SPS, t.PPS = bytes.Clone(t.SPS), bytes.Clone(t.PPS)
	if _, err := w.Write(header(t, 0)); err != nil {
		return nil, fmt.Errorf("write mp4 header: %w", err)
	}
	return &Writer{w: w, track: t, buf: make([]byte, moofRoom, moofRoom+256<<10)}, nil
}

// OnFragment has f called after each fragment handed to the underlying writer; a recorder
// syncs the file there. An error of f is returned by the call that wrote the fragment and by
// all later ones.
func (w *Writer) OnFragment(f func() error) { w.onFragment = f }

// Write adds one access unit. The first must be a key picture and p.Mono must grow. Data
// reaches the underlying writer a fragment at a time: when the next key picture comes, or
// when the fragment is one second or 4 MiB long. A refused packet (wrong order, no picture in it,
// ErrParameterSets) changes nothing; an error of the underlying writer is final.
func (w *Writer) Write(p video.Packet) error {
	if w.err != nil {
		return w.err
	}
	if err := w.check(p); err != nil {
		return err
	}
	if !w.started {
		w.started, w.first = true, p.Mono
	}
	t := toTicks(p.Mono - w.first)
	if n := len(w.samples); n > 0 {
		w.step = t - w.last
		w.samples[n-1].duration = uint32(w.step)
		// Rounded to the nearest picture: a jittering key picture a little late must not
		// leave a fragment of its own to the picture before it.
		long := t-w.start+w.step/2 > fragmentTicks
		if p.Key || long || n == maxFragment || len(w.buf) > maxBuffered {
			if err := w.writeFragment(); err != nil {
				return err
			}
		}
	}
	if len(w.samples) == 0 {
		w.start = t
	}
	before := len(w.buf)
	w.buf = h264.AVCC(w.buf, p.Data)
	w.samples = append(w.samples, pending{size: uint32(len(w.buf) - before), key: p.Key})
	w.last = t
	return nil
}

// check tells whether p can be the next sample.
func (w *Writer) check(p video.Packet) error {
	sps, pps := h264.ParameterSets(p.Data)
	switch {
	case sps != nil && !bytes.Equal(sps, w.track.SPS), pps != nil && !bytes.Equal(pps, w.track.PPS):
		return ErrParameterSets
	case !hasPicture(p.Data):
		return fmt.Errorf("mp4 packet %d has no picture", p.Seq)
	case len(p.Data) > maxSample:
		return fmt.Errorf("mp4 packet %d has %d bytes", p.Seq, len(p.Data))
	case !w.started && !p.Key:
		return fmt.Errorf("mp4 packet %d is first and not a key picture", p.Seq)
	case !w.started:
		return nil
	}
	t := toTicks(p.Mono - w.first)
	switch {
	case p.Mono < w.first || t <= w.last:
		return fmt.Errorf("mp4 packet %d at %v is not after the one before", p.Seq, p.Mono)
	case t-w.last > math.MaxUint32:
		return fmt.Errorf("mp4 packet %d comes %v after the first, too long after the one before", p.Seq, p.Mono-w.first)
	}
	return nil
}

func hasPicture(annexB []byte) bool {
	for nal := range h264.NALs(annexB) {
		if t := nal[0] & 0x1f; t >= 1 && t <= 5 {
			return true
		}
	}
	return false
}

// writeFragment hands the pending samples on, as one moof and one mdat in one Write.
func (w *Writer) writeFragment() error {
	w.seq++
	dataLen := len(w.buf) - moofRoom
	m := &w.moof
	m.b = m.b[:0]
	w.appendMoof(m)
	m.u32(uint32(8 + dataLen))
	m.str("mdat")
	at := moofRoom - len(m.b)
	copy(w.buf[at:], m.b)
	if _, err := w.w.Write(w.buf[at:]); err != nil {
		w.err = fmt.Errorf("write mp4 fragment %d: %w", w.seq, err)
		return w.err
	}
	w.total = w.start
	for _, s := range w.samples {
		w.total += uint64(s.duration)
	}
	w.samples = w.samples[:0]
	w.buf = w.buf[:moofRoom]
	if w.onFragment != nil {
		if err := w.onFragment(); err != nil {
			w.err = fmt.Errorf("after mp4 fragment %d: %w", w.seq, err)
		}
	}
	return w.err
}

// Sample flags (ISO/IEC 14496-12 8.8.3.1).
const (
	flagsKey   = 0x02000000 // sample_depends_on: no other
	flagsDelta = 0x01010000 // sample_depends_on: others; sample_is_non_sync_sample
)

func (w *Writer) appendMoof(m *builder) {
	moof := m.begin("moof")
	mfhd := m.full("mfhd", 0, 0)
	m.u32(w.seq)
	m.end(mfhd)
	traf := m.begin("traf")
	tfhd := m.full("tfhd", 0, 0x020000) // default-base-is-moof
	m.u32(1)
	m.end(tfhd)
	tfdt := m.full("tfdt", 1, 0)
	m.u64(w.start)
	m.end(tfdt)
	trun := m.full("trun", 0, 0x701) // data offset; duration, size and flags of each sample
	m.u32(uint32(len(w.samples)))
	m.u32(uint32(len(m.b) + 4 + 12*len(w.samples) + 8)) // the moof's length and mdat's header
	for _, s := range w.samples {
		flags := uint32(flagsDelta)
		if s.key {
			flags = flagsKey
		}
		m.u32(s.duration)
		m.u32(s.size)
		m.u32(flags)
	}
	m.end(trun)
	m.end(traf)
	m.end(moof)
}

// Flush writes what is buffered. The last sample's duration is taken to be the one before's.
func (w *Writer) Flush() error { return w.flush(0) }

// flush writes what is buffered, the last sample lasting to end (ticks), if that is after it.
func (w *Writer) flush(end uint64) error {
	if w.err != nil {
		return w.err
	}
	n := len(w.samples)
	if n == 0 {
		return nil
	}
	w.samples[n-1].duration = uint32(w.lastStep())
	if end > w.last && end-w.last <= math.MaxUint32 {
		w.samples[n-1].duration = uint32(end - w.last)
	}
	return w.writeFragment()
}

func (w *Writer) lastStep() uint64 {
	if w.step == 0 {
		return lonePicture
	}
	return w.step
}

// Close writes what is buffered, the last sample lasting until end on the clock of
// Packet.Mono (as Flush does it if end is not after it). If the underlying writer is an
// io.WriterAt, the header then gets the file's duration; otherwise players find it out from
// the fragments. The underlying writer is not closed.
func (w *Writer) Close(end time.Duration) error {
	var endTicks uint64
	if end > w.first {
		endTicks = toTicks(end - w.first)
	}
	if err := w.flush(endTicks); err != nil {
		return err
	}
	w.err = errClosed
	if at, ok := w.w.(io.WriterAt); ok {
		if _, err := at.WriteAt(header(w.track, w.total), 0); err != nil {
			return fmt.Errorf("complete mp4 header: %w", err)
		}
	}
	return nil
}

// Duration is the time from the first picture to the end of the last one, written or
// buffered; that one's own duration is taken to be the one before's until it is known.
func (w *Writer) Duration() time.Duration {
	switch {
	case !w.started:
		return 0
	case len(w.samples) == 0:
		return fromTicks(w.total)
	}
	return fromTicks(w.last + w.lastStep())
}

// toTicks rounds to the nearest tick; d is not negative.
func toTicks(d time.Duration) uint64 {
	s, rest := uint64(d/time.Second), uint64(d%time.Second)
	return s*timescale + (rest*timescale+uint64(time.Second)/2)/uint64(time.Second)
}

func fromTicks(t uint64) time.Duration {
	return time.Duration(t/timescale)*time.Second + time.Duration(t%timescale)*time.Second/timescale
}
