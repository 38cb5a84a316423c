package capture

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// next waits for a change, at most d of bubble time.
func next(t *testing.T, changes <-chan Change, d time.Duration) Change {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(d):
		t.Fatalf("nothing was told within %v", d)
	}
	return Change{}
}

func TestAnUnpluggedCameraIsFoundAgainUnderAnotherNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		first := webcam()
		b.plug(logitech, first)
		c := Default()
		c.Source = "/dev/video0"
		cam, _, changes, _ := b.camera(c)
		stop := run(t, cam)
		defer stop()
		if ch := next(t, changes, time.Second); !ch.Found || ch.Card != "HD Webcam" || ch.Device != b.node("video0") || ch.Format.Width != 640 || ch.Err != nil || ch.Mono == 0 {
			t.Fatalf("told %+v", ch)
		}
		b.unplug("1-1.2")
		if ch := next(t, changes, 2*pollSlice); ch.Found || !errors.Is(ch.Err, ErrAbsent) || ch.Card != "HD Webcam" {
			t.Fatalf("told %+v", ch)
		}
		synctest.Wait()
		if !first.released() {
			t.Error("the camera that is gone is still open")
		}
		if st := cam.Status(); st.Running || !strings.Contains(st.LastError, "gone") {
			t.Errorf("status %+v", st)
		}
		b.plug(generic) // something else comes to its number, which carries no pictures
		time.Sleep(time.Minute)
		moved := logitech.at("video4", "video5")
		moved.port = "1-1.4"
		b.plug(moved, webcam())
		if ch := next(t, changes, 2*time.Second); !ch.Found || ch.Device != b.node("video4") {
			t.Errorf("told %+v", ch)
		}
		if len(changes) > 0 {
			t.Errorf("told twice: %+v", <-changes)
		}
	})
}

func TestAnotherCameraInItsPlaceIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		b.plug(logitech, webcam())
		c := Default()
		c.Source = "/dev/video0"
		cam, _, changes, logs := b.camera(c)
		stop := run(t, cam)
		defer stop()
		next(t, changes, time.Second)
		b.unplug("1-1.2")
		next(t, changes, time.Second)
		time.Sleep(time.Hour)
		b.plug(generic, webcam())
		if ch := next(t, changes, 2*time.Second); !ch.Found || ch.Card != "USB 2.0 Camera" {
			t.Errorf("told %+v", ch)
		}
		if logs.FilterMessage("another camera is in its place").Len() != 1 {
			t.Errorf("log %v", logs.All())
		}
	})
}

func TestTwoCamerasThatComeBackWithTheirNumbersChangedAreNotMixedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		b.plug(logitech, webcam())
		b.plug(generic.at("video2"), webcam())
		var cams []*Camera
		var told []chan Change
		for _, node := range []string{"video0", "video2"} {
			c := Default()
			c.Source = "/dev/" + node
			cam, _, changes, _ := b.camera(c)
			defer run(t, cam)()
			cams, told = append(cams, cam), append(told, changes)
			next(t, changes, time.Second)
		}
		b.unplug("1-1.2")
		b.unplug("1-1.3")
		for _, ch := range told {
			next(t, ch, time.Second)
		}
		b.plug(generic.at("video0"), webcam())
		b.plugs <- struct{}{} // for the other one
		next(t, told[1], 2*time.Second)
		b.plug(logitech.at("video2", "video3"), webcam())
		next(t, told[0], 8*time.Second)
		if a, b := cams[0].Status().Card, cams[1].Status().Card; a != "HD Webcam" || b != "USB 2.0 Camera" {
			t.Errorf("%s and %s", a, b)
		}
	})
}

