package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

const (
	// maxReports is how many reports wait for the cloud. What the older ones are about is over by the time that it hears of them; changes of the
	// picture go first, and the last one of the camera's being there or not, which is how things stand, is never dropped.
	maxReports = 64
	// repeatAfter is when a report is sent again that has no answer, or that the cloud could not keep.
	repeatAfter = time.Minute
	// reportPause is between two reports, all of which come at once when there was no cloud for a while.
	reportPause = 100 * time.Millisecond
)

// reports are what the cloud has still to hear of the camera. Safe for concurrent use.
type reports struct {
	boot string
	news chan struct{} // has an entry when something waits that did not before

	mu      sync.Mutex
	waiting []report // the oldest first
	seq     int64    // of the last report
	last    report   // of the camera's being there or not; its state's Seq is 0 before the first
	dropped int
}

// A report is a state and when it was noticed, on the process' own clock.
type report struct {
	state camio.CameraState
	when  time.Time
}

func newReports() *reports {
	return &reports{boot: rand.Text(), news: make(chan struct{}, 1)}
}

// Report tells the cloud that the camera was lost or found at that time, which is zero while the clock is not trusted. The reason is cut
// to one line of camio.MaxStateReason bytes. It returns at once: reports wait until there is a connection and until the cloud has
// answered them, in their order; of more than 64 the oldest is dropped, first of those about the picture. The last one is told to a new target too.
func (c *Client) Report(found bool, at time.Time, reason string) {
	if y := at.UTC().Year(); y < 1970 || y > 9999 {
		at = time.Time{} // JSON has no others
	}
	r := c.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = r.numbered(camio.CameraState{Found: found, At: at, Reason: oneLine(reason)})
	r.add(r.last)
}

// ReportScene tells the cloud that the whole picture changed, as Report does; but a new target isn't told of what was.
func (c *Client) ReportScene(scene string, at time.Time, reason string) {
	if y := at.UTC().Year(); y < 1970 || y > 9999 {
		at = time.Time{}
	}
	r := c.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(r.numbered(camio.CameraState{Found: true, Scene: scene, At: at, Reason: oneLine(reason)}))
}

// numbered makes a report of a state; mu is held.
func (r *reports) numbered(s camio.CameraState) report {
	r.seq++
	s.Boot, s.Seq = r.boot, r.seq
	return report{state: s, when: time.Now()}
}

// add has a report wait; mu is held.
func (r *reports) add(n report) {
	if len(r.waiting) >= maxReports {
		i := max(0, slices.IndexFunc(r.waiting, func(w report) bool { return w.state.Scene != "" }))
		r.waiting = slices.Delete(r.waiting, i, i+1)
		r.dropped++
	}
	r.waiting = append(r.waiting, n)
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// again has a new target hear how things stand. Of what waits for another one it hears nothing: the camera may have changed hands.
func (r *reports) again(other bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other {
		r.waiting = r.waiting[:0]
	}
	if len(r.waiting) == 0 && r.last.state.Seq > 0 {
		r.add(r.last)
	}
}

// next is the oldest report that waits, with its age.
func (r *reports) next() (camio.CameraState, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return camio.CameraState{}, false
	}
	s := r.waiting[0].state
	s.Ago = time.Since(r.waiting[0].when).Round(time.Millisecond).Seconds()
	return s, true
}

// done takes a report out, if it has not been dropped meanwhile.
func (r *reports) done(seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) > 0 && r.waiting[0].state.Seq == seq {
		r.waiting = append(r.waiting[:0], r.waiting[1:]...)
	}
}

func (r *reports) count() (waiting, dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting), r.dropped
}

// tell sends what there is to report, one by one, until ctx ends or the connection breaks.
func (l *link) tell(ctx context.Context) error {
	for {
		s, ok := l.reports.next()
		if !ok {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-l.reports.news:
			}
			continue
		}
		answer, err := l.say(ctx, s)
		if err != nil {
			return err
		}
		pause := reportPause
		switch fault := answer.Error; {
		case answer.Type == "": // none: an older cloud does not know reports
		case fault != nil && fault.Status >= http.StatusInternalServerError:
			pause = repeatAfter
		case fault != nil:
			l.log.Warn("the cloud refuses a report", zap.Int("status", fault.Status), zap.Error(scrub(errors.New(fault.Text), l.target.Token)))
			fallthrough
		default:
			l.reports.done(s.Seq)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// say sends a state and waits for the answer, which has no type if none comes for so long that the state is to be sent again.
func (l *link) say(ctx context.Context, s camio.CameraState) (answer camio.LiveMessage, err error) {
	id := strconv.FormatInt(s.Seq, 10)
	if err := l.write(ctx, camio.LiveMessage{Type: camio.LiveState, ID: id, State: &s}); err != nil {
		return answer, err
	}
	late := time.NewTimer(repeatAfter)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return answer, context.Cause(ctx)
		case <-late.C:
			return answer, nil
		case m := <-l.answers:
			if m.ID == id {
				return m, nil
			}
		}
	}
}

// answered takes the cloud's answer to a report. Nobody waits for more than one.
func (l *link) answered(m camio.LiveMessage) {
	select {
	case l.answers <- m:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
