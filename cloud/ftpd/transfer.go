package ftpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.uber.org/zap"
)

// maxTransfer bounds one transfer, whatever trickles in.
const maxTransfer = 6 * time.Hour

// transfer is a command that uses a data connection.
type transfer struct {
	cancel context.CancelFunc // gives up waiting for data; what has arrived whole is stored all the same
	done   chan struct{}      // closed after the last reply
}

// start runs f beside the session, which goes on listening for ABOR. f's outcome is the reply.
func (c *session) start(ctx context.Context, f func(ctx context.Context, src dataSource) (code int, text string)) {
	src := c.data
	c.data = dataSource{}
	if src.ln == nil && !src.peer.IsValid() {
		c.fault(425, "Use EPSV, PASV, EPRT or PORT first")
		return
	}
	// The server's own end is not the transfer's: it has its grace, see waitTransfer.
	c.faults = 0
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &transfer{cancel, make(chan struct{})}
	c.transfer = t
	c.running.Go(func() {
		defer cancel()
		defer src.close()
		code, text := f(own, src)
		c.reply(code, "%s", text)
		close(t.done)
		c.idleFromNow(ctx)
	})
}

// cmdList shows an empty directory.
func (c *session) cmdList(ctx context.Context, _ string) {
	c.start(ctx, func(ctx context.Context, src dataSource) (int, string) {
		d, err := c.open(ctx, src)
		if err != nil {
			return 425, err.Error()
		}
		_ = d.conn.Close() // nothing was sent that could be lost
		return 226, "Nothing to show"
	})
}

// dataConn is an open data connection, with TLS on it if PROT P is set.
type dataConn struct {
	conn net.Conn
	raw  *endSeen
}

// endSeen notes whether the TCP connection itself ended. crypto/tls reports that as io.EOF like a close_notify.
type endSeen struct {
	net.Conn
	eof bool
}

func (e *endSeen) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if err == io.EOF {
		e.eof = true
	}
	return n, err
}

// open makes the data connection, with a reply of 150. The error's text is for the client.
func (c *session) open(ctx context.Context, src dataSource) (*dataConn, error) {
	conn, err := c.openData(ctx, src)
	if err != nil {
		c.log.Debug("data connection", zap.Error(err))
		return nil, errNoData
	}
	raw := &endSeen{Conn: conn}
	c.reply(150, "Go on")
	conn, err = c.shake(ctx, raw)
	if err != nil {
		_ = raw.Close()
		c.log.Debug("data connection", zap.Error(err))
		return nil, errNoShake
	}
	return &dataConn{conn, raw}, nil
}

func (d *dataConn) secure() bool { return d.conn != net.Conn(d.raw) }

var (
	errNoData   = errors.New("no data connection")
	errNoShake  = errors.New("no TLS on the data connection")
	errTooLarge = errors.New("the file is too large")
	errDisk     = errors.New("the file cannot be written")
)

// receive copies what comes to w, at most limit bytes, and tells how much it was. It returns nil only if the client
// ended the file as the protocol wants it: any other end is an error, errTooLarge or errDisk where the fault is not
// the connection's. The connection is closed afterwards.
func (d *dataConn) receive(ctx context.Context, w io.Writer, limit int64, idle time.Duration) (n int64, err error) {
	stop := context.AfterFunc(ctx, func() { _ = d.raw.Close() })
	defer stop()
	defer d.conn.Close()
	end := time.Now().Add(maxTransfer)
	buf := make([]byte, 64<<10)
	for {
		deadline := time.Now().Add(idle)
		if deadline.After(end) {
			deadline = end
		}
		_ = d.raw.SetReadDeadline(deadline)
		k, err := d.conn.Read(buf)
		if n+int64(k) > limit {
			return n, errTooLarge
		}
		if k > 0 {
			k, werr := w.Write(buf[:k])
			n += int64(k)
			if werr != nil {
				return n, fmt.Errorf("%w: %w", errDisk, werr)
			}
		}
		switch {
		case err == io.EOF && d.secure() && d.raw.eof:
			return n, errors.New("connection ended without close_notify") // RFC 4217 12.6, RFC 8446 6.1: cut, maybe by an attacker
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}
