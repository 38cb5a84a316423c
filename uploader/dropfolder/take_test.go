package dropfolder

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"camward/camio"
	"camward/uploader"
)

func TestAStopInTheMiddleOfACopyLosesNothingAndRepeatsNothing(t *testing.T) {
	r := newRig(t)
	b := sample(t, "picture.jpg")
	r.put("a.jpg", b)
	copying, release := make(chan string), make(chan struct{})
	r.spool.write = func(m camio.Media) error {
		copying <- m.Source
		<-release
		return errors.New("cut off")
	}
	r.run()
	first := <-copying
	go close(release)
	r.stop()
	if left := r.left(); len(left) != 1 || left[0] != claimPrefix+first+".jpg" || r.spool.open != 0 {
		t.Fatalf("left %v, %d recordings open", left, r.spool.open)
	}
	r.spool.write = nil
	r.run()
	if it := r.taken(b); it.Source != first {
		t.Errorf("event %s, then %s", first, it.Source)
	}
	r.until("removed", func() bool { return len(r.left()) == 0 })
}

func TestAFileThatTheSpoolHasIsOnlyRemoved(t *testing.T) {
	r := newRig(t)
	id := rand.Text()
	r.spool.events[id] = true
	r.put("day/"+claimPrefix+id+".jpg", sample(t, "picture.jpg"))
	r.run()
	r.until("removed", func() bool { return len(r.left()) == 0 })
	if n := len(r.spool.all()); n != 0 {
		t.Errorf("%d files taken again", n)
	}
}

// A spool may fail to say that it finished what it did finish.
func TestAFinishThatFailedLateIsNotRepeated(t *testing.T) {
	r := newRig(t)
	r.spool.finish = func(camio.Media) error { return errors.New("sync: input/output error") }
	b := sample(t, "picture.jpg")
	r.put("a.jpg", b)
	r.run()
	r.taken(b)
	r.until("removed", func() bool { return len(r.left()) == 0 })
	if n := len(r.spool.all()); n != 1 {
		t.Errorf("%d recordings", n)
	}
}

