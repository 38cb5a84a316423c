// Package provision polls the cloud for this camera's configuration: GET /api/cameras/:mac every 30
// seconds tells the cloud that the camera lives and brings the CGI commands that it should apply.
//
// The channel is unauthenticated by design of the API, so what arrives is checked before it is
// believed: see Check. Commands are listed, not yet applied.
package provision

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// Config says how often to ask.
type Config struct {
	Period time.Duration `yaml:"period"` // between two polls; default 30s
}

// Default is a poll every 30 s, as the API document has it.
func Default() Config { return Config{Period: 30 * time.Second} }

// Validate refuses periods that would flood the cloud or let the camera appear offline for an hour.
func (c Config) Validate() error {
	if c.Period < time.Second || c.Period > time.Hour {
		return fmt.Errorf("cloud.poll.period: %v is outside 1s..1h", c.Period)
	}
	return nil
}

// maxBackoff bounds the time between polls while they fail; the camera never stops asking.
const maxBackoff = 5 * time.Minute

// A Cloud answers polls. The time is the server's own, zero if it told none. A failed Poll has no
// effect on the camera; it is repeated later.
type Cloud interface {
	Poll(ctx context.Context, p camio.Poll) (*camio.PollReply, time.Time, error)
}

// Status is what the poll has brought, for people and scripts.
type Status struct {
	LastPoll time.Time       `json:"last_poll,omitzero"` // when the last answer or failure came
	LastOK   time.Time       `json:"last_ok,omitzero"`   // when the cloud last answered as it should
	Error    string          `json:"error,omitempty"`    // of the last poll; empty when it worked
	Claimed  bool            `json:"claimed"`            // the cloud sends more than ping and time
	Polls    uint64          `json:"polls"`
	Failures uint64          `json:"failures"`
	Commands []CommandStatus `json:"commands"`
}

// CommandStatus is one command as it came. Path is masked: it may carry the upload token.
type CommandStatus struct {
	ID          string `json:"id"`
	DateUpdated string `json:"date_updated"`
	Method      string `json:"method"`
	Path        string `json:"path"`
	State       string `json:"state"` // "listed": known, not applied
}

// A Poller asks the cloud again and again.
type Poller struct {
	cfg   Config
	cloud Cloud
	self  func() camio.Poll
	seen  func(server time.Time) // told each Date the cloud answers with
	log   *zap.Logger

	mu     sync.Mutex
	status Status
}

// New returns a poller. self is asked before each poll, since the local address may change; seen, which
// may be nil, is told the server's clock.
func New(cfg Config, cloud Cloud, self func() camio.Poll, seen func(time.Time), log *zap.Logger) (*Poller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if seen == nil {
		seen = func(time.Time) {}
	}
	return &Poller{cfg: cfg, cloud: cloud, self: self, seen: seen, log: log.Named("provision")}, nil
}

// Run polls until ctx ends and returns its cause. Failures are waited out, never returned.
func (p *Poller) Run(ctx context.Context) error {
	failures := 0
	for {
		err := p.poll(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			failures = 0
		} else {
			failures++
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(p.wait(failures, err)):
		}
	}
}

// Status returns a copy of what is known now.
func (p *Poller) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	s.Commands = append([]CommandStatus{}, s.Commands...)
	return s
}

func (p *Poller) poll(ctx context.Context) error {
	reply, date, err := p.cloud.Poll(ctx, p.self())
	if ctx.Err() != nil {
		return err
	}
	if !date.IsZero() {
		p.seen(date)
	}
	if err == nil {
		err = Check(reply)
	}
	p.record(reply, err)
	return err
}

// record keeps the outcome and logs what changed: a repeated fault or an unchanged list is said once.
func (p *Poller) record(reply *camio.PollReply, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.status
	s.Polls++
	s.LastPoll = time.Now()
	if err != nil {
		s.Failures++
		if msg := err.Error(); msg != s.Error {
			s.Error = msg
			p.log.Warn("poll not answered, will retry", zap.Error(err))
		}
		return
	}
	if s.Error != "" || s.LastOK.IsZero() {
		p.log.Info("poll answered")
	}
	s.Error, s.LastOK = "", s.LastPoll
	before := s.Commands
	s.Commands = s.Commands[:0:0]
	s.Claimed = false
	for _, c := range reply.Commands {
		cs := CommandStatus{ID: c.ID, DateUpdated: c.DateUpdated, Method: c.Method, Path: Mask(c.Path), State: "listed"}
		s.Commands = append(s.Commands, cs)
		s.Claimed = s.Claimed || c.ID != "ping" && c.ID != "time"
		if !slices.Contains(before, cs) {
			p.log.Info("command received, not applied", zap.String("id", c.ID), zap.String("method", c.Method), zap.String("path", cs.Path))
		}
	}
}

// wait is the time until the next poll: the period with a tenth of jitter, doubled with each failure up to
// maxBackoff, and never less than the server's Retry-After.
func (p *Poller) wait(failures int, err error) time.Duration {
	d := p.cfg.Period
	for range min(failures-1, 10) {
		d *= 2
	}
	d = max(min(d, maxBackoff), p.cfg.Period)
	var se *camio.StatusError
	if errors.As(err, &se) {
		d = max(d, se.RetryAfter)
	}
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}
