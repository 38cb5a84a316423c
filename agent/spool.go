package agent

import (
	"context"
	"errors"
	"fmt"
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

	mu       sync.Mutex
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

// Create begins a recording, or says why there is no spool.
func (s *lateSpool) Create(m camio.Media) (clip.Recording, error) {
	s.mu.Lock()
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spool == nil {
		return nil
	}
	return s.spool.Close()
}

func (s *lateSpool) open() (*uploader.Uploader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploader != nil {
		return s.uploader, nil
	}
	spool, err := uploader.OpenSpool(s.cfg, s.clock, s.log)
	if err != nil {
		s.err = err
		return nil, err
	}
	u, err := uploader.New(s.cfg, spool, s.store, s.log)
	if err != nil {
		return nil, fmt.Errorf("uploader: %w", err)
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

// alive says what hangs: a spool that does not answer. One that cannot be opened is said elsewhere, and no restart mends it.
func (s *lateSpool) alive() error {
	errHangs := errors.New("the spool does not answer")
	if !s.probing.CompareAndSwap(false, true) {
		return errHangs
	}
	answered := make(chan struct{})
	go func() {
		s.Status()
		s.probing.Store(false)
		close(answered)
	}()
	select {
	case <-answered:
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

// resume ends the uploader's pause, if it makes one.
func (s *lateSpool) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploader != nil {
		s.uploader.Resume()
	}
}
