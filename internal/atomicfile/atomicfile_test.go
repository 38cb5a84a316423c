package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestWriteReplacesContentsAndPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	for _, tt := range []struct {
		data string
		perm os.FileMode
	}{{"first", 0o644}, {"second, longer", 0o600}, {"", 0o640}} {
		if err := Write(path, []byte(tt.data), tt.perm); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != tt.data {
			t.Errorf("read %q, %v; want %q", got, err, tt.data)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != tt.perm {
			t.Errorf("permissions %v, %v; want %v", fi.Mode().Perm(), err, tt.perm)
		}
	}
	onlyFile(t, path)
}

func TestFailedWriteLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "child"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x"), 0o600); err == nil {
		t.Fatal("a directory was replaced by a file")
	}
	onlyFile(t, path)
	if err := Write(filepath.Join(dir, "absent", "f"), []byte("x"), 0o600); err == nil {
		t.Fatal("wrote into a directory that does not exist")
	}
}

func TestReadersSeeOldOrNewContentsOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	states := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := Write(path, states[0], 0o600); err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 50 {
			if err := Write(path, states[i%2], 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	for range 200 {
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, states[0]) && !bytes.Equal(got, states[1]) {
			t.Fatalf("read %d bytes, %v: neither state", len(got), err)
		}
	}
	writer.Wait()
}

func TestRenameAndSyncDirNameWhatFailed(t *testing.T) {
	dir := t.TempDir()
	if err := Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); !os.IsNotExist(err) {
		t.Errorf("renamed a file that is not there: %v", err)
	}
	if err := SyncDir(filepath.Join(dir, "absent")); err == nil {
		t.Error("synced a directory that is not there")
	}
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 || names[0].Name() != filepath.Base(path) {
		t.Errorf("directory holds %v, %v; want only %s", names, err, filepath.Base(path))
	}
}

func TestTheSameFaultHasTheSameWords(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "child"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{taken, filepath.Join(dir, "absent", "state.json")} {
		first, second := Write(path, nil, 0o600), Write(path, nil, 0o600)
		if first == nil || second == nil || first.Error() != second.Error() {
			t.Errorf("a log that says each fault once would say both:\n%v\n%v", first, second)
		}
	}
	if err := Write(filepath.Join(dir, "absent", "state.json"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not what it was", err)
	}
}
