package ftpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// dataSource is where the next data connection comes from: a listener after PASV or EPSV, or an address after PORT or EPRT.
type dataSource struct {
	ln   *net.TCPListener
	peer netip.AddrPort
}

func (d *dataSource) close() {
	if d.ln != nil {
		_ = d.ln.Close()
	}
	*d = dataSource{}
}

func (c *session) cmdPasv(ctx context.Context, _ string) {
	if c.epsvAll {
		c.fault(503, "EPSV ALL is in force")
		return
	}
	if !c.local.Is4() {
		c.fault(425, "PASV is for IPv4, use EPSV")
		return
	}
	host, err := c.publicAddr(ctx)
	if err != nil {
		c.log.Error("address for PASV", zap.String("host", c.srv.cfg.PublicHost), zap.Error(err))
		c.fault(425, "The address to connect to is not known")
		return
	}
	if port, ok := c.listen(); ok {
		c.reply(227, "Entering Passive Mode (%s,%d,%d)", strings.ReplaceAll(host.String(), ".", ","), port>>8, port&0xff)
	}
}

// publicAddr is what a client behind the server's NAT has to connect to.
func (c *session) publicAddr(ctx context.Context) (netip.Addr, error) {
	host := c.srv.cfg.PublicHost
	if host == "" {
		return c.local, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return netip.Addr{}, err
	}
	return list[0].Unmap(), nil
}

// cmdEpsv answers with a port only (RFC 2428 3): NAT cannot get in the way.
func (c *session) cmdEpsv(_ context.Context, arg string) {
	own := "1"
	if c.local.Is6() {
		own = "2"
	}
	switch arg = strings.ToUpper(strings.TrimSpace(arg)); arg {
	case "ALL":
		c.epsvAll = true
		c.reply(200, "EPSV only from now on")
		return
	case "", own:
	default:
		c.fault(522, "Network protocol not supported, use (%s)", own)
		return
	}
	if port, ok := c.listen(); ok {
		c.reply(229, "Entering Extended Passive Mode (|||%d|)", port)
	}
}

// listen opens a port of the configured range on the address that the client is connected to.
func (c *session) listen() (port int, ok bool) {
	c.data.close()
	lo, n := c.srv.cfg.PortLow, c.srv.cfg.PortHigh-c.srv.cfg.PortLow+1
	first := rand.IntN(n) // not to be guessed, and without trying all those in use in turn
	var err error
	for i := range n {
		p := lo
		if lo > 0 {
			p = lo + (first+i)%n
		}
		a := net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.local, uint16(p)))
		if c.data.ln, err = net.ListenTCP("tcp", a); err == nil {
			return c.data.ln.Addr().(*net.TCPAddr).Port, true
		}
	}
	c.data = dataSource{}
	c.log.Warn("no passive port", zap.Error(err))
	c.fault(425, "No port is free")
	return 0, false
}

func (c *session) cmdPort(_ context.Context, arg string) {
	a, err := parsePort(arg)
	c.active(a, err)
}

func (c *session) cmdEprt(_ context.Context, arg string) {
	a, err := parseEPRT(arg)
	c.active(a, err)
}

// active accepts only the client's own address and no port of a system service, so that nobody can be made to receive
// what a client sends (RFC 2577 3).
func (c *session) active(a netip.AddrPort, err error) {
	c.data.close()
	switch {
	case c.epsvAll:
		c.fault(503, "EPSV ALL is in force")
	case errors.Is(err, errProtocol):
		c.fault(522, "Network protocol not supported, use (1,2)")
	case err != nil:
		c.fault(501, "Not an address")
	case a.Addr().Unmap() != c.remote.WithZone("") || a.Port() < 1024:
		c.log.Info("PORT to another address refused", zap.Stringer("address", a))
		c.fault(504, "Only to your own address, and to a port above 1023")
	default:
		c.data = dataSource{peer: netip.AddrPortFrom(c.remote, a.Port())}
		c.reply(200, "Active mode")
	}
}

// openData makes the data connection that src promised. ctx or the time limit ends the wait.
func (c *session) openData(ctx context.Context, src dataSource) (net.Conn, error) {
	defer src.close()
	limit := time.Now().Add(c.srv.cfg.DataTimeout)
	if src.ln == nil {
		d := net.Dialer{Deadline: limit, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.local, 0))}
		return d.DialContext(ctx, "tcp", src.peer.String())
	}
	stop := context.AfterFunc(ctx, func() { _ = src.ln.Close() })
	defer stop()
	_ = src.ln.SetDeadline(limit)
	for {
		conn, err := src.ln.Accept()
		if err != nil {
			return nil, err
		}
		a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err == nil && a.Addr().Unmap() == c.remote {
			return conn, nil
		}
		_ = conn.Close()
		c.log.Info("data connection from another address refused", zap.Stringer("address", conn.RemoteAddr()))
	}
}

// shake starts TLS on a data connection: the client is the TLS client even in active mode (RFC 4217 7). It may resume the
// control connection's session.
func (c *session) shake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if !c.private {
		return conn, nil
	}
	t := tls.Server(conn, c.srv.cfg.TLS)
	ctx, cancel := context.WithTimeout(ctx, shakeTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake on port %s: %w", portOf(conn), err)
	}
	return t, nil
}

func portOf(conn net.Conn) string {
	if a, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		return strconv.Itoa(a.Port)
	}
	return "?"
}
