package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"camward/motion"
	"camward/uploader"
	"camward/video"
)

// aTrace is what a detector may leave.
func aTrace(mono time.Duration) motion.Trace {
	return motion.Trace{Mono: mono, Reason: motion.ReasonBrief, Scene: motion.SceneLight, Changed: 40, Counted: 30, Largest: 20, Moved: 20, Least: 3,
		Box: [4]uint8{10, 20, 128, 255}, Threshold: 6.5, Gain: 1.25, Evidence: 0.2, Needed: 0.3}
}

func aPicture(mono time.Duration) TracePicture {
	p := TracePicture{Mono: mono, Width: 80, Height: 60, Luma: make([]byte, 80*60), Cols: 64, Rows: 48, Boxes: []motion.Rect{{X0: 0.1, Y0: 0.2, X1: 0.3, Y1: 0.4}}}
	for i := range p.Luma {
		p.Luma[i] = byte(i * 7)
	}
	p.Cells[3], p.Cells[47] = 1<<63|1<<5, 1
	return p
}

func TestTraceFilesComeBackAsTheyWere(t *testing.T) {
	h := TraceHeader{Camera: "front", Clip: "a.mp4", Event: "ABC", Started: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Mono: 100 * time.Second, Width: 640, Height: 480, Cols: 64, Rows: 48,
		Settings: SettingsOf(motion.Default()), Thinned: 2, Last: 3.5}
	h.Settings.Exclude = []motion.Polygon{{{0, 0}, {1, 0}, {1, 0.5}}}
	want := []Traced{{TraceHeader: h}, {TraceHeader: TraceHeader{Clip: "b.mp4"}}}
	want[0].Traces = []motion.Trace{{Mono: 98 * time.Second, Reason: motion.ReasonStill, Gain: 1}, aTrace(100 * time.Second)}
	want[0].Pictures = []TracePicture{aPicture(100*time.Second + 40*time.Millisecond)}
	for v := range 256 { // each value that a side of a box may have
		tr := aTrace(101 * time.Second)
		tr.Box = [4]uint8{uint8(v), 0, uint8(v), 255}
		want[1].Traces = append(want[1].Traces, tr)
	}
	for _, name := range []string{"t.jsonl", "t.jsonl.gz"} {
		path := filepath.Join(t.TempDir(), name)
		w, err := CreateTrace(path)
		if err != nil {
			t.Fatal(err)
		}
		if w.Add(motion.Trace{}) == nil {
			t.Error("a trace is written before the header")
		}
		for _, f := range want {
			err = errors.Join(err, w.Begin(f.TraceHeader))
			for _, tr := range f.Traces {
				err = errors.Join(err, w.Add(tr))
			}
			for i := range f.Pictures {
				err = errors.Join(err, w.Picture(&f.Pictures[i]))
			}
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		got, err := ReadTraceFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if got[i].Version != traceVersion {
				t.Errorf("version %d", got[i].Version)
			}
			got[i].Version = 0
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}

func TestHeadersThatUnpackToVeryMuchAreRefused(t *testing.T) {
	line := []byte(`{"camward_trace":1,"camera":"` + strings.Repeat("x", 1<<19) + "\"}\n")
	if _, err := ReadTraces(bytes.NewReader(bytes.Repeat(line, 40))); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Error(err)
	}
}

func TestVeryManyCornersAreNotDrawn(t *testing.T) {
	var h TraceHeader
	for i := range 5000 {
		if i == 0 {
			h.Settings.Exclude = make([]motion.Polygon, 1)
		}
		h.Settings.Exclude[0] = append(h.Settings.Exclude[0], [2]float64{float64(i % 7), float64(i % 2)})
	}
	e, err := ExplainTraced(Traced{TraceHeader: h, Traces: []motion.Trace{aTrace(0)}, Pictures: []TracePicture{aPicture(0)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := e.newDrawing()
	before := bytes.Clone(d.c.Pix)
	if d.polygons(); !bytes.Equal(before, d.c.Pix) {
		t.Error("they are drawn")
	}
}

func TestACutTraceFileIsReadUpToTheCut(t *testing.T) {
	var b bytes.Buffer
	w := NewTraceWriter(&b, true)
	if err := w.Begin(TraceHeader{}); err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		if err := w.Add(aTrace(time.Duration(i*i) * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all, err := ReadTraces(bytes.NewReader(b.Bytes()[:b.Len()*2/3]))
	if err != nil || len(all) != 1 || len(all[0].Traces) < 5000 || len(all[0].Traces) >= 20_000 {
		t.Errorf("%d recordings, %v", len(all), err)
	}
}

func TestWhatIsNoTraceFileIsRefused(t *testing.T) {
	head := `{"camward_trace":1,"cols":64,"rows":48}` + "\n"
	for text, says := range map[string]string{
		"":                               "empty",
		"\x00\x01\x02":                   "not a trace file",
		`{"t":1}`:                        "header",
		"\x1f\x8b":                       "not a trace file",
		`{"camward_trace":99}`:           "version 99",
		`{"camward_trace":1,"cols":65}`:  "out of range",
		head + "{}":                      "neither",
		head + `{"t":1e300}`:             "out of range",
		head + `{"t":1,"changed":70000}`: "line 2",
		head + `{"picture":{"width":9,"height":9}}`:                                   "samples",
		head + `{"picture":{"width":1,"height":1,"luma":"AA==","cols":64,"rows":64}}`: "out of range",
		head + `{"picture":{"width":1,"height":1,"luma":"AA==","boxes":[[0,0,2,1]]}}`: "boxes",
		head + strings.Repeat("x", maxTraceLine+1):                                    "line 2",
	} {
		if _, err := ReadTraces(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: %v, want it to say %q", text, err, says)
		}
	}
	later := head + `{"t":1,"reason":"of a later version","more":{"a":1}}` + "\n"
	if all, err := ReadTraces(strings.NewReader(later)); err != nil || all[0].Traces[0].Reason != motion.ReasonNone {
		t.Errorf("what a later version adds: %+v, %v", all, err)
	}
}

func FuzzReadTraces(f *testing.F) {
	for _, zip := range []bool{false, true} {
		var b bytes.Buffer
		w := NewTraceWriter(&b, zip)
		p := aPicture(time.Second)
		p.Width, p.Height, p.Luma = 2, 2, p.Luma[:4]
		if err := errors.Join(w.Begin(TraceHeader{Cols: 64, Rows: 48, Settings: SettingsOf(motion.Default())}), w.Add(aTrace(0)), w.Picture(&p), w.Close()); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := ReadTraces(bytes.NewReader(b))
		if err != nil {
			return
		}
		w := NewTraceWriter(io.Discard, false)
		for _, one := range all { // whatever was read can be told and written
			s := motion.Story{Cols: one.Cols, Rows: one.Rows, Config: one.Settings.config()}
			for _, found := range s.Explain(one.Traces, 3) {
				if found.Text == "" {
					t.Error("a finding without a text")
				}
			}
			if err := w.Begin(one.TraceHeader); err != nil {
				t.Error(err)
			}
			for _, tr := range one.Traces {
				if err := w.Add(tr); err != nil {
					t.Error(err)
				}
			}
			for i := range one.Pictures {
				if err := w.Picture(&one.Pictures[i]); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// A scenery makes planes of 80 x 60 in which a square may move, and shows them to a detector and a keeper, ten a second.
type scenery struct {
	det    *motion.Detector
	config motion.Config
	keep   *traceKeeper
	frame  video.Frame
	plane  video.Plane
	n      int
	done   []*eventTraces
}

func newScenery(t testing.TB, last time.Duration) *scenery {
	s := &scenery{config: motion.Default()}
	det, err := motion.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.det = det
	s.keep = newTraceKeeper("front", last, func(e *eventTraces) { s.done = append(s.done, e) })
	s.frame.Format = video.Format{Width: 640, Height: 480}
	s.plane.Resize(80, 60)
	return s
}

// show shows a picture, with a square at x if that is above 0.
func (s *scenery) show(x int, event string) motion.Decision {
	for i := range s.plane.Pix {
		s.plane.Pix[i] = byte(90 + (i*7919+s.n*104729)>>3%3)
	}
	if x > 0 {
		for y := 20; y < 32; y++ {
			for k := range 8 {
				s.plane.Pix[y*80+min(x+k, 79)] = 200
			}
		}
	}
	s.n++
	s.frame.Mono = time.Duration(s.n) * 100 * time.Millisecond
	d := s.det.Step(s.frame.Mono, &s.plane)
	s.keep.seen(s.det, &s.config, &s.frame, &s.plane, event)
	return d
}

// walk shows an event: a second before, the square as it passes, and what follows.
func (s *scenery) walk(event string, after int) (moving int) {
	for range 60 {
		s.show(0, "")
	}
	id := ""
	for x := range 60 {
		s.show(1+x, id)
		if d := s.det.Trace(); d.Reason == motion.ReasonMoving {
			id = event
			moving++
		}
	}
	for range after {
		s.show(0, id)
	}
	return moving
}

func TestAnEventsTracesHaveWhatWasBeforeAndAfterAndItsPeak(t *testing.T) {
	s := newScenery(t, time.Minute)
	moving := s.walk("EVENT", 50)
	if len(s.done) != 0 {
		t.Fatal("finished while the event goes on")
	}
	s.show(0, "")
	if len(s.done) != 1 {
		t.Fatalf("%d events", len(s.done))
	}
	e := s.done[0]
	first, last := e.traces[0].Mono-e.Mono, e.traces[len(e.traces)-1].Mono-e.Mono
	if first != -traceBefore || e.Event != "EVENT" || e.Camera != "front" || e.Width != 640 || e.Cols != 64 || e.Rows != 48 {
		t.Errorf("begins at %v: %+v", first, e.TraceHeader)
	}
	if moved := time.Duration(e.Last*1000+0.5) * time.Millisecond; last != moved+traceAfter || moved < time.Duration(moving-2)*100*time.Millisecond {
		t.Errorf("ends at %v, the last that moved at %v; %d moved", last, e.Last, moving)
	}
	if p := e.peak.picture(); len(p.Boxes) == 0 || p.Cells == [64]uint64{} || p.Width != 80 || len(p.Luma) != 4800 || p.Mono < e.Mono {
		t.Errorf("the peak: %d boxes, %d x %d, at %v", len(p.Boxes), p.Width, p.Height, p.Mono)
	}
	s.keep.end()
	if len(s.done) != 1 {
		t.Error("an event without an end")
	}
}

func TestALongEventIsThinnedAndNotCut(t *testing.T) {
	s := newScenery(t, time.Minute)
	s.walk("LONG", 5)
	for i := range 4000 {
		s.show(1+i%60, "LONG")
	}
	s.keep.end()
	e := s.done[0]
	if n := len(e.traces); n > traceEventMost || n < traceEventMost/2 {
		t.Errorf("%d traces", n)
	}
	if e.Thinned != 4 || cap(e.traces) != traceEventMost {
		t.Errorf("thinned %d, room for %d", e.Thinned, cap(e.traces))
	}
	moving := false
	for _, tr := range e.traces {
		moving = moving || tr.Reason == motion.ReasonMoving
	}
	if !moving {
		t.Error("what moved is lost")
	}
}

func TestTheRingForgetsWhatIsOld(t *testing.T) {
	if size := unsafe.Sizeof(motion.Trace{}); size > 64 {
		t.Errorf("a trace has %d bytes", size)
	}
	s := newScenery(t, 2*time.Second)
	room := cap(s.keep.ring)
	s.walk("", 5)
	got := s.keep.recent(0)
	if len(got.Traces) != room || cap(s.keep.ring) != room || room != 2*tracesPerSecond {
		t.Errorf("%d traces of %d", len(got.Traces), room)
	}
	for i, tr := range got.Traces {
		if want := s.frame.Mono - time.Duration(room-1-i)*100*time.Millisecond; tr.Mono != want {
			t.Fatalf("trace %d is of %v, want %v", i, tr.Mono, want)
		}
	}
	if len(got.Pictures) == 0 || got.Mono != s.frame.Mono {
		t.Errorf("%d pictures, time 0 is %v", len(got.Pictures), got.Mono)
	}
	if got := s.keep.recent(s.frame.Mono - time.Second); len(got.Traces) != 11 {
		t.Errorf("%d traces of the last second", len(got.Traces))
	}
	none := newScenery(t, 0)
	none.walk("E", 5)
	none.keep.end()
	if got := none.keep.recent(0); len(got.Traces) != 0 || len(none.done) != 1 || len(none.done[0].traces) == 0 {
		t.Errorf("without a ring: %d traces, %d events", len(got.Traces), len(none.done))
	}
}

func TestKeepingTracesDoesNotAllocate(t *testing.T) {
	s := newScenery(t, time.Minute)
	s.walk("E", 10)
	x := 0
	if n := testing.AllocsPerRun(200, func() { x++; s.show(1+x%60, "E") }); n != 0 {
		t.Errorf("%v allocations a picture", n)
	}
	w := NewTraceWriter(io.Discard, false)
	if err := w.Begin(TraceHeader{}); err != nil {
		t.Fatal(err)
	}
	tr := aTrace(time.Second)
	if n := testing.AllocsPerRun(100, func() { w.Add(tr) }); n != 0 { //nolint:errcheck // to nowhere
		t.Errorf("%v allocations to write a trace", n)
	}
}

func TestTheTracesOfEventsStayWithinTheirRoom(t *testing.T) {
	dir := t.TempDir()
	core, logs := observer.New(zap.WarnLevel)
	s := newTraceStore(TracesConfig{MaxBytes: 4_000}, dir, func(time.Duration) (time.Time, bool) { return time.Unix(1e9, 0), true }, zap.New(core))
	event := func(id string) *eventTraces {
		g := newScenery(t, time.Minute)
		g.walk(id, 5)
		g.keep.end()
		return g.done[0]
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(s.dir, ".00000001-X.jsonl.gz.123.tmp")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"A1", "A2", "B3", "B4"} {
		s.take(event(id))
	}
	s.drain()
	cfg := &Loaded{}
	cfg.StateDir = dir
	list, err := EventTraces(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, e := range list {
		sum += e.Size
	}
	if n := len(list); n < 1 || n > 3 || sum > 4_000 || list[n-1].ID != "B4" {
		t.Errorf("%d bytes in %+v", sum, list)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a power cut left is still there")
	}
	all, err := ReadTraceFile(list[len(list)-1].Path)
	if err != nil || all[0].Event != "B4" || all[0].Started.Unix() != 1e9 || len(all[0].Pictures) != 1 {
		t.Errorf("%v: %+v", err, all)
	}
	for range 40 {
		s.take(event("C"))
		s.drain()
	}
	if n := logs.FilterMessageSnippet("not kept").Len(); n != 1 || s.written > traceShare*4_000+4_000 {
		t.Errorf("%d bytes written in a day, said %d times", s.written, n)
	}
}

func TestAnEventIsFoundByTheBeginningOfItsID(t *testing.T) {
	list := []EventTrace{{ID: "ABCD", Number: 1}, {ID: "ABXY", Number: 2}, {ID: "QRST", Number: 3}}
	for id, want := range map[string]uint64{"abcd": 1, "ABX": 2, "q": 3, "last": 3} {
		if e, err := FindEventTrace(list, id); err != nil || e.Number != want {
			t.Errorf("%s: %+v, %v", id, e, err)
		}
	}
	for id, says := range map[string]string{"AB": "2 events", "Z": "neither", "ABCDE": "neither", "": "neither"} {
		if _, err := FindEventTrace(list, id); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := FindEventTrace(nil, "last"); err == nil {
		t.Error("an event out of nothing")
	}
}

func TestTheRunningAgentTellsItsLastTraces(t *testing.T) {
	s := newScenery(t, time.Minute)
	s.walk("E", 20)
	a := &Agent{clock: uploader.NewClock()}
	w := httptest.NewRecorder()
	a.answerTraces(w, &pipeline{name: "front", traces: s.keep}, 1000*time.Hour)
	all, err := ReadTraces(w.Body)
	if err != nil || len(all) != 1 || all[0].Camera != "front" || len(all[0].Pictures) == 0 || all[0].Mono != s.frame.Mono {
		t.Fatalf("%v: %+v", err, all)
	}
	e, err := ExplainTraced(all[0], nil)
	if err != nil || len(e.of(motion.FoundMotion)) != 1 || !strings.Contains(e.Found[0].Text, " ago") {
		t.Errorf("%v: %+v", err, e)
	}
	w = httptest.NewRecorder()
	a.answerTraces(w, &pipeline{name: "front"}, time.Minute) // keeps nothing
	if all, err = ReadTraces(w.Body); err != nil || len(all[0].Traces) != 0 {
		t.Errorf("%v: %+v", err, all)
	}
}

func TestEventsAreWrittenWhileTheStoreRunsAndWhenItHasStopped(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := newTraceStore(TracesConfig{MaxBytes: uploader.MiB}, t.TempDir(), nil, zap.NewNop())
	kept := func() int {
		list, err := traceFiles(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	s.take(&eventTraces{TraceHeader: TraceHeader{Event: "A"}, traces: []motion.Trace{aTrace(0)}})
	for kept() == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for i := range 2 * traceQueue { // more than there is room for: the rest is lost, and nobody waits
		s.take(&eventTraces{TraceHeader: TraceHeader{Event: strconv.Itoa(i)}, traces: []motion.Trace{aTrace(0)}})
	}
	s.drain()
	if n := kept(); n != 1+traceQueue {
		t.Errorf("%d events are kept", n)
	}
}

func TestPicturesAreForgottenWhenTheMaskChanges(t *testing.T) {
	s := newScenery(t, time.Minute)
	s.walk("E", 0)
	if len(s.keep.recent(0).Pictures) == 0 {
		t.Fatal("there is no picture to forget")
	}
	s.keep.forget()
	if n := len(s.keep.recent(0).Pictures); n != 0 {
		t.Errorf("%d pictures are left", n)
	}
	s.keep.end()
	if e := s.done[0]; e.peak.near > 0 || len(e.traces) == 0 {
		t.Errorf("the event has a picture, or lost its %d traces", len(e.traces))
	}
	var none *traceKeeper
	none.forget()
	none.end()
}
