package agent

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/clip"
	"camward/uploader"
	"camward/uploader/ftpstore"
	"camward/uploader/httpstore"
)

// lateSpool is the spool and its uploader behind a door that may still be shut: a disk that is full or not
// mounted yet must not keep the cameras, the poll and the status page from working.
type lateSpool struct {
	cfg   uploader.Config
	store uploader.Store // follows the commands: an *uploads
	clock *uploader.SystemClock
	log   *zap.Logger

	probing atomic.Bool // alive waits for an answer

	opening sync.Mutex // held while the spool is being opened, which takes its time on a slow card; taken before mu

	mu       sync.Mutex
	since    time.Time // when the opening that is under way began; zero: none is
	spool    *uploader.Spool
	uploader *uploader.Uploader
	err      error // why the spool is not open
}

func newLateSpool(cfg *Loaded, store uploader.Store, clock *uploader.SystemClock, log *zap.Logger) *lateSpool {
	return &lateSpool{cfg: cfg.Spool, store: store, clock: clock, log: log, err: errors.New("the spool is not open yet")}
}

func newStore(c CloudConfig, base *url.URL, clock *uploader.SystemClock) (uploader.Store, error) {
	if c.Upload == "ftp" {
		return ftpstore.New(c.ftpStore())
	}
	return httpstore.New(c.httpStore(base.String(), clock.Observe))
}

// Create begins a recording, or says why there is no spool. It waits for one that is being opened.
func (s *lateSpool) Create(m camio.Media) (clip.Recording, error) {
	s.opening.Lock()
	s.mu.Lock()
	s.opening.Unlock()
	spool, err := s.spool, s.err
	s.mu.Unlock()
	if spool == nil {
		return nil, err
	}
	return spool.Create(m)
}

// Run opens the spool and uploads from it until ctx ends. An error means that the spool cannot be used now; the
// caller tries again.
func (s *lateSpool) Run(ctx context.Context) error {
	u, err := s.open()
	if err != nil {
		return err
	}
	return u.Run(ctx)
}

// Close gives up the spool's lock, after everything that writes to it has stopped.
func (s *lateSpool) Close() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spool == nil {
		return nil
	}
	return s.spool.Close()
}

func (s *lateSpool) open() (*uploader.Uploader, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	u := s.uploader
	if u == nil {
		s.since = time.Now()
	}
	s.mu.Unlock()
	if u != nil {
		return u, nil
	}
	spool, err := uploader.OpenSpool(s.cfg, s.clock, s.log)
	if err == nil {
		u, err = uploader.New(s.cfg, spool, s.store, s.log)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Time{}
	if err != nil {
		s.err = err
		return nil, err
	}
	s.spool, s.uploader, s.err = spool, u, nil
	return u, nil
}

// Status is the uploader's, or why there is none.
func (s *lateSpool) Status() (st uploader.Status, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploader == nil {
		return st, s.err
	}
	return s.uploader.Status(), nil
}

// maxOpening is how long the sweep may take before the disk counts as hung.
const maxOpening = 15 * time.Minute

// alive says what hangs: a spool that does not answer. One that cannot be opened is said elsewhere, and no restart mends it; one
// that is slow to open would never be open if each restart began anew.
func (s *lateSpool) alive() error {
	errHangs := errors.New("the spool does not answer")
	if !s.probing.CompareAndSwap(false, true) {
		return errHangs
	}
	answered := make(chan struct{})
	hung := false
	go func() {
		s.Status()
		s.mu.Lock()
		hung = !s.since.IsZero() && time.Since(s.since) > maxOpening
		s.mu.Unlock()
		s.probing.Store(false)
		close(answered)
	}()
	select {
	case <-answered:
		if hung {
			return errHangs
		}
		return nil
	case <-time.After(time.Second):
		return errHangs
	}
}

// opened gives the spool, or why there is none.
func (s *lateSpool) opened() (*uploader.Spool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spool, s.err
}

// retryAll makes every item's next try due now, those in quarantine too, and gives the queue.
func (s *lateSpool) retryAll() ([]uploader.ItemStatus, error) {
	spool, err := s.opened()
	if err != nil {
		return nil, err
	}
	for _, it := range spool.Items() {
		if err := spool.Retry(it.ID); err != nil && !errors.Is(err, uploader.ErrNoItem) { // it may have been sent meanwhile
			return nil, err
		}
	}
	s.resume()
	return spool.Items(), nil
}

// resume ends the uploader's pause, if it makes one.
func (s *lateSpool) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploader != nil {
		s.uploader.Resume()
	}
}
