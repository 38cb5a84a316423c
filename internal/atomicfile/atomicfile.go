// Package atomicfile replaces files so that a reader, or a power cut at any moment, finds
// the old contents or the new ones and nothing between.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write makes data the contents of path with exactly the permissions perm. It writes a temporary
// file beside it, syncs and closes that, renames it into place and syncs the directory. On an error
// path is as it was, except when only the last step failed: then the new contents stand but may not
// survive a power cut. Concurrent calls are safe; the last rename wins.
func Write(path string, data []byte, perm os.FileMode) error {
	tmp, err := writeTemp(path, data, perm)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	if err := Rename(tmp, path); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, cause(err)), removeIfThere(tmp))
	}
	return nil
}

// cause takes the temporary file's name off an error: it is another each time, and what says a fault once would say it again.
func cause(err error) error {
	var pe *os.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}

// writeTemp returns the name of a synced file beside path that holds data.
func writeTemp(path string, data []byte, perm os.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return f.Name(), err
}

// Rename moves a synced file to another name in the same directory and syncs that directory.
func Rename(oldpath, newpath string) error {
	if err := os.Rename(oldpath, newpath); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(newpath))
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
