package ntp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/beevik/ntp"
)

const (
	answerTimeout = 5 * time.Second
	// stepAbove is the offset from which the clock is set at once rather than led there (the kernel's limit, MAXPHASE).
	stepAbove = 500 * time.Millisecond
	// maxDistance is how uncertain an answer may be, its way and the server's own error together.
	maxDistance = 3 * time.Second
)

// No server's time may lie outside: a clock that a broken server put into 1970 or 2100 is harder to notice than one that stands.
var (
	earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

var errForbidden = errors.New("the clock cannot be set: CAP_SYS_TIME is missing (AmbientCapabilities=CAP_SYS_TIME in the unit)")

// A clock is the system's.
type clock interface {
	Now() time.Time
	Step(offset, uncertain time.Duration) error                       // adds offset at once
	Slew(offset, uncertain time.Duration, period time.Duration) error // leads the clock there; |offset| <= stepAbove; period: until the next call
}

// A kissError is a server's wish to be asked less or not at all (RFC 4330 section 8).
type kissError struct{ code string }

func (e *kissError) Error() string {
	return fmt.Sprintf("it answers %q: asked too often, or not for us", e.code)
}

// final tells that this server must not be asked again.
func (e *kissError) final() bool { return e.code == "DENY" || e.code == "RSTR" }

// sync asks the server and corrects the clock. It returns by how much the clock was wrong.
func (c *client) sync(ctx context.Context, period time.Duration) (time.Duration, error) {
	r, err := c.query(ctx, c.server)
	if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	if err := believable(r); err != nil {
		return 0, err
	}
	offset := r.ClockOffset
	if offset.Abs() > stepAbove && offset.Abs() > r.RootDistance {
		err = c.clock.Step(offset, r.RootDistance)
	} else {
		err = c.clock.Slew(min(max(offset, -stepAbove), stepAbove), r.RootDistance, max(period, first))
	}
	if errors.Is(err, fs.ErrPermission) {
		return offset, errForbidden
	}
	if err != nil {
		return offset, fmt.Errorf("set the clock: %w", err)
	}
	return offset, nil
}

// believable checks what RFC 4330 section 5 asks for, and that the time makes sense.
func believable(r *ntp.Response) error {
	if r.IsKissOfDeath() {
		return &kissError{r.KissCode}
	}
	if err := r.Validate(); err != nil {
		return fmt.Errorf("its answer is not used: %w", err)
	}
	if r.RootDistance > maxDistance {
		return fmt.Errorf("its answer is not used: uncertain by %v", r.RootDistance)
	}
	if r.Time.Before(earliest) || r.Time.After(latest) {
		return fmt.Errorf("its answer is not used: it says %s", r.Time.UTC().Format(time.DateTime))
	}
	return nil
}

// ask sends one request. The answer has to come from the address that was asked, to the random number that was sent.
func (s *Service) ask(ctx context.Context, server string) (*ntp.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTimeout) // resolving the name included
	defer cancel()
	var stop func() bool
	r, err := ntp.QueryWithOptions(server, ntp.QueryOptions{
		Timeout: answerTimeout,
		Dialer: func(_, remote string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "udp", remote)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // closed already
			}
			return c, err
		},
	})
	if stop != nil {
		stop()
	}
	return r, err
}
