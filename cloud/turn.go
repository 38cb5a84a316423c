package cloud

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 8489 and the TURN REST convention have no other
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	pionturn "github.com/pion/turn/v5"
	"go.uber.org/zap"

	"camward/camio"
)

// How long credentials for relaying let their holder begin. What has begun goes on, for turnGrace at most.
const (
	viewerLife = 10 * time.Minute
	cameraLife = 6 * time.Hour // a camera whose address changes in mid-view relays anew with what it has
	turnGrace  = 24 * time.Hour
)

const (
	turnRealm = "camward"
	// A browser takes one allocation for each of its networks and protocols, and as many again on an ICE restart.
	maxAllocations = 64
)

// A turnServer relays media between viewers and cameras that cannot reach each other (RFC 8656), by UDP, reached by UDP or
// TCP, and tells them their public address (RFC 8489). Its methods are safe for concurrent use.
type turnServer struct {
	listen   string
	public   []netip.Addr // one of a family
	secret   []byte
	now      func() time.Time
	log      *zap.Logger
	onListen func(net.Addr)

	relays *relays
	bound  atomic.Pointer[[]netip.AddrPort] // where it is reached; nil while it does not run
}

// newTURN checks what cfg says of relaying; nil without Config.TURNListen.
func newTURN(cfg Config, secret []byte, log *zap.Logger) (*turnServer, error) {
	if cfg.TURNListen == "" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(cfg.TURNListen)
	if err != nil {
		return nil, fmt.Errorf("TURN address: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("TURN address: %q is not a port", port)
	}
	t := &turnServer{listen: cfg.TURNListen, secret: secret, now: cfg.Now, log: log.Named("turn"), onListen: cfg.OnListenTURN}
	local, err := netip.ParseAddr(host)
	if host != "" && err != nil {
		return nil, fmt.Errorf("TURN address: %q is not an IP address", host)
	}
	for _, a := range cfg.TURNPublic {
		t.public = append(t.public, a.Unmap())
	}
	everywhere := !local.IsValid() || local.IsUnspecified()
	switch {
	case len(t.public) == 0 && everywhere:
		return nil, errors.New("TURN public address: cameras and viewers have to be told one where the listening address names none")
	case len(t.public) == 0:
		t.public = []netip.Addr{local.Unmap()}
	case len(t.public) > 2 || len(t.public) == 2 && t.public[0].Is4() == t.public[1].Is4():
		return nil, errors.New("TURN public address: one IPv4 and one IPv6 address at most")
	case !everywhere && (len(t.public) > 1 || t.public[0].Is4() != local.Unmap().Is4()):
		return nil, errors.New("TURN public address: not of the listening address's family")
	}
	low, high := cfg.TURNPortLow, cfg.TURNPortHigh
	if low == 0 && high == 0 {
		low, high = 49152, 65535 // RFC 8656 7.2
	}
	if low < 1 || high > 65535 || low > high {
		return nil, fmt.Errorf("TURN ports: %d-%d is no range of ports", low, high)
	}
	t.relays = newRelays(t.public, cfg.TURNAllow, low, high)
	return t, nil
}

// Run listens and relays until ctx ends. It returns ctx's cause, or why it could not listen.
func (t *turnServer) Run(ctx context.Context) (err error) {
	cfg := pionturn.ServerConfig{Realm: turnRealm, AuthHandler: t.authenticate, QuotaHandler: t.mayAllocate, LoggerFactory: turnLogs{t.log}}
	var bound []netip.AddrPort
	var closers []func()
	defer func() {
		for _, c := range closers {
			c()
		}
	}()
	for _, public := range t.public {
		packets, listener, err := t.open(public)
		if err != nil {
			return fmt.Errorf("TURN on %s: %w", t.listen, err)
		}
		closers = append(closers, func() { packets.Close(); listener.Close() })
		at := packets.LocalAddr().(*net.UDPAddr).AddrPort()
		bound = append(bound, netip.AddrPortFrom(public, at.Port()))
		g := &relayGenerator{t.relays, public, at.Addr().Unmap()}
		permit := func(_ net.Addr, peer net.IP) bool { return t.relays.permits(peer) }
		cfg.PacketConnConfigs = append(cfg.PacketConnConfigs, pionturn.PacketConnConfig{PacketConn: packets, RelayAddressGenerator: g, PermissionHandler: permit})
		cfg.ListenerConfigs = append(cfg.ListenerConfigs, pionturn.ListenerConfig{Listener: listener, RelayAddressGenerator: g, PermissionHandler: permit})
	}
	server, err := pionturn.NewServer(cfg)
	if err != nil {
		return fmt.Errorf("TURN on %s: %w", t.listen, err)
	}
	closers = append(closers, func() { _ = server.Close(); t.relays.closeAll() })
	t.bound.Store(&bound)
	defer t.bound.Store(nil)
	if t.onListen != nil {
		t.onListen(net.UDPAddrFromAddrPort(bound[0]))
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// open listens by UDP and TCP on the same port, for the family of a public address.
func (t *turnServer) open(public netip.Addr) (*net.UDPConn, *turnListener, error) {
	family := "4"
	if public.Is6() {
		family = "6"
	}
	at, err := net.ResolveUDPAddr("udp"+family, t.listen)
	if err != nil {
		return nil, nil, err
	}
	for range 10 { // a port that the system chose for UDP may be taken for TCP
		packets, err := net.ListenUDP("udp"+family, at)
		if err != nil {
			return nil, nil, err
		}
		_ = packets.SetReadBuffer(2 << 20) // as far as the system lets it: all clients' packets wait here
		got := packets.LocalAddr().(*net.UDPAddr)
		l, err := net.ListenTCP("tcp"+family, &net.TCPAddr{IP: got.IP, Port: got.Port, Zone: got.Zone})
		if err == nil {
			return packets, newTURNListener(l), nil
		}
		packets.Close()
		if at.Port != 0 {
			return nil, nil, err
		}
	}
	return nil, nil, errors.New("no port that is free for both UDP and TCP")
}

// iceServers are for one viewer or camera. The credentials name the account by a code only: they cross the network in the
// clear, and the quota is the account's.
func (t *turnServer) iceServers(user string, life time.Duration) []camio.ICEServer {
	servers := []camio.ICEServer{}
	if t == nil || t.bound.Load() == nil {
		return servers
	}
	name := strconv.FormatInt(t.now().Add(life).Unix(), 10) + ":" + strings.ToLower(base32.StdEncoding.EncodeToString(sign(t.secret, "user", user)[:10]))
	for _, at := range *t.bound.Load() {
		servers = append(servers, camio.ICEServer{URLs: []string{"stun:" + at.String()}},
			camio.ICEServer{URLs: []string{"turn:" + at.String() + "?transport=udp", "turn:" + at.String() + "?transport=tcp"},
				Username: name, Credential: t.password(name)})
	}
	return servers
}

// password is the TURN REST convention's (draft-uberti-behave-turn-rest-00 2.2): it is never stored.
func (t *turnServer) password(username string) string {
	m := hmac.New(sha1.New, t.secret)
	m.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// authenticate finds the key of a user name, whose first part is the time until which it may begin.
func (t *turnServer) authenticate(ra *pionturn.RequestAttributes) (user string, key []byte, ok bool) {
	expiry, user, _ := strings.Cut(ra.Username, ":")
	at, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || user == "" || len(ra.Username) > 100 {
		return "", nil, false
	}
	left := time.Unix(at, 0).Sub(t.now())
	if left < -turnGrace || left < 0 && ra.Method == stun.MethodAllocate {
		return "", nil, false
	}
	return user, pionturn.GenerateAuthKey(ra.Username, ra.Realm, t.password(ra.Username)), true
}

func (t *turnServer) mayAllocate(user, _ string, _ net.Addr) bool {
	return t.relays.open(user) < maxAllocations
}

// turnLogs gives the library's messages to our log. What goes wrong with one client is a developer's business only, so all
// of it is Debug; what it traces holds every packet and is dropped.
type turnLogs struct{ log *zap.Logger }

func (f turnLogs) NewLogger(string) logging.LeveledLogger { return turnLog{f.log.Sugar()} }

type turnLog struct{ log *zap.SugaredLogger }

func (l turnLog) Trace(string)              {}
func (l turnLog) Tracef(string, ...any)     {}
func (l turnLog) Debug(string)              {}
func (l turnLog) Debugf(string, ...any)     {}
func (l turnLog) Info(m string)             { l.log.Debug(m) }
func (l turnLog) Infof(f string, a ...any)  { l.log.Debugf(f, a...) }
func (l turnLog) Warn(m string)             { l.log.Debug(m) }
func (l turnLog) Warnf(f string, a ...any)  { l.log.Debugf(f, a...) }
func (l turnLog) Error(m string)            { l.log.Debug(m) }
func (l turnLog) Errorf(f string, a ...any) { l.log.Debugf(f, a...) }
