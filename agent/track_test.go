package agent

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"camward/camio"
	"camward/motion"
)

func TestEveryDirectionIsALabelOfTheCloud(t *testing.T) {
	for d := motion.Approaching; d.String() != "unknown"; d++ {
		h := http.Header{}
		camio.SetTrack(h, &camio.Track{Labels: []string{d.String()}})
		if got, err := camio.ParseTrack(h); err != nil || !slices.Equal(got.Labels, []string{d.String()}) {
			t.Errorf("%v arrives as %+v, %v", d, got, err)
		}
	}
}

// comes is the decision on someone who has come that much of the way, 0 to 1.
func comes(u float64) motion.Decision {
	x, y, h := 0.5, 0.4+0.5*u, 0.1+0.3*u
	return motion.Decision{Moving: true, Largest: 9, Score: h * h / 2, Box: motion.Rect{X0: x - h/4, Y0: y - h, X1: x + h/4, Y1: y}}
}

func TestRecordingsAreToldWhatMovedInThem(t *testing.T) {
	var tr tracks
	of := func(id string) func() string { return func() string { return id } }
	const start = time.Hour
	at := start
	for i := range 60 {
		tr.add(at, comes(float64(i)/60), of("one"))
		at += 100 * time.Millisecond
	}
	whole := tr.of("one", start, at)
	if whole == nil || !slices.Equal(whole.Labels, []string{"approaching"}) || len(whole.Boxes) != 60 || whole.Area < 7 || whole.Area > 8 {
		t.Errorf("of the event so far: %+v", whole)
	}
	if b, want := whole.Boxes[30], (camio.TrackBox{3000, 438, 400, 563, 650}); b != want {
		t.Errorf("the box after 3 s is %v, want %v", b, want)
	}
	clip := tr.of("one", start+2*time.Second, start+3*time.Second)
	if len(clip.Boxes) != 11 || clip.Boxes[0][0] != 0 || clip.Boxes[10][0] != 1000 || !slices.Equal(clip.Labels, []string{"approaching"}) {
		t.Errorf("of a clip out of it: %+v", clip)
	}
	still := tr.of("one", start+3040*time.Millisecond, start+3040*time.Millisecond)
	if !slices.Equal(still.Boxes, []camio.TrackBox{{0, 438, 400, 563, 650}}) || still.Area != 3.13 {
		t.Errorf("of a picture: %+v", still)
	}
	for i := range 50 { // rests, but the event lasts
		tr.add(at+time.Duration(i)*100*time.Millisecond, motion.Decision{}, of("one"))
	}
	at += 5 * time.Second
	if got := tr.of("one", at, at); got != nil {
		t.Errorf("of a picture in which nothing moves: %+v", got)
	}
	tr.add(at, comes(0), of("")) // nobody records
	for i := range maxTracks {
		tr.add(at, comes(0), of(fmt.Sprint(i)))
	}
	if tr.of("one", start, at) != nil || tr.of("", start, at) != nil || tr.of("0", start, at) == nil {
		t.Error("not the last events are remembered")
	}
}

func TestTracksOfALongEventStaySmallAndHaveItsLatestPart(t *testing.T) {
	var tr tracks
	at := time.Duration(0)
	for range 2 * 3600 * 10 {
		tr.add(at, comes(at.Minutes()-float64(int(at.Minutes()))), func() string { return "one" })
		at += 100 * time.Millisecond
	}
	n := 0
	for _, p := range tr.events[0].past {
		n += len(p.Boxes)
	}
	if n > maxTrackBoxes || n < maxTrackBoxes/2 {
		t.Errorf("%d boxes are kept", n)
	}
	got := tr.of("one", at-time.Minute, at)
	if len(got.Boxes) < 30 || len(got.Boxes) > camio.MaxTrackBoxes {
		t.Errorf("the last minute has %d boxes", len(got.Boxes))
	}
	if got := tr.of("one", 0, at); len(got.Boxes) > camio.MaxTrackBoxes {
		t.Errorf("all of it has %d boxes", len(got.Boxes))
	}
	if n := testing.AllocsPerRun(500, func() {
		tr.add(at, comes(0.5), func() string { return "one" })
		at += 100 * time.Millisecond
	}); n > 1 { // when a minute is over
		t.Errorf("%v allocations for each picture", n)
	}
}

func TestTheWayIsThatInThePictureAsItIsShown(t *testing.T) {
	for _, degrees := range []int{0, 90, 180, 270} {
		tr := tracks{rotation: degrees}
		at := time.Duration(0)
		for i := range 60 {
			d := comes(float64(i) / 60)
			d.Box = turned(d.Box, (360-degrees)%360) // as the camera that hangs so sees it
			tr.add(at, d, func() string { return "one" })
			at += 100 * time.Millisecond
		}
		got := tr.of("one", 0, at)
		if !slices.Equal(got.Labels, []string{"approaching"}) || got.Boxes[30] != (camio.TrackBox{3000, 438, 400, 563, 650}) {
			t.Errorf("turned by %d degrees: %v, %v", degrees, got.Labels, got.Boxes[30])
		}
	}
}
