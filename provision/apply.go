package provision

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

const (
	applyTimeout = time.Minute     // of one call; firmware that restarts its network takes half of it
	minRetry     = 5 * time.Second // after a first failure, doubled with each further one
	maxRetry     = 5 * time.Minute
)

// A job is one call of the firmware.
type job struct {
	r    *record
	c    camio.Command
	undo bool           // c's server was not reached: what was good before is applied
	good *camio.Command // of an undo; nil: Restore is asked
}

// applyLoop carries out one job after the other, in the order of the cloud's list.
func (p *Poller) applyLoop(ctx context.Context) {
	for ctx.Err() == nil {
		if j, d := p.nextJob(); j != nil {
			p.save() // killed after this, the next process knows what to confirm or to go back from
			p.do(ctx, *j)
			p.save()
		} else {
			idle(ctx, d, p.wakeApply)
		}
	}
}

// nextJob gives what is due, or how long to wait for it; below zero, until something changes.
func (p *Poller) nextJob() (*job, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.firmware == nil {
		return nil, -1
	}
	now, wait := time.Now(), time.Duration(-1)
	due := func(at time.Time) bool {
		d := at.Sub(now)
		if d > 0 && (wait < 0 || d < wait) {
			wait = d
		}
		return d <= 0
	}
	for _, r := range p.book.records {
		if r.Undo != nil && due(r.undoDue) {
			return &job{r, *r.Undo, true, r.Good}, 0
		}
		if r.State == camio.StatePending && !r.Gone && due(r.due) {
			return &job{r: r, c: r.Command}, 0
		}
	}
	return nil, wait
}

func (p *Poller) do(ctx context.Context, j job) {
	sent := j.c
	if j.good != nil {
		sent = *j.good
	}
	if err := p.allowed(sent); err != nil && (!j.undo || j.good != nil) {
		p.disallowed(j, err)
		return
	}
	call, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	if j.undo && j.good == nil {
		err := p.restore(call, j.c)
		p.undone(ctx, j, 0, "", err)
		return
	}
	status, body, err := p.firmware.Apply(call, sent)
	body = body[:min(len(body), maxBody)]
	fault := judge(sent, status, body, err)
	p.mu.Lock()
	answer := shorten(p.book.clean(string(body), sent), maxAnswer)
	p.mu.Unlock()
	if j.undo {
		p.undone(ctx, j, status, answer, fault)
	} else {
		p.applied(ctx, j, status, answer, fault)
	}
}

// allowed says why a command may not be sent, whatever the policy.
func (p *Poller) allowed(c camio.Command) error {
	if err := checkPath(c.Path); err != nil {
		return err
	}
	if p.firmware == nil {
		return nil
	}
	return p.firmware.Allows(c.Method, c.Path)
}

// judge says why an answer is not the one that the command expects.
func judge(c camio.Command, status int, body []byte, err error) error {
	if err != nil {
		return fmt.Errorf("the firmware did not answer: %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("the firmware answered %d %s", status, http.StatusText(status))
	}
	re, err := regexp.Compile(c.RegexResponse)
	if err != nil {
		return errors.New("the command's pattern is not a regular expression")
	}
	if !re.Match(body) {
		return errors.New("the firmware's answer does not match the command's pattern")
	}
	return nil
}

// disallowed takes a job off that the profile allows no more, as after an update of camward.
func (p *Poller) disallowed(j job, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.book
	why := b.clean(err.Error(), j.c)
	if j.undo { // what was good may not be sent any more: there is nothing to go back to
		if j.r.Undo == nil || j.r.Good != j.good {
			return
		}
		j.r.Good, j.r.undoDue = nil, time.Now()
		if p.restore == nil {
			p.giveUpUndo(j.r, why)
		}
		b.changed = true
		return
	}
	if j.r.current(j.c) && j.r.State == camio.StatePending {
		b.settle(j.r, camio.StateRefused, 0, "", why)
		p.note(j.c, Refused, 0, why)
	}
}

// applied notes how a command went.
func (p *Poller) applied(ctx context.Context, j job, status int, answer string, fault error) {
	if fault != nil && ctx.Err() != nil {
		return // the process ends; what the firmware did is not known
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b, r := &p.book, j.r
	current := r.current(j.c)
	if fault != nil {
		if current && r.State == camio.StatePending {
			p.failed(r, status, answer, b.clean(fault.Error(), j.c))
		}
		return
	}
	r.Tries++
	p.note(j.c, Applied, status, answer)
	p.log.Info("command applied", zap.String("id", j.c.ID), zap.String("path", b.clean(j.c.Path, j.c)))
	if r.Undo != nil { // what was to be undone is no more in force
		p.closeUndo(r, camio.StateRolledBack, "its server was not reached")
	}
	if !current { // superseded while it was sent
		r.remember(j.c, camio.StateApplied)
	}
	b.changed = true
	// The same call again moves nothing, and there is nothing else to go back to.
	if p.confirmer == nil || r.Good != nil && sameCall(*r.Good, j.c) {
		r.Good, r.Trial = &j.c, nil
		if current {
			b.settle(r, camio.StateApplied, status, answer, "")
		}
		b.collect()
		return
	}
	p.try(r, j.c)
	if current {
		b.settle(r, camio.StateConfirming, status, answer, "")
	}
	b.collect()
}

func sameCall(a, b camio.Command) bool {
	return a.Method == b.Method && a.Path == b.Path && a.Body == b.Body && a.ContentType == b.ContentType
}

// failed plans the next try. The file is written only when the failure is another one than before: a command that fails for
// weeks must not wear the flash.
func (p *Poller) failed(r *record, status int, answer, why string) {
	why = shorten(why, maxAnswer)
	r.Tries++
	r.fails++
	d := backoff(r.fails)
	r.due = time.Now().Add(d)
	if r.Error == why && r.HTTPStatus == status && r.Answer == answer {
		return
	}
	p.book.settle(r, camio.StatePending, status, answer, why)
	p.note(r.Command, Failed, status, orElse(answer, why))
	p.log.Warn("command failed, will retry", zap.String("id", r.Command.ID), zap.Int("status", status),
		zap.String("error", why), zap.String("answer", answer), zap.Duration("retry_in", d))
}

// backoff is the pause after n failures in a row, less up to a quarter at random.
func backoff(n int) time.Duration {
	d := min(minRetry<<min(n-1, 10), maxRetry)
	return d - rand.N(d/4+1)
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
