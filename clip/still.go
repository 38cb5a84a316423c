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
	w.r.mu.Lock()
	sps, pps := st.stream.sps, st.stream.pps
	w.r.mu.Unlock()
	for _, f := range st.frames {
		data, err := w.codec.jpeg(f, sps, pps, w.r.cfg.JPEGQuality)
		if err == nil {
			w.saveStill(st, f, data)
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

// saveStill hands a JPEG to the spool.
func (w *worker) saveStill(st still, f *video.Frame, data []byte) {
	m := w.media(st.kind, f.Mono, st.mode)
	if st.event != nil {
		m.Event = st.event.id
	}
	if err := w.save(m, data); err != nil {
		w.spoolError(err)
		return
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