func TestACameraWithTheSameSerialNumberIsTakenOnlyIfNobodyElseTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		b.plug(logitech, webcam()) // a hub restarts, and its first camera is there before the second
		c := Default()
		c.Source = "/dev/video2"
		cam, _, _, _ := b.camera(c)
		cam.known = known{identity: identity{"046d:0825", "A1B2", "1-1.3", 0}, card: "HD Webcam"}
		began := time.Now()
		if at, err := cam.locate(t.Context()); err != nil || at.path != b.node("video0") || time.Since(began) != movedAfter {
			t.Errorf("%+v, %v after %v", at, err, time.Since(began))
		}
		cam.host.pid = 7
		cam.host.proc = fstest.MapFS{"7/fd/5": &fstest.MapFile{Data: []byte(b.node("video0")), Mode: fs.ModeSymlink}}
		if at, err := cam.locate(t.Context()); !errors.Is(err, ErrAbsent) {
			t.Errorf("that which another one has open: %+v, %v", at, err)
		}
		second := logitech.at("video4")
		second.port = "1-1.3"
		b.plug(second, webcam())
		began = time.Now()
		if at, err := cam.locate(t.Context()); err != nil || at.path != b.node("video4") || time.Since(began) != 0 {
			t.Errorf("%+v, %v after %v", at, err, time.Since(began))
		}
	})
}

func TestANodeThatMayNotBeOpenedYetIsOpenedAsSoonAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		c := Default()
		c.Source = "/dev/video0"
		cam, _, changes, logs := b.camera(c)
		stop := run(t, cam)
		defer stop()
		if ch := next(t, changes, time.Second); ch.Found || !errors.Is(ch.Err, ErrAbsent) || ch.Device != "" {
			t.Fatalf("told %+v", ch)
		}
		time.Sleep(time.Minute)
		b.denied = true
		b.plug(logitech, webcam())
		time.Sleep(700 * time.Millisecond)
		b.mu.Lock()
		b.denied = false // without a sign
		b.mu.Unlock()
		if ch := next(t, changes, 200*time.Millisecond); !ch.Found {
			t.Errorf("told %+v", ch)
		}
		if logs.FilterMessage("camera failed").Len() != 1 {
			t.Errorf("log %v", logs.All())
		}
	})
}

func TestWithoutPermissionItIsToldOnceAndTriedEverMoreSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		b.denied = true
		b.plug(logitech, webcam())
		<-b.plugs
		c := Default()
		c.Source = "/dev/video0"
		cam, _, changes, logs := b.camera(c)
		stop := run(t, cam)
		time.Sleep(time.Minute)
		if ch := next(t, changes, time.Second); ch.Found || !errors.Is(ch.Err, unix.EACCES) {
			t.Errorf("told %+v", ch)
		}
		if said := logs.FilterMessage("camera failed").All(); len(said) != 1 || !strings.Contains(said[0].ContextMap()["error"].(string), "usermod") {
			t.Errorf("log %v", said)
		}
		if n := b.opens(); n < 40 || n > 60 { // 3 s of ten a second, then up to 5 s apart
			t.Errorf("opened %d times in a minute", n)
		}
		b.allow()
		if ch := next(t, changes, 200*time.Millisecond); !ch.Found {
			t.Errorf("told %+v", ch)
		}
		stop()
	})
}

func TestPausesGrowWithTheKindOfFault(t *testing.T) {
	ms := time.Millisecond
	tests := []struct {
		name   string
		change func(*driver)
		want   []time.Duration // between attempts
	}{
		{"fault", func(d *driver) { d.fail[vidiocStreamon] = unix.EIO }, []time.Duration{250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}},
		{"busy", func(d *driver) { d.fail[vidiocSFmt] = unix.EBUSY }, []time.Duration{250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}},
		{"no format", func(d *driver) { d.offered = []DeviceFormat{{FourCC: "HEVC"}} }, []time.Duration{250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBus(t)
				d := webcam()
				tt.change(d)
				b.plug(logitech, d)
				<-b.plugs
				c := Default()
				c.Source = "/dev/video0"
				cam, _, _, logs := b.camera(c)
				var at []time.Time
				inner := cam.host.open
				cam.host.open = func(p string) (kernel, error) {
					at = append(at, time.Now())
					return inner(p)
				}
				stop := run(t, cam)
				time.Sleep(100 * time.Second)
				stop()
				for i, want := range tt.want {
					if got := at[i+1].Sub(at[i]); got != want {
						t.Errorf("pause %d: %v, want %v", i, got, want)
					}
				}
				if logs.FilterMessage("camera failed").Len() != 1 {
					t.Errorf("log %v", logs.All())
				}
				if !d.released() {
					t.Error("the device is not free")
				}
			})
		})
	}
}

