package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	pionturn "github.com/pion/turn/v5"
	"go.uber.org/zap"

	"camward/camio"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// runTURN starts a server on loopback; change may adjust its configuration. It ends with the test.
func runTURN(t testing.TB, change func(*Config)) *turnServer {
	t.Helper()
	bound := make(chan net.Addr, 1)
	cfg := Config{TURNListen: "127.0.0.1:0", TURNAllow: loopback, Now: time.Now, OnListenTURN: func(a net.Addr) { bound <- a }}
	if change != nil {
		change(&cfg)
	}
	s, err := newTURN(cfg, []byte("a key for tests"), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("TURN ended: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if n := s.relays.count(); n != 0 {
			t.Errorf("%d relays are left", n)
		}
	})
	select {
	case <-bound:
	case <-time.After(10 * time.Second):
		t.Fatal("TURN does not listen")
	}
	return s
}

// turnOf is the server that has credentials.
func turnOf(t testing.TB, list []camio.ICEServer) camio.ICEServer {
	t.Helper()
	for _, s := range list {
		if s.Username != "" {
			return s
		}
	}
	t.Fatalf("no TURN server in %+v", list)
	return camio.ICEServer{}
}

// turnClient connects to the server by "udp" or "tcp" with these credentials.
func turnClient(t testing.TB, s *turnServer, network, user, password string) *pionturn.Client {
	t.Helper()
	at := (*s.bound.Load())[0].String()
	var conn net.PacketConn
	switch network {
	case "udp":
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		conn = c
	case "tcp":
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		conn = pionturn.NewSTUNConn(c)
	}
	c, err := pionturn.NewClient(&pionturn.ClientConfig{STUNServerAddr: at, TURNServerAddr: at, Conn: conn, Username: user, Password: password, Realm: turnRealm,
		RTO: 100 * time.Millisecond, LoggerFactory: turnLogs{zap.NewNop()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); conn.Close() })
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	return c
}

// allocate opens a relay with fresh credentials of a user.
func allocate(t testing.TB, s *turnServer, network, user string) (*pionturn.Client, net.PacketConn) {
	t.Helper()
	cred := turnOf(t, s.iceServers(user, viewerLife))
	c := turnClient(t, s, network, cred.Username, cred.Credential)
	relay, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close() })
	return c, relay
}

// passes sends a text from a to the address of b until b has it.
func passes(t testing.TB, a, b net.PacketConn, to net.Addr) (from net.Addr) {
	t.Helper()
	text := fmt.Sprintf("hello from %v", a.LocalAddr())
	buf := make([]byte, 1500)
	for range 20 {
		if _, err := a.WriteTo([]byte(text), to); err != nil {
			t.Fatal(err)
		}
		_ = b.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		n, from, err := b.ReadFrom(buf)
		if err == nil && string(buf[:n]) == text {
			return from
		}
	}
	t.Fatalf("nothing arrives at %v from %v", to, a.LocalAddr())
	return nil
}

func TestTURNRelaysDataByUDPAndTCP(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			s := runTURN(t, nil)
			_, relay := allocate(t, s, network, "viewer")
			peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			from := passes(t, relay, peer, peer.LocalAddr())
			if from.String() != relay.LocalAddr().String() {
				t.Errorf("the peer saw %v, the relay is %v", from, relay.LocalAddr())
			}
			if got := passes(t, peer, relay, relay.LocalAddr()); got.String() != peer.LocalAddr().String() {
				t.Errorf("through the relay came %v, the peer is %v", got, peer.LocalAddr())
			}
			if s.relays.bytes.Load() == 0 {
				t.Error("nothing counted")
			}
		})
	}
}

func TestTwoRelaysOfTheServerReachEachOtherByItsPublicAddress(t *testing.T) {
	// A public address that is not this host's stands for a NAT that has no way back in.
	s := runTURN(t, func(c *Config) {
		c.TURNListen, c.TURNPublic, c.TURNAllow = "127.0.0.1:0", []netip.Addr{netip.MustParseAddr("203.0.113.9")}, nil
	})
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), (*s.bound.Load())[0].Port())
	s.bound.Store(&[]netip.AddrPort{at}) // where the test's clients find it
	_, a := allocate(t, s, "udp", "viewer")
	_, b := allocate(t, s, "tcp", "viewer")
	if !strings.HasPrefix(a.LocalAddr().String(), "203.0.113.9:") {
		t.Fatalf("relay at %v", a.LocalAddr())
	}
	_ = b.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = b.WriteTo([]byte("opens the way"), a.LocalAddr())
	if from := passes(t, a, b, b.LocalAddr()); from.String() != a.LocalAddr().String() {
		t.Errorf("came from %v, want %v", from, a.LocalAddr())
	}
}

