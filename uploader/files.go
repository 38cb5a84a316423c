package uploader

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"camward/internal/atomicfile"
)

// A fileOp is one change that the spool makes to its directory.
type fileOp struct {
	Op     string // create, write, sync, truncate, rename, remove, syncdir
	Name   string // in the directory
	To     string // of a rename
	Offset int64  // of a write; the size of a truncate
	Data   []byte // of a write; not to be kept or changed
}

// files makes every change to the spool's directory, so that a test can see and refuse each one and
// reckon what a power cut after it would have left.
type files struct {
	dir     string
	memory  bool               // there is no disk to wear
	written atomic.Int64       // bytes to the disk since start
	before  func(fileOp) error // called before each change; nil outside tests
}

func (d *files) path(name string) string { return filepath.Join(d.dir, name) }

func (d *files) check(op fileOp) error {
	if d.before == nil {
		return nil
	}
	return d.before(op)
}

// create makes a file that must not exist yet.
func (d *files) create(name string) (*os.File, error) {
	if err := d.check(fileOp{Op: "create", Name: name}); err != nil {
		return nil, err
	}
	return os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
}

func (d *files) writeAt(f *os.File, b []byte, offset int64) (int, error) {
	if err := d.check(fileOp{Op: "write", Name: filepath.Base(f.Name()), Offset: offset, Data: b}); err != nil {
		return 0, err
	}
	n, err := f.WriteAt(b, offset)
	if !d.memory {
		d.written.Add(int64(n))
	}
	return n, err
}

func (d *files) sync(f *os.File) error {
	if err := d.check(fileOp{Op: "sync", Name: filepath.Base(f.Name())}); err != nil {
		return err
	}
	return f.Sync()
}

func (d *files) truncate(f *os.File, size int64) error {
	if err := d.check(fileOp{Op: "truncate", Name: filepath.Base(f.Name()), Offset: size}); err != nil {
		return err
	}
	return f.Truncate(size)
}

func (d *files) rename(from, to string) error {
	if err := d.check(fileOp{Op: "rename", Name: from, To: to}); err != nil {
		return err
	}
	return os.Rename(d.path(from), d.path(to))
}

// remove deletes a file; one that is not there is fine.
func (d *files) remove(name string) error {
	if err := d.check(fileOp{Op: "remove", Name: name}); err != nil {
		return err
	}
	if err := os.Remove(d.path(name)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

func (d *files) syncDir() error {
	if err := d.check(fileOp{Op: "syncdir"}); err != nil {
		return err
	}
	return atomicfile.SyncDir(d.dir)
}

// replace gives a small file new contents: name.tmp is written, synced, closed and renamed. The
// rename survives a power cut only after the next syncDir; until then it is the old contents or the new.
func (d *files) replace(name string, data []byte) error {
	tmp := name + tempExt
	if err := d.remove(tmp); err != nil {
		return err
	}
	f, err := d.create(tmp)
	if err != nil {
		return err
	}
	_, err = d.writeAt(f, data, 0)
	if err == nil {
		err = d.sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.rename(tmp, name)
	}
	if err != nil {
		os.Remove(d.path(tmp)) // best effort: a sweep removes it too
	}
	return err
}

// readAll returns a file's contents unless it is larger than limit.
func (d *files) readAll(name string, limit int64) ([]byte, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	return b, err
}
