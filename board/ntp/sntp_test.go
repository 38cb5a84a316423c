package ntp

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/ntp"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// since1900 is a time in the form of RFC 4330 section 3.
func since1900(t time.Time) uint64 {
	seconds := uint64(t.Unix() + 2208988800)
	return seconds<<32 | uint64(t.Nanosecond())<<32/1e9
}

// An answer is what a server puts into its packet beside the times.
type answer struct {
	leap, stratum  byte
	dispersion     time.Duration
	reference      string
	referenceAge   time.Duration
	ahead          time.Duration // of the machine's clock
	another, short bool          // origin time; packet
}

// serve is an SNTP server (RFC 4330 section 4) on the loopback.
func serve(t *testing.T, a answer) (address string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { c.Close(); <-done })
	go func() {
		defer close(done)
		for {
			q := make([]byte, 128)
			n, from, err := c.ReadFrom(q)
			if err != nil {
				return
			}
			if n < 48 || q[0]&7 != 3 {
				continue
			}
			now := time.Now().Add(a.ahead)
			p := make([]byte, 48)
			p[0], p[1], p[2], p[3] = a.leap<<6|4<<3|4, a.stratum, 6, 0xec
			binary.BigEndian.PutUint32(p[8:], uint32(a.dispersion.Seconds()*65536))
			copy(p[12:16], a.reference)
			binary.BigEndian.PutUint64(p[16:], since1900(now.Add(-a.referenceAge)))
			if copy(p[24:32], q[40:48]); a.another {
				p[31] ^= 1
			}
			binary.BigEndian.PutUint64(p[32:], since1900(now))
			binary.BigEndian.PutUint64(p[40:], since1900(now.Add(time.Microsecond)))
			if a.short {
				p = p[:20]
			}
			c.WriteTo(p, from) //nolint:errcheck
		}
	}()
	return c.LocalAddr().String()
}

// fakeClock is the machine's, with what was asked of it.
type fakeClock struct {
	mu      sync.Mutex
	stepped []time.Duration
	slewed  []time.Duration
	err     error
}

func (c *fakeClock) Now() time.Time { return time.Now() }
func (c *fakeClock) Step(d, _ time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stepped = append(c.stepped, d)
	return c.err
}
func (c *fakeClock) Slew(d, _, _ time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slewed = append(c.slewed, d)
	return c.err
}