func TestTURNServesBothFamilies(t *testing.T) {
	s := runTURN(t, func(c *Config) {
		c.TURNListen, c.TURNPublic = ":0", []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
		c.TURNAllow = append(c.TURNAllow, netip.MustParsePrefix("::1/128"))
	})
	list := s.iceServers("viewer", viewerLife)
	if len(list) != 4 || !strings.HasPrefix(list[2].URLs[0], "stun:[::1]:") {
		t.Fatalf("servers: %+v", list)
	}
	_, four := allocate(t, s, "udp", "viewer")
	s.bound.Store(&[]netip.AddrPort{(*s.bound.Load())[1]})
	_, six := allocate(t, s, "tcp", "viewer")
	if f, x := four.LocalAddr().String(), six.LocalAddr().String(); !strings.HasPrefix(f, "127.0.0.1:") || !strings.HasPrefix(x, "[::1]:") {
		t.Errorf("relays at %s and %s", f, x)
	}
	peer, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	passes(t, six, peer, peer.LocalAddr())
	passes(t, peer, six, six.LocalAddr())
}

func TestTURNTellsAnyoneTheirAddress(t *testing.T) {
	s := runTURN(t, nil)
	c := turnClient(t, s, "udp", "", "")
	at, err := c.SendBindingRequest()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(at.String(), "127.0.0.1:") {
		t.Errorf("told %v", at)
	}
}

func TestTURNRefusesCredentials(t *testing.T) {
	s := runTURN(t, nil)
	good := turnOf(t, s.iceServers("viewer", viewerLife))
	old := turnOf(t, s.iceServers("viewer", -time.Second))
	expiry, user, _ := strings.Cut(good.Username, ":")
	later, _ := strconv.Atoi(expiry)
	other := &turnServer{secret: []byte("another server's")}
	for _, tt := range []struct{ name, user, password string }{
		{"expired", old.Username, old.Credential},
		{"with a later time", strconv.Itoa(later+3600) + ":" + user, good.Credential},
		{"another user's", expiry + ":" + user + "x", good.Credential},
		{"with a wrong password", good.Username, good.Credential[1:]},
		{"another server's", good.Username, other.password(good.Username)},
		{"without a time", user, s.password(user)},
		{"without a user", expiry, s.password(expiry)},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := turnClient(t, s, "udp", tt.user, tt.password)
			if relay, err := c.Allocate(); err == nil {
				relay.Close()
				t.Error("got a relay")
			}
		})
	}
	if n := s.relays.count(); n != 0 {
		t.Errorf("%d relays", n)
	}
}

