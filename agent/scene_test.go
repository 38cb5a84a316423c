package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"camward/capture"
	"camward/video"
)

// A watcher feeds a pipeline's detector with made-up pictures of 80x60 and hears what it tells.
type watcher struct {
	*pipeline
	t    *testing.T
	pool *video.Pool
	at   time.Duration
	told []string
	logs *observer.ObservedLogs
}

func watching(t *testing.T, change func(*CameraConfig)) *watcher {
	t.Helper()
	c := DefaultCamera()
	c.Name, c.Source = "front", "demo:"
	if change != nil {
		change(&c)
	}
	core, logs := observer.New(zap.InfoLevel)
	p, err := newPipeline(c, "id", noSpool{}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{pipeline: p, t: t, pool: video.NewPool(1 << 20), at: time.Hour, logs: logs}
	p.reportScene = func(name string, _ time.Time, reason string) {
		w.told = append(w.told, strings.TrimSpace(name+" "+reason))
	}
	return w
}

// shows gives the detector pictures for so long, ten a second.
func (w *watcher) shows(seconds float64, luma func(x, y, n int) byte) (moving int) {
	w.t.Helper()
	plane := video.Plane{Pix: make([]byte, 80*60), Width: 80, Height: 60, Stride: 80}
	for n := range int(seconds * 10) {
		for y := range 60 {
			for x := range 80 {
				noise := byte((x*7919 + y*104729 + n*1299709) >> 3 & 3)
				plane.Pix[y*80+x] = luma(x, y, n) + noise
			}
		}
		f := w.pool.Get(1)
		f.Mono, f.Format = w.at, video.Format{FourCC: video.YUYV, Width: 640, Height: 480}
		w.decide(f, &plane)
		f.Release()
		if w.motionStatus().Moving {
			moving++
		}
		w.at += 100 * time.Millisecond
	}
	return moving
}

func yard(x, y, _ int) byte { return byte(60 + (x/8*37+y/8*61)%120) }
func hand(x, y, _ int) byte { return 50 }
func room(x, y, _ int) byte { return byte(60 + (x/10*83+y/6*29)%120) }

func TestChangesOfTheWholePictureAreToldByName(t *testing.T) {
	w := watching(t, nil)
	w.shows(5, yard)
	w.shows(5, hand)
	w.shows(5, room)
	m := w.motionStatus()
	if m.ScenesNamed["covered"] != 1 || m.ScenesNamed["moved"] != 1 || m.LastScene != "moved" || m.Scenes != 2 {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(w.told, []string{"covered", "moved"}) {
		t.Errorf("the cloud was told %q", w.told)
	}
	if l := w.logs.FilterMessage("the whole picture has changed").FilterField(zap.String("scene", "covered")); l.Len() != 1 {
		t.Errorf("%d lines", l.Len())
	}
	// The detector has not gone deaf.
	if w.shows(5, func(x, y, n int) byte {
		if x > n && x < n+14 && y > 20 && y < 50 {
			return 250
		}
		return room(x, y, n)
	}) == 0 {
		t.Error("nothing moves any more")
	}
}

func TestAFlappingPictureFloodsNobody(t *testing.T) {
	w := watching(t, nil)
	w.shows(5, yard)
	for range 10 {
		w.shows(2, hand)
		w.shows(2, yard)
	}
	named := w.motionStatus().ScenesNamed
	if named["covered"] < 8 || len(w.told) > 12 {
		t.Errorf("%v, told %q", named, w.told)
	}
	again := slices.ContainsFunc(w.told, func(s string) bool { return strings.Contains(s, "times since") })
	if !again || w.logs.FilterMessage("the whole picture has changed").Len() != len(w.told) {
		t.Errorf("told %q", w.told)
	}
}

func TestWhatTheConfigurationLeavesOutIsOnlyCounted(t *testing.T) {
	w := watching(t, func(c *CameraConfig) { c.Scenes.Report = []string{"moved"} })
	w.shows(5, yard)
	w.shows(5, hand)
	if w.motionStatus().ScenesNamed["covered"] != 1 || len(w.told) != 0 {
		t.Errorf("told %q", w.told)
	}
	c := DefaultCamera()
	c.Name, c.Source = "front", "demo:"
	c.Scenes.Upload = []string{"coverd"}
	if errs := c.Scenes.validate(); len(errs) != 1 || !strings.Contains(fmt.Sprint(errs), `scenes.upload: "coverd" is none of light, infra-red, moved`) {
		t.Errorf("%v", errs)
	}
}

// The exposure is another and the picture a little off, as after a loose plug.
func TestACameraThatComesBackAfterAMomentIsNoMotion(t *testing.T) {
	for _, told := range []bool{true, false} {
		w := watching(t, nil)
		thing := func(at int, level byte) func(x, y, n int) byte {
			return func(x, y, n int) byte {
				if x >= at && x < at+10 && y > 20 && y < 40 {
					return level
				}
				return yard(x, y, n)
			}
		}
		w.changed(capture.Change{Found: true, Mono: w.at})
		w.shows(6, thing(30, 250))
		if told {
			w.changed(capture.Change{Mono: w.at})
			w.at += 500 * time.Millisecond
			w.changed(capture.Change{Found: true, Mono: w.at})
		}
		moved := w.shows(6, thing(36, 220))
		if told && moved > 0 {
			t.Errorf("%d pictures move", moved)
		}
		if !told && moved == 0 {
			t.Error("without the change nothing moves either: this test shows nothing")
		}
	}
}
