package dropfolder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/internal/atomicfile"
)

const (
	// copyStep is how much is read and written at a time.
	copyStep = 256 << 10
	// syncEvery bounds what Finish has left to write, so that a slow card does not stall other writers for long.
	syncEvery = 4 << 20
)

// usage is what is known of a file's writers.
type usage int

const (
	unknown usage = iota
	closed        // no process has it open for writing
	writing
)

// errChanged says that a file was changed, replaced or removed while it was being taken.
var errChanged = errors.New("changed meanwhile")

// consider looks at a file and takes it, refuses it, or says when to look again.
func (w *Watcher) consider(ctx context.Context, root *os.Root, c *candidate) {
	if c.spooled {
		w.remove(root, c)
		return
	}
	fi, err := root.Lstat(c.path)
	if err != nil || !fi.Mode().IsRegular() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.failed("look at "+strconv.Quote(c.path), err)
		}
		delete(w.pending, c.path) // a later scan or notification brings it back
		return
	}
	w.see(c, fi)
	if has(w.refused, refusalKey(c.path, fi)) {
		delete(w.pending, c.path)
		return
	}
	f, err := openRegular(root, c.path, fi)
	if err != nil {
		w.postpone(c, err)
		return
	}
	defer f.Close() // only read
	what, ready := w.finished(c, f)
	if !ready {
		return
	}
	if !c.sure && w.clocks.mono()-c.first < patience {
		w.later(c, pollEvery)
		return
	}
	if err := w.take(ctx, root, c, f, what); err != nil && ctx.Err() == nil {
		w.postpone(c, err)
	}
}

func (w *Watcher) later(c *candidate, d time.Duration) { c.look = w.clocks.mono() + d }

// postpone plans the next attempt after a fault. One of the spool stops the other files too for a while, but not
// for as long as this one: it may be the only one that does not fit.
func (w *Watcher) postpone(c *candidate, err error) {
	if errors.Is(err, errChanged) || errors.Is(err, fs.ErrNotExist) {
		w.later(c, again)
		return
	}
	doing, pause := "take over "+strconv.Quote(c.path), again
	if se := (*spoolError)(nil); errors.As(err, &se) {
		pause = min(again<<min(w.faults, 8), maxPause)
		w.pause = w.clocks.mono() + pause
		w.faults++
		doing = "take over a file"
	}
	w.later(c, max(2*pause, min(again<<min(c.faults, 16), patience)))
	c.faults++
	c.retry = c.look
	w.failed(doing, err)
}

// A spoolError is a fault of the spool, not of the file.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

// openRegular opens the file that fi describes, and nothing else that may have come in its place: no
// link is followed, and no pipe can block.
func openRegular(root *os.Root, path string, fi fs.FileInfo) (*os.File, error) {
	f, err := root.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(fi, now) {
		err = errChanged
	}
	if err != nil {
		f.Close() // only read
		return nil, err
	}
	return f, nil
}

// finished decides whether the open file is a whole recording that nobody will write to any more. If it is not,
// the candidate has its next look, or was refused.
func (w *Watcher) finished(c *candidate, f *os.File) (what content, ok bool) {
	quiet := w.clocks.mono() - c.since
	use := unknown
	if !w.far {
		use = w.usage(f)
	}
	if c.fi.Size() > int64(w.cfg.MaxBytes) {
		if use == writing || quiet < w.cfg.Settle {
			w.later(c, w.cfg.Settle)
			return content{}, false
		}
		w.refuse(c, fmt.Errorf("its %d bytes are more than max_bytes, %v", c.fi.Size(), w.cfg.MaxBytes))
		return content{}, false
	}
	switch {
	case use == writing && quiet < patience:
		w.later(c, max(again, min(quiet/4, pollEvery)))
		return content{}, false
	case use == unknown && quiet < w.cfg.Settle:
		w.later(c, w.cfg.Settle-quiet)
		return content{}, false
	}
	what, err := inspect(f, c.fi.Size())
	switch {
	case err != nil && quiet >= patience:
		w.refuse(c, err)
	case err != nil:
		if quiet >= w.cfg.Settle && !c.told {
			c.told = true
			w.log.Info("waiting for the rest of a file", zap.String("file", strconv.Quote(c.path)), zap.Error(err))
		}
		w.later(c, max(again, min(quiet/2, time.Minute, patience-quiet)))
	case what.open && quiet < w.cfg.Settle:
		w.later(c, w.cfg.Settle-quiet)
	default:
		return what, true
	}
	return content{}, false
}

