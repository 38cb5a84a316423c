package motion

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is explained to testdata/explain")

// A part is a number of pictures, a tenth of a second apart, with the same trace but for its time and its evidence.
type part struct {
	pictures int
	trace    Trace
	grow     float32 // of the evidence with each picture
}

// tracesOf strings parts together. Every picture has a trace; 0.1 s is between two.
func tracesOf(parts ...part) (list []Trace) {
	mono := time.Duration(0)
	for _, p := range parts {
		for range p.pictures {
			p.trace.Mono, p.trace.Needed = mono, 0.3
			p.trace.Evidence += p.grow
			if p.trace.Least == 0 {
				p.trace.Least = 3
			}
			list = append(list, p.trace)
			mono += 100 * time.Millisecond
		}
	}
	return list
}

func TestTracesAreExplainedInPlainWords(t *testing.T) {
	left, right, low, wide := [4]uint8{10, 80, 60, 170}, [4]uint8{200, 80, 250, 170}, [4]uint8{110, 180, 140, 250}, [4]uint8{0, 10, 255, 60}
	still := part{20, Trace{Reason: ReasonStill, Threshold: 6.5, Gain: 1}, 0}
	tests := []struct {
		name   string
		parts  []part
		config func(*Config)
		at     time.Duration
	}{
		{name: "nothing", parts: []part{still}},
		{name: "starts", parts: []part{{1, Trace{Reason: ReasonStart}, 0}, {15, Trace{Reason: ReasonLearning}, 0}, still}},
		{name: "walks from left to right", parts: []part{still,
			{3, Trace{Reason: ReasonBrief, Counted: 40, Largest: 34, Moved: 34, Box: left}, 0.1},
			{20, Trace{Reason: ReasonMoving, Counted: 50, Largest: 40, Moved: 40, Box: left, Evidence: 0.6}, 0},
			{5, Trace{Reason: ReasonLasting, Evidence: 0.6}, -0.05},
			{20, Trace{Reason: ReasonMoving, Counted: 70, Largest: 60, Moved: 60, Box: right, Evidence: 0.6}, 0},
			still}, at: 2100 * time.Millisecond},
		{name: "is seen too briefly", parts: []part{still, {2, Trace{Reason: ReasonBrief, Counted: 40, Largest: 34, Moved: 34, Box: left}, 0.1}, {3, Trace{Reason: ReasonStill, Evidence: 0.2}, -0.07}, still},
			at: 2150 * time.Millisecond},
		{name: "is seen too briefly and small", parts: []part{still, {4, Trace{Reason: ReasonBrief, Counted: 5, Largest: 4, Moved: 4, Box: low}, 0.06}, still}},
		{name: "is smaller than any setting", parts: []part{still, {9, Trace{Reason: ReasonSmall, Counted: 2, Largest: 2, Box: low}, 0}, still}},
		{name: "is smaller than set", parts: []part{still, {9, Trace{Reason: ReasonSmall, Counted: 22, Largest: 18, Least: 31, Box: low}, 0}, still}, config: func(c *Config) { c.MinArea, c.MinContrast = 0.01, 12 }},
		{name: "stands", parts: []part{still, {9, Trace{Reason: ReasonStands, Counted: 80, Largest: 77, Box: right}, 0}, still}},
		{name: "light falls", parts: []part{still, {9, Trace{Reason: ReasonLight, Counted: 800, Largest: 700, Box: wide}, 0}, still}},
		{name: "flickers", parts: []part{still, {1, Trace{Reason: ReasonAlone, Changed: 1}, 0}, still, {1, Trace{Reason: ReasonAlone, Changed: 2}, 0}, still}},
		{name: "the light is switched", parts: []part{still, {1, Trace{Reason: ReasonScene}, 0}, {6, Trace{Reason: ReasonLearning}, 0}, {1, Trace{Reason: ReasonLearning, Scene: SceneLight}, 0}, still}},
		{name: "the picture freezes", parts: []part{still, {1, Trace{Reason: ReasonStill, Scene: SceneFrozen}, 0}, still}},
		{name: "several misses of which the nearest stay", parts: []part{still, {1, Trace{Reason: ReasonAlone, Changed: 1}, 0}, still, {2, Trace{Reason: ReasonBrief, Largest: 34, Moved: 34, Box: left}, 0.1}, still,
			{5, Trace{Reason: ReasonStands, Largest: 30, Box: right}, 0}, still}},
		{name: "a reason that is not known here", parts: []part{still, {1, Trace{Reason: 200, Largest: 9, Box: left}, 0}, still}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Story{Cols: 64, Rows: 48, Config: Default()}
			if tt.config != nil {
				tt.config(&s.Config)
			}
			traces := tracesOf(tt.parts...)
			var b strings.Builder
			write := func(f Finding) {
				fmt.Fprintf(&b, "[%s, %v to %v] %s\n", f.Kind, f.From, f.To, f.Text)
				for _, c := range f.Changes {
					fmt.Fprintf(&b, "    %s=%s: %s\n", c.Key, c.Value, c.Text)
				}
			}
			for _, f := range s.Explain(traces, 2) {
				write(f)
			}
			if tt.at > 0 {
				f, _ := s.At(traces, tt.at)
				b.WriteString("at: ")
				write(f)
			}
			golden(t, filepath.Join("testdata", "explain", strings.ReplaceAll(tt.name, " ", "_")+".txt"), b.String())
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestEveryReasonAndSceneHasAName(t *testing.T) {
	for r := ReasonNone; r <= ReasonLasting; r++ {
		if name := r.String(); name == "unknown" || ParseReason(name) != r {
			t.Errorf("reason %d is %q, which is reason %d", r, name, ParseReason(name))
		}
	}
	for s := SceneNone; int(s) < len(sceneNames); s++ {
		if ParseScene(s.String()) != s {
			t.Errorf("scene %d is %q", s, s)
		}
	}
	if Reason(200).String() != "unknown" || ParseReason("no such") != ReasonNone || ParseScene("no such") != SceneNone {
		t.Error("what is unknown has a name")
	}
}

func TestWhereABoxIsIsSaidInWords(t *testing.T) {
	for box, want := range map[[4]uint8]string{
		{}: "in the picture", {0, 0, 60, 60}: "at the top left", {100, 100, 150, 150}: "in the middle", {200, 100, 255, 150}: "on the right",
		{100, 200, 150, 255}: "at the bottom", {0, 200, 40, 255}: "at the bottom left", {0, 100, 255, 150}: "across the picture", {20, 0, 255, 20}: "across the top",
	} {
		if got := place(box); got != want {
			t.Errorf("%v is %q, want %q", box, got, want)
		}
	}
}

func TestExplainingNoTracesFindsNothing(t *testing.T) {
	if f := (&Story{}).Explain(nil, 3); len(f) != 0 {
		t.Errorf("%+v", f)
	}
	if _, ok := (&Story{}).At(nil, 0); ok {
		t.Error("a finding from nothing")
	}
}
