package provision

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

const (
	maxBackoff  = 5 * time.Minute // between polls while they fail; the camera never stops asking
	maxAfter    = time.Hour       // of a Retry-After that is obeyed
	pollTimeout = time.Minute     // of one poll
	// A server whose every reply moves the poll would otherwise be asked without any pause.
	minGap     = 2 * time.Second
	getOnlyFor = 24 * time.Hour // in which a server that knows no POST is not asked whether it learnt it
)

// pollState is what the poll loop knows.
type pollState struct {
	cloud  Cloud
	moves  uint64             // calls of SetCloud
	cancel context.CancelFunc // of the poll under way
	period time.Duration

	// A server that answers a POST with 400, 404 or 405 is polled by GET until this time, a change of the address or a restart.
	getOnly time.Time

	reached          bool // the address in force has answered
	lastPoll, lastOK time.Time
	err              string // of the last poll
	polls, failures  uint64
}

// SetPeriod changes the time between two polls, 1 s to 1 h, at once.
func (p *Poller) SetPeriod(d time.Duration) error {
	if err := validPeriod(d); err != nil {
		return err
	}
	p.mu.Lock()
	p.poll.period = d
	p.mu.Unlock()
	wake(p.wakePoll)
	return nil
}

// SetCloud changes who is polled. A poll under way is given up and the new address is asked at once.
func (p *Poller) SetCloud(c Cloud) {
	p.mu.Lock()
	s := &p.poll
	s.cloud, s.reached, s.err, s.getOnly = c, false, "", time.Time{}
	s.moves++
	if s.cancel != nil {
		s.cancel()
	}
	p.mu.Unlock()
	wake(p.wakePoll)
}

// Reached says that the address in force has answered a poll as it should since it was set.
func (p *Poller) Reached() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.poll.reached
}

func (p *Poller) pollLoop(ctx context.Context) {
	failures, moves := 0, uint64(0)
	for ctx.Err() == nil {
		begun := time.Now()
		at, err := p.pollOnce(ctx)
		switch {
		case err == nil:
			failures = 0
		case at != moves: // the first failure at a new address
			failures = 1
		default:
			failures++
		}
		moves = at
		p.save()
		p.rest(ctx, begun, at, failures, err)
	}
}

// rest waits until the next poll is due; SetPeriod changes when that is, SetCloud makes it now.
func (p *Poller) rest(ctx context.Context, begun time.Time, moves uint64, failures int, err error) {
	jitter := 1 + (rand.Float64()-0.5)*0.2
	for ctx.Err() == nil {
		p.mu.Lock()
		period, moved := p.poll.period, p.poll.moves != moves
		p.mu.Unlock()
		d := pause(period, failures, err, jitter)
		if moved {
			d = minGap
		}
		if d -= time.Since(begun); d <= 0 {
			return
		}
		idle(ctx, d, p.wakePoll)
	}
}

// pause is the time between the begins of two polls: the period, doubled with each failure up to maxBackoff, with a tenth of jitter; and
// never less than the server's Retry-After.
func pause(period time.Duration, failures int, err error, jitter float64) time.Duration {
	d := period
	for range min(failures-1, 10) {
		d *= 2
	}
	d = time.Duration(float64(max(min(d, maxBackoff), period)) * jitter)
	var se *camio.StatusError
	if errors.As(err, &se) {
		d = max(d, min(se.RetryAfter, maxAfter))
	}
	return d
}

// pollOnce asks the address in force, whose number it returns, and takes over what it answers.
func (p *Poller) pollOnce(ctx context.Context) (moves uint64, err error) {
	call, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	p.mu.Lock()
	cloud, moves := p.poll.cloud, p.poll.moves
	p.poll.cancel = cancel
	p.mu.Unlock()

	me := p.self()
	told := p.unreported(&me)
	reply, date, posted, err := p.ask(call, cloud, me)
	if ctx.Err() != nil || errors.Is(call.Err(), context.Canceled) {
		return moves, context.Canceled // stopped, or the address was changed: the answer counts for nothing
	}
	if !date.IsZero() {
		p.seen(date)
	}
	if err == nil {
		if posted {
			p.reported(told)
		}
		err = Check(reply)
	}
	p.record(moves, err)
	if err == nil {
		p.accept(reply.Commands)
	}
	return moves, err
}

// ask polls once, and once more by GET if the server does not know the POST. posted says that it took the results.
func (p *Poller) ask(ctx context.Context, cloud Cloud, me camio.Poll) (reply *camio.PollReply, date time.Time, posted bool, err error) {
	reply, date, err = cloud.Poll(ctx, me)
	status := postRefused(err)
	if len(me.Results) == 0 || status == 0 {
		return reply, date, len(me.Results) > 0, err
	}
	me.Results = nil
	reply, date, err = cloud.Poll(ctx, me)
	if postRefused(err) == status {
		return reply, date, false, err // a GET is refused as well: this says nothing about the POST
	}
	p.mu.Lock()
	p.poll.getOnly = time.Now().Add(getOnlyFor)
	p.mu.Unlock()
	p.log.Info("the cloud takes no results, polls stay GET", zap.Int("status", status))
	return reply, date, false, err
}

// postRefused gives the HTTP status of a server that knows no POST with results, else 0.
func postRefused(err error) int {
	var se *camio.StatusError
	if errors.As(err, &se) {
		switch se.Status {
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
			return se.Status
		}
	}
	return 0
}

// record keeps the outcome of a poll; a repeated fault is logged once.
func (p *Poller) record(moves uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.poll
	s.polls++
	s.lastPoll = time.Now()
	if err != nil {
		s.failures++
		if msg := p.book.clean(err.Error()); msg != s.err {
			s.err = msg
			p.log.Warn("poll not answered, will retry", zap.String("error", msg))
		}
		return
	}
	if s.err != "" || s.lastOK.IsZero() {
		p.log.Info("poll answered")
	}
	s.err, s.lastOK = "", s.lastPoll
	s.reached = s.reached || moves == s.moves
}