// refuse leaves a file for good, unless it changes.
func (w *Watcher) refuse(c *candidate, reason error) {
	delete(w.pending, c.path)
	if len(w.refused) < maxRefused {
		w.refused[refusalKey(c.path, c.fi)] = struct{}{}
	}
	w.mu.Lock()
	w.status.LastError = fmt.Sprintf("%q refused: %v", c.path, reason)
	w.mu.Unlock()
	w.log.Warn("file refused, it stays where it is", zap.String("file", strconv.Quote(c.path)), zap.Error(reason))
}

// take copies the open file into the spool and removes it.
func (w *Watcher) take(ctx context.Context, root *os.Root, c *candidate, f *os.File, what content) error {
	dir, name := filepath.Split(c.path)
	claim, id := name, claimed(name)
	if id == "" {
		id = rand.Text()
		claim = claimPrefix + id + strings.ToLower(filepath.Ext(name))
	}
	rec, err := w.spool.Create(camio.Media{
		Camera: w.cfg.Camera, Kind: what.kind, Mono: c.at - what.length, Source: id, Length: what.length,
	})
	if errors.Is(err, fs.ErrExist) && claim == name {
		w.log.Info("file is in the spool already", zap.String("file", strconv.Quote(c.path)))
		c.spooled = true
		w.remove(root, c)
		return nil
	}
	if err != nil {
		return &spoolError{err}
	}
	if err := w.claim(root, c, dir+claim); err != nil {
		return errors.Join(err, rec.Discard())
	}
	if err := w.copy(ctx, root, c, f, rec); err != nil {
		return errors.Join(err, rec.Discard())
	}
	if err := rec.Finish(what.length); err != nil {
		return &spoolError{err}
	}
	w.log.Info("file taken over", zap.String("file", strconv.Quote(dir+name)), zap.String("kind", string(what.kind)),
		zap.Int64("bytes", c.fi.Size()), zap.Duration("length", what.length))
	c.spooled = true
	w.fault, w.faults = "", 0
	w.mu.Lock()
	w.status.Taken++
	w.status.LastError = ""
	w.mu.Unlock()
	w.remove(root, c)
	return nil
}

// claim renames a file to path, so that its writer cannot put another in its place.
func (w *Watcher) claim(root *os.Root, c *candidate, path string) error {
	if path == c.path {
		return nil
	}
	if err := root.Rename(c.path, path); err != nil {
		return err
	}
	delete(w.pending, c.path)
	c.path = path
	w.pending[path] = c
	return nil
}

// copy writes the claimed file into rec. It must be the one that was found whole, before and after.
func (w *Watcher) copy(ctx context.Context, root *os.Root, c *candidate, f *os.File, rec Recording) error {
	for at, synced := int64(0), int64(0); at < c.fi.Size(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(w.buf[:min(int64(len(w.buf)), c.fi.Size()-at)], at)
		if n == 0 || err != nil && err != io.EOF {
			return fmt.Errorf("read %q at %d: %w", c.path, at, readFault(err))
		}
		if _, err := rec.Write(w.buf[:n]); err != nil {
			return &spoolError{err}
		}
		if at += int64(n); at-synced >= syncEvery {
			if err := rec.Sync(); err != nil {
				return &spoolError{err}
			}
			synced = at
		}
	}
	now, err := root.Lstat(c.path)
	if err != nil || !sameState(c.fi, now) || !w.far && w.usage(f) == writing && w.clocks.mono()-c.since < patience {
		return errChanged
	}
	return nil
}

// readFault names what a read without bytes means.
func readFault(err error) error {
	if err == nil || err == io.EOF {
		return errChanged
	}
	return err
}

// remove deletes a file that the spool has, for good.
func (w *Watcher) remove(root *os.Root, c *candidate) {
	err := root.Remove(c.path)
	if err == nil {
		err = atomicfile.SyncDir(filepath.Join(w.cfg.Dir, filepath.Dir(c.path)))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.later(c, maxPause)
		w.failed("remove "+strconv.Quote(c.path), err)
		return
	}
	delete(w.pending, c.path)
}
