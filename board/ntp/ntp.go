// Package ntp makes the device's clock follow a time server: through the system's own time service where one runs
// (systemd-timesyncd, chrony, busybox's ntpd), by an SNTP client of its own where none does.
//
// A service is configured by a file of camward's beside its own configuration and told to read it: timesyncd by "systemctl
// try-restart", since it has no other way, chrony by "chronyc reload sources", ntpd by its init script. These are the only child processes
// of camward's; they run only when the server changes.
//
// The SNTP client follows RFC 4330 in what it believes and how often it asks. It sets the clock by adjtimex(2), which also tells the kernel
// that the clock is synchronised; the kernel withdraws that by itself about nine hours after the last answer.
package ntp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/beevik/ntp"
	"go.uber.org/zap"
)

// Own is Status.By while camward's SNTP client keeps the clock.
const Own = "camward"

// lookAgain is how soon a time service that was started or stopped since is noticed.
const lookAgain = 10 * time.Minute

// A Service keeps the device's clock. Its methods may be called from any goroutine.
type Service struct {
	root  *os.Root
	log   *zap.Logger
	clock clock
	run   func(ctx context.Context, name string, args ...string) error
	query func(ctx context.Context, server string) (*ntp.Response, error)

	setting sync.Mutex // held while a service is configured: one at a time
	mu      sync.Mutex
	status  Status
	applied string        // the service and server that were configured last
	changed chan struct{} // one place: a wake-up, not a queue
}

// Status is how the clock is kept. Offset and Synced are the SNTP client's; a system's service has its own tools (timedatectl,
// chronyc).
type Status struct {
	Server string        `json:"server"` // as set; empty: what the system's service has of its own
	By     string        `json:"by"`     // systemd-timesyncd, chrony, busybox ntpd, ntpd, or Own; empty: nobody
	Offset time.Duration `json:"offset"` // by which the clock was wrong at the last answer
	Synced time.Time     `json:"synced"` // of the last answer; zero: none yet
	Error  string        `json:"error,omitempty"`
}

// New opens and starts nothing. root is the file system "/".
func New(root *os.Root, log *zap.Logger) (*Service, error) {
	s := &Service{root: root, log: log.Named("ntp"), clock: systemClock{}, run: command, changed: make(chan struct{}, 1)}
	s.query = s.ask
	return s, nil
}

// Set makes server the one that the clock follows: a host name or IP, with ":port" where the system's service can use one (chrony and the
// own client). Empty takes back what was set. It returns when the system's service has been told, or at once where there is none:
// then Run asks the server. Setting what is set already does nothing. After an error the one before stays in force.
func (s *Service) Set(ctx context.Context, server string) error {
	if err := Validate(server); server != "" && err != nil {
		return err
	}
	s.setting.Lock()
	defer s.setting.Unlock()
	svc := detect(s.root)
	if err := s.configure(ctx, svc, server); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Server != server {
		s.status = Status{Server: server}
	}
	s.status.By = s.by(svc)
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

// configure tells svc, unless it knows already. nil is the own client, which needs no telling.
func (s *Service) configure(ctx context.Context, svc service, server string) error {
	if svc == nil {
		return nil
	}
	key := svc.name() + " " + server
	if s.applied == key {
		return nil
	}
	if err := svc.set(ctx, s, server); err != nil {
		return fmt.Errorf("time server for %s: %w", svc.name(), err)
	}
	if s.applied = key; server != "" {
		s.log.Info("time server set", zap.String("server", server), zap.String("service", svc.name()))
	}
	return nil
}

// by is who keeps the clock; s.mu is held.
func (s *Service) by(svc service) string {
	switch {
	case svc != nil:
		return svc.name()
	case s.status.Server != "":
		return Own
	}
	return ""
}

// Status says how the clock is kept now.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Run asks the server that was set, as long as no service of the system does, until ctx ends. A service that appears later gets the
// server. Failures are logged when they begin and tried again, ever more slowly.
func (s *Service) Run(ctx context.Context) error {
	c := client{Service: s}
	for ctx.Err() == nil {
		pause := lookAgain
		if svc := s.look(ctx); svc == nil {
			pause = c.poll(ctx, s.Status().Server)
		}
		select {
		case <-ctx.Done():
		case <-s.changed:
		case <-time.After(pause):
		}
	}
	return context.Cause(ctx)
}

// look finds the system's service and configures it if it is new.
func (s *Service) look(ctx context.Context) service {
	s.setting.Lock()
	defer s.setting.Unlock()
	svc := detect(s.root)
	s.mu.Lock()
	server, before := s.status.Server, s.status.By
	s.status.By = s.by(svc)
	now := s.status.By
	s.mu.Unlock()
	if svc == nil || server == "" {
		return svc
	}
	err := s.configure(ctx, svc, server)
	if err != nil && now != before {
		s.log.Warn("the system's time service follows a server of its own", zap.Error(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Error = ""; err != nil {
		s.status.Error = err.Error()
	}
	return svc
}

// The own client's pauses. RFC 4330 section 10 wants 15 s at least, and ever longer ones while a server does not answer.
const (
	shortest = 15 * time.Second
	first    = 64 * time.Second   // after an answer
	longest  = 1024 * time.Second // the kernel's clock discipline is made for up to this (RFC 5905 A.5.1.1, MAXPOLL is beyond)
)

// A client is the own SNTP client while Run runs.
type client struct {
	*Service
	server    string
	pause     time.Duration
	due       time.Time // of the next request, however often Run is woken
	failed    bool      // the last time; it was logged
	abandoned bool      // by the server's wish
}

// poll asks once and returns how long to wait.
func (c *client) poll(ctx context.Context, server string) time.Duration {
	if server != c.server {
		*c = client{Service: c.Service, server: server}
	}
	if server == "" || c.abandoned {
		return lookAgain
	}
	if early := time.Until(c.due); early > 0 {
		return early
	}
	offset, err := c.sync(ctx, c.pause)
	if ctx.Err() != nil {
		return 0
	}
	c.note(offset, err)
	switch kiss := (*kissError)(nil); {
	case err == nil:
		c.pause = min(max(2*c.pause, first), longest)
		if offset.Abs() > 100*time.Millisecond {
			c.pause = first
		}
	case errors.As(err, &kiss) && kiss.final():
		c.abandoned = true
	case errors.As(err, &kiss), errors.Is(err, errForbidden):
		c.pause = longest
	case c.failed:
		c.pause = min(max(2*c.pause, shortest), longest)
	default:
		c.pause = shortest
	}
	c.failed = err != nil
	// Later by up to a quarter, never earlier: cameras that start together after a power cut shall not stay together.
	pause := c.pause + rand.N(c.pause/4+1)
	c.due = time.Now().Add(pause)
	return pause
}

// note keeps the outcome, and logs it where it is news.
func (c *client) note(offset time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Server != c.server {
		return
	}
	if err != nil {
		c.status.Error = err.Error()
		if !c.failed {
			c.log.Warn("time server", zap.String("server", c.server), zap.Error(err))
		}
		return
	}
	if c.status.Synced.IsZero() || c.failed {
		c.log.Info("clock follows the time server", zap.String("server", c.server), zap.Duration("was_off_by", offset))
	}
	c.status.Offset, c.status.Synced, c.status.Error = offset, c.clock.Now(), ""
}
