package dropfolder

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"camward/camio"
)

// bubble runs test in simulated time on a file system that notifies of nothing and grants no leases. The device
// is up for an hour; its clock shows the real time at the start.
func bubble(t *testing.T, test func(r *rig)) {
	real := time.Now()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()
		r.w.cfg.Settle = 5 * time.Second
		r.w.silent, r.limit = true, time.Hour
		r.w.clocks = clocks{
			wall:   func() time.Time { return real.Add(time.Since(start)) },
			mono:   func() time.Duration { return time.Hour + time.Since(start) },
			synced: func() bool { return true },
		}
		r.w.usage = func(*os.File) usage { return unknown }
		test(r)
		r.stop()
	})
}

func TestWithoutNotificationsTheFolderIsScanned(t *testing.T) {
	bubble(t, func(r *rig) {
		r.run()
		time.Sleep(time.Minute)
		if st := r.w.Status(); st.Notify || !st.Present {
			t.Errorf("%+v", st)
		}
		b := sample(t, "ordinary.mp4")
		began := time.Now()
		r.put("20261101/a.mp4", b)
		r.taken(b)
		if took := time.Since(began); took < 5*time.Second || took > pollEvery+6*time.Second {
			t.Errorf("taken after %v", took)
		}
		r.gone("20261101/a.mp4")
	})
}

func TestAFileThatKeepsGrowingIsLeftAlone(t *testing.T) {
	bubble(t, func(r *rig) {
		r.run()
		b := sample(t, "fragmented.mp4") // each fragment makes it whole
		f, err := os.Create(r.path("a.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		moofs := indexes(b, "moof")
		at := 0
		for _, end := range append(moofs[1:], len(b)+4) {
			if _, err := f.Write(b[at : end-4]); err != nil {
				t.Fatal(err)
			}
			at = end - 4
			time.Sleep(4 * time.Second)
		}
		if n := len(r.spool.all()); n > 0 {
			t.Errorf("%d taken while it was growing", n)
		}
		r.taken(b)
	})
}

// indexes lists where word is in b.
func indexes(b []byte, word string) (list []int) {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(word))
		if i < 0 {
			return list
		}
		list = append(list, at+i)
		at += i + 1
	}
}

