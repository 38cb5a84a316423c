package board

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
)

// fakeHardware restarts the board as a real watchdog does: when nobody fed it in time.
type fakeHardware struct {
	timeout   time.Duration
	fed       time.Time
	feedings  int
	restarted bool
	closed    bool
	failing   error
}

func (h *fakeHardware) Feed() error {
	h.look()
	if h.failing == nil {
		h.fed = time.Now()
		h.feedings++
	}
	return h.failing
}
func (h *fakeHardware) Timeout() time.Duration { return h.timeout }
func (h *fakeHardware) Close() error           { h.look(); h.closed = true; return nil }
func (h *fakeHardware) look()                  { h.restarted = h.restarted || time.Since(h.fed) >= h.timeout }

// watched is a watchdog under test, in the bubble of a synctest.
type watched struct {
	*Watchdog
	hardware *fakeHardware
	said     []string // to systemd
	wrong    atomic.Pointer[error]
	logs     *observer.ObservedLogs
}

func newWatched(t *testing.T, cfg WatchdogConfig, systemd time.Duration) *watched {
	core, logs := observer.New(zap.DebugLevel)
	w := &watched{hardware: &fakeHardware{timeout: cfg.Timeout, fed: time.Now()}, logs: logs}
	w.feels(nil)
	var err error
	if w.Watchdog, err = NewWatchdog(cfg, func() error { return *w.wrong.Load() }, zap.New(core)); err != nil {
		t.Fatal(err)
	}
	w.open = func(path string, timeout time.Duration) (feeder, error) { return w.hardware, nil }
	w.notify = func(s string) error { w.said = append(w.said, s); return nil }
	w.systemd = func() (time.Duration, error) { return systemd, nil }
	return w
}

func (w *watched) feels(err error) { w.wrong.Store(&err) }

func (w *watched) run(t *testing.T) (stop func() error) {
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	synctest.Wait()
	return func() error { cancel(errors.New("stop")); return <-done }
}

func (w *watched) count(state string) (n int) {
	for _, s := range w.said {
		if s == state {
			n++
		}
	}
	return n
}

func TestWatchdogsAreFedWhileTheAgentIsHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, WatchdogConfig{Device: "/dev/watchdog", Timeout: 30 * time.Second}, 60*time.Second)
		stop := w.run(t)
		time.Sleep(10 * time.Minute)
		if err := stop(); err == nil || err.Error() != "stop" {
			t.Error(err)
		}
		if w.hardware.restarted || !w.hardware.closed || w.hardware.feedings < 59 || w.hardware.feedings > 62 {
			t.Errorf("%+v", w.hardware)
		}
		if w.said[0] != "READY=1" || w.said[len(w.said)-1] != "STOPPING=1" || w.count("WATCHDOG=1") < 59 || w.count("STATUS=healthy") != 1 {
			t.Errorf("systemd was told %q", w.said)
		}
	})
}

// pass lets time pass, and all that falls into it happen.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestAnUnhealthyAgentIsNotFedAndSaysOnceWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, WatchdogConfig{Device: "/dev/watchdog", Timeout: 30 * time.Second}, 30*time.Second)
		stop := w.run(t)
		pass(time.Minute + time.Second)
		w.feels(errors.New("no frame\nfor 20s"))
		pass(15 * time.Second)
		w.feels(errors.New("no frame\nfor 30s"))
		before := w.count("WATCHDOG=1")
		pass(5 * time.Minute)
		if w.hardware.look(); !w.hardware.restarted || w.count("WATCHDOG=1") != before {
			t.Errorf("fed nevertheless: %+v", w.hardware)
		}
		if w.count("STATUS=unhealthy: no frame; for 20s") != 1 || w.logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 {
			t.Errorf("%q\n%v", w.said, w.logs.All())
		}
		w.feels(nil)
		pass(time.Minute)
		if w.count("WATCHDOG=1") < before+5 || w.count("STATUS=healthy") != 2 {
			t.Errorf("not fed again: %q", w.said)
		}
		stop() //nolint:errcheck
	})
}

func TestHardwareThatCannotBeHadDoesNotStopTheAgent(t *testing.T) {
	for _, cause := range []error{fmt.Errorf("watchdog: %w", ErrAbsent), errors.New("another program has it")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, WatchdogConfig{Device: "/dev/watchdog", Timeout: 30 * time.Second}, 30*time.Second)
			w.open = func(string, time.Duration) (feeder, error) { return nil, cause }
			stop := w.run(t)
			time.Sleep(time.Minute)
			stop() //nolint:errcheck
			if n := w.logs.Filter(func(e observer.LoggedEntry) bool { return e.Level >= zap.WarnLevel }).Len(); n != 1 || w.count("WATCHDOG=1") < 5 {
				t.Errorf("%v %q", w.logs.All(), w.said)
			}
		})
	}
}

func TestAFailureToFeedIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, WatchdogConfig{Device: "/dev/watchdog", Timeout: 30 * time.Second}, 0)
		w.hardware.failing = errors.New("EIO")
		stop := w.run(t)
		time.Sleep(time.Minute)
		stop() //nolint:errcheck
		if n := w.logs.FilterLevelExact(zap.ErrorLevel).Len(); n != 1 {
			t.Errorf("%v", w.logs.All())
		}
	})
}

func TestWithoutAWatchdogNothingWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, DefaultWatchdog(), 0)
		w.healthy = func() error { t.Error("asked"); return nil }
		w.open = func(string, time.Duration) (feeder, error) { t.Error("opened"); return nil, nil }
		stop := w.run(t)
		time.Sleep(time.Hour)
		stop() //nolint:errcheck
		if !slices.Equal(w.said, []string{"READY=1", "STOPPING=1"}) {
			t.Errorf("%q", w.said)
		}
	})
}

func TestSystemdIsToldOnItsSocket(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	w, err := NewWatchdog(DefaultWatchdog(), func() error { return nil }, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	ln.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []string{"READY=1", "STATUS=healthy", "WATCHDOG=1", "STOPPING=1"} {
		b := make([]byte, 256)
		n, err := ln.Read(b)
		if got := string(b[:n]); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
		if want == "WATCHDOG=1" {
			cancel()
		}
	}
	cancel()
	<-done
}

func TestOnlyAWatchdogIsTakenForOne(t *testing.T) {
	if _, err := openWatchdog(filepath.Join(t.TempDir(), "watchdog"), time.Minute); !errors.Is(err, ErrAbsent) {
		t.Error(err)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if _, err := openWatchdog("/dev/null", time.Minute); err == nil || errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "is no watchdog") {
		t.Error(err)
	}
}

func TestTheWatchdogsConfigurationIsChecked(t *testing.T) {
	if err := DefaultWatchdog().Validate(); err != nil {
		t.Error(err)
	}
	err := WatchdogConfig{Device: "watchdog", Timeout: time.Second}.Validate()
	for _, key := range []string{"board.watchdog.device: ", "board.watchdog.timeout: "} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%v lacks %s", err, key)
		}
	}
}