func TestABusyCameraIsTriedAgainWhenSomethingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		d := webcam()
		d.fail[vidiocSFmt] = unix.EBUSY
		b.plug(logitech, d)
		c := Default()
		c.Source = "/dev/video0"
		cam, _, _, _ := b.camera(c)
		stop := run(t, cam)
		defer stop()
		time.Sleep(5 * time.Minute)
		n := b.opens()
		b.tell()
		time.Sleep(time.Second)
		if got := b.opens() - n; got < 2 || got > 4 {
			t.Errorf("opened %d times in the second after", got)
		}
	})
}

// Twenty plugs in a minute, some too short for a picture, must not build up a pause that makes the last one wait.
func TestAFlappingCableDoesNotSlowRecoveryDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		c := Default()
		c.Source = "/dev/video0"
		cam, _, changes, logs := b.camera(c)
		stop := run(t, cam)
		defer stop()
		next(t, changes, time.Second)
		for i := range 20 {
			d := webcam()
			if i%3 == 1 {
				d.fail[vidiocStreamon] = unix.EPROTO // pulled while it is being opened
			}
			b.plug(logitech, d)
			if i%3 == 2 { // too short
				time.Sleep(20 * time.Millisecond)
			} else {
				time.Sleep(1500 * time.Millisecond)
			}
			b.unplug("1-1.2")
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			if !d.released() {
				t.Errorf("plug %d: still open", i)
			}
		}
		for len(changes) > 0 {
			<-changes
		}
		b.plug(logitech, webcam())
		if ch := next(t, changes, 500*time.Millisecond); !ch.Found {
			t.Errorf("told %+v", ch)
		}
		if n := len(logs.All()); n > 45 {
			t.Errorf("%d lines for 21 plugs", n)
		}
	})
}

func TestAStalledCameraIsOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		d := webcam()
		d.script = []fill{{data: aJPEG}}
		d.silent.Store(true)
		b.plug(logitech, d)
		c := Default()
		c.Source = "/dev/video0"
		cam, _, changes, _ := b.camera(c)
		stop := run(t, cam)
		defer stop()
		next(t, changes, time.Second)
		began := time.Now()
		if ch := next(t, changes, 3*time.Second); ch.Found || time.Since(began) > stallAfter+pollSlice {
			t.Fatalf("told %+v after %v", ch, time.Since(began))
		}
		// It gives nothing at first, then it does: the first try has 2 s, the next 5 s, which a slow camera may need.
		time.Sleep(stallAfter + time.Second)
		d.silent.Store(false)
		if ch := next(t, changes, time.Second); !ch.Found {
			t.Errorf("told %+v", ch)
		}
	})
}

func TestASlowPollStandsBehindTheWatch(t *testing.T) {
	for _, watched := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBus(t)
			c := Default()
			c.Source = "/dev/video0"
			cam, _, changes, _ := b.camera(c)
			within := longestPause + time.Second
			if !watched {
				cam.host.watch = func(string) (<-chan struct{}, func(), error) { return nil, nil, unix.EMFILE }
				within = 2 * time.Second
			}
			stop := run(t, cam)
			defer stop()
			next(t, changes, time.Second)
			time.Sleep(time.Minute)
			b.plug(logitech, webcam())
			select {
			case <-b.plugs: // the sign is lost
			default:
			}
			if ch := next(t, changes, within); !ch.Found {
				t.Errorf("told %+v", ch)
			}
		})
	}
}