func TestAFileThatIsNotWholeIsWaitedForAndThenRefused(t *testing.T) {
	bubble(t, func(r *rig) {
		b := sample(t, "picture.jpg")
		r.put("cut.jpg", b[:1000])
		r.put("cut.mp4", sample(t, "ordinary.mp4")[:3000])
		r.put("empty.jpg", nil)
		r.put("text.mp4", bytes.Repeat([]byte("hello\n"), 100))
		r.run()
		time.Sleep(9 * time.Minute)
		if st := r.w.Status(); st.Waiting != 4 || st.Refused != 0 {
			t.Errorf("after 9 minutes: %+v", st)
		}
		time.Sleep(2 * time.Minute)
		if st := r.w.Status(); st.Waiting != 0 || st.Refused != 4 || st.LastError == "" {
			t.Errorf("after 11 minutes: %+v", st)
		}
		time.Sleep(time.Hour)
		waiting, refused := r.logs.FilterMessageSnippet("waiting for the rest").Len(), r.logs.FilterMessageSnippet("refused").Len()
		if waiting != 4 || refused != 4 {
			t.Errorf("%d and %d lines logged, want 4 and 4", waiting, refused)
		}
		if left := r.left(); len(left) != 4 {
			t.Errorf("left: %v", left)
		}
		r.put("cut.jpg", b)
		r.taken(b)
		if err := os.Remove(r.path("text.mp4")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if st := r.w.Status(); st.Refused != 2 {
			t.Errorf("at the end: %+v", st)
		}
	})
}

func TestOnlyRegularFilesWithPicturesAndMoviesAreOpened(t *testing.T) {
	bubble(t, func(r *rig) {
		b := sample(t, "picture.jpg")
		outside := t.TempDir() + "/secret.jpg"
		if err := os.WriteFile(outside, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{".hidden.jpg", "a.jpg.part", "a.tmp", "a.txt", "a", ".upload/a.jpg", ".camward-x.jpg"} {
			r.put(name, b)
		}
		r.put("huge.mp4", nil)
		errs := errors.Join(
			os.Symlink(outside, r.path("link.jpg")),
			os.Symlink(t.TempDir(), r.path("linked")),
			unix.Mkfifo(r.path("pipe.jpg"), 0o600),
			unix.Mknod(r.path("socket.jpg"), unix.S_IFSOCK|0o600, 0),
			os.Mkdir(r.path("directory.jpg"), 0o700),
			os.Truncate(r.path("huge.mp4"), int64(r.w.cfg.MaxBytes)+1),
		)
		if errs != nil {
			t.Fatal(errs)
		}
		hostile := "new\nline\x1b[31m\xff.jpg"
		r.put(hostile, b)
		r.run()
		r.taken(b)
		time.Sleep(20 * time.Minute)
		if n := len(r.spool.all()); n != 1 {
			t.Errorf("%d files taken", n)
		}
		if st := r.w.Status(); st.Refused != 1 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
		for _, line := range r.logs.All() {
			if file, ok := line.ContextMap()["file"].(string); ok && (strings.ContainsAny(file, "\n\x1b") || !utf8.ValidString(file)) {
				t.Errorf("logged bare: %q", file)
			}
		}
	})
}

func TestAFloodIsTakenInOrderOfTimeWithBoundedMemory(t *testing.T) {
	const files = 500
	bubble(t, func(r *rig) {
		b := sample(t, "picture.jpg")
		base := r.w.clocks.wall().Add(-time.Hour / 2)
		for i := range files {
			name := fmt.Sprintf("%02d/%d.jpg", i%7, (i*7919)%files)
			r.put(name, b)
			at := base.Add(time.Duration(i) * time.Second)
			if err := os.Chtimes(r.path(name), at, at); err != nil {
				t.Fatal(err)
			}
		}
		r.w.room = 64
		most := 0
		r.spool.write = func(camio.Media) error {
			most = max(most, len(r.w.pending))
			return nil
		}
		r.run()
		var times []time.Duration
		for range files {
			times = append(times, r.next().Mono)
		}
		if !slices.IsSorted(times) {
			t.Error("not in order of time")
		}
		if most > 64 {
			t.Errorf("%d files in memory at a time", most)
		}
		r.until("all removed", func() bool { return len(r.left()) == 0 })
	})
}

func TestADirectoryMayComeLateAndVanish(t *testing.T) {
	bubble(t, func(r *rig) {
		b := sample(t, "picture.jpg")
		aside := r.dir + ".aside"
		if err := os.Remove(r.dir); err != nil {
			t.Fatal(err)
		}
		r.run()
		time.Sleep(10 * time.Minute)
		if st := r.w.Status(); st.Present || st.LastError == "" {
			t.Errorf("%+v", st)
		}
		r.put("a.jpg", b)
		r.taken(b)
		r.gone("a.jpg")
		if err := os.Rename(r.dir, aside); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if r.w.Status().Present {
			t.Error("still present")
		}
		if err := os.Rename(aside, r.dir); err != nil {
			t.Fatal(err)
		}
		r.put("b.jpg", b)
		r.taken(b)
		if st := r.w.Status(); !st.Present || st.LastError != "" {
			t.Errorf("%+v", st)
		}
		if n := r.logs.FilterMessageSnippet("not there").Len(); n != 2 {
			t.Errorf("logged %d times that it is not there, want 2", n)
		}
	})
}

func TestAFaultOfTheSpoolLosesNothing(t *testing.T) {
	full := errors.New("the spool is full")
	faults := map[string]func(s *memory, broken *atomic.Bool){
		"create": func(s *memory, broken *atomic.Bool) {
			s.fault = func(camio.Media) error { return when(broken.Load(), full) }
		},
		"write": func(s *memory, broken *atomic.Bool) {
			s.write = func(camio.Media) error { return when(broken.Load(), full) }
		},
	}
	for name, set := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				b := sample(t, "picture.jpg")
				var broken atomic.Bool
				broken.Store(true)
				set(r.spool, &broken)
				r.put("a.jpg", b)
				r.put("b.jpg", b)
				r.run()
				time.Sleep(30 * time.Minute)
				if st := r.w.Status(); st.Waiting != 2 || !strings.Contains(st.LastError, full.Error()) {
					t.Errorf("%+v", st)
				}
				if n := r.logs.FilterMessageSnippet("stuck").Len(); n != 1 {
					t.Errorf("logged %d times", n)
				}
				broken.Store(false)
				r.taken(b)
				r.taken(b)
				r.until("removed", func() bool { return len(r.left()) == 0 })
				if r.spool.open != 0 {
					t.Errorf("%d recordings left open", r.spool.open)
				}
			})
		})
	}
}

