// Package provision polls the cloud for this camera's configuration and applies what comes back: /api/cameras/:mac,
// every 30 seconds, tells the cloud that the camera lives and brings the CGI commands for its firmware.
//
// The channel is unauthenticated by design of the API, so a reply is checked before it is believed (Check), each command
// is held against the profile's allow list (Firmware.Allows) and against a policy per command id (Config.Policy), and a
// command that points the device to another server is on trial until that server was reached (Confirmer); otherwise what
// worked before is applied again.
//
// A command is known by camio.Command.Key. Each key is applied once, in the order of the reply; failures are tried again
// with back-off, each command by itself. What was done is kept in one file, so that a restart repeats nothing: a
// command is sent again only if the process died between the firmware's answer and the file's being written, which these CGI calls
// bear. A damaged file is set aside and everything that the cloud lists is applied anew, for the same reason.
//
// No decision depends on the wall clock: deadlines and pauses are on the monotonic clock, and the times that people
// and the cloud are told are informative.
package provision

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// An Action is what the policy says of a command.
type Action string

// The actions.
const (
	Apply  Action = "apply"  // without asking
	Ask    Action = "ask"    // it waits for Poller.Approve
	Refuse Action = "refuse" // never
)

// Config says how often to ask and what to do with the answer.
type Config struct {
	Period        time.Duration     `yaml:"period"`         // between two polls; default 30s
	Policy        map[string]Action `yaml:"policy"`         // by command id, "*" for all others; default apply
	ConfirmWithin time.Duration     `yaml:"confirm_within"` // in which a new server must be reached; default 2m
	StateFile     string            `yaml:"-"`              // what was done, with its secrets (mode 0600); empty: nothing survives a restart
}

// Default is a poll every 30 s, as the API document has it, that applies whatever the profile allows.
func Default() Config { return Config{Period: 30 * time.Second, ConfirmWithin: 2 * time.Minute} }

// Validate refuses periods that would flood the cloud or let the camera appear offline for an hour, and unknown actions.
func (c Config) Validate() error {
	var errs []error
	if err := validPeriod(c.Period); err != nil {
		errs = append(errs, fmt.Errorf("cloud.poll.period: %w", err))
	}
	if c.ConfirmWithin < 10*time.Second || c.ConfirmWithin > time.Hour {
		errs = append(errs, fmt.Errorf("cloud.poll.confirm_within: %v is outside 10s..1h", c.ConfirmWithin))
	}
	for id, a := range c.Policy {
		if a != Apply && a != Ask && a != Refuse {
			errs = append(errs, fmt.Errorf("cloud.poll.policy: %s: %q is not apply, ask or refuse", id, string(a)))
		}
	}
	return errors.Join(errs...)
}

func validPeriod(d time.Duration) error {
	if d < time.Second || d > time.Hour {
		return fmt.Errorf("%v is outside 1s..1h", d)
	}
	return nil
}

// action is what the policy says of a command with this id.
func (c Config) action(id string) Action {
	if a, ok := c.Policy[id]; ok {
		return a
	}
	if a, ok := c.Policy["*"]; ok {
		return a
	}
	return Apply
}

// A Cloud answers polls. The time is the server's own, zero if it told none. A failed Poll has no
// effect on the camera; it is repeated later.
type Cloud interface {
	Poll(ctx context.Context, p camio.Poll) (*camio.PollReply, time.Time, error)
}

// Firmware is what commands configure. Apply sends c as it is and gives the answer's HTTP status and body, of which at
// most 64 KiB are looked at; an error means that there was no answer. A cancelled Apply may or may not have
// taken effect. Calls of Apply never overlap; it may call the Poller's Set methods. Allows says, in one line, why a call is not within the
// maker's allow list; it is quick, has no effect and may be called at any time.
type Firmware interface {
	Apply(ctx context.Context, c camio.Command) (status int, body []byte, err error)
	Allows(method, path string) error
}

// A Confirmer tries once to reach the server that c, just applied, points the device to. It returns ErrNoTarget if c
// points to none. Any other error means "not yet": it is tried again. Calls never overlap.
type Confirmer interface {
	Confirm(ctx context.Context, c camio.Command) error
}

// ErrNoTarget says that a command does not point the device to any server.
var ErrNoTarget = errors.New("the command points to no server")

// Deps are what a Poller works with.
type Deps struct {
	Cloud     Cloud                  // is polled first; see SetCloud
	Self      func() camio.Poll      // asked before each poll, since the local address may change; its Results are ignored
	Seen      func(server time.Time) // told each Date the cloud answers with; nil: nobody is
	Firmware  Firmware               // nil: commands are listed, none is applied
	Confirmer Confirmer              // nil: what is applied counts as confirmed

	// Restore puts back what held before the first command of c's id ever came, for instance the address in the
	// configuration file: it is asked when the server of c was not reached and no earlier command of that id was good. It returns
	// ErrNoTarget if it knows nothing to put back; other errors are tried again. nil: nothing is known.
	Restore func(ctx context.Context, c camio.Command) error

	Log *zap.Logger
}

// A Poller asks the cloud again and again, and applies what it is told. All methods may be called by several goroutines.
type Poller struct {
	cfg       Config
	self      func() camio.Poll
	seen      func(time.Time)
	firmware  Firmware
	confirmer Confirmer
	restore   func(context.Context, camio.Command) error
	log       *zap.Logger

	wakePoll, wakeApply, wakeConfirm chan struct{} // of depth 1: one signal says "look again"

	disk   sync.Mutex // held while the files are written; taken before mu
	mu     sync.Mutex // never held while the cloud, the firmware or a server is waited for
	loaded bool       // the state file was read
	poll   pollState
	book   book
}

// New returns a poller. Nothing is read or sent before Run.
func New(cfg Config, d Deps) (*Poller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Seen == nil {
		d.Seen = func(time.Time) {}
	}
	p := &Poller{cfg: cfg, self: d.Self, seen: d.Seen, firmware: d.Firmware, confirmer: d.Confirmer, restore: d.Restore,
		log:      d.Log.Named("provision"),
		wakePoll: make(chan struct{}, 1), wakeApply: make(chan struct{}, 1), wakeConfirm: make(chan struct{}, 1),
		poll: pollState{cloud: d.Cloud, period: cfg.Period},
	}
	return p, nil
}

// Run polls, applies and confirms until ctx ends and returns its cause. Failures are waited out, never returned. It may be
// called again after it returned.
func (p *Poller) Run(ctx context.Context) error {
	p.load()
	var wg sync.WaitGroup
	// Each has its own pace: a firmware that does not answer must not keep the camera from polling, nor a cloud that is not
	// reached from going back to the one before.
	wg.Go(func() { p.pollLoop(ctx) })
	wg.Go(func() { p.applyLoop(ctx) })
	wg.Go(func() { p.confirmLoop(ctx) })
	wg.Wait()
	p.save()
	return context.Cause(ctx)
}

// wake makes a loop look again; a loop that was told already need not be told twice.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// idle waits for d, a signal or the end of ctx; d below zero waits for a signal only.
func idle(ctx context.Context, d time.Duration, signal <-chan struct{}) {
	var timer <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-signal:
	case <-timer:
	}
}
