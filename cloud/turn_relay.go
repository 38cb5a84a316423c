package cloud

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	pionturn "github.com/pion/turn/v5"
)

// relays are the UDP ports that media goes through, and the rule of where it may go. Whoever has credentials may send
// anything to what the rule permits, so it permits nothing that only this host or its network can reach: no loopback,
// private, link-local or shared addresses, none of the host's own, and of its public address only the other relays' ports,
// so that two who are both relayed find each other.
type relays struct {
	public    []netip.Addr
	allow     []netip.Prefix // permitted although the rule says no
	low, high int
	bytes     atomic.Int64 // relayed

	mu    sync.Mutex
	conns map[*relayConn]bool
	ports map[netip.AddrPort]bool // public addresses of conns
	users map[string]int          // how many of conns are whose

	ownAt time.Time // when own was read
	own   map[netip.Addr]bool
}

func newRelays(public []netip.Addr, allow []netip.Prefix, low, high int) *relays {
	return &relays{public: public, allow: allow, low: low, high: high,
		conns: make(map[*relayConn]bool), ports: make(map[netip.AddrPort]bool), users: make(map[string]int)}
}

// closed are address ranges with no public meaning, or one that leads back inside, beyond what netip.Addr knows: this network,
// shared (RFC 6598), protocol assignments, benchmarks, reserved and broadcast; IPv4 inside IPv6 (RFC 6052, 8215, 2765, 3056, 4380), deprecated site-local.
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0:0/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("fec0::/10"),
}

// permits tells whether media may go to an address at all.
func (r *relays) permits(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return false
	}
	a = a.Unmap()
	return r.isPublic(a) || r.outside(a)
}

func (r *relays) isPublic(a netip.Addr) bool {
	for _, p := range r.public {
		if p == a {
			return true
		}
	}
	return false
}