// newService has a fake clock and a file system with nothing in it.
func newService(t *testing.T) (*Service, *fakeClock, *observer.ObservedLogs) {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	core, logs := observer.New(zap.InfoLevel)
	s, err := New(root, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	clock := &fakeClock{}
	s.clock = clock
	s.run = func(context.Context, string, ...string) error { t.Error("a program was run"); return nil }
	return s, clock, logs
}

func TestTheClockIsSetToTheServersTime(t *testing.T) {
	for _, tt := range []struct {
		ahead time.Duration
		steps bool
	}{{-3 * time.Hour, true}, {40 * 24 * time.Hour, true}, {700 * time.Millisecond, true}, {300 * time.Millisecond, false}, {-200 * time.Millisecond, false}} {
		s, clock, _ := newService(t)
		c := client{Service: s, server: serve(t, answer{stratum: 2, ahead: tt.ahead})}
		offset, err := c.sync(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		done := clock.slewed
		if tt.steps {
			done = clock.stepped
		}
		if len(clock.stepped)+len(clock.slewed) != 1 || len(done) != 1 || done[0] != offset || (offset-tt.ahead).Abs() > 100*time.Millisecond {
			t.Errorf("%v ahead: offset %v, stepped %v, slewed %v", tt.ahead, offset, clock.stepped, clock.slewed)
		}
	}
}

func TestAnAnswerThatCannotBeTrustedIsNotUsed(t *testing.T) {
	tests := []struct {
		name   string
		answer answer
		want   string
	}{
		{"not synchronised", answer{leap: 3, stratum: 2}, "leap second"},
		{"stratum 16", answer{stratum: 16}, "stratum"},
		{"asked too often", answer{reference: "RATE"}, `"RATE"`},
		{"not for us", answer{reference: "DENY"}, `"DENY"`},
		{"far from the right time", answer{stratum: 2, dispersion: 4 * time.Second}, "uncertain"},
		{"farther still", answer{stratum: 2, dispersion: 20 * time.Second}, "dispersion"},
		{"not synchronised for days", answer{stratum: 2, referenceAge: 100 * time.Hour}, "fresh"},
		{"the year 2000", answer{stratum: 2, ahead: -26 * 365 * 24 * time.Hour}, "it says 2000-"},
		{"the answer to another question", answer{stratum: 2, another: true}, "ask: "},
		{"half a packet", answer{stratum: 2, short: true}, "ask: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, clock, _ := newService(t)
			c := client{Service: s, server: serve(t, tt.answer)}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := c.sync(ctx, first); err == nil || !strings.Contains(err.Error(), tt.want) || len(clock.stepped)+len(clock.slewed) != 0 {
				t.Errorf("got %v, want %q; %v", err, tt.want, clock)
			}
		})
	}
}

func TestRunKeepsTheClockOverTheNetwork(t *testing.T) {
	s, clock, _ := newService(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	server := serve(t, answer{stratum: 1, reference: "GPS", ahead: time.Hour})
	if err := s.Set(ctx, server); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if !s.Status().Synced.IsZero() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if st := s.Status(); st.By != Own || st.Server != server || st.Error != "" || (st.Offset-time.Hour).Abs() > time.Second || len(clock.stepped) != 1 {
		t.Errorf("%+v %v", st, clock.stepped)
	}
}

// asked runs a service for d in a bubble whose server answers by reply, and returns when it was asked.
func asked(t *testing.T, d time.Duration, reply func(n int) (*ntp.Response, error), during func(*Service, *fakeClock)) (at []time.Duration, s *Service, logs *observer.ObservedLogs) {
	s, clock, logs := newService(t)
	synctest.Test(t, func(t *testing.T) {
		s.changed = make(chan struct{}, 1) // one of this bubble
		start := time.Now()
		s.query = func(context.Context, string) (*ntp.Response, error) {
			at = append(at, time.Since(start))
			return reply(len(at))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		if err := s.Set(ctx, "time.example"); err != nil {
			t.Fatal(err)
		}
		if during != nil {
			during(s, clock)
		}
		time.Sleep(d)
		cancel()
		<-done
	})
	return at, s, logs
}

func good(offset time.Duration) *ntp.Response {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return &ntp.Response{Version: 4, Stratum: 2, ClockOffset: offset, Time: now, ReferenceTime: now.Add(-time.Minute), RootDistance: 20 * time.Millisecond}
}

func kiss(code string) *ntp.Response {
	return &ntp.Response{Version: 4, Stratum: 0, KissCode: code}
}

func gaps(at []time.Duration) (g []time.Duration) {
	for i := 1; i < len(at); i++ {
		g = append(g, at[i]-at[i-1])
	}
	return g
}

func TestAServerIsAskedEverMoreSlowly(t *testing.T) {
	at, _, logs := asked(t, 24*time.Hour, func(int) (*ntp.Response, error) { return good(time.Millisecond), nil }, nil)
	g := gaps(at)
	for i, d := range g {
		if d < first || d > longest*5/4 || i > 5 && d < longest {
			t.Errorf("pause %d is %v", i, d)
		}
	}
	if len(g) < 60 || len(g) > 100 || logs.Len() != 1 {
		t.Errorf("asked %d times in a day; %v", len(g), logs.All())
	}

	unreachable := errors.New("no route to host")
	at, s, logs := asked(t, 24*time.Hour, func(int) (*ntp.Response, error) { return nil, unreachable }, nil)
	g = gaps(at)
	for i, d := range g {
		if d < shortest || d > longest*5/4 || i > 8 && d < longest {
			t.Errorf("pause %d is %v", i, d)
		}
	}
	if n := logs.FilterLevelExact(zap.WarnLevel).Len(); n != 1 || len(g) < 60 || !strings.Contains(s.Status().Error, "no route") {
		t.Errorf("asked %d times in a day, %d warnings, %+v", len(g), n, s.Status())
	}
}

func TestAServerThatSaysNoIsNotAskedAgain(t *testing.T) {
	for code, want := range map[string]int{"DENY": 1, "RSTR": 1, "RATE": 84} {
		at, _, logs := asked(t, 24*time.Hour, func(int) (*ntp.Response, error) { return kiss(code), nil }, nil)
		if len(at) > want || logs.FilterLevelExact(zap.WarnLevel).Len() != 1 {
			t.Errorf("%s: asked %d times in a day, %v", code, len(at), logs.All())
		}
	}
	at, s, _ := asked(t, time.Minute, func(n int) (*ntp.Response, error) {
		if n == 1 {
			return kiss("DENY"), nil
		}
		return good(0), nil
	}, func(s *Service, _ *fakeClock) {
		time.Sleep(time.Hour)
		if err := s.Set(t.Context(), "other.example"); err != nil {
			t.Fatal(err)
		}
	})
	if len(at) != 2 || s.Status().Server != "other.example" || s.Status().Synced.IsZero() || s.Status().Error != "" {
		t.Errorf("a new server was not asked at once: %v %+v", at, s.Status())
	}
}

func TestWithoutThePermissionToSetTheClockOneErrorSaysSo(t *testing.T) {
	_, s, logs := asked(t, 12*time.Hour, func(int) (*ntp.Response, error) { return good(time.Hour), nil }, func(_ *Service, c *fakeClock) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.err = syscall.EPERM
	})
	if n := logs.FilterLevelExact(zap.WarnLevel).Len(); n != 1 || !strings.Contains(s.Status().Error, "CAP_SYS_TIME") {
		t.Errorf("%d warnings, %+v", n, s.Status())
	}
}
