package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

const (
	confirmEvery   = 5 * time.Second  // between two tries to reach a new server
	confirmTimeout = 15 * time.Second // of one try
)

// try puts a command that was just applied on trial: its server, if it points to one, has to be reached.
func (p *Poller) try(r *record, c camio.Command) {
	r.Trial, r.began, r.confirmDue = &c, time.Now(), time.Now()
	r.late, r.lateFails, r.why = false, 0, ""
	p.book.changed = true
	wake(p.wakeConfirm)
}

// confirmLoop tries to reach the servers of commands on trial. The deadline is kept by this loop alone, so that it holds while
// polls fail, which they do when the command has moved the poll to a server that does not exist.
func (p *Poller) confirmLoop(ctx context.Context) {
	for ctx.Err() == nil {
		r, c, limit, d := p.nextTrial()
		if r == nil {
			idle(ctx, d, p.wakeConfirm)
			continue
		}
		call, cancel := context.WithTimeout(ctx, limit)
		err := p.confirmer.Confirm(call, c)
		cancel()
		if ctx.Err() != nil {
			return
		}
		p.judgeTrial(r, c, err)
		p.save()
	}
}

// nextTrial gives a trial that is due and how long its try may take, or else how long to wait for one.
func (p *Poller) nextTrial() (*record, camio.Command, time.Duration, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, wait := time.Now(), time.Duration(-1)
	var first *record
	for _, r := range p.book.records {
		if r.Trial == nil || r.Undo != nil {
			continue
		}
		if d := r.confirmDue.Sub(now); first == nil || d < wait {
			first, wait = r, d
		}
	}
	if first == nil || wait > 0 {
		return nil, camio.Command{}, 0, wait
	}
	limit := confirmTimeout
	if left := p.cfg.ConfirmWithin - now.Sub(first.began); !first.late {
		limit = max(min(limit, left), time.Second) // at the deadline itself there is a short last one
	}
	return first, *first.Trial, limit, 0
}

// judgeTrial takes over the outcome of one try.
func (p *Poller) judgeTrial(r *record, c camio.Command, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.book
	if r.Trial == nil || r.Trial.Key() != c.Key() {
		return // superseded by another that was applied meanwhile
	}
	if err == nil || errors.Is(err, ErrNoTarget) {
		if err == nil {
			p.note(c, Confirmed, 0, "")
			p.log.Info("the new server was reached", zap.String("id", c.ID))
		}
		r.Good, r.Trial = r.Trial, nil
		if r.current(c) && r.State == camio.StateConfirming {
			b.settle(r, camio.StateApplied, r.HTTPStatus, r.Answer, "")
		}
		b.changed = true
		return
	}
	r.why = b.clean(err.Error(), c)
	now := time.Now()
	deadline := r.began.Add(p.cfg.ConfirmWithin)
	switch {
	case r.late:
		r.lateFails++
		r.confirmDue = now.Add(backoff(r.lateFails))
	case now.Before(deadline):
		if r.confirmDue = now.Add(confirmEvery); r.confirmDue.After(deadline) {
			r.confirmDue = deadline
		}
	default:
		p.missed(r, c)
	}
}

// missed ends a trial whose deadline has passed: what was good is applied again, or if there is nothing to go back to, the
// server is tried on, ever more slowly.
func (p *Poller) missed(r *record, c camio.Command) {
	p.log.Warn("the new server was not reached", zap.String("id", c.ID), zap.Duration("within", p.cfg.ConfirmWithin),
		zap.String("error", r.why), zap.Bool("rolls_back", r.Good != nil || p.restore != nil))
	fault := fmt.Sprintf("its server was not reached within %v: %s", p.cfg.ConfirmWithin, r.why)
	p.note(c, Unconfirmed, 0, fault)
	if r.Good == nil && p.restore == nil {
		p.stayLate(r, c, fault)
		return
	}
	r.Undo, r.Trial, r.undoDue, r.undoFails = r.Trial, nil, time.Now(), 0
	if r.current(c) {
		p.book.settle(r, camio.StateConfirming, r.HTTPStatus, r.Answer, fault)
	}
	p.book.changed = true
	wake(p.wakeApply)
}

// stayLate leaves a command in force that nothing can replace. It counts as applied once its server is reached.
func (p *Poller) stayLate(r *record, c camio.Command, fault string) {
	r.late, r.lateFails = true, 1
	r.confirmDue = time.Now().Add(backoff(1))
	if r.current(c) {
		p.book.settle(r, camio.StateConfirming, r.HTTPStatus, r.Answer, fault)
	}
	wake(p.wakeConfirm)
}

// undone notes how it went to apply the good command again.
func (p *Poller) undone(ctx context.Context, j job, status int, answer string, fault error) {
	if fault != nil && ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b, r := &p.book, j.r
	if r.Undo == nil || r.Undo.Key() != j.c.Key() {
		return
	}
	if errors.Is(fault, ErrNoTarget) && j.good == nil {
		p.giveUpUndo(r, "there is nothing to go back to")
		return
	}
	if fault != nil {
		r.undoFails++
		r.undoDue = time.Now().Add(backoff(r.undoFails))
		why := b.clean(fault.Error(), j.c)
		if why == r.why {
			return
		}
		r.why = why
		p.note(j.c, RollbackFailed, status, orElse(answer, why))
		p.log.Warn("going back failed, will retry", zap.String("id", j.c.ID), zap.Int("status", status), zap.String("error", why))
		return
	}
	with := "what held before the first one"
	if j.good != nil {
		with = "the one of " + orElse(j.good.DateUpdated, "before")
	}
	p.closeUndo(r, camio.StateRolledBack, fmt.Sprintf("its server was not reached within %v; %s is in force again", p.cfg.ConfirmWithin, with))
	p.note(j.c, RolledBack, status, answer)
	p.log.Warn("rolled back", zap.String("id", j.c.ID), zap.String("to", with))
}

// closeUndo ends a rollback with the given state of what was undone.
func (p *Poller) closeUndo(r *record, state, why string) {
	c := *r.Undo
	r.Undo = nil
	if r.current(c) && r.State == camio.StateConfirming {
		p.book.settle(r, state, r.HTTPStatus, r.Answer, why)
	} else {
		r.remember(c, state)
	}
	p.book.changed = true
}

// giveUpUndo goes back to waiting for the server: nothing is left that could be applied instead.
func (p *Poller) giveUpUndo(r *record, why string) {
	c := *r.Undo
	r.Trial, r.Undo, r.began = &c, nil, time.Now()
	p.stayLate(r, c, "its server was not reached, and "+why)
	p.book.changed = true
}
