package clip

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"camward/camio"
	"camward/codec/h264"
	"camward/codec/mp4"
	"camward/video"
)

// A file is a clip being written. Once spoolErr is set it can only be discarded.
type file struct {
	rec      Recording
	mux      *mp4.Writer
	spoolErr error // of rec, from whichever call it came

	start, last     time.Duration // first and last picture
	step            time.Duration // between the last two
	lastKey, keyGap time.Duration // last key picture, and the time from the one before

	sets   sets // of all its pictures
	poster peak // stands in if the clip gets no snapshot otherwise
}

// createFile begins a clip with the key packet p. The given sets stand in if it has none. An error
// that is a lossError is the packet's fault, any other the spool's.
func createFile(sp Spool, m camio.Media, p video.Packet, given *sets) (*file, error) {
	var own sets
	if sps, pps := h264.ParameterSets(p.Data); sps != nil && pps != nil {
		own = sets{bytes.Clone(sps), bytes.Clone(pps)}
	} else if given != nil {
		own = *given
	}
	info, err := h264.ParseSPS(own.sps)
	if err != nil {
		return nil, &lossError{DropUndecodable, err}
	}
	rec, err := sp.Create(m)
	if err != nil {
		return nil, err
	}
	f := &file{rec: rec, start: p.Mono, last: p.Mono, lastKey: p.Mono, sets: own}
	f.mux, err = mp4.NewWriter(f, mp4.Track{Width: info.Width, Height: info.Height, SPS: own.sps, PPS: own.pps, Rotation: m.Rotation})
	if err == nil {
		f.mux.OnFragment(f.sync)
		err = f.write(p)
	}
	if err != nil {
		_ = rec.Discard() // the first error says it all
		if f.spoolErr == nil {
			err = &lossError{DropUndecodable, err}
		}
		return nil, err
	}
	return f, nil
}

// write adds a packet. If spoolErr is nil afterwards, an error is the packet's fault and the clip is as it was.
func (f *file) write(p video.Packet) error {
	if err := f.mux.Write(p); err != nil {
		return err
	}
	if p.Mono > f.last {
		f.step = p.Mono - f.last
	}
	if p.Key && p.Mono > f.lastKey {
		f.keyGap = p.Mono - f.lastKey
		f.lastKey = p.Mono
	}
	f.last = p.Mono
	return nil
}

// finish ends the clip when the next one's first picture comes; at 0 the last picture lasts as
// long as the one before it.
func (f *file) finish(next time.Duration) error {
	if next == 0 {
		next = f.last + f.step
	}
	if err := f.mux.Close(next); err != nil {
		return errors.Join(fmt.Errorf("complete clip: %w", err), f.rec.Discard())
	}
	return f.rec.Finish(f.mux.Duration())
}

// Write, WriteAt and sync pass on to the spool and keep its error, so that it can be told
// from a packet's fault.

func (f *file) Write(b []byte) (int, error) {
	n, err := f.rec.Write(b)
	f.keep(err)
	return n, err
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.rec.WriteAt(b, off)
	f.keep(err)
	return n, err
}

func (f *file) sync() error {
	err := f.rec.Sync()
	f.keep(err)
	return err
}

func (f *file) keep(err error) {
	if err != nil && f.spoolErr == nil {
		f.spoolErr = err
	}
}
