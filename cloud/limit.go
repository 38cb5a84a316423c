package cloud

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// limiter is a token bucket per client address. An IPv6 client counts by its /64, which is what one subscriber gets.
type limiter struct {
	rate  float64 // refill per second
	burst float64
	now   func() time.Time

	mu      sync.Mutex
	buckets map[netip.Addr]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds the memory that many addresses can take. Full buckets are dropped first; an attacker with
// more addresses than that is not stopped by a limit per address anyway.
const maxBuckets = 50_000

func newLimiter(rate, burst float64, now func() time.Time) *limiter {
	return &limiter{rate: rate, burst: burst, now: now, buckets: make(map[netip.Addr]bucket)}
}

// take uses one token of the address, or tells after how long there will be one.
func (l *limiter) take(addr netip.Addr) (wait time.Duration) {
	if addr.Is6() && !addr.Is4In6() {
		p, _ := addr.WithZone("").Prefix(64)
		addr = p.Addr()
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buckets) >= maxBuckets {
		l.sweep(now)
	}
	b, ok := l.buckets[addr]
	if !ok {
		b = bucket{l.burst, now}
	}
	b.tokens = min(l.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*l.rate)
	b.at = now
	if b.tokens < 1 {
		l.buckets[addr] = b
		return time.Duration((1 - b.tokens) / l.rate * float64(time.Second))
	}
	b.tokens--
	l.buckets[addr] = b
	return 0
}

func (l *limiter) sweep(now time.Time) {
	for a, b := range l.buckets {
		if b.tokens+now.Sub(b.at).Seconds()*l.rate >= l.burst {
			delete(l.buckets, a)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// limit refuses with 429 and Retry-After once the client's bucket is empty.
func limit(w http.ResponseWriter, r *http.Request, l *limiter) error {
	wait := l.take(peer(r))
	if wait == 0 {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return refuse(http.StatusTooManyRequests, "Too many requests")
}

// peer is the address that the request came from.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
