// Package ftpd is a small, strict FTP server that only takes uploads, from cameras: RFC 959 with the extensions of
// RFC 2428 (EPSV, EPRT), RFC 4217 (explicit TLS) and RFC 3659 (SIZE, MDTM, restart). Nothing can be read back, listed or deleted.
//
// Directories appear when a client changes to them or makes them. A file is handed to the Backend once it is whole and
// its final name is known: at the end of STOR or APPE, or with RNTO where the name it was sent under looks temporary (a leading dot,
// or an ending such as .tmp or .part). A transfer that is cut, aborted or stops is never handed over; it is kept aside for a
// while, so that the same user can resume it with REST or APPE, in the same session or a new one. On plain FTP the end of the
// connection is all that marks the end of a file; on TLS the end must be a close_notify.
//
// TYPE A is accepted and changes nothing: files are stored as their bytes arrive, as most servers do, since cameras that forget
// TYPE I send pictures all the same.
package ftpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A Backend knows who may upload. Login is called from many goroutines and returns ErrDenied for a user or password that is wrong;
// any other error is told to the client as a fault of the moment.
type Backend interface {
	Login(ctx context.Context, user, password string, remote netip.Addr) (Session, error)
}

// A Session takes the files of one logged-in user. Store is called for one file at a time of a session, and returns nil once
// the file is safe on disk. directory holds at least one element, the first of which names the camera. f is the whole file, at its
// start, in Config.TempDir; Store may rename and close it, and whatever it leaves behind is removed. The end of the
// connection does not cancel ctx: the file has arrived. ErrRefused says that this file will never be taken, ErrDenied that the
// user is not valid any more; any other error makes the client try again later. Repeating a Store must be harmless.
type Session interface {
	Store(ctx context.Context, directory []string, name string, f *os.File) error
}

// Errors that a Backend and a Session return, wrapped or bare. The text of an ErrRefused is told to the client.
var (
	ErrDenied  = errors.New("login incorrect")
	ErrRefused = errors.New("file refused")
)

// Config says where a Server listens and what it allows. Listen, TempDir, Backend and Log are required; every other zero value
// stands for the default in its comment.
type Config struct {
	Listen     string      // address of the control connections, such as :21
	PublicHost string      // IPv4 address or host name told in answers to PASV; the address that the client connected to
	PortLow    int         // first port for passive data connections; any free port
	PortHigh   int         // last port
	TLS        *tls.Config // certificate for AUTH TLS; nil refuses AUTH. Session tickets must be left on
	TempDir    string      // existing directory, on the file system where the backend keeps its files

	MaxFile            int64         // bytes of one file; 512 MiB
	MaxPartial         int64         // bytes of unfinished files kept in all; 1 GiB
	PartialLife        time.Duration // how long an unfinished file can be resumed, and SIZE knows a finished one; 1 h
	MaxSessions        int           // 256
	MaxSessionsPerAddr int           // per IPv4 address or IPv6 /64; 32
	IdleTimeout        time.Duration // without a command; 5 min
	DataTimeout        time.Duration // for a data connection to open, and without a byte on it; 60 s

	// OnListen, if set, is called by Run with the address it listens on, before the first connection.
	OnListen func(net.Addr)

	Backend Backend
	Log     *zap.Logger
}

// A Server takes uploads by FTP.
type Server struct {
	cfg    Config
	log    *zap.Logger
	recent *recent
	logins *loginLimit

	mu       sync.Mutex
	sessions map[*session]struct{}
	perAddr  map[netip.Addr]int
}

// New checks cfg. It listens on nothing and writes nothing.
func New(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, fmt.Errorf("ftp: %w", err)
	}
	return &Server{
		cfg: cfg, log: cfg.Log.Named("ftp"), logins: newLoginLimit(), recent: newRecent(cfg.PartialLife, cfg.MaxPartial),
		sessions: make(map[*session]struct{}), perAddr: make(map[netip.Addr]int),
	}, nil
}

