package ftpstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"

	"camward/camio"
	"camward/internal/transport"
)

// A session is one control connection with its data connections. It serves one Put at a time; only abort may
// be called beside it.
type session struct {
	ftp     *ftp.ServerConn
	cfg     *Config
	user    camio.Secret
	control *controlConn
	replies codeWatch

	home     string   // directory of the login, once asked for
	dirs     []string // directory below it that is the current one
	changed  bool     // the current directory is not known to be dirs
	noRest   bool     // this server does not go on behind a partial file
	sent     bool     // data went to the server
	dataDead bool     // no data connection could be made
	drain    time.Duration

	dialer net.Dialer
	stop   context.CancelFunc // of the dials
	mu     sync.Mutex
	raw    map[*net.TCPConn]struct{} // open connections
	ended  bool
}

// dial connects and logs in. The session is closed if that fails; ctx ends it at any time until then.
func (s *Store) dial(ctx context.Context, user camio.Secret) (*session, error) {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &session{cfg: &s.cfg, user: user, stop: stop, raw: map[*net.TCPConn]struct{}{}, dialer: net.Dialer{
		Timeout: s.cfg.Connect, KeepAlive: s.cfg.Idle / 2, Control: transport.Control(s.cfg.Idle),
	}}
	defer context.AfterFunc(ctx, c.abort)()
	var config *tls.Config
	options := []ftp.DialOption{
		ftp.DialWithDisabledEPSV(s.takePassive()),
		ftp.DialWithDebugOutput(&c.replies),
		// The time for the reply after a transfer; controlConn sees to it.
		ftp.DialWithShutTimeout(s.cfg.Idle),
	}
	if s.cfg.TLS != None {
		config = s.trust.Clone()
		config.ServerName = s.host
		// Servers demand that a data connection resumes the session of its own control connection.
		config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		option := ftp.DialWithTLS(config)
		if s.cfg.TLS == Explicit {
			option = ftp.DialWithExplicitTLS(config)
		}
		options = append(options, option)
	}
	// The library calls it first for the control connection, then for each data connection.
	options = append(options, ftp.DialWithDialFunc(func(network, address string) (net.Conn, error) {
		if c.control == nil {
			return c.dialControl(life, network, address, config)
		}
		return c.dialData(life, network, address, config)
	}))
	var err error
	if c.ftp, err = ftp.Dial(s.cfg.Address, options...); err != nil {
		c.abort()
		return nil, fmt.Errorf("connect to %s: %w", s.cfg.Address, err)
	}
	if err := c.login(); err != nil {
		c.abort()
		return nil, fmt.Errorf("log in at %s: %w", s.cfg.Address, unauthorized(err))
	}
	return c, nil
}

func (c *session) login() error {
	err := c.ftp.Login(c.user.Reveal(), c.cfg.Password.Reveal())
	var ne net.Error
	if err != nil && code(err) == 0 && c.replies.last >= 400 && !errors.As(err, &ne) {
		// The library drops the code of a reply to USER.
		return &replyError{code: c.replies.last, text: err.Error()}
	}
	return err
}

func (c *session) dialControl(ctx context.Context, network, address string, config *tls.Config) (net.Conn, error) {
	raw, err := c.open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.control = &controlConn{Conn: raw, wait: c.cfg.Idle}
	if c.cfg.TLS == Implicit {
		return tls.Client(c.control, config), nil
	}
	return c.control, nil
}

func (c *session) dialData(ctx context.Context, network, address string, config *tls.Config) (net.Conn, error) {
	raw, err := c.open(ctx, network, address)
	if err != nil {
		c.dataDead = true
		return nil, fmt.Errorf("data connection: %w", err)
	}
	d := &dataConn{Conn: raw, raw: raw, idle: c.cfg.Idle, drain: c.drain, closed: c.forget}
	if config != nil {
		d.Conn = tls.Client(raw, config)
	}
	return d, nil
}

// open makes a connection that abort will find.
func (c *session) open(ctx context.Context, network, address string) (*net.TCPConn, error) {
	conn, err := c.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	raw := conn.(*net.TCPConn) // network is always tcp
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		cutOff(raw)
		return nil, net.ErrClosed
	}
	c.raw[raw] = struct{}{}
	return raw, nil
}

func (c *session) forget(raw *net.TCPConn) {
	c.mu.Lock()
	delete(c.raw, raw)
	c.mu.Unlock()
}

// abort cuts off whatever the session is doing. Its calls return soon after.
func (c *session) abort() {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for raw := range c.raw {
		cutOff(raw)
	}
	clear(c.raw)
}

// quit takes leave of the server without waiting for its answer.
func (c *session) quit() {
	c.control.wait = min(c.cfg.Idle, time.Second)
	c.ftp.Quit() // as it may: abort follows
	c.mu.Lock()
	clear(c.raw) // closed in order, so that QUIT is not thrown away
	c.mu.Unlock()
	c.abort()
}

// enter makes dirs the current directory, and those of them that do not exist yet.
func (c *session) enter(dirs []string) error {
	if !c.changed && slices.Equal(c.dirs, dirs) {
		return nil
	}
	if err := c.goHome(); err != nil {
		return err
	}
	c.changed = true
	for _, d := range dirs {
		err := c.ftp.ChangeDir(d)
		if code(err) >= 500 && code(err) != ftp.StatusNotLoggedIn {
			if merr := c.ftp.MakeDir(d); merr != nil && code(merr) == 0 {
				return fmt.Errorf("make directory %s: %w", d, merr)
			} else if again := c.ftp.ChangeDir(d); again == nil {
				err = nil // also if another one has just made it
			} else if merr != nil {
				err = merr
			}
		}
		if err != nil {
			return fmt.Errorf("enter directory %s: %w", d, err)
		}
	}
	c.dirs, c.changed = dirs, false
	return nil
}

// goHome returns to the directory of the login.
func (c *session) goHome() (err error) {
	if c.home == "" {
		c.home, err = c.ftp.CurrentDir()
		if code(err) != 0 || err == nil && c.home == "" {
			c.home, err = "/", nil
		}
		if err != nil {
			return fmt.Errorf("ask for the directory: %w", err)
		}
	}
	if !c.changed && len(c.dirs) == 0 {
		return nil
	}
	c.changed = true
	if err := c.ftp.ChangeDir(c.home); err != nil {
		return fmt.Errorf("enter directory %s: %w", c.home, err)
	}
	c.dirs, c.changed = nil, false
	return nil
}
