package provision

import (
	"strings"
	"time"

	"camward/camio"
)

// Status is what the poll has brought, for people and scripts.
type Status struct {
	LastPoll   time.Time       `json:"last_poll,omitzero"` // when the last answer or failure came
	LastOK     time.Time       `json:"last_ok,omitzero"`   // when the cloud last answered as it should
	Error      string          `json:"error,omitempty"`    // of the last poll; empty when it worked
	Claimed    bool            `json:"claimed"`            // the cloud sends more than ping and time
	Period     float64         `json:"period_s"`           // seconds between two polls that work
	Polls      uint64          `json:"polls"`
	Failures   uint64          `json:"failures"`
	Unreported int             `json:"unreported"`            // results that the cloud has not been told
	GetOnly    bool            `json:"get_only,omitempty"`    // the cloud takes no results
	StateError string          `json:"state_error,omitempty"` // why what was done cannot be written down
	Commands   []CommandStatus `json:"commands"`              // in the order of the reply, then those that it lists no more
}

// CommandStatus is one command and what became of it. Its texts are masked: a path may carry the upload token.
type CommandStatus struct {
	ID            string    `json:"id"`
	DateUpdated   string    `json:"date_updated"`
	Method        string    `json:"method"`
	Path          string    `json:"path"`
	State         string    `json:"state"`                    // one of camio.State..., or "listed" where there is no firmware
	NeedsApproval bool      `json:"needs_approval,omitempty"` // see Poller.Approve
	Gone          bool      `json:"gone,omitempty"`           // the cloud lists it no more; it is not tried again
	Tries         int       `json:"tries"`
	NextTry       time.Time `json:"next_try,omitzero"` // while it fails
	HTTPStatus    int       `json:"http_status,omitempty"`
	Answer        string    `json:"answer,omitempty"` // the firmware's last, at most 200 bytes
	Error         string    `json:"error,omitempty"`  // why it is not in force
	At            time.Time `json:"at,omitzero"`      // of the last change
	Good          *Known    `json:"good,omitempty"`   // in force, or to be in force again after a rollback
}

// Known is the last command of an id that worked.
type Known struct {
	DateUpdated string `json:"date_updated"`
	Path        string `json:"path"`
}

// Status returns a copy of what is known now.
func (p *Poller) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, b := &p.poll, &p.book
	out := Status{LastPoll: s.lastPoll, LastOK: s.lastOK, Error: s.err, Period: s.period.Seconds(), Polls: s.polls, Failures: s.failures,
		GetOnly: time.Now().Before(s.getOnly), StateError: b.fault, Commands: []CommandStatus{}}
	for _, r := range b.records {
		out.Commands = append(out.Commands, b.status(r))
		if r.Report {
			out.Unreported++
		}
		out.Claimed = out.Claimed || !r.Gone && !forAnyone(r.Command.ID)
	}
	return out
}

// forAnyone says that a camera that nobody has claimed gets such a command too: ping, time, and what completes them (timeMode).
func forAnyone(id string) bool { return strings.HasPrefix(id, "ping") || strings.HasPrefix(id, "time") }

func (b *book) status(r *record) CommandStatus {
	c := r.Command
	s := CommandStatus{ID: c.ID, DateUpdated: c.DateUpdated, Method: c.Method, Path: b.clean(c.Path), State: r.State,
		NeedsApproval: r.State == camio.StateWaiting, Gone: r.Gone, Tries: r.Tries, HTTPStatus: r.HTTPStatus,
		Answer: r.Answer, Error: r.Error, At: r.At}
	if r.State == camio.StatePending && r.fails > 0 && !r.Gone {
		s.NextTry = r.due.Round(0)
	}
	if r.Good != nil {
		s.Good = &Known{r.Good.DateUpdated, b.clean(r.Good.Path)}
	}
	return s
}
