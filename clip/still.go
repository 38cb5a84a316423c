package clip

import (
	"errors"
	"fmt"
	"time"

	"camward/camio"
	"camward/codec/jpeg"
	"camward/video"
)

// writeStill writes the first intact frame of st, and has another picture stand in if there is
// none. It gives up the references.
func (w *worker) writeStill(st still) {
	defer st.release()
	for _, p := range st.peaks {
		data, err := w.picture(p)
		if err == nil {
			w.saveStill(st, p.frame, data)
			return
		}
		why := DropUndecodable
		var loss *lossError
		if errors.As(err, &loss) {
			why = loss.why
		}
		w.r.lose(why, fmt.Errorf("%s: %w", st.kind, err))
	}
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.r.retryStill(st)
}

// picture makes an intact JPEG of p, valid until the next call and as long as p. Errors are lossErrors.
func (w *worker) picture(p peak) ([]byte, error) {
	s := p.sets
	if s == nil {
		s = new(sets)
	}
	if w.r.cfg.Timestamp {
		return w.stamped(p.frame, s)
	}
	return w.codec.jpeg(p.frame, s.sps, s.pps, w.r.cfg.JPEGQuality)
}

// stamped is picture with the time in it, which a camera's JPEG must be decoded and encoded anew for.
func (w *worker) stamped(f *video.Frame, s *sets) (data []byte, err error) {
	c := &w.codec
	if f.Format.FourCC == video.H264 {
		err = c.decodeKey(f, s.sps, s.pps)
	} else {
		err = c.decode(f)
	}
	if err != nil {
		return nil, err
	}
	drawText(&c.img, w.r.timeText(f.Mono), w.r.cfg.Rotation)
	if c.buf, err = jpeg.Encode(c.buf[:0], &c.img, w.r.cfg.JPEGQuality); err != nil {
		return nil, &lossError{DropUndecodable, err}
	}
	return c.buf, nil
}

// timeText is the local date and time of a picture, or that they are not known: never a wrong one.
func (r *Recorder) timeText(mono time.Duration) string {
	if r.clock != nil {
		if t, trusted := r.clock(mono); trusted {
			return t.Local().Format(time.DateTime)
		}
	}
	return "clock not set"
}

// saveStill hands a JPEG to the spool.
func (w *worker) saveStill(st still, f *video.Frame, data []byte) {
	m := w.media(st.kind, f.Mono, st.mode)
	m.Event, m.Track = st.id, st.track
	e := st.event
	if e != nil {
		m.Event, m.Track = e.id, w.r.trackOf(e, f.Mono, f.Mono)
	}
	if err := w.save(m, data); err != nil {
		w.spoolError(err)
		return
	}
	if e != nil {
		e.noteShown(f.Mono)
	}
	w.spoolWorks()
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if st.kind == camio.KindHeartbeat {
		w.r.status.Heartbeats++
	} else {
		w.r.status.Snapshots++
	}
}

func (w *worker) save(m camio.Media, data []byte) error {
	rec, err := w.r.spool.Create(m)
	if err != nil {
		return err
	}
	if _, err := rec.Write(data); err != nil {
		return errors.Join(err, rec.Discard())
	}
	return rec.Finish(0)
}
