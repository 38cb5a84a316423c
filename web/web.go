// Package web is the camera's one HTTP server: the listener, who may ask, and the routes that
// the agent hands in.
//
// On a loopback address everyone on the device may ask, as long as the Host header names the loopback too
// (which keeps out pages that rebind a name of their own to 127.0.0.1). On any other address every
// route but the health check wants the password: by Basic, or for routes of HandleDigest by Digest, which
// does not send it. Wrong passwords are slowed down by network address.
package web

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Config says where to listen.
type Config struct {
	Listen   string // host:port; default 127.0.0.1:8090; empty turns the server off
	StateDir string // where the server leaves its Control; empty: nowhere
}

// Default listens on the loopback alone.
func Default() Config { return Config{Listen: "127.0.0.1:8090"} }

// Validate checks the address's form.
func (c Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", c.Listen); err != nil {
		return fmt.Errorf("listen: %q is not host:port, for instance 127.0.0.1:8090 or :8090", c.Listen)
	}
	return nil
}

// Loopback reports whether the address can only be reached from the device itself.
func (c Config) Loopback() bool {
	a, err := net.ResolveTCPAddr("tcp", c.Listen)
	return err == nil && a.IP != nil && a.IP.IsLoopback()
}

// Server serves the camera's routes. Make one with New, hand it its routes, then Run it.
type Server struct {
	cfg      Config
	password *Password // may be nil on a loopback address
	mux      *http.ServeMux
	open     map[string]bool // patterns that need no sign-in
	admin    map[string]bool // patterns that need the control key
	byDigest map[string]bool // patterns that take Digest, and want it on a loopback address too if there is a password
	digest   *digester
	limit    *limiter
	key      string
	bound    atomic.Pointer[net.TCPAddr]
	log      *zap.Logger
}

// New returns a server without routes. password may be nil only for a loopback address, where it is asked for by
// the routes of HandleDigest alone.
func New(cfg Config, password *Password, log *zap.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if password == nil && cfg.Listen != "" && !cfg.Loopback() {
		return nil, errors.New("listen: an address beyond the loopback needs a password")
	}
	return &Server{
		cfg: cfg, password: password, mux: http.NewServeMux(),
		open: map[string]bool{}, admin: map[string]bool{}, byDigest: map[string]bool{},
		digest: newDigester(), limit: newLimiter(),
		key: rand.Text(), log: log.Named("web"),
	}, nil
}

// Handle adds a route by a pattern as of http.ServeMux. All routes are added before Run.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// HandleOpen adds a route that is answered without the password: it must tell nothing.
func (s *Server) HandleOpen(pattern string, h http.Handler) {
	s.mux.Handle(pattern, h)
	s.open[pattern] = true
}

// HandleControl adds a route that changes something: only who can read the state directory may ask, by
// the key in it. Neither the loopback nor the password is enough, so that no web page can ask in a person's name.
func (s *Server) HandleControl(pattern string, h http.Handler) {
	s.mux.Handle(pattern, h)
	s.admin[pattern] = true
}

// HandleDigest adds a route for programs that sign in by Digest (RFC 7616; MD5 and SHA-256, qop=auth): firmware, scripts,
// curl --digest, wget. Basic is taken over TLS and from the device itself. On a loopback address the route is open
// if the server has no password; it must keep out other sites' pages itself if it changes anything,
// since a browser on the device can be made to ask for it.
//
// A password file without the digests leaves only Basic, until the password is made anew.
func (s *Server) HandleDigest(pattern string, h http.Handler) {
	s.mux.Handle(pattern, h)
	if len(s.byDigest) == 0 && s.password != nil && !s.password.digests() {
		s.log.Warn("the password file has no digests, so every route takes Basic, which sends the password as it is; camward password --reset makes a new one with digests")
	}
	s.byDigest[pattern] = true
}

// Address is where the server listens, nil before Run has bound it.
func (s *Server) Address() *net.TCPAddr { return s.bound.Load() }

// Run listens and serves until ctx ends, then lets running requests finish for a moment and returns ctx's
// cause. An address that is taken or not ours is an error with its reason.
func (s *Server) Run(ctx context.Context) error {
	if s.cfg.Listen == "" {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return listenError(s.cfg.Listen, err)
	}
	s.bound.Store(ln.Addr().(*net.TCPAddr))
	if err := s.leaveControl(); err != nil {
		s.log.Warn("the verbs that ask a running camward will not find it", zap.Error(err))
	}
	s.log.Info("listening", zap.Stringer("address", ln.Addr()), zap.Bool("password", s.password != nil && !s.cfg.Loopback()))
	srv := &http.Server{
		Handler:           s.guard(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:          zap.NewStdLog(s.log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve %s: %w", s.cfg.Listen, err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	<-done
	return context.Cause(ctx)
}

// guard stands before all routes: the Host check on a loopback address, the password elsewhere.
func (s *Server) guard() http.Handler {
	loopback := s.cfg.Loopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		r = oneSlash(r)
		_, pattern := s.mux.Handler(r)
		digest := s.byDigest[pattern]
		switch control := s.hasKey(r); {
		case s.open[pattern], control:
		case s.admin[pattern]:
			http.Error(w, "this needs the key in the state directory; use camward's own verbs", http.StatusForbidden)
			return
		case s.password == nil || loopback:
			if !loopbackHost(r.Host) {
				http.Error(w, "ask for this device by 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
				return
			}
			if digest && s.password != nil && !s.signedIn(w, r, true) {
				return
			}
		case !s.signedIn(w, r, digest):
			return
		}
		s.mux.ServeHTTP(w, r)
	})
}

// oneSlash takes one of two slashes off the front of the path, which firmware of some makers lets pass: the mux would
// redirect, and a redirect loses the body of a POST. RequestURI stays, since Digest covers it.
func oneSlash(r *http.Request) *http.Request {
	if !strings.HasPrefix(r.URL.Path, "//") {
		return r
	}
	r2, u := *r, *r.URL
	u.Path, u.RawPath = u.Path[1:], strings.TrimPrefix(u.RawPath, "/")
	r2.URL = &u
	return &r2
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: the address is in use, perhaps by another camward; choose another with listen: HOST:PORT", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with listen: HOST:PORT", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this device has no such address; :PORT listens on all it has", addr)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}
