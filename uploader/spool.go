package uploader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// The spool's own files beside the items, and wearName.
const (
	lockName  = "lock"
	bootsName = "boots.json"
)

// maxRecord is far above what a record can be; more is not ours.
const maxRecord = 64 << 10

var (
	errInUse = errors.New("in use by another process")
	errFull  = errors.New("spool.max_bytes is reached and nothing in it can be dropped")
)

// A Spool is the queue of finished recordings in one directory, and the place where unfinished
// ones are written. It belongs to one process at a time. Safe for concurrent use.
type Spool struct {
	cfg   Config
	clock Clock
	log   *zap.Logger
	files files
	boot  string
	lock  *os.File
	wake  chan struct{} // holds a token after something was queued

	mu          sync.Mutex
	seq         uint64   // the last number given out
	queue       []*entry // in the reverse of sending order; see entry.before
	quarantined []*entry // oldest first
	bytes       int64    // all data: queued, quarantined and reserved for recordings
	recording   int
	unnamed     int                   // entries of queue without a name
	strings     map[string]string     // shared by the entries
	lastEvent   map[string]eventOrder // by camera
	offsets     map[string]time.Duration
	names       nameSet
	sources     map[string]struct{} // of the copies that the sweep found finished
	dropped     map[camio.Kind]uint64
	refused     uint64 // quarantined since start
	wear        wear
}

// eventOrder is the number of an event's first item.
type eventOrder struct {
	event string
	order uint64
}

// OpenSpool makes the directory if needed, takes it for this process and sweeps it: what a crash left is
// completed, trimmed or quarantined, and everything whole is queued. Its errors are one line that says
// what to do.
func OpenSpool(cfg Config, clock Clock, log *zap.Logger) (*Spool, error) {
	return openSpool(cfg, clock, log, nil)
}

// openSpool is OpenSpool with a view on every change to the directory, for tests.
func openSpool(cfg Config, clock Clock, log *zap.Logger, before func(fileOp) error) (*Spool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Spool{
		cfg: cfg, clock: clock, log: log.Named("spool"), boot: bootID(),
		files:     files{dir: cfg.Dir, before: before},
		wake:      make(chan struct{}, 1),
		strings:   map[string]string{},
		lastEvent: map[string]eventOrder{},
		offsets:   map[string]time.Duration{},
		names:     newNameSet(),
		sources:   map[string]struct{}{},
		dropped:   map[camio.Kind]uint64{},
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, s.explain("open", err)
	}
	lock, err := lockFile(s.files.path(lockName))
	if err != nil {
		return nil, s.explain("open", err)
	}
	s.lock = lock
	if s.files.memory = inMemory(cfg.Dir); s.files.memory {
		s.cfg.MaxBytes = memoryShare(cfg.MaxBytes)
		s.log.Info("the spool is in memory: what waits in it is lost with the power", zap.Stringer("max_bytes", s.cfg.MaxBytes))
	}
	s.readWear()
	s.readBoots()
	if err := s.sweep(); err != nil {
		return nil, errors.Join(s.explain("sweep", err), s.Close())
	}
	s.makeRoom(0)
	return s, nil
}

// Close gives the directory free for another process. Recordings still being written are left as a crash
// would leave them.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.reckon(time.Now())
	s.mu.Unlock()
	s.saveWear()
	return s.lock.Close()
}

// Create begins a recording: its journal record is on disk before Create returns. Items of one camera with
// the same Event belong together. The caller ends it by Finish or Discard. If an earlier process finished a copy of m.Source that
// was not sent when this one began, the error is fs.ErrExist.
func (s *Spool) Create(m camio.Media) (*Recording, error) {
	if m.Camera == "" || !knownKind(m.Kind) {
		return nil, fmt.Errorf("record for the spool: camera %q, kind %q", m.Camera, m.Kind)
	}
	s.makeRoom(0)
	s.keepWear(time.Now())
	rec := newRecord(m)
	s.mu.Lock()
	if _, ok := s.sources[m.Source]; ok {
		s.mu.Unlock()
		return nil, fmt.Errorf("copy of %s: %w", m.Source, fs.ErrExist)
	}
	s.seq++
	rec.Seq, rec.Boot = s.seq, s.boot
	rec.Order = s.orderOf(m, rec.Seq)
	s.recording++
	s.trust()
	s.mu.Unlock()

	f, err := s.begin(&rec)
	if err != nil {
		s.mu.Lock()
		s.recording--
		s.mu.Unlock()
		return nil, s.explain("begin a recording in", err)
	}
	return newRecording(s, rec, f), nil
}

// begin puts the first files of an item on disk.
func (s *Spool) begin(rec *record) (*os.File, error) {
	if err := s.writeRecord(rec); err != nil {
		return nil, err
	}
	f, err := s.files.create(fileName(rec.Seq, partExt))
	if err != nil {
		return nil, errors.Join(err, s.files.remove(fileName(rec.Seq, recordExt)))
	}
	if err := s.files.syncDir(); err != nil {
		return nil, errors.Join(err, f.Close(), s.removeFiles(rec.Seq))
	}
	return f, nil
}

// orderOf is the number of the first item of m's event, which is seq if m begins one.
func (s *Spool) orderOf(m camio.Media, seq uint64) uint64 {
	if m.Event == "" {
		return seq
	}
	if last := s.lastEvent[m.Camera]; last.event == m.Event {
		return last.order
	}
	s.lastEvent[m.Camera] = eventOrder{m.Event, seq}
	return seq
}

// writeRecord puts rec into the journal; old items make room if the disk is full.
func (s *Spool) writeRecord(rec *record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	for {
		err = s.files.replace(fileName(rec.Seq, recordExt), b)
		if !isFull(err) || !s.dropOne() {
			return err
		}
	}
}

func (s *Spool) readRecord(seq uint64) (record, error) {
	b, err := s.files.readAll(fileName(seq, recordExt), maxRecord)
	if err != nil {
		return record{}, err
	}
	return parseRecord(b, seq)
}

// removeFiles deletes all that an item may have, the record last.
func (s *Spool) removeFiles(seq uint64) error {
	var errs []error
	for _, ext := range []string{partExt, camio.KindClip.Extension(), camio.KindSnapshot.Extension()} {
		errs = append(errs, s.files.remove(fileName(seq, ext)))
	}
	return errors.Join(append(errs, s.files.remove(fileName(seq, recordExt)))...)
}

// explain turns a fault of the directory into one line that says what to do.
func (s *Spool) explain(doing string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, errInUse):
		advice = "; is camward running already?"
	case isFull(err):
		advice = "; the disk is full: free some of it, or move spool.dir"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		advice = "; make it writable for this user, or set spool.dir to a directory that is"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrNotExist):
		advice = "; set spool.dir to a directory that can be made"
	}
	return fmt.Errorf("%s spool %s: %w%s", doing, s.cfg.Dir, err, advice)
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// signal tells the uploader that something was queued.
func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
