package uploader

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"camward/camio"
)

// A Store keeps finished recordings elsewhere. Put sends one and returns nil only once the far
// end has acknowledged all of it. It is retried on every error that is not ErrPermanent, so repeating it must be
// harmless: same name, same bytes, one object. A Put that fails or whose ctx ends leaves nothing visible under
// the item's name unless the far end had all of it, and returns soon after ctx ends. Several Puts of
// different items may run at once.
type Store interface {
	Put(ctx context.Context, it Item) error
}

// The faults on which the uploader decides; a Store wraps them. Every other error is retried.
var (
	// ErrPermanent marks an item that the store will never take; it is quarantined.
	ErrPermanent = errors.New("refused for good")
	// ErrUnauthorized says that the upload token is not accepted; all uploads pause.
	ErrUnauthorized = errors.New("token refused")
	// ErrNoToken says that there is no upload token yet; all uploads pause.
	ErrNoToken = errors.New("no upload token yet")
)

// A RetryAfterError is a store's wish to be left alone for a while.
type RetryAfterError struct {
	After time.Duration
	Err   error
}

func (e *RetryAfterError) Error() string {
	return fmt.Sprintf("%v; retry after %v", e.Err, e.After)
}

// Unwrap returns the fault that came with the wish.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// An Item is one finished recording on its way to a Store. It is passed by value and read-only.
type Item struct {
	camio.Upload
	Kind    camio.Kind
	Started time.Time // of the first picture, UTC; zero if never known

	open func(offset int64) (io.ReadCloser, error)
}

// NewItem makes an item whose bytes come from open, for tests and for items that are in no spool.
func NewItem(u camio.Upload, kind camio.Kind, started time.Time, open func(offset int64) (io.ReadCloser, error)) Item {
	return Item{Upload: u, Kind: kind, Started: started, open: open}
}

// Open returns the item's bytes from offset (0..Size) on. The caller closes it. It may be called
// again for each attempt, also while another reader is open.
func (it Item) Open(offset int64) (io.ReadCloser, error) { return it.open(offset) }

// throttled makes an item's bytes come no faster than t allows.
func (it Item) throttled(t *throttle) Item {
	open := it.open
	it.open = func(offset int64) (io.ReadCloser, error) {
		r, err := open(offset)
		if err != nil {
			return nil, err
		}
		return t.reader(r), nil
	}
	return it
}

// processBoot makes a boot id where the system has none: every process counts as a boot.
func processBoot() string { return rand.Text() }
