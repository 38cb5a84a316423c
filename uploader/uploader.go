package uploader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Pauses double from the first to the last value, less up to half at random. A fault of the network or the
// server pauses everything, since the next item would meet it too; the item that met it waits a pause of its own as
// well, so that one that always fails cannot stand in the others' way.
const (
	minPause     = time.Second
	maxPause     = time.Minute
	minAuthPause = 30 * time.Second
	maxAuthPause = 15 * time.Minute
	maxWish      = time.Hour // the longest Retry-After that is obeyed
)

// An Uploader sends what waits in a spool to a store. Run sends; everything else may be called from
// any goroutine.
type Uploader struct {
	cfg    Config
	spool  *Spool
	store  Store
	log    *zap.Logger
	resume chan struct{}

	throttle throttle
	mu       sync.Mutex
	status   Status // the transfers' part

	// Of Run alone:
	pausedTil time.Time
	failures  int // in a row, of any item
	repeated  int // of the last logged fault
	turns     int // for the backlog's share
}

// New wires an uploader; nothing is sent before Run.
func New(cfg Config, spool *Spool, store Store, log *zap.Logger) (*Uploader, error) {
	if spool == nil || store == nil {
		return nil, errors.New("uploader: spool and store are needed")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u := &Uploader{cfg: cfg, spool: spool, store: store, log: log.Named("uploader"), resume: make(chan struct{}, 1)}
	u.throttle.limit = u.cfg.bandwidthNow
	return u, nil
}

// Resume ends a pause at once, for instance because the token or the network has changed.
func (u *Uploader) Resume() {
	select {
	case u.resume <- struct{}{}:
	default:
	}
}

// A result is the end of one transfer.
type result struct {
	entry *entry
	err   error
}

// Run sends until ctx ends, newest events first, snapshots before clips of the same event, with a share of
// the transfers for the backlog. It wakes only for new items and for what is due. It returns
// ctx's cause once the last transfer has stopped.
func (u *Uploader) Run(ctx context.Context) error {
	results := make(chan result)
	running := 0
	defer func() {
		for ; running > 0; running-- {
			u.settle(ctx, <-results)
		}
	}()
	for {
		due := u.pausedTil
		for running < u.cfg.Parallel && ctx.Err() == nil {
			var e *entry
			if e, due = u.next(time.Now(), running); e == nil {
				break
			}
			running++
			go func() { results <- result{e, brief(u.send(ctx, e))} }()
		}
		var timer <-chan time.Time
		if running < u.cfg.Parallel && !due.IsZero() {
			timer = time.After(time.Until(due))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-results:
			running--
			u.settle(ctx, r)
		case <-u.spool.wake:
		case <-u.resume:
			u.pausedTil = time.Time{}
		case <-timer:
		}
	}
}

// next takes an item from the queue unless there is a pause; else it returns when to look again, zero if
// only new items matter. After failures only one transfer at a time tries its luck.
func (u *Uploader) next(now time.Time, running int) (*entry, time.Time) {
	if u.pausedTil.After(now) {
		return nil, u.pausedTil
	}
	if u.failures > 0 && running > 0 {
		return nil, time.Time{}
	}
	share := u.cfg.BacklogShare
	e, due := u.spool.pick(now, (u.turns+1)*share/100 > u.turns*share/100)
	if e != nil {
		u.turns = (u.turns + 1) % 100
	}
	return e, due
}

// send makes one attempt.
func (u *Uploader) send(ctx context.Context, e *entry) error {
	it, err := u.spool.load(e)
	if err != nil {
		return err
	}
	return u.store.Put(ctx, it.throttled(&u.throttle))
}

// maxFault is how much of a fault's text is kept, in bytes: servers have a part in it, and it goes into records, status and log.
const maxFault = 500

// brief cuts an error's text to maxFault.
func brief(err error) error {
	if err == nil || len(err.Error()) <= maxFault {
		return err
	}
	return &briefError{err, strings.ToValidUTF8(err.Error()[:maxFault], "") + "..."}
}

type briefError struct {
	err  error
	text string
}

func (e *briefError) Error() string { return e.text }
func (e *briefError) Unwrap() error { return e.err }

// settle draws the consequences of one attempt.
func (u *Uploader) settle(ctx context.Context, r result) {
	switch {
	case r.err == nil:
		u.acknowledged(r.entry)
	case errors.Is(r.err, errGone):
		u.log.Warn("item vanished from the spool", zap.Uint64("item", r.entry.seq))
		u.spool.sent(r.entry)
	case errors.Is(r.err, ErrPermanent):
		u.log.Error("item quarantined", zap.Uint64("item", r.entry.seq), zap.String("name", r.entry.name), zap.Error(r.err))
		u.spool.quarantine(r.entry, r.err.Error())
		u.failures, u.pausedTil = 0, time.Time{} // the store answers
		u.note(func(st *Status) {
			st.LastError, st.LastErrorAt = r.err.Error(), now()
			st.Paused, st.NextTry = "", nil
		})
	case ctx.Err() != nil:
		u.spool.release(r.entry)
	default:
		u.failed(r.entry, r.err)
	}
}

// acknowledged removes a sent item and ends any pause.
func (u *Uploader) acknowledged(e *entry) {
	size := e.size
	u.spool.sent(e)
	if u.failures > 0 {
		u.log.Info("uploads work again", zap.Int("failed_attempts", u.failures))
	}
	u.failures, u.repeated, u.pausedTil = 0, 0, time.Time{}
	u.note(func(st *Status) {
		st.Sent++
		st.SentBytes += size
		st.LastError, st.LastErrorAt = "", nil
		st.Paused, st.NextTry = "", nil
		st.LastSuccess = now()
	})
	u.log.Debug("item sent", zap.Uint64("item", e.seq), zap.String("name", e.name), zap.Int64("bytes", size))
}

// failed gives an item back and pauses.
func (u *Uploader) failed(e *entry, err error) {
	pause, reason := u.pause(err)
	u.failures++
	now := time.Now()
	u.pausedTil = now.Add(pause)
	again := now // after the pause, or as soon as another token is known: the item is not at fault
	if !errors.Is(err, ErrUnauthorized) && !errors.Is(err, ErrNoToken) {
		again = now.Add(max(pause, backoff(minPause, maxPause, e.tries)))
	}
	u.spool.retry(e, again, err)

	u.mu.Lock()
	st := &u.status
	repeated := st.LastError == err.Error()
	next := u.pausedTil
	st.Retries++
	st.LastError, st.LastErrorAt = err.Error(), &now
	st.Paused, st.NextTry = reason, &next
	u.mu.Unlock()
	if repeated {
		u.repeated++
		return
	}
	fields := []zap.Field{zap.Uint64("item", e.seq), zap.String("name", e.name), zap.Error(err), zap.Duration("retry_in", pause)}
	if u.repeated > 0 {
		fields = append(fields, zap.Int("previous_fault_repeated", u.repeated))
	}
	u.repeated = 0
	switch {
	case errors.Is(err, ErrNoToken):
		u.log.Info("uploads wait for an upload token", fields...)
		return
	case errors.Is(err, ErrUnauthorized):
		u.log.Error("uploads paused: token refused; set cloud.upload_token to the account's upload token", fields...)
		return
	}
	u.log.Warn("upload failed", fields...)
}

// pause is how long nothing is sent after a fault, and why.
func (u *Uploader) pause(err error) (time.Duration, string) {
	if errors.Is(err, ErrNoToken) {
		return backoff(minAuthPause, maxAuthPause, u.failures), ErrNoToken.Error()
	}
	if errors.Is(err, ErrUnauthorized) {
		return backoff(minAuthPause, maxAuthPause, u.failures), ErrUnauthorized.Error()
	}
	if wish := (*RetryAfterError)(nil); errors.As(err, &wish) {
		// Jitter only adds: the server's wish is a minimum.
		after := min(max(wish.After, minPause), maxWish)
		return after + rand.N(after/10+1), fmt.Sprintf("the server asked for a pause of %v", wish.After)
	}
	return backoff(minPause, maxPause, u.failures), "upload failed"
}

// backoff is the pause after n earlier failures.
func backoff(first, last time.Duration, n int) time.Duration {
	d := min(first<<min(n, 16), last)
	return d - rand.N(d/2+1)
}

// note changes the status.
func (u *Uploader) note(change func(*Status)) {
	u.mu.Lock()
	change(&u.status)
	u.mu.Unlock()
}

func now() *time.Time {
	t := time.Now()
	return &t
}