func (c *Config) setDefaults() error {
	var errs []error
	if c.Listen == "" {
		errs = append(errs, errors.New("listen: no address given"))
	}
	if c.TempDir == "" {
		errs = append(errs, errors.New("temporary files: no directory given"))
	}
	if c.Backend == nil || c.Log == nil {
		errs = append(errs, errors.New("backend and logger are required"))
	}
	if c.PortLow < 0 || c.PortHigh > 65535 || c.PortLow > c.PortHigh || (c.PortLow == 0) != (c.PortHigh == 0) {
		errs = append(errs, fmt.Errorf("passive ports: %d-%d is not a range within 1-65535", c.PortLow, c.PortHigh))
	}
	if a, err := netip.ParseAddr(c.PublicHost); err == nil && !a.Unmap().Is4() {
		errs = append(errs, fmt.Errorf("public host: PASV can tell IPv4 addresses only, not %s", a))
	}
	setDefault(&c.MaxFile, 512<<20)
	setDefault(&c.MaxPartial, 1<<30)
	setDefault(&c.PartialLife, time.Hour)
	setDefault(&c.MaxSessions, 256)
	setDefault(&c.MaxSessionsPerAddr, 32)
	setDefault(&c.IdleTimeout, 5*time.Minute)
	setDefault(&c.DataTimeout, time.Minute)
	if c.MaxFile < 0 || c.MaxPartial < 0 || c.PartialLife < 0 || c.MaxSessions < 0 || c.MaxSessionsPerAddr < 0 || c.IdleTimeout < 0 || c.DataTimeout < 0 {
		errs = append(errs, errors.New("limits: one is below zero"))
	}
	return errors.Join(errs...)
}

func setDefault[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// Run listens on cfg.Listen and serves until ctx ends; then transfers may finish for up to 10 s, and unfinished files are
// removed. It returns ctx's cause, or why it could not listen.
func (s *Server) Run(ctx context.Context) error {
	lc := net.ListenConfig{Control: keepUrgentInline}
	ln, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("ftp: listen on %s: %w", s.cfg.Listen, err)
	}
	if s.cfg.OnListen != nil {
		s.cfg.OnListen(ln.Addr())
	}
	var wg sync.WaitGroup
	defer s.recent.clear()
	defer wg.Wait()
	wg.Go(func() { s.recent.expireUntil(ctx.Done()) })
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	for {
		conn, err := ln.Accept()
		if err == nil {
			s.admit(ctx, &wg, conn.(*net.TCPConn))
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.log.Warn("accept", zap.Error(err)) // out of descriptors or a client already gone: it passes
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// admit starts a session unless there are too many.
func (s *Server) admit(ctx context.Context, wg *sync.WaitGroup, conn *net.TCPConn) {
	local, err1 := netip.ParseAddrPort(conn.LocalAddr().String())
	remote, err2 := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err1 != nil || err2 != nil {
		_ = conn.Close()
		return
	}
	c := newSession(s, conn, local.Addr().Unmap(), remote.Addr().Unmap())
	key := network(c.remote)
	s.mu.Lock()
	ok := len(s.sessions) < s.cfg.MaxSessions && s.perAddr[key] < s.cfg.MaxSessionsPerAddr
	if ok {
		s.sessions[c] = struct{}{}
		s.perAddr[key]++
	}
	s.mu.Unlock()
	if !ok {
		s.log.Warn("too many sessions", zap.Stringer("remote", c.remote))
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(conn, "421 Too many connections, try again later\r\n")
		_ = conn.Close()
		return
	}
	wg.Go(func() {
		c.run(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sessions, c)
		if s.perAddr[key]--; s.perAddr[key] == 0 {
			delete(s.perAddr, key)
		}
	})
}

// network is what one client counts as: its address, or for IPv6 the /64 that one subscriber gets.
func network(a netip.Addr) netip.Addr {
	if a.Is6() {
		p, _ := a.WithZone("").Prefix(64) // 64 is in range
		return p.Addr()
	}
	return a
}
