package uploader

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// freshFor is how long an item counts as news rather than backlog.
const freshFor = 10 * time.Minute

// errGone says that an item's files were taken away from outside.
var errGone = errors.New("its files are gone")

// An entry is what memory holds of a queued item; the rest is in its record.
type entry struct {
	seq, order uint64
	size       int64
	camera     string // shared by all entries of the camera
	name       string // empty until it is fixed
	kind       camio.Kind
	boot       string // of an unnamed item
	swept      bool   // was there before this process
	sending    bool
	tries      int
	queued     time.Time // when this process saw it first
	modified   int64     // seconds since 1970, of the data; for the age only
	notBefore  time.Time // of the next try
	fault      string    // of the last try
}

// compare sorts the queue so that the next item to send is last: the newest event, in it
// snapshots before the clip, among snapshots the first. No clock has a part in it.
func (e *entry) compare(o *entry) int {
	return cmp.Or(
		cmp.Compare(e.order, o.order),
		-cmp.Compare(rank(e.kind), rank(o.kind)),
		-cmp.Compare(e.seq, o.seq),
	)
}

func rank(k camio.Kind) int {
	if k == camio.KindClip {
		return 1
	}
	return 0
}

// enqueue adds a finished item whose data is that old.
func (s *Spool) enqueue(rec *record, modified time.Time, swept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += rec.Size
	e := s.newEntry(rec, rec.Size)
	e.swept, e.modified = swept, modified.Unix()
	i, _ := slices.BinarySearchFunc(s.queue, e, (*entry).compare)
	s.queue = slices.Insert(s.queue, i, e)
	if e.name == "" {
		s.unnamed++
	}
	s.signal()
}

// newEntry makes an entry that shares its strings with others where it can. s.mu is held.
func (s *Spool) newEntry(rec *record, size int64) *entry {
	e := &entry{
		seq: rec.Seq, order: rec.Order, size: size, name: rec.Name,
		camera: s.shared(rec.Camera), kind: camio.Kind(s.shared(string(rec.Kind))), queued: time.Now(),
	}
	if e.name == "" {
		e.boot = s.shared(rec.Boot)
	}
	return e
}

// shared returns the one copy of a string that many entries hold.
func (s *Spool) shared(text string) string {
	if one, ok := s.strings[text]; ok {
		return one
	}
	s.strings[text] = text
	return text
}

// take removes an entry from the queue. s.mu is held.
func (s *Spool) take(e *entry) {
	i, ok := slices.BinarySearchFunc(s.queue, e, (*entry).compare)
	if !ok {
		panic(fmt.Sprintf("uploader: item %d is not in the queue", e.seq))
	}
	s.queue = slices.Delete(s.queue, i, i+1)
	if e.name == "" {
		s.unnamed--
	}
}

// pick marks the next item to send and returns it: the newest that may be sent now, or the newest of the
// backlog if that is its turn. Without one it returns when one may become ready; zero means only
// a signal can tell.
func (s *Spool) pick(now time.Time, backlogsTurn bool) (e *entry, ready time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	trusted := s.unnamed == 0 || s.trust()
	var fresh, old *entry
	for _, e := range slices.Backward(s.queue) {
		if e.sending {
			continue
		}
		if at := s.readyAt(e, trusted); at.After(now) {
			if ready.IsZero() || at.Before(ready) {
				ready = at
			}
			continue
		}
		if isFresh := !e.swept && now.Sub(e.queued) < freshFor; !isFresh {
			old = e
		} else if fresh == nil {
			fresh = e
		}
		if old != nil || fresh != nil && !backlogsTurn {
			break
		}
	}
	e = fresh
	if e == nil || backlogsTurn && old != nil {
		e = old
	}
	if e == nil {
		return nil, s.clockCheck(now, ready, trusted)
	}
	e.sending = true
	return e, time.Time{}
}

// readyAt is when an entry may be sent: after its pause, and once it can be named.
func (s *Spool) readyAt(e *entry, trusted bool) time.Time {
	if e.name != "" || trusted || e.boot != s.boot {
		return e.notBefore
	}
	if at := e.queued.Add(s.cfg.ClockWait); at.After(e.notBefore) {
		return at
	}
	return e.notBefore
}

// clockInterval is how often the clock is asked while items wait for it.
const clockInterval = 10 * time.Second

// clockCheck brings ready forward if items wait for the clock.
func (s *Spool) clockCheck(now, ready time.Time, trusted bool) time.Time {
	if next := now.Add(clockInterval); !trusted && !ready.IsZero() && next.Before(ready) {
		return next
	}
	return ready
}

// load reads what is needed to send an entry that pick returned. Its name is fixed in the journal first.
func (s *Spool) load(e *entry) (Item, error) {
	rec, err := s.readRecord(e.seq)
	if errors.Is(err, os.ErrNotExist) {
		return Item{}, errGone
	}
	if err != nil {
		return Item{}, fmt.Errorf("read record of item %d: %w", e.seq, err)
	}
	path := s.files.path(fileName(e.seq, rec.Kind.Extension()))
	switch fi, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return Item{}, errGone
	case err != nil:
		return Item{}, err
	case fi.Size() != rec.Size:
		return Item{}, fmt.Errorf("%w: %d bytes on disk, %d in the journal", ErrPermanent, fi.Size(), rec.Size)
	}
	if err := s.fixName(e, &rec); err != nil {
		return Item{}, err
	}
	it := Item{Upload: rec.upload(), Kind: rec.Kind, open: openerOf(path)}
	if rec.Started != nil {
		it.Started = rec.Started.Time
	}
	return it, nil
}

// fixName names an item whose time was unknown when it was finished.
func (s *Spool) fixName(e *entry, rec *record) error {
	if rec.Name != "" {
		return nil
	}
	s.mu.Lock()
	s.name(rec)
	s.mu.Unlock()
	err := s.writeRecord(rec)
	if err == nil {
		err = s.files.syncDir()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.names.leave(rec.Camera, rec.Name)
		return s.explain("name an item in", err)
	}
	e.name = rec.Name
	s.unnamed--
	return nil
}

// openerOf opens a file at an offset, as often as it is called.
func openerOf(path string) func(int64) (io.ReadCloser, error) {
	return func(offset int64) (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
}

// retry gives an entry back to the queue until notBefore.
func (s *Spool) retry(e *entry, notBefore time.Time, why error) {
	s.mu.Lock()
	e.sending, e.notBefore = false, notBefore
	e.fault = why.Error()
	e.tries++
	s.mu.Unlock()
}

// release gives an entry back as if it had not been tried.
func (s *Spool) release(e *entry) {
	s.mu.Lock()
	e.sending = false
	s.mu.Unlock()
}

// sent removes an item that the store has acknowledged, or one whose files are gone. If the removal
// does not survive a power cut, the item is sent again, which is harmless.
func (s *Spool) sent(e *entry) {
	s.mu.Lock()
	s.take(e)
	s.names.leave(e.camera, e.name)
	s.bytes -= e.size
	s.mu.Unlock()
	err := s.files.remove(fileName(e.seq, e.kind.Extension()))
	if err == nil {
		err = s.files.remove(fileName(e.seq, recordExt))
	}
	if err != nil {
		s.log.Error("sent item not removed", zap.Uint64("item", e.seq), zap.Error(s.explain("remove from", err)))
	}
}
