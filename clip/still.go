package clip

import (
	"errors"
	"fmt"

	"camward/camio"
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
	return w.codec.jpeg(p.frame, s.sps, s.pps, w.r.cfg.JPEGQuality)
}

// saveStill hands a JPEG to the spool.
func (w *worker) saveStill(st still, f *video.Frame, data []byte) {
	m := w.media(st.kind, f.Mono, st.mode)
	e := st.event
	if e != nil {
		m.Event = e.id
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
