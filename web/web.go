// Package web is the camera's one HTTP server: the listeners, who may ask, and the routes that
// the agent hands in.
//
// Beyond the loopback there is always a password. Once there is one, every route but the open ones wants it, on a loopback
// address too: a browser signs in at /signin and holds a session's cookie from then on, programs bring it by Basic,
// or for routes of HandleDigest by Digest, which does not send it. Wrong passwords are slowed down by network address.
//
// Without a password, which is possible only on a loopback address, everyone on the device may ask, but for the page. On such an
// address the Host header has to name the loopback too, which keeps out pages that rebind a name of their own to 127.0.0.1. Elsewhere
// no name is refused, since nobody knows them all: a page that has rebound its name to the camera's address asks under
// that name, for which the browser holds neither a cookie nor a password of the camera's.
//
// What changes something is refused to pages of other origins (http.CrossOriginProtection), those at another port of
// the same host among them, to which browsers do send the cookie: cookies know no ports.
package web

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"camward/internal/supervise"
)

// Config says where to listen.
type Config struct {
	Listen   string   // host:port; default 127.0.0.1:8090; empty turns the server off
	HTTPS    string   // host:port of HTTPS beside it; default none
	Names    []string // by which the camera is asked for beside its host name, for the certificate; for instance camward-0a1b2c.local
	StateDir string   // where the server keeps its certificate and leaves its Control; empty: nowhere
}

// Default listens on the loopback alone.
func Default() Config { return Config{Listen: "127.0.0.1:8090"} }

// Validate checks the addresses' form.
func (c Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", c.Listen); err != nil {
		return fmt.Errorf("listen: %q is not host:port, for instance 127.0.0.1:8090 or :8090", c.Listen)
	}
	if c.HTTPS == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", c.HTTPS); err != nil {
		return fmt.Errorf("https: %q is not host:port, for instance :8443", c.HTTPS)
	}
	return nil
}

// Loopback reports whether the server can only be reached from the device itself.
func (c Config) Loopback() bool {
	return loopbackAddress(c.Listen) && (c.HTTPS == "" || loopbackAddress(c.HTTPS))
}

func loopbackAddress(hostport string) bool {
	a, err := net.ResolveTCPAddr("tcp", hostport)
	return err == nil && a.IP != nil && a.IP.IsLoopback()
}

// Access is what a route asks for.
type Access string

// The kinds of access.
const (
	AccessOpen     Access = "open"     // nothing
	AccessPassword Access = "password" // a session, or Basic
	AccessDigest   Access = "digest"   // a session, Digest, or Basic where nobody can read along
	AccessView     Access = "view"     // a session, Digest or Basic
	AccessPage     Access = "page"     // a session, or Basic; there must be a password
	AccessControl  Access = "control"  // the key in the state directory
	AccessSignIn   Access = "sign-in"  // nothing: these give a session and end it
)

// A Route is one line of the table of routes.
type Route struct {
	Pattern string // as of http.ServeMux
	Access  Access
}

// Server serves the camera's routes. Make one with New, hand it its routes, then Run it.
type Server struct {
	cfg      Config
	password atomic.Pointer[Password] // nil while there is none, only on a loopback address
	mux      *http.ServeMux
	routes   []Route
	access   map[string]Access // by pattern
	origin   *http.CrossOriginProtection
	digest   *digester
	limit    *limiter
	sessions *sessions
	cert     *certificate
	key      string
	bound    atomic.Pointer[net.TCPAddr]
	boundTLS atomic.Pointer[net.TCPAddr]
	log      *zap.Logger
}

// New returns a server that has no routes but those for signing in: GET and POST /signin, POST /signout. password may be nil only if
// all addresses are the loopback's; one that is kept in the state directory later counts as soon as it is there.
func New(cfg Config, password *Password, log *zap.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if password == nil && cfg.Listen != "" && !cfg.Loopback() {
		return nil, errors.New("listen: an address beyond the loopback needs a password")
	}
	log = log.Named("web")
	s := &Server{
		cfg: cfg, mux: http.NewServeMux(), access: map[string]Access{}, origin: http.NewCrossOriginProtection(),
		digest: newDigester(), limit: newLimiter(), sessions: newSessions(),
		cert: &certificate{dir: cfg.StateDir, names: cfg.Names, log: log},
		key:  rand.Text(), log: log,
	}
	s.password.Store(password)
	s.add("GET /signin", AccessSignIn, http.HandlerFunc(s.showSignIn))
	s.add("POST /signin", AccessSignIn, http.HandlerFunc(s.signIn))
	s.add("POST /signout", AccessSignIn, http.HandlerFunc(s.signOut))
	return s, nil
}

func (s *Server) add(pattern string, access Access, h http.Handler) {
	s.mux.Handle(pattern, h)
	s.routes = append(s.routes, Route{pattern, access})
	s.access[pattern] = access
}