func TestExpiredCredentialsKeepWhatTheyBegan(t *testing.T) {
	now := time.Now()
	s, err := newTURN(Config{TURNListen: "127.0.0.1:0", Now: func() time.Time { return now }}, []byte("key"), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	name := strconv.FormatInt(now.Add(viewerLife).Unix(), 10) + ":someone"
	tests := []struct {
		after  time.Duration
		method stun.Method
		want   bool
	}{
		{0, stun.MethodAllocate, true},
		{viewerLife - time.Second, stun.MethodAllocate, true},
		{viewerLife + time.Second, stun.MethodAllocate, false},
		{viewerLife + time.Second, stun.MethodRefresh, true},
		{viewerLife + time.Hour, stun.MethodCreatePermission, true},
		{viewerLife + time.Hour, stun.MethodChannelBind, true},
		{viewerLife + turnGrace + time.Second, stun.MethodRefresh, false},
	}
	start := now
	for _, tt := range tests {
		now = start.Add(tt.after)
		_, _, ok := s.authenticate(&pionturn.RequestAttributes{Username: name, Realm: turnRealm, Method: tt.method})
		if ok != tt.want {
			t.Errorf("%v after %v: %v", tt.method, tt.after, ok)
		}
	}
}

func TestTURNHasAQuotaForEachUser(t *testing.T) {
	s := runTURN(t, nil)
	full := func(name string) {
		s.relays.mu.Lock()
		defer s.relays.mu.Unlock()
		s.relays.users[name] = maxAllocations
	}
	cred := turnOf(t, s.iceServers("greedy", viewerLife))
	_, name, _ := strings.Cut(cred.Username, ":")
	full(name)
	c := turnClient(t, s, "udp", cred.Username, cred.Credential)
	if relay, err := c.Allocate(); err == nil || !strings.Contains(err.Error(), "486") {
		if err == nil {
			relay.Close()
		}
		t.Errorf("one more than the quota: %v", err)
	}
	allocate(t, s, "udp", "modest")
}

func TestRelayPortsStayInTheirRangeAndRunOut(t *testing.T) {
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := free.LocalAddr().(*net.UDPAddr).Port
	free.Close()
	s := runTURN(t, func(c *Config) { c.TURNPortLow, c.TURNPortHigh = port, port })
	_, relay := allocate(t, s, "udp", "first")
	if got := relay.LocalAddr().(*net.UDPAddr).Port; got != port {
		t.Errorf("port %d, want %d", got, port)
	}
	cred := turnOf(t, s.iceServers("second", viewerLife))
	c := turnClient(t, s, "udp", cred.Username, cred.Credential)
	if _, err := c.Allocate(); err == nil || !strings.Contains(err.Error(), "508") {
		t.Errorf("without a free port: %v", err)
	}
	g := &relayGenerator{s.relays, s.public[0], s.public[0]}
	if _, _, err := g.AllocatePacketConn(pionturn.AllocateListenerConfig{Network: "udp4", RequestedPort: port + 1}); !errors.Is(err, errRelayRefused) {
		t.Errorf("a port beyond the range: %v", err)
	}
	if _, _, err := g.AllocatePacketConn(pionturn.AllocateListenerConfig{Network: "udp6"}); !errors.Is(err, errRelayFamily) {
		t.Errorf("another family: %v", err)
	}
	if _, err := g.AllocateConn(pionturn.AllocateConnConfig{}); err == nil {
		t.Error("TCP connections are made")
	}
	if _, _, err := g.AllocateListener(pionturn.AllocateListenerConfig{}); err == nil {
		t.Error("TCP connections are taken")
	}
}

func TestRelaysReachNothingInside(t *testing.T) {
	public := netip.MustParseAddr("203.0.113.9")
	r := newRelays([]netip.Addr{public}, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, 1, 2)
	own := netip.MustParseAddr("198.51.100.7")
	r.own, r.ownAt = map[netip.Addr]bool{own: true}, time.Now().Add(time.Hour)
	r.ports[netip.AddrPortFrom(public, 50000)] = true
	tests := []struct {
		to   string
		want bool
	}{
		{"8.8.8.8:53", true},
		{"[2001:4860:4860::8888]:53", true},
		{"10.1.2.3:5000", true}, // allowed by name
		{"10.2.2.3:5000", false},
		{"172.16.0.1:5000", false},
		{"192.168.1.1:80", false},
		{"127.0.0.1:50000", false},
		{"127.8.8.8:53", false},
		{"[::1]:53", false},
		{"0.0.0.0:53", false},
		{"[::]:53", false},
		{"169.254.169.254:80", false},
		{"[fe80::1]:80", false},
		{"[fd00::1]:80", false},
		{"[fec0::1]:80", false},
		{"[::ffff:0:10.2.2.3]:80", false},
		{"100.100.100.200:80", false},
		{"224.0.0.1:5353", false},
		{"[ff02::1]:5353", false},
		{"255.255.255.255:9", false},
		{"[::ffff:192.168.1.1]:80", false},
		{"[::ffff:8.8.8.8]:53", true},
		{"[::192.168.1.1]:80", false},
		{"[64:ff9b::c0a8:101]:80", false},
		{"[2002:c0a8:101::1]:80", false},
		{"198.51.100.7:5000", false},
		{"203.0.113.9:50000", true}, // another relay
		{"203.0.113.9:53", false},
		{"203.0.113.10:53", true},
	}
	for _, tt := range tests {
		to := netip.MustParseAddrPort(tt.to)
		if got := r.reaches(netip.AddrPortFrom(to.Addr().Unmap(), to.Port())); got != tt.want {
			t.Errorf("%s: %v", tt.to, got)
		}
		if tt.want && !r.permits(to.Addr().AsSlice()) {
			t.Errorf("%s is not permitted", tt.to)
		}
		if !tt.want && to.Addr() != public && r.permits(to.Addr().AsSlice()) {
			t.Errorf("%s is permitted", tt.to)
		}
	}
}

func TestForbiddenPeersAreRefused(t *testing.T) {
	s := runTURN(t, func(c *Config) { c.TURNAllow = nil })
	c, relay := allocate(t, s, "udp", "viewer")
	inside, err := net.ListenPacket("udp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if err := c.CreatePermission(inside.LocalAddr()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("permission for %v: %v", inside.LocalAddr(), err)
	}
	// The server's own address is permitted for the sake of other relays, but nothing else there is reached.
	service, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	if err := c.CreatePermission(service.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	_, other := allocate(t, s, "udp", "viewer")
	if _, err := relay.WriteTo([]byte("for the service"), service.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	_ = other.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = other.WriteTo([]byte("opens the way"), relay.LocalAddr())
	passes(t, relay, other, other.LocalAddr()) // after this the packet for the service would be there
	_ = service.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, _, err := service.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes reached a service of the host", n)
	}
}

func TestARelayCarriesNoMoreThanItsRate(t *testing.T) {
	b := newBudget()
	passed := 0
	for range 10_000 {
		if b.spend(1200) {
			passed += 1200
		}
	}
	if passed < maxRelayRate-1200 || passed > 2*maxRelayRate {
		t.Errorf("%d bytes at once", passed)
	}
	b.at = b.at.Add(-time.Minute)
	if !b.spend(maxRelayRate) || b.spend(maxRelayRate/2) {
		t.Error("a minute's rest is more than a second's worth")
	}
}

func TestTURNConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tl := newTURNListener(l)
	accepted := make(chan net.Conn, 2*maxTURNPerPeer)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := tl.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	})
	var first, last net.Conn
	for i := range maxTURNPerPeer + 1 {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i == 0 {
			first = c
		}
		last = c
	}
	_ = last.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := last.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection too many: %v", err)
	}
	(<-accepted).Close() // makes room
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range maxTURNPerPeer {
		<-accepted
	}
	tl.Close()
	serving.Wait()
	_ = first.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the listener")
	}
	if len(tl.conns) != 0 || len(tl.peers) != 0 {
		t.Errorf("left: %d connections of %d peers", len(tl.conns), len(tl.peers))
	}
}