func when(on bool, err error) error {
	if on {
		return err
	}
	return nil
}

func TestAFileThatTheSpoolNeverTakesDoesNotStopTheOthers(t *testing.T) {
	bubble(t, func(r *rig) {
		picture, movie := sample(t, "picture.jpg"), sample(t, "ordinary.mp4")
		r.spool.fault = func(m camio.Media) error { return when(m.Kind == camio.KindClip, errors.New("too large")) }
		r.put("old.mp4", movie)
		old := r.w.clocks.wall().Add(-time.Minute)
		if err := os.Chtimes(r.path("old.mp4"), old, old); err != nil {
			t.Fatal(err)
		}
		r.run()
		for i := range 5 {
			time.Sleep(time.Minute)
			r.put(fmt.Sprint(i, ".jpg"), picture)
			r.taken(picture)
		}
		if left := r.left(); len(left) != 1 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestAMovieStartsItsLengthBeforeItsLastChange(t *testing.T) {
	bubble(t, func(r *rig) {
		r.put("a.mp4", sample(t, "ordinary.mp4"))
		at := r.w.clocks.wall().Add(-10 * time.Minute)
		if err := os.Chtimes(r.path("a.mp4"), at, at); err != nil {
			t.Fatal(err)
		}
		want := 50*time.Minute - 2500*time.Millisecond
		if it := r.run().next(); (it.Mono - want).Abs() > 5*time.Millisecond {
			t.Errorf("it starts at %v, want %v", it.Mono, want)
		}
	})
}

func TestAnUncertainTimeWaitsForTheClock(t *testing.T) {
	bubble(t, func(r *rig) {
		var synced atomic.Bool
		var step atomic.Int64
		wall := r.w.clocks.wall
		r.w.clocks.synced = func() bool { return synced.Load() }
		r.w.clocks.wall = func() time.Time { return wall().Add(time.Duration(step.Load())) }
		b := sample(t, "picture.jpg")
		r.put("before-boot.jpg", b)
		old := wall().Add(-48 * time.Hour)
		if err := os.Chtimes(r.path("before-boot.jpg"), old, old); err != nil {
			t.Fatal(err)
		}
		step.Store(int64(-24 * time.Hour)) // the clock went on where it was when the device was switched off
		r.run()
		time.Sleep(time.Minute)
		if n := len(r.spool.all()); n > 0 {
			t.Fatalf("%d files taken with an unknown time", n)
		}
		step.Store(0)
		synced.Store(true)
		if it, want := r.next(), time.Hour-48*time.Hour; (it.Mono - want).Abs() > time.Millisecond {
			t.Errorf("at %v, want %v", it.Mono, want)
		}
	})
}

func TestAStepOfTheClockDoesNotMoveAFileAlreadySeen(t *testing.T) {
	bubble(t, func(r *rig) {
		var step atomic.Int64
		wall := r.w.clocks.wall
		r.w.clocks.wall = func() time.Time { return wall().Add(time.Duration(step.Load())) }
		r.put("a.jpg", sample(t, "picture.jpg"))
		at := wall().Add(-10 * time.Minute)
		if err := os.Chtimes(r.path("a.jpg"), at, at); err != nil {
			t.Fatal(err)
		}
		r.run()
		time.Sleep(time.Second)
		step.Store(int64(3 * 365 * 24 * time.Hour))
		if it, want := r.next(), 50*time.Minute; (it.Mono - want).Abs() > time.Millisecond {
			t.Errorf("at %v, want %v", it.Mono, want)
		}
	})
}
