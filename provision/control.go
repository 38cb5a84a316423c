package provision

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// What a person asks for and cannot have.
var (
	ErrUnknown = errors.New("no such command is known")
	ErrState   = errors.New("the command's state does not allow it")
)

// Approve lets a waiting command be applied. ErrUnknown: no command has this id; ErrState: none of them waits.
func (p *Poller) Approve(id string) error {
	return p.decide(id, Approved, func(r *record) error {
		if r.State != camio.StateWaiting {
			return fmt.Errorf("approve %s: it is %s: %w", id, r.State, ErrState)
		}
		r.Approved = true
		p.start(r)
		return nil
	})
}

// Reject refuses a waiting or failing command until its date changes. Errors are those of Approve.
func (p *Poller) Reject(id string) error {
	return p.decide(id, Rejected, func(r *record) error {
		if r.State != camio.StateWaiting && r.State != camio.StatePending {
			return fmt.Errorf("reject %s: it is %s: %w", id, r.State, ErrState)
		}
		r.Rejected, r.Approved = true, false
		p.book.settle(r, camio.StateRefused, 0, "", "rejected by a person")
		return nil
	})
}

// Replay applies a known command again, whatever became of it, and counts as approval. ErrUnknown: no command has this id;
// ErrState: policy or profile refuse it, there is no firmware, or the cloud lists it no more.
func (p *Poller) Replay(id string) error {
	refusals := p.refusals(id)
	return p.decide(id, Replayed, func(r *record) error {
		switch err := refusals[r.Command.Key()]; {
		case p.firmware == nil:
			return fmt.Errorf("replay %s: there is no firmware to apply it to: %w", id, ErrState)
		case r.Gone:
			return fmt.Errorf("replay %s: the cloud lists it no more: %w", id, ErrState)
		case p.cfg.action(id) == Refuse:
			return fmt.Errorf("replay %s: the policy of this device refuses it: %w", id, ErrState)
		case err != nil:
			return fmt.Errorf("replay %s: %s: %w", id, p.book.clean(err.Error(), r.Command), ErrState)
		}
		r.Approved, r.Rejected = true, false
		p.start(r)
		return nil
	})
}

// Knows reports whether anything is known of commands of an earlier process or of this one.
func (p *Poller) Knows() bool {
	p.load()
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.book.records) > 0
}

// Reapply has everything that the cloud lists applied anew, as far as policy and people let it: the firmware has lost what was
// applied before, and so there is nothing to go back to either.
func (p *Poller) Reapply() {
	p.load()
	p.mu.Lock()
	defer p.mu.Unlock()
	b, lost := &p.book, 0
	b.records = slices.DeleteFunc(b.records, func(r *record) bool { return r.Gone })
	for _, r := range b.records {
		r.Good, r.Trial, r.Undo, r.Past = nil, nil, nil, nil
		if !r.undecided() {
			p.admit(r, p.allowed(r.Command))
			lost++
		}
	}
	if lost > 0 {
		b.changed = true
		p.log.Warn("what was applied is lost, commands are applied anew", zap.Int("commands", lost))
	}
	b.collect()
	wake(p.wakeApply)
}

// Forget drops what is known of commands that the cloud lists no more, so that they are applied anew should it list them again: the
// firmware has been taken back what they did. One that is still on trial stays.
func (p *Poller) Forget(ids ...string) {
	p.mu.Lock()
	b := &p.book
	before := len(b.records)
	b.records = slices.DeleteFunc(b.records, func(r *record) bool {
		return r.Gone && r.Trial == nil && r.Undo == nil && slices.Contains(ids, r.Command.ID)
	})
	b.changed = b.changed || len(b.records) != before
	b.collect()
	p.mu.Unlock()
	p.save()
}

// start makes a record due now.
func (p *Poller) start(r *record) {
	p.book.settle(r, camio.StatePending, 0, "", "")
	r.due, r.fails = time.Now(), 0
	wake(p.wakeApply)
}

// decide carries out a person's decision on all commands of an id that it fits, which is one unless the cloud sends several of that id.
// It fails if it fits none.
func (p *Poller) decide(id, what string, change func(*record) error) error {
	err := p.change(id, what, change)
	p.save()
	return err
}

func (p *Poller) change(id, what string, change func(*record) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	done, fault := false, fmt.Errorf("%s: %w", printable(id), ErrUnknown)
	for _, r := range p.book.records {
		if r.Command.ID != id {
			continue
		}
		if err := change(r); err != nil {
			fault = err
			continue
		}
		done = true
		p.book.changed = true
		p.note(r.Command, what, 0, "")
		p.log.Info("a person decided", zap.String("id", id), zap.String("what", what))
	}
	if done {
		return nil
	}
	return fault
}

// refusals asks the profile about the commands of an id, by key.
func (p *Poller) refusals(id string) map[string]error {
	p.mu.Lock()
	var list []camio.Command
	for _, r := range p.book.records {
		if r.Command.ID == id {
			list = append(list, r.Command)
		}
	}
	p.mu.Unlock()
	out := make(map[string]error, len(list))
	for _, c := range list {
		out[c.Key()] = p.allowed(c)
	}
	return out
}

// A Plan is what would be sent for a command, masked, and what every check says of it.
type Plan struct {
	ID             string    `json:"id"`
	DateUpdated    string    `json:"date_updated"`
	Method         string    `json:"method"`
	Path           string    `json:"path"`
	ContentType    string    `json:"content_type,omitempty"`
	Body           string    `json:"body,omitempty"`
	IsAuthRequired bool      `json:"is_auth_required"`
	RegexResponse  string    `json:"regex_response"`
	State          string    `json:"state"`
	Checks         []Finding `json:"checks"`
}

// A Finding is the outcome of one check.
type Finding struct {
	Check  string `json:"check"` // reply, profile, policy, new
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// DryRun tells what applying the commands of an id would send, in order, and sends nothing. ErrUnknown: no command has this id.
func (p *Poller) DryRun(id string) ([]Plan, error) {
	refusals := p.refusals(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Plan
	for _, r := range p.book.records {
		if r.Command.ID == id {
			out = append(out, p.plan(r, refusals[r.Command.Key()]))
		}
	}
	if out == nil {
		return nil, fmt.Errorf("%s: %w", printable(id), ErrUnknown)
	}
	return out, nil
}

func (p *Poller) plan(r *record, refusal error) Plan {
	c, b := r.Command, &p.book
	finding := func(check string, err error, detail string) Finding {
		if err != nil {
			detail = b.clean(err.Error())
		}
		return Finding{check, err == nil, detail}
	}
	var policy, fresh error
	act := p.cfg.action(c.ID)
	if r.Rejected {
		policy = errors.New("rejected by a person")
	} else if act == Refuse || act == Ask && !r.Approved {
		policy = fmt.Errorf("the policy is: %s", act)
	}
	if r.State == camio.StateApplied || r.State == camio.StateConfirming || r.State == camio.StateRolledBack {
		fresh = fmt.Errorf("it was applied already and is %s", r.State)
	}
	return Plan{ID: c.ID, DateUpdated: c.DateUpdated, Method: c.Method, Path: b.clean(c.Path), ContentType: c.ContentType,
		Body: b.clean(c.Body), IsAuthRequired: c.IsAuthRequired, RegexResponse: b.clean(c.RegexResponse), State: r.State,
		Checks: []Finding{
			finding("reply", checkCommand(c), ""),
			finding("profile", refusal, ""),
			finding("policy", policy, string(act)),
			finding("new", fresh, ""),
		}}
}