// Routes is the table of all routes, in the order they were added.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// Handle adds a route by a pattern as of http.ServeMux, for whom has a session or brings the password by Basic, and for everybody on
// the device if there is no password. All routes are added before Run.
func (s *Server) Handle(pattern string, h http.Handler) { s.add(pattern, AccessPassword, h) }

// HandleOpen adds a route that is answered without the password: it must tell nothing and change nothing.
func (s *Server) HandleOpen(pattern string, h http.Handler) { s.add(pattern, AccessOpen, h) }

// HandlePage adds a route of the camera's own page: for whom has a session or brings the password by Basic. Without
// a password it is refused even on the device itself. A browser that asks for a page and has no session is sent to /signin.
func (s *Server) HandlePage(pattern string, h http.Handler) { s.add(pattern, AccessPage, h) }

// HandleControl adds a route for camward's own verbs: only who can read the state directory may ask, by
// the key in it. Neither the loopback nor the password is enough, so that no web page can ask in a person's name.
func (s *Server) HandleControl(pattern string, h http.Handler) { s.add(pattern, AccessControl, h) }

// HandleDigest adds a route for programs that sign in by Digest (RFC 7616; MD5 and SHA-256, qop=auth): firmware, scripts,
// curl --digest, wget. Basic is taken over TLS and from the device itself, and a session's cookie too. On a loopback address the
// route is open if the server has no password. A browser that signed in by Digest can be made to ask by
// other sites' pages, so the route must keep those out itself if it changes anything.
//
// A password file without the digests leaves only Basic, until the password is made anew.
func (s *Server) HandleDigest(pattern string, h http.Handler) {
	first := !slices.ContainsFunc(s.routes, func(r Route) bool { return r.Access == AccessDigest })
	s.add(pattern, AccessDigest, h)
	if p := s.password.Load(); first && p != nil && !p.digests() {
		s.log.Warn("the password file has no digests, so every route takes Basic, which sends the password as it is; camward password --reset makes a new one with digests")
	}
}

// HandleView adds a route that shows a picture to programs. It is as those of HandleDigest, but takes Basic everywhere: most recorders
// know nothing else, and many of them only plain HTTP. Other sites' pages may ask with a password that they were given, so a route that
// changes anything must want what a browser sends from there only with leave (CORS): another method or type than a form's.
func (s *Server) HandleView(pattern string, h http.Handler) { s.add(pattern, AccessView, h) }

// Address is where the server listens, nil before Run has bound it.
func (s *Server) Address() *net.TCPAddr { return s.bound.Load() }

// HTTPSAddress is where it listens for HTTPS; nil if it does not.
func (s *Server) HTTPSAddress() *net.TCPAddr { return s.boundTLS.Load() }

// Fingerprint is the SHA-256 of the HTTPS certificate as browsers show it (AB:CD:...), "" if there is no HTTPS.
func (s *Server) Fingerprint() string {
	if s.cfg.HTTPS == "" || s.cfg.Listen == "" {
		return ""
	}
	return s.cert.fingerprint()
}

// Run listens and serves until ctx ends, then lets running requests finish for a moment and returns ctx's
// cause. An address that is taken or not ours is an error with its reason; for HTTPS it is logged and tried again, and HTTP goes on.
func (s *Server) Run(ctx context.Context) error {
	if s.cfg.Listen == "" {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	ln, err := s.listen(ctx, s.cfg.Listen, &s.bound)
	if err != nil {
		return err
	}
	if err := s.leaveControl(); err != nil {
		s.log.Warn("the verbs that ask a running camward will not find it", zap.Error(err))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if s.cfg.HTTPS != "" {
		wg.Go(func() { supervise.Keep(ctx, s.log, "https", s.runHTTPS) }) //nolint:errcheck // it is ctx's cause
	}
	return s.serve(ctx, ln)
}

func (s *Server) runHTTPS(ctx context.Context) error {
	if _, err := s.cert.get(); err != nil {
		return err
	}
	ln, err := s.listen(ctx, s.cfg.HTTPS, &s.boundTLS)
	if err != nil {
		return err
	}
	defer s.boundTLS.Store(nil)
	return s.serve(ctx, tls.NewListener(ln, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.get() },
	}))
}

func (s *Server) listen(ctx context.Context, address string, bound *atomic.Pointer[net.TCPAddr]) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, listenError(address, err)
	}
	bound.Store(ln.Addr().(*net.TCPAddr))
	s.log.Info("listening", zap.Stringer("address", ln.Addr()), zap.Bool("password", s.password.Load() != nil))
	return ln, nil
}

func (s *Server) serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s.guard(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnState:         new(connections).watch,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:          zap.NewStdLog(s.log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
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
