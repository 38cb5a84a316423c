package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/internal/atomicfile"
	"camward/uploader"
)

// TracesConfig says how much is kept of how the detector decided, for camward explain.
type TracesConfig struct {
	// Last is how far the traces of all pictures go back, in memory: 0s to 1h, default 5m, which take 230 KB a camera.
	Last time.Duration `yaml:"last"`
	// MaxBytes is the room in the state directory for the traces of events, of which the oldest go first: 0 for none, else 64KiB to 1GiB; default 8MiB.
	// At most four times as much is written in 24 hours.
	MaxBytes uploader.Bytes `yaml:"max_bytes"`
}

// Validate reports every fault, each under its key.
func (c TracesConfig) Validate() error {
	var errs []error
	if c.Last < 0 || c.Last > time.Hour {
		errs = append(errs, fmt.Errorf("traces.last: %v is outside 0s..1h", c.Last))
	}
	if c.MaxBytes != 0 && (c.MaxBytes < 64*uploader.KiB || c.MaxBytes > uploader.GiB) {
		errs = append(errs, fmt.Errorf("traces.max_bytes: %v is outside 64KiB..1GiB, and not 0", c.MaxBytes))
	}
	return errors.Join(errs...)
}

const (
	tracesFolder = "traces" // in the state directory
	traceEnding  = ".jsonl.gz"
	traceQueue   = 8 // events that wait to be written: a burst of a few cameras
	traceDay     = 24 * time.Hour
	traceShare   = 4 // so many times MaxBytes are written in a day at most
)

// A traceStore writes the traces of events into the state directory. What it cannot write is lost, and nothing else suffers.
type traceStore struct {
	dir   string
	most  int64
	wall  func(mono time.Duration) (time.Time, bool)
	queue chan *eventTraces
	log   *zap.Logger

	day     time.Time // when the day began in which so much was written
	written int64
	said    string // the last fault that was logged
}

func newTraceStore(c TracesConfig, stateDir string, wall func(time.Duration) (time.Time, bool), log *zap.Logger) *traceStore {
	return &traceStore{dir: filepath.Join(stateDir, tracesFolder), most: int64(c.MaxBytes), wall: wall, queue: make(chan *eventTraces, traceQueue), log: log.Named("traces")}
}

// take is for traceKeeper.done. It never blocks: what finds no room is lost.
func (s *traceStore) take(e *eventTraces) {
	if s.most == 0 {
		return
	}
	select {
	case s.queue <- e:
	default:
	}
}

// Run writes what comes until ctx ends.
func (s *traceStore) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e := <-s.queue:
			s.keep(e)
		}
	}
}

// drain writes what is left once Run and the cameras have stopped.
func (s *traceStore) drain() {
	for {
		select {
		case e := <-s.queue:
			s.keep(e)
		default:
			return
		}
	}
}

// keep writes an event's traces, and logs a fault once.
func (s *traceStore) keep(e *eventTraces) {
	err := s.write(e)
	switch {
	case err == nil:
		s.said = ""
	case err.Error() != s.said:
		s.said = err.Error()
		s.log.Warn("how an event came about is not kept", zap.String("event", e.Event), zap.Error(err))
	}
}

func (s *traceStore) write(e *eventTraces) error {
	if now := time.Now(); s.day.IsZero() || now.Sub(s.day) >= traceDay {
		s.day, s.written = now, 0
	}
	if s.written >= traceShare*s.most {
		return fmt.Errorf("%v were written in a day; more would wear the flash (traces.max_bytes)", uploader.Bytes(s.written))
	}
	if s.wall != nil {
		if t, ok := s.wall(e.Mono); ok {
			e.Started = t.UTC()
		}
	}
	var b bytes.Buffer
	if err := e.encode(&b); err != nil {
		return err
	}
	if int64(b.Len()) > s.most {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	files, err := traceFiles(s.dir)
	if err != nil {
		return err
	}
	number := uint64(1)
	if n := len(files); n > 0 {
		number = files[n-1].Number + 1
	}
	s.makeRoom(files, s.most-int64(b.Len()))
	if err := atomicfile.Write(filepath.Join(s.dir, fmt.Sprintf("%08d-%s%s", number, e.Event, traceEnding)), b.Bytes(), 0o600); err != nil {
		return err // not counted: a full disk wears no flash
	}
	s.written += int64(b.Len())
	return nil
}

// encode writes a trace file.
func (e *eventTraces) encode(b *bytes.Buffer) error {
	w := NewTraceWriter(b, true)
	err := w.Begin(e.TraceHeader)
	for _, t := range e.traces {
		err = errors.Join(err, w.Add(t))
	}
	if e.peak.near > 0 {
		p := e.peak.picture()
		err = errors.Join(err, w.Picture(&p))
	}
	return errors.Join(err, w.Close())
}

// makeRoom deletes the oldest files until the rest has no more than so many bytes, and what a power cut left of files that were being written.
func (s *traceStore) makeRoom(files []EventTrace, bytes int64) {
	left, _ := filepath.Glob(filepath.Join(s.dir, ".*.tmp")) // only a bad pattern is an error
	for _, name := range left {
		os.Remove(name) //nolint:errcheck // it is tried again
	}
	sum := int64(0)
	for _, f := range slices.Backward(files) {
		if sum += f.Size; sum > bytes {
			os.Remove(f.Path) //nolint:errcheck // it is tried again
		}
	}
}

// An EventTrace is a file with the traces of an event of this device.
type EventTrace struct {
	ID     string `json:"id"`
	Path   string `json:"path"`
	Size   int64  `json:"size"` // bytes
	Number uint64 `json:"-"`    // grows from event to event
}

// traceFiles lists the files of a folder, oldest first; none if there is no such folder.
func traceFiles(dir string) (list []EventTrace, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), traceEnding)
		digits, id, both := strings.Cut(name, "-")
		n, err := strconv.ParseUint(digits, 10, 64)
		info, statErr := e.Info()
		if ok && both && err == nil && statErr == nil {
			list = append(list, EventTrace{id, filepath.Join(dir, e.Name()), info.Size(), n})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Number < list[j].Number })
	return list, nil
}

// EventTraces lists the events of this device whose traces are kept, oldest first. The agent need not run.
func EventTraces(cfg *Loaded) ([]EventTrace, error) {
	return traceFiles(filepath.Join(cfg.StateDir, tracesFolder))
}

// FindEventTrace finds the event with that id, in any case, or that is the only one whose id begins so; "last" is the newest.
func FindEventTrace(list []EventTrace, id string) (EventTrace, error) {
	if len(list) == 0 {
		return EventTrace{}, errors.New("no traces of events are kept here; they are written when an event is over (traces.max_bytes)")
	}
	if id == "last" {
		return list[len(list)-1], nil
	}
	var found []EventTrace
	for _, e := range list {
		if strings.EqualFold(e.ID, id) {
			return e, nil
		}
		if len(id) < len(e.ID) && id != "" && strings.EqualFold(e.ID[:len(id)], id) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return EventTrace{}, fmt.Errorf("%s: neither a file nor an event whose traces are kept; camward explain lists those", id)
	case 1:
		return found[0], nil
	}
	return EventTrace{}, fmt.Errorf("%s: %d events begin so, from %s to %s", id, len(found), found[0].ID, found[len(found)-1].ID)
}
