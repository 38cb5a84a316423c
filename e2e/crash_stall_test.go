package e2e

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A stallMeter tells how long the machine makes a process wait that writes and syncs a little, as the agent does: a disk that
// others keep busy is no fault of the agent.
type stallMeter struct {
	mu    sync.Mutex
	worst time.Duration
	since time.Time // when the measurement under way began
}

// stallEvery is how often it looks: rare enough to be no burden itself.
const stallEvery = 100 * time.Millisecond

func startStallMeter(t *testing.T) *stallMeter {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stall"))
	if err != nil {
		t.Fatal(err)
	}
	m := &stallMeter{since: time.Now()}
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for b := []byte("x"); ; m.note() {
			select {
			case <-end:
				return
			case <-time.After(stallEvery):
			}
			f.WriteAt(b, 0)
			f.Sync()
		}
	}()
	t.Cleanup(func() {
		close(end)
		<-done
		f.Close()
	})
	return m
}

func (m *stallMeter) note() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.worst = max(m.worst, time.Since(m.since)-stallEvery)
	m.since = time.Now()
}

// reset gives the longest wait since the last call, one that still goes on among them.
func (m *stallMeter) reset() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	worst := max(m.worst, time.Since(m.since)-stallEvery)
	m.worst = 0
	return worst
}
