package ftpd

import (
	"container/list"
	"context"
	"os"
	"sync"
	"time"
)

// A fileKey names a file of a user by its path from the root.
type fileKey struct{ user, path string }

// A recentFile is what is known about an upload of the recent past.
type recentFile struct {
	key   fileKey
	temp  string    // where its bytes are; empty once the backend has it
	size  int64     // bytes received
	whole bool      // its transfer came to its proper end
	at    time.Time // when its last byte came
}

// maxRecent bounds the memory of finished uploads.
const maxRecent = 10_000

// recent keeps unfinished files for RNTO and REST, and knows finished ones for SIZE and MDTM: for a limited time, number and, for
// what lies on disk, size. The oldest go first; a user with more than half of the space loses its own first.
type recent struct {
	life     time.Duration
	maxBytes int64

	mu      sync.Mutex
	files   map[fileKey]*list.Element
	byAge   *list.List // of *recentFile, the oldest first
	bytes   int64      // on disk
	perUser map[string]int64
	flights map[fileKey]*flight
}

// A flight is an upload under way, the last one of its file.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{} // closed once its file is among the recent ones, or dropped
}

func newRecent(life time.Duration, maxBytes int64) *recent {
	return &recent{life: life, maxBytes: maxBytes, files: make(map[fileKey]*list.Element), byAge: list.New(),
		perUser: make(map[string]int64), flights: make(map[fileKey]*flight)}
}

// begin registers an upload of key and returns what is known of the file so far. The caller owns that now, and calls end. To go
// on with what has come, an upload of the file that is under way is ended first: who logs in as the same user to go on with a file has
// given the earlier connection up. A fresh upload lets it be, and replaces what becomes of it.
func (r *recent) begin(ctx context.Context, key fileKey, cancel context.CancelFunc, fresh bool) (*recentFile, *flight, error) {
	for {
		r.mu.Lock()
		other := r.flights[key]
		if other == nil || fresh {
			f := &flight{cancel, make(chan struct{})}
			r.flights[key] = f
			old := r.remove(key)
			r.mu.Unlock()
			return old, f, nil
		}
		r.mu.Unlock()
		if err := other.stop(ctx); err != nil {
			return nil, nil, err
		}
	}
}

func (f *flight) stop(ctx context.Context) error {
	f.cancel()
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end makes a flight's outcome known; f is nil where nothing is left of the file.
func (r *recent) end(key fileKey, fl *flight, f *recentFile) {
	r.mu.Lock()
	if r.flights[key] != fl {
		f.discard() // a later upload took its place
	} else {
		delete(r.flights, key)
		if f != nil {
			r.add(f)
		}
	}
	r.mu.Unlock()
	close(fl.done)
}

// look returns what is known of a file, after ending an upload of it that is under way.
func (r *recent) look(ctx context.Context, key fileKey) (recentFile, bool) {
	r.mu.Lock()
	other := r.flights[key]
	r.mu.Unlock()
	if other != nil && other.stop(ctx) != nil {
		return recentFile{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(time.Now())
	e := r.files[key]
	if e == nil {
		return recentFile{}, false
	}
	return *e.Value.(*recentFile), true
}

// add puts a file in, over one of the same name, and lets the oldest go where the bounds are passed. Call it with mu held.
func (r *recent) add(f *recentFile) {
	r.drop(f.key)
	r.files[f.key] = r.byAge.PushBack(f)
	if f.temp != "" {
		r.bytes += f.size
		r.perUser[f.key.user] += f.size
	}
	for e := r.byAge.Front(); e != nil && (r.bytes > r.maxBytes || len(r.files) > maxRecent); {
		old := e.Value.(*recentFile)
		e = e.Next()
		if len(r.files) <= maxRecent && (old.temp == "" || r.perUser[f.key.user] > r.maxBytes/2 && old.key.user != f.key.user) {
			continue
		}
		r.drop(old.key)
	}
}

// take takes a file out for its new name.
func (r *recent) take(key fileKey) *recentFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remove(key)
}

// remove takes a file out and leaves its bytes to the caller.
func (r *recent) remove(key fileKey) *recentFile {
	e := r.files[key]
	if e == nil {
		return nil
	}
	f := r.byAge.Remove(e).(*recentFile)
	delete(r.files, key)
	if f.temp != "" {
		r.bytes -= f.size
		if r.perUser[key.user] -= f.size; r.perUser[key.user] <= 0 {
			delete(r.perUser, key.user)
		}
	}
	return f
}

func (r *recent) drop(key fileKey) {
	if f := r.remove(key); f != nil {
		f.discard()
	}
}

// discard removes the bytes of a file that is not needed any more.
func (f *recentFile) discard() {
	if f != nil && f.temp != "" {
		_ = os.Remove(f.temp) // gone, or swept with the directory's other leftovers
		f.temp = ""
	}
}

func (r *recent) expire(now time.Time) {
	for e := r.byAge.Front(); e != nil; e = r.byAge.Front() {
		f := e.Value.(*recentFile)
		if now.Sub(f.at) < r.life {
			return
		}
		r.drop(f.key)
	}
}

// expireUntil removes what is too old until done is closed.
func (r *recent) expireUntil(done <-chan struct{}) {
	tick := time.NewTicker(max(r.life/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			r.mu.Lock()
			r.expire(now)
			r.mu.Unlock()
		}
	}
}

func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.files {
		r.drop(key)
	}
}
