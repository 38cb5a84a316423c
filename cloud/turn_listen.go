package cloud

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits of connections to the TURN server, most of which never authenticate.
const (
	maxTURNConns    = 2048
	maxTURNPerPeer  = 64               // for each address, or IPv6 /64
	turnFirstWords  = 15 * time.Second // from connecting to the first bytes
	turnIdle        = 10 * time.Minute // an allocation's life without a refresh
	turnWriteWithin = 10 * time.Second
)

// A turnListener accepts a bounded number of connections and ends them when it is closed, which the library does not.
type turnListener struct {
	net.Listener

	mu     sync.Mutex
	closed bool
	conns  map[*turnConn]bool
	peers  map[netip.Addr]int
}

func newTURNListener(l net.Listener) *turnListener {
	return &turnListener{Listener: l, conns: make(map[*turnConn]bool), peers: make(map[netip.Addr]int)}
}

// Accept waits for the next connection within the limits; others are closed.
func (l *turnListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tc := l.admit(c); tc != nil {
			return tc, nil
		}
		c.Close() //nolint:errcheck // it is refused
	}
}

func (l *turnListener) admit(c net.Conn) *turnConn {
	from, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	a := from.AddrPort().Addr().Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		a = p.Addr()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.conns) >= maxTURNConns || l.peers[a] >= maxTURNPerPeer {
		return nil
	}
	tc := &turnConn{Conn: c, l: l, peer: a}
	_ = c.SetReadDeadline(time.Now().Add(turnFirstWords))
	l.conns[tc] = true
	l.peers[a]++
	return tc
}

// Close ends the listener and its connections.
func (l *turnListener) Close() error {
	l.mu.Lock()
	l.closed = true
	var list []*turnConn
	for c := range l.conns {
		list = append(list, c)
	}
	l.mu.Unlock()
	err := l.Listener.Close()
	for _, c := range list {
		c.Close() //nolint:errcheck // the clients have to notice by themselves
	}
	return err
}

type turnConn struct {
	net.Conn
	l     *turnListener
	peer  netip.Addr
	heard bool // read by one goroutine only
	gone  sync.Once
}

func (c *turnConn) Read(b []byte) (int, error) {
	if c.heard {
		_ = c.Conn.SetReadDeadline(time.Now().Add(turnIdle))
	}
	n, err := c.Conn.Read(b)
	c.heard = c.heard || n > 0
	return n, err
}

func (c *turnConn) Write(b []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(turnWriteWithin))
	n, err := c.Conn.Write(b)
	if err != nil {
		c.Conn.Close() //nolint:errcheck // half a message makes the rest unreadable
	}
	return n, err
}

func (c *turnConn) Close() error {
	c.gone.Do(func() {
		c.l.mu.Lock()
		defer c.l.mu.Unlock()
		delete(c.l.conns, c)
		if c.l.peers[c.peer]--; c.l.peers[c.peer] == 0 {
			delete(c.l.peers, c.peer)
		}
	})
	return c.Conn.Close()
}
