package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// accept takes over a checked list of commands. A known key stays what it is; a new one supersedes the command of the same
// id, or stands beside it where the list has several of that id.
func (p *Poller) accept(cmds []camio.Command) {
	refusals := make([]error, len(cmds)) // asked for before the lock
	for i, c := range cmds {
		refusals[i] = p.allowed(c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.book
	b.collect(cmds...)
	left := slices.Clone(b.records)
	take := func(match func(*record) bool) *record {
		i := slices.IndexFunc(left, match)
		if i < 0 {
			return nil
		}
		r := left[i]
		left = slices.Delete(left, i, i+1)
		return r
	}
	list := make([]*record, len(cmds))
	for i, c := range cmds {
		list[i] = take(func(r *record) bool { return r.current(c) })
	}
	for i, c := range cmds {
		switch r := list[i]; {
		case r == nil:
			if r = take(func(r *record) bool { return r.Command.ID == c.ID }); r == nil {
				r = &record{}
			}
			list[i] = r
			p.supersede(r, c, refusals[i])
		case r.Command != c && r.undecided():
			// The same key with another body or pattern: what was approved or tried is not what would be sent now.
			p.renew(r, c, refusals[i])
		case r.Gone:
			r.Gone, r.due, b.changed = false, time.Now(), true
		}
	}
	for _, r := range left {
		b.changed = b.changed || !r.Gone
		r.Gone = true
	}
	b.changed = b.changed || !slices.Equal(b.records[:min(len(list), len(b.records))], list)
	b.records = forget(append(list, left...))
	b.collect()
	wake(p.wakeApply)
}

// supersede makes c what the cloud wants of this record.
func (p *Poller) supersede(r *record, c camio.Command, refusal error) {
	switch r.State {
	case camio.StateApplied, camio.StateConfirming, camio.StateRolledBack:
		state := r.State
		if state == camio.StateConfirming {
			state = camio.StateApplied // until its trial says otherwise
		}
		r.remember(r.Command, state)
	}
	p.renew(r, c, refusal)
}

// renew begins with c anew.
func (p *Poller) renew(r *record, c camio.Command, refusal error) {
	b := &p.book
	r.Command, r.Gone, r.Approved, r.Rejected, r.Tries, r.fails = c, false, false, false, 0, 0
	r.State, r.HTTPStatus, r.Answer, r.Error, r.At, r.Report = "", 0, "", "", time.Now().Round(0), false
	r.change++
	b.changed = true
	if state := b.before(c); state != "" {
		// Two servers that do not agree, or one that lost its memory: content that changed has another date.
		if r.Trial != nil && r.Trial.Key() == c.Key() {
			state = camio.StateConfirming
		}
		b.settle(r, state, 0, "", "applied before; not again until its date changes")
	} else {
		p.admit(r, refusal)
	}
	p.log.Info("command received", zap.String("id", c.ID), zap.String("method", c.Method),
		zap.String("path", b.clean(c.Path)), zap.String("state", r.State))
}

// admit decides whether a command that has not been applied may be.
func (p *Poller) admit(r *record, refusal error) {
	b, act := &p.book, p.cfg.action(r.Command.ID)
	before := r.State
	switch {
	case p.firmware == nil:
		b.settle(r, StateListed, 0, "", "")
	case refusal != nil:
		b.settle(r, camio.StateRefused, 0, "", b.clean(refusal.Error()))
	case r.Rejected:
		b.settle(r, camio.StateRefused, 0, "", "rejected by a person")
	case act == Refuse:
		b.settle(r, camio.StateRefused, 0, "", "the policy of this device refuses it")
	case act == Ask && !r.Approved:
		b.settle(r, camio.StateWaiting, 0, "", "waits for a person's approval")
	default:
		if before != camio.StatePending {
			b.settle(r, camio.StatePending, 0, "", "")
		}
		r.due = time.Now()
	}
	if r.State != before && (r.State == camio.StateRefused || r.State == camio.StateWaiting) {
		what := Refused
		if r.State == camio.StateWaiting {
			what = Waiting
		}
		p.note(r.Command, what, 0, r.Error)
	}
}

// forget drops what is gone longest while there is too much, if possible nothing that is still on trial.
func forget(list []*record) []*record {
	for i := len(list) - 1; i >= 0 && len(list) > maxRecords; i-- {
		if r := list[i]; r.Gone && r.Trial == nil && r.Undo == nil {
			list = slices.Delete(list, i, i+1)
		}
	}
	return list[:min(len(list), maxRecords)]
}

// digest stands for a command's key.
func digest(c camio.Command) string {
	sum := sha256.Sum256([]byte(c.Key()))
	return hex.EncodeToString(sum[:12])
}

// remember notes what became of a superseded command that was applied.
func (r *record) remember(c camio.Command, state string) {
	key := digest(c)
	r.Past = slices.DeleteFunc(r.Past, func(e past) bool { return e.Key == key })
	r.Past = append(r.Past, past{key, state})
	r.Past = slices.Delete(r.Past, 0, max(0, len(r.Past)-maxPast))
}

// before tells what became of c when it came earlier and was superseded; "" if it was never applied.
func (b *book) before(c camio.Command) string {
	key := digest(c)
	for _, r := range b.records {
		for _, e := range r.Past {
			if e.Key == key {
				return e.State
			}
		}
	}
	return ""
}
