// Package httpstore uploads recordings to a server that speaks the Camio API: one PUT for each item, its
// body streamed from disk over a connection that is kept.
package httpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"camward/camio"
	"camward/uploader"
)

const (
	// expectFrom is the size from which a body waits for the server's word that it is wanted.
	expectFrom = 1 << 20
	// What may sit in buffers between here and the server when the last byte has been handed
	// over, and the slowest rate at which it is taken to leave them: a link of 10 kB a second works.
	maxBuffered = 4 << 20
	slowest     = 8 << 10 // bytes a second
	// maxPatience is by how much that time grows where it turned out to be too short.
	maxPatience = 8
)

// A Store uploads by HTTP. It implements uploader.Store. Safe for concurrent use.
type Store struct {
	cfg    Config
	base   string
	client *http.Client

	mu       sync.Mutex
	token    camio.Secret
	patience int // 1 to maxPatience: doubled by an answer that did not come in time, halved by one that did
}

// New checks the configuration and reads the authorities to trust; it connects to nothing.
func New(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	transport, err := cfg.Transport.HTTP(cfg.Connect, cfg.Idle)
	if err != nil {
		return nil, err
	}
	return &Store{
		cfg:      cfg,
		base:     strings.TrimRight(cfg.BaseURL, "/"),
		token:    cfg.Token,
		patience: 1,
		client: &http.Client{
			Transport: transport,
			// A redirect would carry the token in its path to whoever is named there.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// SetToken replaces the upload token from the next Put on.
func (s *Store) SetToken(token camio.Secret) {
	s.mu.Lock()
	s.token = token
	s.mu.Unlock()
}

// Close drops idle connections. A Put after it opens new ones.
func (s *Store) Close() { s.client.CloseIdleConnections() }

// The reasons for which an attempt is cut short.
var (
	errIdle     = errors.New("no progress")
	errTotal    = errors.New("the whole attempt took too long")
	errResponse = errors.New("the server does not answer")
)

// Put implements uploader.Store. Its errors and those they wrap never hold the token.
func (s *Store) Put(ctx context.Context, it uploader.Item) error {
	s.mu.Lock()
	token := s.token
	s.mu.Unlock()
	if token == "" {
		return fmt.Errorf("upload %s: %w", it.Name, uploader.ErrNoToken)
	}
	err := s.put(ctx, it, token)
	s.learn(err)
	if err != nil {
		return fmt.Errorf("upload %s: %w", it.Name, s.scrub(err, token))
	}
	return nil
}

func (s *Store) put(parent context.Context, it uploader.Item, token camio.Secret) error {
	ctx, cancel := context.WithTimeoutCause(parent, s.cfg.Total, errTotal)
	defer cancel()
	ctx, watch := newWatchdog(ctx)
	defer watch.stop()

	req, err := s.request(ctx, it, token, watch)
	if err != nil {
		return err
	}
	// Connecting has deadlines of its own; this one covers a server that is slow to let the body come.
	watch.expect(2*s.cfg.Connect+s.cfg.Idle, errIdle)
	resp, err := s.client.Do(req)
	if err != nil {
		return cut(parent, ctx, err)
	}
	defer resp.Body.Close()
	watch.expect(s.cfg.Response, errResponse)
	if s.cfg.Date != nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			s.cfg.Date(date)
		}
	}
	if err := s.judge(resp); err != nil {
		return cut(parent, ctx, err)
	}
	return checkDigest(resp.Header, it.SHA256)
}

// cut names the deadline that ended an attempt instead of the cancellation it caused. What the caller cancelled
// stays the caller's.
func cut(parent, ctx context.Context, err error) error {
	if ctx.Err() == nil || parent.Err() != nil {
		return err
	}
	cause := context.Cause(ctx)
	if err = withoutURL(err); errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// body opens the item's bytes under the watchdog's eye.
func (s *Store) body(ctx context.Context, it uploader.Item, watch *watchdog) (io.ReadCloser, error) {
	if it.Size == 0 {
		return http.NoBody, nil
	}
	body, err := it.Open(0)
	if err != nil {
		return nil, err
	}
	return &watchedBody{ctx: ctx, body: body, left: it.Size, watch: watch, idle: s.cfg.Idle, drain: s.drain(it.Size)}, nil
}

// drain is how long the answer may take once the last byte was handed over.
func (s *Store) drain(size int64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Response + time.Duration(min(size, maxBuffered)*int64(s.patience))*time.Second/slowest
}

// learn adapts the wait for answers to the link: a proxy with large buffers before a slow link swallows any body at once, and a
// wait that was too short once would be so for ever.
func (s *Store) learn(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.patience = max(s.patience/2, 1)
	case errors.Is(err, errResponse):
		s.patience = min(s.patience*2, maxPatience)
	}
}

func (s *Store) request(ctx context.Context, it uploader.Item, token camio.Secret, watch *watchdog) (*http.Request, error) {
	target := s.base + "/api/users/" + segment(token.Reveal()) + "/cameras/" + segment(it.Camera) +
		"/content/" + segment(it.Name) + "?" + it.Query().Encode()
	body, err := s.body(ctx, it, watch)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, body)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	req.ContentLength = it.Size
	// A kept connection may turn out to have been closed by the server; then it begins again on a new one.
	req.GetBody = func() (io.ReadCloser, error) { return s.body(ctx, it, watch) }
	req.Header.Set("Content-Type", it.ContentType)
	if s.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", s.cfg.UserAgent)
	}
	if it.Size > expectFrom {
		req.Header.Set("Expect", "100-continue") // RFC 9110 10.1.1
	}
	if len(it.SHA256) > 0 {
		camio.SetDigest(req.Header, it.SHA256)
	}
	camio.SetTrack(req.Header, it.Track)
	return req, nil
}

// segment escapes one element of a path, also one that a server would take for a step in the tree.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}
