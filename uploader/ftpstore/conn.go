package ftpstore

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

const (
	// maxReply bounds what a server may say to one command.
	maxReply = 256 << 10
	// chunk is what is handed over at a time, each within the idle deadline.
	chunk = 64 << 10
	// What may sit in buffers between here and the server when the last byte has been handed
	// over, and the slowest rate at which it is taken to leave them.
	maxBuffered = 4 << 20
	slowest     = 16 << 10 // bytes a second
)

var errChatter = errors.New("the server's answer does not end")

// A controlConn gives every read and write of a control connection its own deadline.
type controlConn struct {
	net.Conn
	wait time.Duration
	got  int // since the last write
}

func (c *controlConn) Read(p []byte) (int, error) {
	if c.got > maxReply {
		return 0, errChatter
	}
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.wait)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.got += n
	return n, err
}

func (c *controlConn) Write(p []byte) (int, error) {
	c.got = 0
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.wait)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetDeadline leaves the deadlines as they are: each read and write sets its own.
func (c *controlConn) SetDeadline(time.Time) error { return nil }

// A dataConn sends one file and ends so that the server can tell a whole file from a cut one.
type dataConn struct {
	net.Conn // TLS or TCP
	raw      *net.TCPConn
	idle     time.Duration
	drain    time.Duration
	begun    bool
	broken   bool
	closed   func(*net.TCPConn)
}

// ReadFrom sends what r gives, each piece within the idle deadline.
func (d *dataConn) ReadFrom(r io.Reader) (sent int64, err error) {
	d.begun = true
	buf := make([]byte, chunk)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			m, werr := d.Write(buf[:n])
			sent += int64(m)
			if werr != nil {
				return sent, werr
			}
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			d.broken = true
			return sent, err
		}
	}
}

func (d *dataConn) Write(p []byte) (int, error) {
	d.begun = true
	if err := d.SetDeadline(time.Now().Add(d.idle)); err != nil {
		return 0, err
	}
	n, err := d.Conn.Write(p)
	d.broken = d.broken || err != nil
	return n, err
}

// Handshake is called for an empty file, whose connection would never be encrypted otherwise.
func (d *dataConn) Handshake() error {
	c, ok := d.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := d.SetDeadline(time.Now().Add(d.idle)); err != nil {
		return err
	}
	return c.Handshake()
}

// Close ends a whole file by an end of data, waits until the server has taken all of it, and closes. A
// transfer that broke, or for which the server never asked, is cut off instead.
func (d *dataConn) Close() error {
	defer d.closed(d.raw)
	if d.broken || !d.begun {
		cutOff(d.raw)
		return nil
	}
	if err := d.finish(); err != nil {
		cutOff(d.raw)
		return err
	}
	return d.raw.Close()
}

// finish is rule three of FTP over TLS: with TLS 1.3 a close that does not wait for the server's makes it
// see a reset at times, since its session tickets were never read.
func (d *dataConn) finish() error {
	if err := d.SetDeadline(time.Now().Add(d.drain)); err != nil {
		return err
	}
	if err := d.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, io.LimitReader(d.Conn, maxReply))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil // how the server closes is its affair; its reply says what became of the file
}

// cutOff closes at once: what is not sent yet is thrown away, and the other end sees a reset.
func cutOff(c *net.TCPConn) {
	c.SetLinger(0) // of no consequence if it is closed already
	c.Close()
}
