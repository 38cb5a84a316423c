package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A watch sees what a process does in directories: inotify(7) tells of every file opened, made, renamed and removed, in order and
// whether or not the process lives on.
type watch struct {
	f      *os.File
	events chan fileEvent
	dirs   map[int32]string
	aside  string // a directory for the test's own marks in the stream of events
	marks  int
}

type fileEvent struct {
	at   time.Time
	mask uint32
	dir  string
	name string // empty for the directory itself
}

func (e fileEvent) is(mask uint32) bool { return e.mask&mask != 0 }

func startWatch(t *testing.T, dirs ...string) *watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal("inotify_init1:", err)
	}
	w := &watch{f: os.NewFile(uintptr(fd), "inotify"), events: make(chan fileEvent, 1024), dirs: map[int32]string{}, aside: t.TempDir()}
	for _, dir := range append(dirs, w.aside) {
		wd, err := unix.InotifyAddWatch(fd, dir, unix.IN_OPEN|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE)
		if err != nil {
			t.Fatal("inotify_add_watch:", err)
		}
		w.dirs[int32(wd)] = dir
	}
	go w.read()
	t.Cleanup(func() {
		w.f.Close()
		for range w.events {
		}
	})
	return w
}

func (w *watch) read() {
	defer close(w.events)
	buf := make([]byte, 64<<10)
	for {
		n, err := w.f.Read(buf)
		if err != nil {
			return // closed
		}
		at := time.Now()
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00"))
			b = b[end:]
			w.events <- fileEvent{at: at, mask: mask, dir: w.dirs[wd], name: name}
		}
	}
}

// settle gives see all events up to now; nil drops them.
func (w *watch) settle(t *testing.T, see func(fileEvent)) {
	t.Helper()
	w.marks++
	mark := fmt.Sprint(w.marks)
	if err := os.WriteFile(filepath.Join(w.aside, mark), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-w.events:
			switch {
			case e.is(unix.IN_Q_OVERFLOW):
				t.Fatal("inotify: events were lost")
			case e.dir == w.aside && e.name == mark:
				os.Remove(filepath.Join(w.aside, mark))
				return
			case see != nil && e.dir != w.aside:
				see(e)
			}
		case <-limit:
			t.Fatal("inotify is silent")
		}
	}
}
