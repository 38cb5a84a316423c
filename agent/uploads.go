package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/live/relay"
	"camward/uploader"
)

// fallbackAfter is how long the first way may bring nothing through before the second is taken, and how long until the first is
// tried again then.
const fallbackAfter = 10 * time.Minute

// A way is one store, and the name that the first camera has there; empty: the configured one.
type way struct {
	store  uploader.Store
	camera string
	live   relay.Target // the same cloud for the live view, without a camera; zero: it has none
}

// uploads is the store that configuration and commands name at the moment. It implements uploader.Store: items take the first way, and the
// second, if there is one, once the first has brought nothing through for fallbackAfter.
type uploads struct {
	cameraID string // of the first camera
	log      *zap.Logger
	now      func() time.Time

	mu      sync.Mutex
	ways    []way
	failing time.Time // since when the first way brings nothing through; zero: it works, for all that is known
	lastTry time.Time // of the first way, since it is overdue
}

func newUploads(cameraID string, log *zap.Logger) *uploads {
	return &uploads{cameraID: cameraID, log: log.Named("uploads"), now: time.Now}
}

// errUnclaimed is why a camera without an upload token keeps what it records.
var errUnclaimed = fmt.Errorf("%w: claim this camera (camward claim), or set cloud.upload_token", uploader.ErrNoToken)

// set replaces the ways. Transfers that run go on where they began.
func (u *uploads) set(ways ...way) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ways, u.failing, u.lastTry = ways, time.Time{}, time.Time{}
}

// any reports whether there is a way at all.
func (u *uploads) any() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.ways) > 0
}

// Put implements uploader.Store.
func (u *uploads) Put(ctx context.Context, it uploader.Item) error {
	first, second := u.choose()
	if first == nil && second == nil {
		return errUnclaimed
	}
	if first != nil {
		err := u.put(ctx, *first, it)
		if ctx.Err() == nil {
			u.note(err)
		}
		if second == nil || !u.mayFallBack(ctx, err) {
			return err
		}
		u.log.Warn("nothing has come through for a while; the fallback is taken", zap.Error(err))
	}
	return u.put(ctx, *second, it)
}

func (u *uploads) put(ctx context.Context, w way, it uploader.Item) error {
	if w.camera != "" && it.CameraID == u.cameraID {
		it.Camera = w.camera
	}
	return w.store.Put(ctx, it)
}

// choose gives the ways to try, in order. While the fallback is in use, the first is tried once in fallbackAfter.
func (u *uploads) choose() (first, second *way) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.ways) > 1 {
		second = &u.ways[1]
	}
	if len(u.ways) == 0 || second != nil && u.overdue() && u.now().Sub(u.lastTry) < fallbackAfter {
		return nil, second
	}
	if second != nil && u.overdue() {
		u.lastTry = u.now()
	}
	return &u.ways[0], second
}

// overdue reports whether the first way has brought nothing through for too long. u.mu is held.
func (u *uploads) overdue() bool {
	return !u.failing.IsZero() && u.now().Sub(u.failing) >= fallbackAfter
}

// note keeps how the first way does. A refusal of one item is an answer, too.
func (u *uploads) note(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err == nil || errors.Is(err, uploader.ErrPermanent):
		u.failing, u.lastTry = time.Time{}, time.Time{}
	case u.failing.IsZero():
		u.failing = u.now()
	}
}

// mayFallBack reports whether a failure of the first way is one that the second may help with, and now.
func (u *uploads) mayFallBack(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || errors.Is(err, uploader.ErrPermanent) {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.overdue()
}
