// Package ftpstore uploads recordings to an FTP server (RFC 959, 2428, 3659), plain or over TLS (RFC 4217):
// each under a temporary name, renamed once the server has all of it, over a connection that is kept.
//
// A transfer that was cut goes on where the server's part of it ends, if the server lets it. A
// connection that dies is noticed by deadlines on every step. Data connections are always passive and go to the
// host of the control connection, whatever address a server behind NAT names.
package ftpstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"camward/camio"
	"camward/uploader"
)

// A Store uploads by FTP. It implements uploader.Store. Safe for concurrent use; every Put that runs has
// a connection of its own.
type Store struct {
	cfg       Config
	host      string // of the certificate
	trust     *tls.Config
	directory template
	file      template

	mu      sync.Mutex
	user    camio.Secret
	kept    []*kept // most recently used last
	passive bool    // the next connection uses PASV
}

// A kept session waits for its next use or its end.
type kept struct {
	*session
	timer *time.Timer
}

// New checks the configuration and reads the authorities to trust; it connects to nothing.
func New(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	trust, err := cfg.Transport.TLS()
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, trust: trust, user: cfg.User}
	s.host, _, _ = net.SplitHostPort(cfg.Address) // Validate has tried all three
	s.directory, _ = parseTemplate(cfg.Directory)
	s.file, _ = parseTemplate(cfg.File)
	return s, nil
}

// SetToken replaces the user from the next Put on. One that cannot be sent is refused by Put.
func (s *Store) SetToken(token camio.Secret) {
	s.mu.Lock()
	s.user = token
	s.mu.Unlock()
	s.Close()
}

// Close drops unused connections. A Put after it opens new ones.
func (s *Store) Close() {
	s.mu.Lock()
	all := s.kept
	s.kept = nil
	s.mu.Unlock()
	for _, k := range all {
		if k.timer.Stop() { // else its end has begun
			k.quit()
		}
	}
}

// The reasons for which an attempt is cut short.
var (
	errIdle  = errors.New("no progress")
	errTotal = errors.New("the whole attempt took too long")
)

// Put implements uploader.Store. Its errors and those they wrap never hold the user or a password of one's own.
func (s *Store) Put(ctx context.Context, it uploader.Item) error {
	s.mu.Lock()
	user := s.user
	s.mu.Unlock()
	if user == "" {
		return fmt.Errorf("upload %s: %w", it.Name, uploader.ErrNoToken)
	}
	if err := s.put(ctx, it, user); err != nil {
		return fmt.Errorf("upload %s: %w", it.Name, scrub(err, user.Reveal(), s.cfg.Password.Reveal()))
	}
	return nil
}

// Check connects and logs in, and makes no transfer: it tells whether uploads have a chance. Its errors hold no secret.
func (s *Store) Check(ctx context.Context) error {
	s.mu.Lock()
	user := s.user
	s.mu.Unlock()
	c, err := s.dial(ctx, user)
	if err != nil {
		return fmt.Errorf("log in at %s: %w", s.cfg.Address, scrub(cut(ctx, unauthorized(err)), user.Reveal(), s.cfg.Password.Reveal()))
	}
	c.quit()
	return nil
}

func (s *Store) put(parent context.Context, it uploader.Item, user camio.Secret) error {
	ctx, cancel := context.WithTimeoutCause(parent, s.cfg.Total, errTotal)
	defer cancel()
	to := s.target(it)
	if c := s.take(user); c != nil {
		err := s.use(ctx, c, it, to)
		// The server may have closed it or changed its mind since. Whatever went wrong before any
		// data was sent is tried once more on a connection made for it.
		if err == nil || c.sent || ctx.Err() != nil {
			return cut(ctx, err)
		}
	}
	c, err := s.dial(ctx, user)
	if err == nil {
		err = s.use(ctx, c, it, to)
	}
	return cut(ctx, err)
}

// use puts one item over a session and keeps it for the next if all went well.
func (s *Store) use(ctx context.Context, c *session, it uploader.Item, to target) error {
	stop := context.AfterFunc(ctx, c.abort)
	err := unauthorized(c.put(ctx, it, to))
	alive := stop()
	switch {
	case err == nil && alive:
		s.keep(c)
	case alive && code(err) != 0:
		c.quit()
	default:
		c.abort()
	}
	if c.dataDead {
		s.mu.Lock()
		s.passive = true
		s.mu.Unlock()
	}
	return err
}

// cut says why an attempt ended early instead of what that did to its connection.
func cut(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %w", errIdle, err)
	}
	return err
}

// take returns the session used last, nil if there is none.
func (s *Store) take(user camio.Secret) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.kept) > 0 {
		k := s.kept[len(s.kept)-1]
		s.kept = s.kept[:len(s.kept)-1]
		if !k.timer.Stop() {
			continue // its time is over just now
		}
		if k.user == user {
			k.control.wait = min(s.cfg.Idle, s.cfg.Connect)
			return k.session
		}
		k.abort()
	}
	return nil
}

func (s *Store) keep(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.user != s.user {
		c.abort()
		return
	}
	k := &kept{session: c}
	k.timer = time.AfterFunc(s.cfg.Keep, func() {
		s.mu.Lock()
		for i := range s.kept {
			if s.kept[i] == k {
				s.kept = append(s.kept[:i], s.kept[i+1:]...)
				break
			}
		}
		s.mu.Unlock()
		k.quit()
	})
	s.kept = append(s.kept, k)
}

// takePassive reports whether EPSV is to be left out this time: some routers let only the ports through
// that they read in an answer to PASV, and then EPSV's data connection never comes about.
func (s *Store) takePassive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.passive
	s.passive = false
	return p
}
