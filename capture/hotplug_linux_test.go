package capture

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// changed waits for a sign of the watch; without one in time there was none.
func changed(signs <-chan struct{}, within time.Duration) bool {
	select {
	case <-signs:
		for {
			select {
			case <-signs:
			case <-time.After(50 * time.Millisecond): // those that belong to the same change
				return true
			}
		}
	case <-time.After(within):
		return false
	}
}

func TestChangesInDevAreSeen(t *testing.T) {
	dev := t.TempDir()
	elsewhere := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(parts ...string) {
		t.Helper()
		must(os.WriteFile(filepath.Join(parts...), []byte("x"), 0o600))
	}
	write(dev, "null")
	signs, stop, err := watchNodes(dev, filepath.Join(elsewhere, "yard"))
	must(err)
	defer stop()
	byID := filepath.Join(dev, "v4l", "by-id")
	steps := []struct {
		name string
		do   func()
		want bool
	}{
		{"a node comes", func() { write(dev, "video0") }, true},
		{"it is given to a group", func() { must(os.Chmod(filepath.Join(dev, "video0"), 0o660)) }, true},
		{"what all write to is written to", func() { write(dev, "null") }, false},
		{"something else comes", func() { write(dev, "sda") }, false},
		{"udev makes its folders", func() { must(os.MkdirAll(byID, 0o755)) }, true},
		{"a link comes", func() { must(os.Symlink("../../video0", filepath.Join(byID, "usb-x-video-index0"))) }, true},
		{"the folders go", func() { must(os.RemoveAll(filepath.Join(dev, "v4l"))) }, true},
		{"and come again", func() { must(os.MkdirAll(byID, 0o755)) }, true},
		{"with a link", func() { must(os.Symlink("../../video0", filepath.Join(byID, "usb-x-video-index0"))) }, true},
		{"the node goes", func() { must(os.Remove(filepath.Join(dev, "video0"))) }, true},
		{"the configured link comes", func() { must(os.Symlink("nowhere", filepath.Join(elsewhere, "yard"))) }, true},
	}
	for _, s := range steps {
		s.do()
		within := 5 * time.Second
		if !s.want {
			within = 200 * time.Millisecond
		}
		if got := changed(signs, within); got != s.want {
			t.Errorf("%s: seen %v", s.name, got)
		}
	}
}

func TestAFolderThatIsNotThereCannotBeWatched(t *testing.T) {
	if _, _, err := watchNodes(filepath.Join(t.TempDir(), "dev"), ""); err == nil {
		t.Error("no error")
	}
}

// With the real watch, and time: a camera comes and goes, and nothing is left behind by it.
func TestReplugsLeaveNothingBehind(t *testing.T) {
	b := newBus(t)
	c := Default()
	c.Source = "name:webcam"
	cam, _, changes, _ := b.camera(c)
	cam.host.watch = func(configured string) (<-chan struct{}, func(), error) { return watchNodes(b.dev, configured) }
	stop := run(t, cam)
	defer stop()
	next(t, changes, 10*time.Second)
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	var open, routines int
	for i := range 22 {
		d := webcam()
		b.plug(logitech.at("video"+string(rune('0'+i%7)), "video9"), d)
		plugged := time.Now()
		if ch := next(t, changes, 10*time.Second); !ch.Found {
			t.Fatalf("told %+v", ch)
		}
		if took := time.Since(plugged); took > 2*time.Second {
			t.Errorf("plug %d: found after %v", i, took)
		}
		if i == 1 {
			open, routines = descriptors(), runtime.NumGoroutine()
		}
		if n, r := descriptors(), runtime.NumGoroutine(); i > 1 && (n > open+1 || r > routines+1) {
			t.Errorf("plug %d: %d descriptors and %d goroutines, there were %d and %d", i, n, r, open, routines)
		}
		b.unplug(logitech.port)
		if ch := next(t, changes, 10*time.Second); ch.Found {
			t.Fatalf("told %+v", ch)
		}
		if opens := b.opens(); opens > 40*(i+1) {
			t.Errorf("plug %d: opened %d times", i, opens)
		}
	}
}