func TestAFileThatIsChangedWhileItIsCopiedIsTakenAnew(t *testing.T) {
	r := newRig(t)
	short, long := sample(t, "picture.jpg"), append(sample(t, "picture.jpg"), 0, 0, 0)
	var once sync.Once
	r.spool.write = func(m camio.Media) error {
		once.Do(func() {
			f, err := os.OpenFile(r.path(claimPrefix+m.Source+".jpg"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = f.Write(long[len(short):])
			if err := errors.Join(err, f.Close()); err != nil {
				t.Error(err)
			}
		})
		return nil
	}
	r.put("a.jpg", short)
	r.run()
	r.taken(long)
	r.until("removed", func() bool { return len(r.left()) == 0 })
	if n := len(r.spool.all()); n != 1 || r.spool.open != 0 {
		t.Errorf("%d recordings, %d open", n, r.spool.open)
	}
}

func TestAFileThatIsReplacedWhileItIsCopiedIsTakenTwice(t *testing.T) {
	r := newRig(t)
	one, two := sample(t, "picture.jpg"), sample(t, "progressive.jpg")
	var once sync.Once
	r.spool.write = func(camio.Media) error {
		once.Do(func() {
			r.put("new.tmp", two)
			if err := os.Rename(r.path("new.tmp"), r.path("latest.jpg")); err != nil {
				t.Error(err)
			}
		})
		return nil
	}
	r.put("latest.jpg", one)
	r.run()
	r.taken(one)
	r.taken(two)
	r.until("removed", func() bool { return len(r.left()) == 0 })
}

func TestOfAFileReplacedAgainAndAgainTheLastIsTaken(t *testing.T) {
	r := newRig(t).running()
	pictures := [][]byte{sample(t, "picture.jpg"), sample(t, "progressive.jpg")}
	for i := range 200 {
		r.put("new.tmp", append(pictures[i%2], make([]byte, i)...))
		if err := os.Rename(r.path("new.tmp"), r.path("latest.jpg")); err != nil {
			t.Fatal(err)
		}
	}
	r.until("removed", func() bool { return len(r.left()) == 0 })
	all := r.spool.all()
	if !slices.ContainsFunc(all, func(it item) bool { return len(it.data) == len(pictures[1])+199 }) {
		t.Errorf("the last is not among the %d that were taken", len(all))
	}
}

func TestLostNotificationsMakeAScan(t *testing.T) {
	r := newRig(t)
	r.w.openNotify()
	defer r.w.closeNotify()
	r.w.scanAt = r.w.clocks.mono() + time.Hour
	go func() { r.w.notify.Errors <- fsnotify.ErrEventOverflow }()
	r.w.wait(t.Context())
	if r.w.scanAt > r.w.clocks.mono() {
		t.Error("no scan is due")
	}
}

func TestATreeThatCannotBeWatchedIsScanned(t *testing.T) {
	r := newRig(t)
	r.put("20261101/a.jpg", nil)
	r.w.pending = map[string]*candidate{}
	r.w.openNotify()
	r.w.notify.Close() // as if the kernel had no room for another watch
	for range 2 {
		root, err := r.w.openRoot()
		if err != nil {
			t.Fatal(err)
		}
		r.w.scan(t.Context(), root)
		root.Close()
		if r.w.notify != nil || r.w.scanAt > r.w.clocks.mono()+pollEvery || len(r.w.pending) != 1 {
			t.Errorf("%d files found, the next scan comes in %v", len(r.w.pending), r.w.scanAt-r.w.clocks.mono())
		}
	}
	r.w.deaf = 0
	r.w.openNotify()
	if r.w.notify == nil {
		t.Error("notifications are not asked for again")
	}
	r.w.closeNotify()
}

func TestADirectoryRenamedWithinTheFolderIsStillWatched(t *testing.T) {
	r := newRig(t)
	r.w.cfg.Scan = time.Second
	b := sample(t, "picture.jpg")
	r.running()
	r.put("one/a.jpg", b)
	r.taken(b)
	if err := os.Rename(r.path("one"), r.path("two")); err != nil {
		t.Fatal(err)
	}
	r.put("two/b.jpg", b)
	r.taken(b)
	r.put("two/c.jpg", b)
	r.taken(b)
	r.until("removed", func() bool { return len(r.left()) == 0 })
}

// adapter is what the agent puts between this package and the spool.
type adapter struct{ *uploader.Spool }

func (a adapter) Create(m camio.Media) (Recording, error) { return a.Spool.Create(m) }

type rightClock struct{ uploader.Clock }

func (c rightClock) Wall(mono time.Duration) (time.Time, bool) {
	at, _ := c.Clock.Wall(mono)
	return at, true
}

func TestARecordingInTheSpoolIsNamedByTheFilesTime(t *testing.T) {
	cfg := uploader.Default()
	cfg.Dir = filepath.Join(t.TempDir(), "spool")
	cfg.MaxPercent = 100
	spool, err := uploader.OpenSpool(cfg, rightClock{uploader.NewClock()}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	r := newRig(t)
	r.w.spool = adapter{spool}
	r.w.clocks.synced = func() bool { return true }
	want := map[string]string{}
	for name, at := range map[string]time.Time{
		"now.jpg":         time.Now().Add(-time.Minute),
		"before-boot.jpg": time.Date(2025, 3, 1, 12, 30, 15, 123456789, time.UTC),
		"movie.mp4":       time.Date(2025, 3, 1, 12, 30, 15, 999999999, time.UTC),
	} {
		b := sample(t, "picture.jpg")
		start := at
		if strings.HasSuffix(name, ".mp4") {
			b = sample(t, "ordinary.mp4")
			start = at.Add(-2500 * time.Millisecond)
		}
		r.put(name, b)
		if err := os.Chtimes(r.path(name), at, at); err != nil {
			t.Fatal(err)
		}
		want[camio.FormatTime(start.Truncate(time.Millisecond))] = name
	}
	r.run()
	r.until("all taken", func() bool { return r.w.Status().Taken == 3 })
	r.until("removed", func() bool { return len(r.left()) == 0 })
	for _, it := range spool.Items() {
		name := strings.TrimSuffix(strings.TrimSuffix(it.Name, ".jpeg"), ".mp4")
		if want[name] == "" {
			t.Errorf("unexpected name %s; want %v", it.Name, want)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestRunEndsAtOnceWithItsCause(t *testing.T) {
	r := newRig(t).running()
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("after %v", took)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.w.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A crash is a spool and a watcher that are left as they are: at each call the spool's directory and the folder are what the
// next start finds.
func TestACrashAtAnyMomentLeavesEachFileExactlyOnce(t *testing.T) {
	for _, name := range []string{"picture.jpg", "ordinary.mp4", "fragmented.mp4"} {
		for _, moment := range []string{"create", "write", "sync", "finish", "finished", "sent"} {
			t.Run(name+"/"+moment, func(t *testing.T) {
				b := sample(t, name)
				cfg := uploader.Default()
				cfg.Dir, cfg.MaxPercent = filepath.Join(t.TempDir(), "spool"), 100
				r := newRig(t)
				r.put(name, b)
				cut, sent := make(chan struct{}), ""
				func() {
					spool, err := uploader.OpenSpool(cfg, rightClock{uploader.NewClock()}, zap.NewNop())
					if err != nil {
						t.Fatal(err)
					}
					defer spool.Close()
					r.w.spool = crashing{spool, moment, cut, &sent}
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						defer func() { _ = recover() }()
						r.w.Run(ctx)
					}()
					<-cut
					cancel()
					<-ended
				}()
				spool, err := uploader.OpenSpool(cfg, rightClock{uploader.NewClock()}, zap.NewNop())
				if err != nil {
					t.Fatal(err)
				}
				defer spool.Close()
				r.w.spool = adapter{spool}
				r.run()
				r.until("removed", func() bool { return len(r.left()) == 0 })
				items := spool.Items()
				if len(items) != 1 || items[0].Size != int64(len(b)) || items[0].State != uploader.StateWaiting {
					t.Errorf("%+v", items)
				}
				if sent != "" && items[0].Name != sent {
					t.Errorf("sent as %s, then as %s", sent, items[0].Name)
				}
			})
		}
	}
}

// crashing is a spool whose caller dies at a moment.
type crashing struct {
	*uploader.Spool
	moment string
	cut    chan struct{}
	sent   *string // name of what left the spool before
}

func (c crashing) die(moment string) {
	if moment == c.moment {
		close(c.cut)
		panic("crash")
	}
}

func (c crashing) Create(m camio.Media) (Recording, error) {
	rec, err := c.Spool.Create(m)
	c.die("create")
	return crashingRecording{rec, c}, err
}

type crashingRecording struct {
	*uploader.Recording
	c crashing
}

func (r crashingRecording) Write(b []byte) (int, error) {
	n, err := r.Recording.Write(b[:len(b)*2/3])
	r.c.die("write")
	m, err2 := r.Recording.Write(b[n:])
	r.c.die("sync")
	return n + m, errors.Join(err, err2)
}

func (r crashingRecording) Finish(length time.Duration) error {
	r.c.die("finish")
	err := r.Recording.Finish(length)
	r.c.die("finished")
	it := r.c.Spool.Items()[0]
	*r.c.sent = it.Name
	if err := r.c.Spool.Drop(it.ID); err != nil {
		return err
	}
	r.c.die("sent")
	return err
}
