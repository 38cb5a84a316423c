package web

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// How wrong passwords are slowed down: ten, then a minute in which nobody at that address signs in. Ten minutes
// without a failure, or one success, forget them.
const (
	maxFailures  = 10
	pause        = time.Minute
	forgetAfter  = 10 * time.Minute
	maxAddresses = 1024 // remembered; one more drops the one that failed longest ago
	maxGuesses   = 60   // tried in a minute for all addresses together: each is argon2id, and the recording needs the processor
)

// A limiter counts failures to sign in by network address, an IPv6 one by its /64. Safe for concurrent use.
type limiter struct {
	mu      sync.Mutex
	seen    map[netip.Addr]*attempts
	guesses int       // of all, since
	since   time.Time // begin of their minute
}

type attempts struct {
	failures int
	last     time.Time
	until    time.Time // of the pause
}

func newLimiter() *limiter { return &limiter{seen: map[netip.Addr]*attempts{}} }

// wait is how much is left of the address's pause; 0 if it has none.
func (l *limiter) wait(a netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.seen[a]; at != nil {
		return max(0, time.Until(at.until))
	}
	return 0
}

// charge counts an attempt before or after it failed; forget takes it back. It is false in a pause: then the attempt must not be made.
func (l *limiter) charge(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	at := l.seen[a]
	if at == nil {
		l.makeRoom()
		at = &attempts{}
		l.seen[a] = at
	}
	if now.Before(at.until) {
		return false
	}
	if now.Sub(at.last) > forgetAfter {
		at.failures = 0
	}
	at.failures++
	at.last = now
	if at.failures >= maxFailures {
		at.failures, at.until = 0, now.Add(pause)
	}
	return true
}

// chargeGuess is charge for an attempt that costs argon2id. The right password passes it as long as it's remembered, so who has
// signed in since the start is not kept out by what others guess.
func (l *limiter) chargeGuess(a netip.Addr) bool {
	if l.waitGuess() > 0 || !l.charge(a) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.since) >= pause {
		l.since, l.guesses = time.Now(), 0
	}
	l.guesses++
	return true
}

// waitGuess is how long nothing is guessed, whoever asks.
func (l *limiter) waitGuess() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guesses < maxGuesses {
		return 0
	}
	return max(0, pause-time.Since(l.since))
}

// forget clears the address after a success.
func (l *limiter) forget(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, a)
}

func (l *limiter) makeRoom() {
	if len(l.seen) < maxAddresses {
		return
	}
	var oldest netip.Addr
	for a, at := range l.seen {
		if o := l.seen[oldest]; o == nil || at.last.Before(o.last) {
			oldest = a
		}
	}
	delete(l.seen, oldest)
}

// clientAddress is what the limiter counts by.
func clientAddress(r *http.Request) netip.Addr { return address(r.RemoteAddr) }

// address takes the port off, and what one client can change by itself: an IPv6 address counts by its /64. Those that cannot be
// read share one.
func address(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// fromDevice says whether the request comes from the device itself.
func fromDevice(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
