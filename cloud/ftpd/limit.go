package ftpd

import (
	"net/netip"
	"sync"
	"time"
)

// Failed logins of one address: so many at once, and then one more each interval. Sessions that log in cost nothing.
const (
	failBurst    = 10
	failInterval = 10 * time.Second
	maxTracked   = 50_000 // addresses; beyond it all is forgotten, a limit per address stops nobody with that many
)

// loginLimit slows guessing down. An address that failed too often is refused whatever it sends, without asking the backend.
type loginLimit struct {
	mu     sync.Mutex
	failed map[netip.Addr]time.Time // when the address is back to no failures
}

func newLoginLimit() *loginLimit { return &loginLimit{failed: make(map[netip.Addr]time.Time)} }

func (l *loginLimit) allowed(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.failed[network(a)]
	if !ok {
		return true
	}
	left := time.Until(until)
	if left <= 0 {
		delete(l.failed, network(a))
	}
	return left <= (failBurst-1)*failInterval
}

func (l *loginLimit) fail(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if len(l.failed) >= maxTracked {
		clear(l.failed)
	}
	until := l.failed[network(a)]
	if until.Before(now) {
		until = now
	}
	l.failed[network(a)] = until.Add(failInterval)
}
