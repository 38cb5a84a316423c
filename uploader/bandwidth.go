package uploader

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Hours is a part of the day in local time, as "22-6": from the full hour First to the full hour Last, over midnight if
// First is the later one.
type Hours struct{ First, Last int }

// String writes the hours as they are read.
func (h Hours) String() string { return fmt.Sprintf("%d-%d", h.First, h.Last) }

// MarshalText is String.
func (h Hours) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads "8-18".
func (h *Hours) UnmarshalText(b []byte) error {
	first, last, ok := strings.Cut(string(b), "-")
	f, err1 := strconv.Atoi(strings.TrimSpace(first))
	l, err2 := strconv.Atoi(strings.TrimSpace(last))
	if !ok || err1 != nil || err2 != nil || f < 0 || f > 24 || l < 0 || l > 24 || f%24 == l%24 {
		return fmt.Errorf("%q is not a part of the day such as 8-18 or 22-6", b)
	}
	*h = Hours{f % 24, l % 24}
	return nil
}

// Contains reports whether an hour of the day, 0..23, lies in the part.
func (h Hours) Contains(hour int) bool {
	if h.First < h.Last {
		return h.First <= hour && hour < h.Last
	}
	return hour >= h.First || hour < h.Last
}

// A Window limits the bandwidth at certain hours.
type Window struct {
	Hours Hours `yaml:"hours"`
	Limit Bytes `yaml:"limit"` // a second, of all transfers together; 0: none
}

// bandwidthNow is the limit that holds at a time: that of the first window it lies in, else the general one.
func (c *Config) bandwidthNow(t time.Time) Bytes {
	for _, w := range c.BandwidthByHour {
		if w.Hours.Contains(t.Hour()) {
			return w.Limit
		}
	}
	return c.Bandwidth
}

// minBandwidth is the least limit: below it an upload would not end within the deadlines of servers.
const minBandwidth = 4 * KiB

func validBandwidth(b Bytes) bool { return b == 0 || b >= minBandwidth }

// A throttle holds all transfers together to a number of bytes a second. Safe for concurrent use.
type throttle struct {
	limit func(time.Time) Bytes

	mu   sync.Mutex
	free time.Time // when what was let through so far will have used up its time
}

// slice is how much time's worth of bytes is let through at once: short enough for a change of the limit and a cancelled transfer
// to be noticed soon.
const slice = 250 * time.Millisecond

// allow gives how many of n bytes may be read now, after waiting until they may. What is then not read is returned by refund.
func (t *throttle) allow(n int) int {
	now := time.Now()
	limit := t.limit(now)
	if limit == 0 {
		return n
	}
	n = min(n, max(1, int(int64(limit)*int64(slice)/int64(time.Second))))
	t.mu.Lock()
	if t.free.Before(now) {
		t.free = now
	}
	wait := t.free.Sub(now)
	t.free = t.free.Add(duration(n, limit))
	t.mu.Unlock()
	time.Sleep(wait)
	return n
}

func (t *throttle) refund(n int) {
	limit := t.limit(time.Now())
	if n <= 0 || limit == 0 {
		return
	}
	t.mu.Lock()
	t.free = t.free.Add(-duration(n, limit))
	t.mu.Unlock()
}

// duration is how long n bytes take.
func duration(n int, limit Bytes) time.Duration {
	return time.Duration(int64(n) * int64(time.Second) / int64(limit))
}

// reader slows a body down.
func (t *throttle) reader(r io.ReadCloser) io.ReadCloser { return &throttled{r, t} }

type throttled struct {
	io.ReadCloser
	throttle *throttle
}

func (t *throttled) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	allowed := t.throttle.allow(len(p))
	n, err := t.ReadCloser.Read(p[:allowed])
	t.throttle.refund(allowed - n)
	return n, err
}