// outside tells whether an address is one of the internet beyond this host, or allowed by name.
func (r *relays) outside(a netip.Addr) bool {
	for _, p := range r.allow {
		if p.Contains(a) {
			return true
		}
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range closed {
		if p.Contains(a) {
			return false
		}
	}
	return !r.isOwn(a)
}

// isOwn tells whether an address is one of this host's, which may change.
func (r *relays) isOwn(a netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.own == nil || time.Since(r.ownAt) > 10*time.Second {
		list, err := net.InterfaceAddrs()
		if err != nil {
			return true // better no relaying than into this host
		}
		r.own, r.ownAt = make(map[netip.Addr]bool), time.Now()
		for _, n := range list {
			if p, ok := n.(*net.IPNet); ok {
				if own, ok := netip.AddrFromSlice(p.IP); ok {
					r.own[own.Unmap()] = true
				}
			}
		}
	}
	return r.own[a]
}

// reaches is the rule for one packet.
func (r *relays) reaches(to netip.AddrPort) bool {
	if r.isPublic(to.Addr()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.ports[to] {
			return true
		}
		for _, p := range r.allow {
			if p.Contains(to.Addr()) {
				return true
			}
		}
		return false
	}
	return r.outside(to.Addr())
}

// open is how many relays a user has.
func (r *relays) open(user string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.users[user]
}

// count is how many there are in all.
func (r *relays) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

func (r *relays) closeAll() {
	r.mu.Lock()
	var list []*relayConn
	for c := range r.conns {
		list = append(list, c)
	}
	r.mu.Unlock()
	for _, c := range list {
		c.Close() //nolint:errcheck // a UDP socket
	}
}

// A relayGenerator opens relays on one local address.
type relayGenerator struct {
	*relays
	public netip.Addr
	local  netip.Addr
}

// Validate is a part of turn.RelayAddressGenerator.
func (g *relayGenerator) Validate() error { return nil }

var (
	errNoTCPRelay   = errors.New("only UDP is relayed") // RFC 6062 would connect to anything
	errRelayFamily  = errors.New("no relay of this address family here")
	errRelayPorts   = errors.New("no free port for a relay")
	errRelayRefused = errors.New("port out of range")
)

// AllocateListener refuses.
func (g *relayGenerator) AllocateListener(pionturn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoTCPRelay
}

// AllocateConn refuses.
func (g *relayGenerator) AllocateConn(pionturn.AllocateConnConfig) (net.Conn, error) {
	return nil, errNoTCPRelay
}

// AllocatePacketConn opens a relay on a port of the range.
func (g *relayGenerator) AllocatePacketConn(c pionturn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	if (c.Network == "udp6") != g.public.Is6() {
		return nil, nil, errRelayFamily
	}
	if c.RequestedPort != 0 {
		if c.RequestedPort < g.low || c.RequestedPort > g.high {
			return nil, nil, errRelayRefused
		}
		return g.listen(c, c.RequestedPort)
	}
	n := g.high - g.low + 1
	for i, first := 0, rand.IntN(n); i < min(n, 100); i++ {
		if conn, at, err := g.listen(c, g.low+(first+i)%n); err == nil {
			return conn, at, nil
		}
	}
	return nil, nil, errRelayPorts
}

func (g *relayGenerator) listen(c pionturn.AllocateListenerConfig, port int) (net.PacketConn, net.Addr, error) {
	u, err := net.ListenUDP(c.Network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(g.local, uint16(port))))
	if err != nil {
		return nil, nil, fmt.Errorf("relay port %d: %w", port, err)
	}
	conn := &relayConn{UDPConn: u, relays: g.relays, user: c.UserID, public: netip.AddrPortFrom(g.public, uint16(port)), self: g.local,
		out: newBudget(), in: newBudget()}
	if conn.self.IsUnspecified() {
		conn.self = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if g.local.Is6() {
			conn.self = netip.IPv6Loopback()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[conn], g.ports[conn.public] = true, true
	g.users[conn.user]++
	return conn, net.UDPAddrFromAddrPort(conn.public), nil
}

// maxRelayRate bounds what one relay carries each way, in bytes a second: a camera's best picture several times over, and no
// present for those who would fill the server's line.
const maxRelayRate = 2 << 20

// A relayConn is one relay's socket. It sends only where the rule lets it, and carries no more than maxRelayRate; what is
// too much is lost, as UDP may.
type relayConn struct {
	*net.UDPConn
	relays  *relays
	user    string
	public  netip.AddrPort // as the others know it
	self    netip.Addr     // this host, as its relays reach each other: without a way around through a NAT before it
	out, in *budget
	gone    sync.Once
}

// WriteTo sends to a peer.
func (c *relayConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	u, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	to := netip.AddrPortFrom(u.AddrPort().Addr().Unmap(), u.AddrPort().Port())
	if !c.relays.reaches(to) || !c.out.spend(len(b)) {
		return len(b), nil
	}
	if c.relays.isRelay(to) {
		to = netip.AddrPortFrom(c.self, to.Port())
	}
	c.relays.bytes.Add(int64(len(b)))
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

// ReadFrom receives from a peer.
func (c *relayConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil {
			return n, nil, err
		}
		if !c.in.spend(n) {
			continue
		}
		c.relays.bytes.Add(int64(n))
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if other := netip.AddrPortFrom(c.public.Addr(), from.Port()); from.Addr() == c.self && c.relays.isRelay(other) {
			from = other
		}
		return n, net.UDPAddrFromAddrPort(from), nil
	}
}

// isRelay tells whether an address is that of another relay here.
func (r *relays) isRelay(a netip.AddrPort) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ports[a]
}

// Close gives the port back.
func (c *relayConn) Close() error {
	c.gone.Do(func() {
		r := c.relays
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, c)
		delete(r.ports, c.public)
		if r.users[c.user]--; r.users[c.user] == 0 {
			delete(r.users, c.user)
		}
	})
	return c.UDPConn.Close()
}

// A budget lets maxRelayRate bytes a second pass, and a second's worth at once.
type budget struct {
	mu   sync.Mutex
	left float64
	at   time.Time
}

func newBudget() *budget { return &budget{left: maxRelayRate, at: time.Now()} }

func (b *budget) spend(n int) bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(maxRelayRate, b.left+now.Sub(b.at).Seconds()*maxRelayRate)
	b.at = now
	if b.left < float64(n) {
		return false
	}
	b.left -= float64(n)
	return true
}
