package httpstore

import (
	"context"
	"io"
	"sync"
	"time"
)

// A watchdog ends a context unless it is told in time that something went on.
type watchdog struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer // nil once stopped
	why   error
}

// never is the pause before the first call of expect.
const never = 24 * time.Hour

func newWatchdog(parent context.Context) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(parent)
	w := &watchdog{cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(never, func() {
		w.mu.Lock()
		why := w.why
		w.mu.Unlock()
		cancel(why)
	})
	return ctx, w
}

// expect starts the time anew; when d is over the context ends for the reason why.
func (w *watchdog) expect(d time.Duration, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.why = why
		w.timer.Reset(d)
	}
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	w.cancel(nil)
}

// A watchedBody tells the watchdog of each piece that is taken from a request's body, and of its end. The
// transport reads it only as the connection takes bytes.
type watchedBody struct {
	ctx   context.Context // of the attempt: what has ended takes no more bytes
	body  io.ReadCloser
	left  int64
	watch *watchdog
	idle  time.Duration
	drain time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left > 0 && err == nil {
		b.watch.expect(b.idle, errIdle)
	} else {
		b.watch.expect(b.drain, errResponse)
	}
	return n, err
}

func (b *watchedBody) Close() error { return b.body.Close() }
