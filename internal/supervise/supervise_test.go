package supervise

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errStop = errors.New("asked to stop")

// keepFor runs Keep for d of bubble time and returns when each run began, the log and the result.
func keepFor(t *testing.T, d time.Duration, run func(ctx context.Context, n int) error) (began []time.Duration, logs *observer.ObservedLogs, err error) {
	core, logs := observer.New(zapcore.DebugLevel)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(d, func() { cancel(errStop) })
		start := time.Now()
		err = Keep(ctx, zap.New(core), "camera front", func(ctx context.Context) error {
			began = append(began, time.Since(start))
			return run(ctx, len(began))
		})
	})
	return began, logs, err
}

func TestPausesGrowToABoundAndAreJittered(t *testing.T) {
	began, _, err := keepFor(t, 10*time.Minute, func(context.Context, int) error { return errors.New("no device") })
	if !errors.Is(err, errStop) {
		t.Fatalf("returned %v, want the context's cause", err)
	}
	exact := 0
	for i := 1; i < len(began); i++ {
		pause, full := began[i]-began[i-1], min(minPause<<min(i-1, 16), maxPause)
		if pause < full/2 || pause > full {
			t.Errorf("pause %d is %v, want %v..%v", i, pause, full/2, full)
		}
		if pause == full {
			exact++
		}
	}
	if n := len(began); n < 20 || n > 60 || exact > n/2 {
		t.Errorf("%d runs in 10 minutes, %d of them without jitter", n, exact)
	}
}

func TestAHealthyRunResetsThePause(t *testing.T) {
	began, _, _ := keepFor(t, 10*time.Minute, func(ctx context.Context, n int) error {
		if n == 9 {
			time.Sleep(healthy)
		}
		return errors.New("gone")
	})
	if pause := began[9] - began[8] - healthy; pause > minPause {
		t.Errorf("paused %v after a healthy run, want at most %v", pause, minPause)
	}
}

func TestARepeatedFaultIsLoggedOnceAndAgainWhenItChanges(t *testing.T) {
	_, logs, _ := keepFor(t, 5*time.Minute, func(_ context.Context, n int) error {
		switch {
		case n <= 4:
			return errors.New("no device")
		case n <= 6:
			return errors.New("device busy")
		}
		return nil // must be restarted as well
	})
	var faults []string
	var repeats []int64
	for _, e := range logs.All() {
		m := e.ContextMap()
		faults = append(faults, m["error"].(string))
		n, _ := m["previous_fault_repeated"].(int64)
		repeats = append(repeats, n)
		if m["component"] != "camera front" {
			t.Errorf("the line does not name the component: %v", m)
		}
	}
	want := []string{"no device", "device busy", errReturned.Error()}
	if len(faults) != 3 || faults[0] != want[0] || faults[1] != want[1] || faults[2] != want[2] {
		t.Fatalf("logged %q, want %q", faults, want)
	}
	if repeats[1] != 3 || repeats[2] != 1 {
		t.Errorf("repetitions logged %v, want 3 and 1", repeats[1:])
	}
}

func TestKeepEndsWithTheContextsCauseWhileRunning(t *testing.T) {
	ended := false
	_, logs, err := keepFor(t, time.Hour, func(ctx context.Context, _ int) error {
		<-ctx.Done()
		time.Sleep(time.Second) // a slow goodbye is waited for
		ended = true
		return context.DeadlineExceeded
	})
	if !errors.Is(err, errStop) || !ended || logs.Len() != 0 {
		t.Errorf("returned %v, run ended %v, %d log lines; want the cause, true, none", err, ended, logs.Len())
	}
}

func TestAPermanentFaultIsReturned(t *testing.T) {
	absent := errors.New("no such codec")
	began, _, err := keepFor(t, time.Hour, func(context.Context, int) error { return Permanent(absent) })
	if !errors.Is(err, absent) || len(began) != 1 {
		t.Errorf("%d runs, %v; want one and the fault", len(began), err)
	}
	if Permanent(nil) != nil {
		t.Error("Permanent(nil) is not nil")
	}
}
