package agent

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"camward/codec/jpeg"
	"camward/internal/canvas"
	"camward/motion"
	"camward/video"
)

// aWalk makes a recording of 320x240, ten pictures a second: three seconds of grey, a bright block that goes from left to right in so many pictures,
// two seconds of grey.
func aWalk(t *testing.T, pictures int) string {
	t.Helper()
	img := video.I420{FullRange: true}
	img.Resize(320, 240)
	var file []byte
	for i := range 50 + pictures {
		for p := range img.Y {
			img.Y[p] = byte(90 + (p*7919+i*104729)>>4%3)
		}
		for p := range img.U {
			img.U[p], img.V[p] = 128, 128
		}
		if n := i - 30; n >= 0 && n < pictures {
			for y := 100; y < 160; y++ {
				for x := range 40 {
					img.Y[y*img.YStride+40+n*8+x] = 210
				}
			}
		}
		b, err := jpeg.Encode(nil, &img, 80)
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, b...)
	}
	path := filepath.Join(t.TempDir(), "walk.mjpeg")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path + "?fps=10"
}

func explained(t *testing.T, clip string, at *float64, set func(*motion.Config)) *Explanation {
	t.Helper()
	cam := DefaultCamera()
	if set != nil {
		set(&cam.Motion)
	}
	shares := 0
	e, err := ExplainClip(t.Context(), cam, clip, at, func(s float64) {
		if shares++; s < 0 || s > 1 {
			t.Errorf("%v of the work", s)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if shares == 0 {
		t.Error("no progress is told")
	}
	return e
}

// of gives the findings of a kind.
func (e *Explanation) of(kind string) (list []Explained) {
	for _, f := range e.Found {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}

func drawn(t *testing.T, e *Explanation) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := e.WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("EXPLAIN_PNG"); name != "" { // to be looked at
		os.WriteFile(name, b.Bytes(), 0o644)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if w := img.Bounds().Dx(); w != drawWidth {
		t.Errorf("%d pixels wide", w)
	}
	return img
}

// count tells how many pixels near a color there are in a rectangle.
func count(img image.Image, x0, y0, x1, y1 float64, want canvas.Color) (n int) {
	for y := int(y0); y < int(y1); y++ {
		for x := int(x0); x < int(x1); x++ {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			apart := func(a uint8, b canvas.Color) int { return max(int(a)-int(b&0xff), int(b&0xff)-int(a)) }
			if apart(c.R, want>>24)+apart(c.G, want>>16)+apart(c.B, want>>8) < 24 {
				n++
			}
		}
	}
	return n
}

func TestMotionInARecordingIsExplainedAndDrawnWithItsBox(t *testing.T) {
	e := explained(t, aWalk(t, 20), nil, nil)
	hits := e.of(motion.FoundMotion)
	if len(hits) != 1 || hits[0].From < 3 || hits[0].To > 5.6 || len(e.of(motion.FoundMiss)) > 0 || e.Length != 6.9 || e.Pictures != 70 {
		t.Fatalf("%+v", e.Found)
	}
	if e.picture == nil || e.Drawn < 3 || e.Drawn > 5 || len(e.picture.boxes) != 1 || e.picture.w != 320 || e.picture.h != 240 {
		t.Fatalf("the picture is of %v", e.Drawn)
	}
	// The block is where the box is.
	n := int(e.Drawn*10+0.5) - 30
	want := motion.Rect{X0: float64(40+8*n) / 320, Y0: 100.0 / 240, X1: float64(80+8*n) / 320, Y1: 160.0 / 240}
	got := e.picture.boxes[0]
	for _, d := range []float64{got.X0 - want.X0, got.Y0 - want.Y0, got.X1 - want.X1, got.Y1 - want.Y1} {
		if d < -0.1 || d > 0.06 {
			t.Errorf("box %+v, the block is at %+v", got, want)
		}
	}
	img := drawn(t, e)
	d := e.newDrawing()
	a, b := d.at(got.X0, got.Y0), d.at(got.X1, got.Y1)
	long := 2*(b.X-a.X) + 2*(b.Y-a.Y)
	if in := count(img, a.X-3, a.Y-3, b.X+3, b.Y+3, boxColor); float64(in) < long || float64(in) > 5*long {
		t.Errorf("%d pixels of the box where %v are its length", in, long)
	}
	all := count(img, drawMargin, d.top, drawMargin+d.w, d.top+d.h, boxColor)
	if in := count(img, a.X-3, a.Y-3, b.X+3, b.Y+3, boxColor); all != in {
		t.Errorf("%d pixels of the box elsewhere", all-in)
	}
	// The block is tinted, what is around it is not.
	middle := d.at((got.X0+got.X1)/2, (got.Y0+got.Y1)/2)
	if n := count(img, middle.X-20, middle.Y-20, middle.X+20, middle.Y+20, 0xd2d2d2ff); n > 200 {
		t.Errorf("%d pixels of the block are as they were", n)
	}
	if n := count(img, drawMargin+2, d.top+2, drawMargin+100, d.top+100, 0x5b5b5bff); n < 98*98*9/10 {
		t.Errorf("%d pixels of the corner are as they were", n)
	}
}

func TestAMissSaysWhichSettingWouldHaveFoundItAndTriesIt(t *testing.T) {
	e := explained(t, aWalk(t, 12), nil, func(c *motion.Config) { c.MinDuration = 3 * time.Second })
	misses := e.of(motion.FoundMiss)
	if len(misses) == 0 || len(e.of(motion.FoundMotion)) > 0 {
		t.Fatalf("%+v", e.Found)
	}
	f := misses[0]
	if f.Reason != "brief" || !strings.Contains(f.Text, "3.00 s are needed (motion.min_duration)") || f.At < 3 || f.At > 5 {
		t.Errorf("%+v", f)
	}
	if c := f.Changes[0]; c.Key != "motion.min_duration" || !strings.Contains(c.Tried, "motion there") || !strings.Contains(c.Tried, "1 instead of 0") {
		t.Errorf("%+v", c)
	}
	img := drawn(t, e)
	d := e.newDrawing()
	if n := count(img, drawMargin, d.top, drawMargin+d.w, d.top+d.h, boxColor) + count(img, drawMargin, d.top, drawMargin+d.w, d.top+d.h, lessColor); n < 100 {
		t.Errorf("%d pixels of a box", n)
	}
	small := explained(t, aWalk(t, 12), nil, func(c *motion.Config) { c.MinArea = 0.2 })
	if f := small.of(motion.FoundMiss)[0]; f.Reason != "small" || f.Changes[0].Key != "motion.min_area" || !strings.Contains(f.Changes[0].Tried, "motion there from") {
		t.Errorf("%+v", f)
	}
}

func TestOneMomentIsExplained(t *testing.T) {
	clip := aWalk(t, 20)
	for at, reason := range map[float64]string{0.5: "learning", 2.5: "still", 4: "moving"} {
		e := explained(t, clip, &at, nil)
		if len(e.Found) != 1 || e.Found[0].Reason != reason || e.Drawn < at-0.06 || e.Drawn > at+0.06 {
			t.Errorf("at %v: %+v, drawn %v", at, e.Found, e.Drawn)
		}
	}
	late := 60.0
	if _, err := ExplainClip(t.Context(), DefaultCamera(), clip, &late, nil); err == nil || !strings.Contains(err.Error(), "not within") {
		t.Errorf("a moment after the end: %v", err)
	}
}

func TestWhatCannotBeExplainedIsAnError(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.mjpeg")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, clip := range []string{empty, filepath.Join(t.TempDir(), "absent.mp4"), "/dev/video99"} {
		if e, err := ExplainClip(t.Context(), DefaultCamera(), clip, nil, nil); err == nil {
			t.Errorf("%s: %+v", clip, e)
		}
	}
	if _, err := ExplainTraced(Traced{}, nil); err == nil {
		t.Error("an explanation without a trace")
	}
}

func TestKeptTracesAreDrawnWithPolygons(t *testing.T) {
	s := newScenery(t, time.Minute)
	s.walk("EVENT", 30)
	s.keep.end()
	var b bytes.Buffer
	e := s.done[0]
	e.Settings.Exclude = []motion.Polygon{{{0, 0}, {0.5, 0}, {0.5, 0.2}, {0, 0.2}}}
	e.Settings.Include = []motion.Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}
	e.Settings.Zones = []motion.Zone{{Name: "door", Sensitivity: 2, Polygons: []motion.Polygon{{{0.6, 0.7}, {0.9, 0.7}, {0.9, 0.95}}}}}
	if err := e.encode(&b); err != nil {
		t.Fatal(err)
	}
	all, err := ReadTraces(&b)
	if err != nil {
		t.Fatal(err)
	}
	x, err := ExplainTraced(all[0], nil)
	if err != nil || len(x.of(motion.FoundMotion)) != 1 || x.picture == nil {
		t.Fatalf("%+v, %v", x, err)
	}
	if f := x.of(motion.FoundMotion)[0]; f.From < -0.1 || f.From > 0 || !strings.Contains(x.About(), "EVENT") {
		t.Errorf("%+v; %s", f, x.About())
	}
	img := drawn(t, x)
	d := x.newDrawing()
	corner := d.at(0.25, 0.1)
	if n := count(img, corner.X-20, corner.Y-20, corner.X+20, corner.Y+20, 0x5a5a5aff); n > 0 {
		t.Errorf("what does not count is as bright as what does: %d pixels", n)
	}
	if n := count(img, drawMargin, d.top, drawMargin+d.w, d.top+d.h, zoneColor); n < 200 {
		t.Errorf("%d pixels of the zone's line", n)
	}
	all[0].Pictures, all[0].Event = nil, ""
	x, err = ExplainTraced(all[0], nil)
	if err != nil || !strings.HasSuffix(x.Found[0].Text, ".") || !strings.Contains(x.Found[0].Text, " ago") {
		t.Fatalf("%+v, %v", x, err)
	}
	drawn(t, x) // without a picture
}

func TestAnyTracesCanBeDrawn(t *testing.T) {
	for name, traces := range map[string][]motion.Trace{
		"one":           {{Reason: motion.ReasonMoving, Moved: 9, Least: 3}},
		"without least": {{Reason: motion.ReasonMoving}, {Mono: time.Hour, Reason: 77, Scene: 99, Box: [4]uint8{255, 255, 0, 0}}},
		"back in time":  {{Mono: time.Hour, Reason: motion.ReasonSmall}, {Reason: motion.ReasonSmall, Evidence: 1e30, Threshold: -5, Gain: -1}},
	} {
		x, err := ExplainTraced(Traced{Traces: traces, TraceHeader: TraceHeader{Settings: TraceSettings{MinDuration: -1, MinArea: 7, Include: []motion.Polygon{{}, {{9, 9}, {-9, 1}, {1e9, 2}}}}},
			Pictures: []TracePicture{{Width: 3, Height: 400, Luma: make([]byte, 1200)}}}, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		drawn(t, x)
	}
}