func TestTURNConfigurationIsChecked(t *testing.T) {
	a := netip.MustParseAddr
	tests := []struct {
		listen    string
		public    []netip.Addr
		low, high int
		want      string // part of the error; empty: none
	}{
		{listen: "127.0.0.1:3478"},
		{listen: ":3478", public: []netip.Addr{a("203.0.113.9")}},
		{listen: ":3478", public: []netip.Addr{a("203.0.113.9"), a("2001:db8::1")}},
		{listen: "[::1]:3478"},
		{listen: ":3478", want: "public address"},
		{listen: "0.0.0.0:3478", want: "public address"},
		{listen: "3478", want: "TURN address"},
		{listen: "cam.example.org:3478", want: "not an IP address"},
		{listen: "127.0.0.1:turn", want: "not a port"},
		{listen: "127.0.0.1:3478", public: []netip.Addr{a("2001:db8::1")}, want: "family"},
		{listen: ":3478", public: []netip.Addr{a("203.0.113.9"), a("203.0.113.8")}, want: "at most"},
		{listen: "127.0.0.1:3478", low: 9, high: 8, want: "range"},
		{listen: "127.0.0.1:3478", low: 1, high: 70000, want: "range"},
	}
	for _, tt := range tests {
		_, err := newTURN(Config{TURNListen: tt.listen, TURNPublic: tt.public, TURNPortLow: tt.low, TURNPortHigh: tt.high, Now: time.Now}, nil, zap.NewNop())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q %v %d-%d: %v, want %q", tt.listen, tt.public, tt.low, tt.high, err, tt.want)
		}
	}
	if s, err := newTURN(Config{}, nil, zap.NewNop()); s != nil || err != nil {
		t.Errorf("without an address: %v %v", s, err)
	}
	var none *turnServer
	if list := none.iceServers("x", time.Minute); list == nil || len(list) != 0 {
		t.Errorf("without a server: %v", list)
	}
}
