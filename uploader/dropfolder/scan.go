package dropfolder

import (
	"cmp"
	"context"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// maxDepth is how deep subdirectories are followed; dates make four levels.
const maxDepth = 16

// A candidate is a file that may become a recording.
type candidate struct {
	path    string        // within the directory
	fi      fs.FileInfo   // when last looked at
	first   time.Duration // when the file was first seen
	since   time.Duration // when it was first seen in the state fi
	at      time.Duration // monotonic time of its last change; see clocks.changed
	sure    bool          // at is known
	looked  time.Duration // the last look
	look    time.Duration // the next
	retry   time.Duration // none before
	faults  int           // in a row
	told    bool          // that it is waited for
	spooled bool          // only its removal is missing
}

// before orders by age, so that events come into the spool in the order in which they happened.
func (c *candidate) before(o *candidate) bool {
	return cmp.Or(c.fi.ModTime().Compare(o.fi.ModTime()), strings.Compare(c.path, o.path)) < 0
}

func sameState(a, b fs.FileInfo) bool {
	return a != nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// see notes the state that a file is in now.
func (w *Watcher) see(c *candidate, fi fs.FileInfo) {
	now := w.clocks.mono()
	if !sameState(c.fi, fi) {
		c.fi, c.since, c.told, c.sure = fi, now, false, false
	}
	if !c.sure {
		c.at, c.sure = w.clocks.changed(fi.ModTime(), c.since)
	}
	c.looked = now
}

// claimPrefix begins the names of files that are being taken over.
const claimPrefix = ".camward-"

// claimed returns the ID in the name of a file that was being taken over, or "".
func claimed(name string) string {
	id, ok := strings.CutPrefix(strings.TrimSuffix(name, filepath.Ext(name)), claimPrefix)
	if !ok || len(id) != idLength || strings.Trim(id, idAlphabet) != "" {
		return ""
	}
	return id
}

// What rand.Text makes.
const (
	idLength   = 26
	idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// wanted reports whether a file of that name is looked at.
func wanted(name string) bool {
	if strings.HasPrefix(name, ".") && claimed(name) == "" {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".mp4":
		return true
	}
	return false
}

var refusalSeed = maphash.MakeSeed()

// refusalKey stands for a file in the state in which it was refused.
func refusalKey(path string, fi fs.FileInfo) uint64 {
	return maphash.Comparable(refusalSeed, struct {
		path     string
		size, at int64
	}{path, fi.Size(), fi.ModTime().UnixNano()})
}

// happened takes a notification.
func (w *Watcher) happened(ev fsnotify.Event) {
	if ev.Name == w.cfg.Dir { // removed or renamed itself
		w.scanAt = 0
		return
	}
	path, err := filepath.Rel(w.cfg.Dir, ev.Name)
	if err != nil || !ev.Has(fsnotify.Create|fsnotify.Write) {
		return
	}
	now := w.clocks.mono()
	name := filepath.Base(path)
	if !wanted(name) {
		if ev.Has(fsnotify.Create) && !strings.HasPrefix(name, ".") {
			w.directory(ev.Name, now)
		}
		return
	}
	c := w.pending[path]
	switch {
	case c != nil:
		c.look = min(c.look, max(now+quick, c.looked+again, c.retry))
	case claimed(name) != "": // our own doing
	case len(w.pending) >= w.room:
		w.more = true
	default:
		if fi, err := os.Lstat(ev.Name); err == nil && fi.Mode().IsRegular() {
			w.add(path, fi, now+quick)
		}
	}
}

// add makes a candidate of a file just seen.
func (w *Watcher) add(path string, fi fs.FileInfo, look time.Duration) {
	c := &candidate{path: path, first: w.clocks.mono(), look: look}
	w.see(c, fi)
	w.pending[path] = c
}

// directory makes a scan due if a new name is that of a directory: it may have files already.
func (w *Watcher) directory(path string, now time.Duration) {
	if fi, err := os.Lstat(path); err == nil && fi.IsDir() {
		w.scanAt = min(w.scanAt, now+quick)
	}
}

// openRoot opens the directory, beyond which no path in it can lead.
func (w *Watcher) openRoot() (*os.Root, error) {
	root, err := os.OpenRoot(w.cfg.Dir)
	if err == nil && w.missing {
		w.missing, w.scanAt = false, 0
		w.mu.Lock()
		w.status.LastError = ""
		w.mu.Unlock()
		w.log.Info("directory is there")
	}
	return root, err
}

// openNotify asks for notifications, unless they would not tell all.
func (w *Watcher) openNotify() {
	w.far = remote(w.cfg.Dir)
	if w.far || w.silent {
		w.closeNotify()
		return
	}
	if w.notify != nil || w.clocks.mono() < w.deaf {
		return
	}
	n, err := fsnotify.NewWatcher()
	if err != nil {
		w.unnotified(err)
		return
	}
	w.notify = n
}

func (w *Watcher) closeNotify() {
	if w.notify != nil {
		w.notify.Close() // its error would be that of closing a descriptor that was only read
		w.notify = nil
	}
}

// found is a file that a scan met.
type found struct {
	path string
	fi   fs.FileInfo
}

// scan looks through the tree: directories are watched before they are read, so that nothing falls between, and
// the oldest files that pending has room for are noted.
func (w *Watcher) scan(ctx context.Context, root *os.Root) {
	began := w.clocks.mono()
	w.openNotify()
	w.more = false
	list, refused, err := w.walk(ctx, root)
	if err != nil {
		w.failed("scan", err)
	} else {
		w.refused = refused
	}
	now := w.clocks.mono()
	for _, f := range w.oldest(list) {
		w.add(f.path, f.fi, now)
	}
	every := w.cfg.Scan
	if w.notify == nil {
		every = min(every, max(pollEvery, pollShare*(now-began)))
	}
	w.scanAt = now + every
}

// oldest cuts list to what pending has room for.
func (w *Watcher) oldest(list []found) []found {
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return cmp.Or(a.fi.ModTime().Compare(b.fi.ModTime()), strings.Compare(a.path, b.path)) < 0
	})
	if room := max(w.room-len(w.pending), 0); len(list) > room {
		w.more = true
		list = slices.Delete(list, room, len(list))
	}
	return list
}

// walk lists the files that are neither pending nor refused, and those that still are refused. A directory that
// cannot be read is left out, and the first error returned.
func (w *Watcher) walk(ctx context.Context, root *os.Root) (list []found, refused map[uint64]struct{}, first error) {
	refused = map[uint64]struct{}{}
	dirs := []string{"."}
	for len(dirs) > 0 && ctx.Err() == nil {
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		w.watch(dir)
		err := eachEntry(root, dir, func(e fs.DirEntry) {
			path := filepath.Join(dir, e.Name())
			switch {
			case e.IsDir():
				if !strings.HasPrefix(e.Name(), ".") && strings.Count(path, string(filepath.Separator)) < maxDepth {
					dirs = append(dirs, path)
				}
				return
			case !e.Type().IsRegular() || !wanted(e.Name()) || w.pending[path] != nil:
				return
			}
			fi, err := root.Lstat(path)
			if err != nil || !fi.Mode().IsRegular() {
				return
			}
			if key := refusalKey(path, fi); has(w.refused, key) {
				refused[key] = struct{}{}
				return
			}
			if list = append(list, found{path, fi}); len(list) >= 2*w.room {
				list = w.oldest(list)
			}
		})
		if err != nil && first == nil && !os.IsNotExist(err) {
			first = err
		}
	}
	return list, refused, first
}

func has(set map[uint64]struct{}, key uint64) bool {
	_, ok := set[key]
	return ok
}

// watch asks for notifications from a directory. Without them for one there are none at all.
func (w *Watcher) watch(dir string) {
	if w.notify == nil {
		return
	}
	err := w.notify.Add(filepath.Join(w.cfg.Dir, dir))
	if err == nil || os.IsNotExist(err) {
		return
	}
	w.unnotified(err)
}

// unnotified makes do without notifications for a while.
func (w *Watcher) unnotified(err error) {
	w.closeNotify()
	w.deaf = w.clocks.mono() + deafFor
	w.log.Warn("changes cannot be watched, scanning instead", zap.Error(err))
}

// eachEntry lists a directory piece by piece.
func eachEntry(root *os.Root, dir string, visit func(fs.DirEntry)) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close() // only read
	for {
		entries, err := d.ReadDir(256)
		for _, e := range entries {
			visit(e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
