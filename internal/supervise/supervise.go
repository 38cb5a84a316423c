// Package supervise keeps a component running: it restarts what failed, ever more slowly while
// the failures go on, and says so once instead of each time.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

// The pause before a restart doubles from minPause to maxPause, less up to half of it at random so
// that components that fell together do not rise together. A run that lasted healthy starts over.
const (
	minPause = 500 * time.Millisecond
	maxPause = 30 * time.Second
	healthy  = time.Minute
)

var errReturned = errors.New("returned without an error")

// Keep calls run, and calls it again whenever it returns, until ctx ends; then it waits for
// run and returns ctx's cause. A run that returns nil is restarted as well. A fault is logged
// when it first appears and when it changes; repetitions are counted and the count is logged with the
// next line. An error marked by Permanent ends Keep at once and is returned. A panic of run is not caught.
func Keep(ctx context.Context, log *zap.Logger, name string, run func(context.Context) error) error {
	k := keeper{log: log.With(zap.String("component", name))}
	for {
		began := time.Now()
		err := run(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if p := (*permanentError)(nil); errors.As(err, &p) {
			return fmt.Errorf("%s: %w", name, p.err)
		}
		if err == nil {
			err = errReturned
		}
		pause := k.failed(err, time.Since(began))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// Permanent marks err as one that a restart cannot mend. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// keeper remembers the faults of one component.
type keeper struct {
	log      *zap.Logger
	failures int // in a row, without a healthy run between
	fault    string
	repeated int // of fault, since it was logged
}

// failed notes one failure after a run of the given length and returns the pause before the next.
func (k *keeper) failed(err error, ran time.Duration) time.Duration {
	if ran >= healthy {
		k.failures = 0
	}
	pause := min(minPause<<min(k.failures, 16), maxPause)
	pause -= rand.N(pause/2 + 1)
	k.failures++
	// After a healthy run the same fault is news again.
	if err.Error() == k.fault && ran < healthy {
		k.repeated++
		return pause
	}
	fields := []zap.Field{zap.Error(err), zap.Duration("restart_in", pause)}
	if k.repeated > 0 {
		fields = append(fields, zap.Int("previous_fault_repeated", k.repeated))
	}
	k.log.Warn("component failed", fields...)
	k.fault, k.repeated = err.Error(), 0
	return pause
}
