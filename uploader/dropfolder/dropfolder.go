package dropfolder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"camward/camio"
)

// A Spool takes recordings over. Create begins one, of which Camera, Kind, Mono, Length and Source are set: the
// agent adds the camera's CameraID and Mode. An error that is fs.ErrExist says that the spool has a finished
// recording of the same Source already; after any other nothing was begun, and it is tried again. Create is
// called from one goroutine, for one recording at a time.
type Spool interface {
	Create(m camio.Media) (Recording, error)
}

// A Recording is one file being written. What was written survives a power cut once Finish returned nil; it
// ends the recording, with a clip's length or 0, even if it fails. Exactly one of Finish and
// Discard is called, once. Discard leaves nothing behind.
type Recording interface {
	io.Writer
	Sync() error
	Finish(length time.Duration) error
	Discard() error
}

const (
	// quick is how soon a file is looked at that something happened to: writers close a file right
	// after its last byte.
	quick = 100 * time.Millisecond
	// again is the least time between two looks at a file that is being written, and the first pause after
	// a fault.
	again = time.Second
	// pollEvery is how often a directory is looked through that notifies of nothing or is not there.
	pollEvery = 10 * time.Second
	// pollShare keeps scans of a large tree below a twentieth of the time.
	pollShare = 20
	// deafFor is how long a folder is scanned after its tree had more directories than may be watched.
	deafFor = time.Hour
	// patience is how long a file may be unfinished without any change.
	patience = 10 * time.Minute
	// maxPause is the longest rest after faults of the spool; it begins with again and doubles. A file's own
	// rest grows up to patience.
	maxPause = 30 * time.Second
	// maxPending bounds the files that memory holds; the oldest come first, the others when these are gone.
	maxPending = 4096
	// maxRefused bounds the files known as refused, of which 16 bytes are kept.
	maxRefused = 1 << 16
)

// Status is what a person wants to know of a folder.
type Status struct {
	Dir       string `json:"dir"`
	Camera    string `json:"camera"`
	Present   bool   `json:"present"`              // the directory is there
	Notify    bool   `json:"notify"`               // the file system tells of changes; if not, it is scanned
	Taken     uint64 `json:"taken"`                // files taken over since start
	Waiting   int    `json:"waiting"`              // files seen and not finished or not taken yet; at most 4096
	Refused   int    `json:"refused"`              // files lying there that will not be taken
	LastError string `json:"last_error,omitempty"` // of the directory, a file or the spool; empty once something was taken
}

// A Watcher takes over the files of one directory. Run and Status may be called from different goroutines.
type Watcher struct {
	cfg    Config
	spool  Spool
	log    *zap.Logger
	clocks clocks
	silent bool // no notifications, as on file systems that have none
	usage  func(*os.File) usage
	room   int // maxPending

	notify  *fsnotify.Watcher     // nil if there are none
	deaf    time.Duration         // notifications are not asked for before
	far     bool                  // see remote
	pending map[string]*candidate // by path within Dir
	refused map[uint64]struct{}   // by refusalKey
	more    bool                  // there are files that pending had no room for
	scanAt  time.Duration         // monotonic, as all times below
	pause   time.Duration         // nothing is taken before
	faults  int                   // of the spool, in a row
	fault   string                // logged last and not over
	missing bool                  // logged
	buf     []byte

	mu     sync.Mutex
	status Status
}

// New validates cfg and wires a watcher. It does not touch the directory.
func New(cfg Config, spool Spool, log *zap.Logger) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if spool == nil {
		return nil, errors.New("dropfolder: no spool")
	}
	cfg.Dir = filepath.Clean(cfg.Dir)
	return &Watcher{
		cfg: cfg, spool: spool, clocks: systemClocks(), usage: usageOf, room: maxPending,
		log:    log.Named("dropfolder").With(zap.String("dir", cfg.Dir), zap.String("camera", cfg.Camera)),
		status: Status{Dir: cfg.Dir, Camera: cfg.Camera},
	}, nil
}

// Run takes files over until ctx ends, and returns ctx's cause. The file then being copied is left for the next
// run. Faults of the directory, its files and the spool are waited out. It leaves no goroutine behind and may be
// run again, but not twice at once.
func (w *Watcher) Run(ctx context.Context) error {
	w.pending, w.refused = map[string]*candidate{}, map[uint64]struct{}{}
	w.scanAt, w.pause, w.deaf, w.faults = 0, 0, 0, 0
	w.buf = make([]byte, copyStep)
	defer func() { w.buf = nil }()
	defer w.closeNotify()
	for ctx.Err() == nil {
		w.turn(ctx)
		w.publish()
		w.wait(ctx)
	}
	return context.Cause(ctx)
}

// turn does what is due: a scan, and one file.
func (w *Watcher) turn(ctx context.Context) {
	now := w.clocks.mono()
	c := w.due(now)
	if c == nil && now < w.scanAt {
		return
	}
	root, err := w.openRoot()
	if err != nil {
		w.absent(err)
		return
	}
	defer root.Close() // read only, and an open directory would keep a disk from being unmounted
	if now >= w.scanAt {
		w.scan(ctx, root)
		c = w.due(now)
	}
	if c != nil {
		w.consider(ctx, root, c)
	}
	if w.more && len(w.pending) < w.room/2 {
		w.scanAt = 0
	}
}

// due is the oldest file whose next look has come.
func (w *Watcher) due(now time.Duration) *candidate {
	var first *candidate
	if now < w.pause {
		return nil
	}
	for _, c := range w.pending {
		if c.look <= now && (first == nil || c.before(first)) {
			first = c
		}
	}
	return first
}

// wait returns when something is due or was notified, or when ctx ends.
func (w *Watcher) wait(ctx context.Context) {
	next := w.scanAt
	for _, c := range w.pending {
		next = min(next, max(c.look, w.pause))
	}
	timer := time.NewTimer(max(next-w.clocks.mono(), 0))
	defer timer.Stop()
	var events chan fsnotify.Event
	var faults chan error
	if w.notify != nil {
		events, faults = w.notify.Events, w.notify.Errors
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case ev := <-events:
		w.happened(ev)
		for range w.room { // what came with it, so that a flood costs one turn
			select {
			case ev := <-events:
				w.happened(ev)
				continue
			default:
			}
			break
		}
	case err := <-faults:
		// Events were lost, or a directory cannot be watched any more: look for yourself.
		w.log.Warn("notification lost, scanning", zap.Error(err))
		w.scanAt = 0
	}
}

// publish makes the state visible to Status.
func (w *Watcher) publish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Waiting, w.status.Refused = len(w.pending), len(w.refused)
	w.status.Present, w.status.Notify = !w.missing, w.notify != nil
}

// Status gives the present state.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// failed reports a fault; one that repeats is logged once.
func (w *Watcher) failed(doing string, err error) {
	text := fmt.Sprintf("%s: %v", doing, err)
	w.mu.Lock()
	w.status.LastError = text
	w.mu.Unlock()
	if text != w.fault {
		w.fault = text
		w.log.Warn("drop folder is stuck, trying again", zap.String("doing", doing), zap.Error(err))
	}
}

// absent notes that the directory is not there.
func (w *Watcher) absent(err error) {
	clear(w.pending)
	w.closeNotify()
	w.scanAt = w.clocks.mono() + pollEvery
	if w.missing {
		return
	}
	w.missing = true
	w.mu.Lock()
	w.status.LastError = err.Error()
	w.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		w.log.Info("directory is not there, waiting for it")
		return
	}
	w.log.Warn("directory cannot be opened, waiting for it", zap.Error(err))
}
