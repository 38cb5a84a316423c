package dropfolder

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"camward/camio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An item is a finished recording of a memory spool.
type item struct {
	camio.Media
	data   []byte
	length time.Duration
}

// A memory spool keeps recordings in memory and knows their events, as the contract of Spool says.
type memory struct {
	done chan item

	mu     sync.Mutex
	open   int
	events map[string]bool
	items  []item
	fault  func(m camio.Media) error // of Create
	write  func(m camio.Media) error // of Write, before it
	finish func(m camio.Media) error // of Finish, after it
}

func newMemory() *memory {
	return &memory{done: make(chan item, 20000), events: map[string]bool{}}
}

func (s *memory) Create(m camio.Media) (Recording, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		if err := s.fault(m); err != nil {
			return nil, err
		}
	}
	if s.events[m.Source] {
		return nil, &fs.PathError{Op: "create", Path: m.Source, Err: fs.ErrExist}
	}
	s.open++
	return &memoryRecording{spool: s, item: item{Media: m}}, nil
}

func (s *memory) all() []item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]item(nil), s.items...)
}

type memoryRecording struct {
	spool *memory
	item  item
}

func (r *memoryRecording) Write(b []byte) (int, error) {
	if r.spool.write != nil {
		if err := r.spool.write(r.item.Media); err != nil {
			return 0, err
		}
	}
	r.item.data = append(r.item.data, b...)
	return len(b), nil
}

func (r *memoryRecording) Sync() error { return nil }

func (r *memoryRecording) Finish(length time.Duration) error {
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	r.spool.open--
	r.item.length = length
	r.spool.events[r.item.Source] = true
	r.spool.items = append(r.spool.items, r.item)
	r.spool.done <- r.item
	if r.spool.finish != nil {
		return r.spool.finish(r.item.Media)
	}
	return nil
}

func (r *memoryRecording) Discard() error {
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	r.spool.open--
	return nil
}

// A rig is a watcher on a directory of its own.
type rig struct {
	*testing.T
	dir   string
	spool *memory
	w     *Watcher
	logs  *observer.ObservedLogs
	stop  func()
	limit time.Duration // of waiting
}

// newRig wires a watcher that waits briefly where it must wait.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), spool: newMemory(), limit: 20 * time.Second}
	core, logs := observer.New(zap.InfoLevel)
	r.logs = logs
	cfg := Default()
	cfg.Dir, cfg.Camera, cfg.Scan = r.dir, "porch", time.Hour
	w, err := New(cfg, r.spool, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Settle = 150 * time.Millisecond
	r.w = w
	return r
}

var errStopped = errors.New("stopped by the test")

// run runs the watcher until stop or the end of the test.
func (r *rig) run() *rig {
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.w.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel(errStopped)
			if err := <-ended; !errors.Is(err, errStopped) {
				r.Errorf("Run returned %v", err)
			}
		})
	}
	r.Cleanup(r.stop)
	return r
}

// running waits until the first scan is over.
func (r *rig) running() *rig {
	r.run()
	r.until("first scan", func() bool { return r.w.Status().Present })
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) put(name string, b []byte) {
	r.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(r.path(name), b, 0o600); err != nil {
		r.Fatal(err)
	}
}

// next is the next recording that was finished.
func (r *rig) next() item {
	r.Helper()
	select {
	case it := <-r.spool.done:
		return it
	case <-time.After(r.limit):
		r.Fatalf("nothing was taken; %+v", r.w.Status())
		return item{}
	}
}

// taken checks that the next recording has these bytes.
func (r *rig) taken(want []byte) item {
	r.Helper()
	it := r.next()
	if !bytes.Equal(it.data, want) {
		r.Fatalf("took %d bytes, want %d", len(it.data), len(want))
	}
	return it
}

// until waits for what the watcher does on its own.
func (r *rig) until(what string, cond func() bool) {
	r.Helper()
	for deadline := time.Now().Add(r.limit); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("%s: never; %+v", what, r.w.Status())
		}
	}
}

func (r *rig) gone(name string) {
	r.Helper()
	r.until(name+" removed", func() bool {
		_, err := os.Lstat(r.path(name))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// left lists the files below the directory, by name.
func (r *rig) left() []string {
	r.Helper()
	var list []string
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, d.Name())
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return list
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
