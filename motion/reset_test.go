package motion

import (
	"testing"
	"time"

	"camward/video"
)

// A camera that was away for half a second comes back with another exposure and a view that is a little off.
func TestAfterAResetTheFirstPicturesAreNoMotion(t *testing.T) {
	for _, reset := range []bool{true, false} {
		d, err := New(Default())
		if err != nil {
			t.Fatal(err)
		}
		before := world{noise: 4, boxes: []func(float64) worldBox{func(float64) worldBox { return worldBox{x: 0.3, y: 0.3, w: 0.1, h: 0.3, level: 180} }}}
		after := before
		after.boxes = []func(float64) worldBox{func(float64) worldBox { return worldBox{x: 0.36, y: 0.33, w: 0.1, h: 0.3, level: 220} }}
		var p video.Plane
		p.Resize(80, 60)
		moved, scenes := 0, 0
		for n := range 200 {
			at := float64(n) / 10
			w := &before
			if n >= 100 {
				w, at = &after, at+0.5
			}
			if n == 100 && reset {
				d.Reset()
			}
			w.render(&p, at, uint32(n)*7919)
			dec := d.Step(seconds(at), &p)
			if n >= 100 && dec.Moving {
				moved++
			}
			if dec.SceneChange || dec.Scene != SceneNone {
				scenes++
			}
		}
		if reset && (moved > 0 || scenes > 0) {
			t.Errorf("%d pictures move, %d scene changes", moved, scenes)
		}
		if !reset && moved == 0 {
			t.Error("without the reset nothing moves either: this test shows nothing")
		}
	}
}

func TestAResetDetectorSeesWhatMovesAfterwards(t *testing.T) {
	d, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	w := world{noise: 4, boxes: []func(float64) worldBox{across(4, 5, 180)}}
	var p video.Plane
	p.Resize(80, 60)
	first := time.Duration(0)
	for n := range 120 {
		at := float64(n) / 10
		if n == 20 {
			d.Reset()
		}
		w.render(&p, at, uint32(n)*7919)
		if d.Step(seconds(at), &p).Moving && first == 0 {
			first = seconds(at)
		}
	}
	if first < 4*time.Second || first > 6*time.Second {
		t.Errorf("moves from %v on, want soon after 4 s", first)
	}
}
