package ftpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	loginTimeout = time.Minute      // from the greeting to a successful PASS
	writeTimeout = 20 * time.Second // for a reply
	shakeTimeout = 15 * time.Second // for a TLS handshake
	grace        = 10 * time.Second // for a transfer when the server stops
	maxFaults    = 50               // commands in a row that were refused, then the session ends
)

// session is one control connection. Its goroutine reads and executes commands; a transfer runs beside it so that ABOR is heard,
// and writes its own replies. Until that transfer has ended no other command is executed, so only reply needs a lock.
type session struct {
	srv           *Server
	log           *zap.Logger
	local, remote netip.Addr
	started       time.Time

	writing sync.Mutex
	raw     *net.TCPConn
	conn    net.Conn // raw, or the TLS connection after AUTH
	in      *bufio.Reader
	secure  bool
	pbsz    bool
	private bool // PROT P

	user    string
	login   Session // nil until PASS succeeded
	cwd     []string
	faults  int
	rest    int64
	renFrom []string
	data    dataSource
	epsvAll bool

	transfer *transfer      // the last one
	running  sync.WaitGroup // its goroutine
	closing  bool
}

func newSession(s *Server, conn *net.TCPConn, local, remote netip.Addr) *session {
	return &session{srv: s, log: s.log.With(zap.Stringer("remote", remote)), raw: conn, conn: conn, in: bufio.NewReader(conn),
		local: local, remote: remote, started: time.Now()}
}

// run greets and executes commands until the client quits, is gone or idle, or ctx ends.
func (c *session) run(ctx context.Context) {
	defer c.running.Wait()
	defer func() {
		c.data.close()
		_ = c.conn.Close()
	}()
	stop := context.AfterFunc(ctx, c.wake)
	defer stop()
	c.log.Debug("session opened")
	c.reply(220, "camward-cloud takes uploads")
	for !c.closing {
		line, err := c.next(ctx)
		if err != nil && !errors.Is(err, errLineTooLong) {
			c.hangUp(ctx, err)
			break
		}
		cmd, perr := parseCommand(line)
		if c.transferring() && err == nil && perr == nil && c.duringTransfer(cmd) {
			continue
		}
		c.waitTransfer(ctx)
		if err != nil || perr != nil {
			c.fault(500, "Not a command")
			continue
		}
		c.execute(ctx, cmd)
	}
	c.waitTransfer(ctx)
	c.log.Debug("session closed")
}

// wake makes a read of the control connection return, now or when it begins.
func (c *session) wake() { _ = c.raw.SetReadDeadline(time.Unix(1, 0)) }

// next reads a line. The time to send it is limited, except while a transfer runs: that has its own limits.
func (c *session) next(ctx context.Context) (string, error) {
	if c.login == nil {
		c.readBy(ctx, c.started.Add(loginTimeout))
	} else if c.readBy(ctx, time.Time{}); !c.transferring() {
		c.idleFromNow(ctx) // a transfer that ends later does so itself
	}
	return readLine(c.in)
}

// idleFromNow starts the time within which a command must come.
func (c *session) idleFromNow(ctx context.Context) {
	c.readBy(ctx, time.Now().Add(c.srv.cfg.IdleTimeout))
}

func (c *session) readBy(ctx context.Context, limit time.Time) {
	_ = c.raw.SetReadDeadline(limit)
	if ctx.Err() != nil {
		c.wake() // the wake-up call came before this limit
	}
}

// hangUp ends a session whose control connection is silent or gone. A transfer under way is then given up (RFC 959 4.1.1, QUIT),
// unless it is the server that stops.
func (c *session) hangUp(ctx context.Context, err error) {
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		c.waitTransfer(ctx)
		c.reply(421, "The server stops")
	case errors.As(err, &timeout) && timeout.Timeout():
		c.reply(421, "Idle for too long")
	}
	if c.transfer != nil {
		c.transfer.cancel()
	}
}

func (c *session) transferring() bool {
	if c.transfer == nil {
		return false
	}
	select {
	case <-c.transfer.done:
		return false
	default:
		return true
	}
}

// waitTransfer returns when no transfer runs. It is cut some time after the server stops.
func (c *session) waitTransfer(ctx context.Context) {
	if !c.transferring() {
		return
	}
	select {
	case <-c.transfer.done:
		return
	case <-ctx.Done():
	}
	select {
	case <-c.transfer.done:
	case <-time.After(grace):
		c.transfer.cancel()
		<-c.transfer.done // what is being stored is stored
	}
}

// duringTransfer handles the commands that do not wait for its end, and tells whether cmd was one.
func (c *session) duringTransfer(cmd command) bool {
	switch cmd.verb {
	case "ABOR":
		c.transfer.cancel()
		<-c.transfer.done
		c.reply(226, "Aborted")
	case "STAT":
		c.reply(213, "Transfer in progress")
	case "NOOP":
		c.reply(200, "Transfer in progress")
	default:
		return false
	}
	return true
}

// reply sends one line. A client that is gone is noticed by the next read.
func (c *session) reply(code int, format string, args ...any) {
	c.send(fmt.Sprintf("%d %s\r\n", code, printable(fmt.Sprintf(format, args...))))
}

func (c *session) send(s string) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = c.conn.Write([]byte(s))
}

// printable keeps text of others from breaking out of a reply.
func printable(s string) string {
	b := []byte(s)
	for i, ch := range b {
		if ch < ' ' || ch == 0x7f {
			b[i] = ' '
		}
	}
	if len(b) > maxLine/2 {
		b = b[:maxLine/2]
	}
	return string(b)
}

// fault replies with a refusal, and ends the session of a client that does nothing else.
func (c *session) fault(code int, format string, args ...any) {
	if c.faults++; c.faults > maxFaults {
		c.reply(421, "Too many refused commands")
		c.closing = true
		return
	}
	c.reply(code, format, args...)
}

// execute runs one command while no transfer is under way.
func (c *session) execute(ctx context.Context, cmd command) {
	do, ok := verbs[cmd.verb]
	switch {
	case !ok:
		c.fault(502, "%s is not implemented", cmd.verb)
		return
	case do.login && c.login == nil:
		c.fault(530, "Log in with USER and PASS")
		return
	case do.arg && cmd.arg == "":
		c.fault(501, "%s needs an argument", cmd.verb)
		return
	}
	// REST counts for the next command only, RNFR for the next but what merely asks (RFC 3659 5.4, RFC 959 4.1.3).
	do.run(c, ctx, cmd.arg)
	if cmd.verb != "REST" && !do.asks {
		c.rest = 0
	}
	if cmd.verb != "RNFR" && !do.asks {
		c.renFrom = nil
	}
}

// startTLS turns the control connection into TLS. What a client sent ahead in plain text is never taken for a command
// under TLS: such a connection ends.
func (c *session) startTLS(ctx context.Context) {
	if c.in.Buffered() > 0 {
		c.reply(503, "Wait for the answer to AUTH")
		c.closing = true
		return
	}
	c.reply(234, "Start TLS")
	conn := tls.Server(c.raw, c.srv.cfg.TLS)
	shake, cancel := context.WithTimeout(ctx, shakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(shake); err != nil {
		c.log.Debug("TLS handshake", zap.Error(err))
		c.closing = true
		return
	}
	c.writing.Lock()
	c.conn = conn
	c.writing.Unlock()
	c.in = bufio.NewReader(conn)
	c.secure, c.login, c.user, c.cwd = true, nil, "", nil // RFC 4217 4: as if the session began now
}
