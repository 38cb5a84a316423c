package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"camward/scripts/scenes"
)

func TestEventsAndFalseAlarmsAreCounted(t *testing.T) {
	one := []scenes.Event{{Start: 10, End: 20}}
	tests := []struct {
		name   string
		events []scenes.Event
		ignore []scenes.Stretch
		found  []interval
		want   tally
	}{
		{name: "found at once", events: one, found: []interval{{10.25, 20}},
			want: tally{Events: 1, OnTime: 1, EmptyS: 45.5, CoveredS: 9.75, TruthS: 10, DelayS: 0.25}},
		{name: "found a little before", events: one, found: []interval{{9.75, 11}},
			want: tally{Events: 1, OnTime: 1, EmptyS: 45.5, CoveredS: 1, TruthS: 10}},
		{name: "found late", events: one, found: []interval{{12, 20}},
			want: tally{Events: 1, Late: 1, EmptyS: 45.5, CoveredS: 8, TruthS: 10}},
		{name: "a slow one may be found later", events: []scenes.Event{{Start: 10, End: 20, OnsetTol: 4}}, found: []interval{{12, 20}},
			want: tally{Events: 1, OnTime: 1, EmptyS: 45.5, CoveredS: 8, TruthS: 10, DelayS: 2}},
		{name: "one at the start may be found at any time", events: []scenes.Event{{Start: 0, End: 12}}, found: []interval{{11, 12}},
			want: tally{Events: 1, OnTime: 1, EmptyS: 46, CoveredS: 1, TruthS: 10, DelayS: 11}},
		{name: "missed", events: one, want: tally{Events: 1, EmptyS: 45.5, TruthS: 10}},
		{name: "what follows an event is not false", events: one, found: []interval{{10, 22}},
			want: tally{Events: 1, OnTime: 1, EmptyS: 45.5, CoveredS: 10, TruthS: 10}},
		{name: "each ten seconds begun count as false", found: []interval{{30, 40}, {45, 55.5}}, want: tally{False: 3, FalseS: 20.5, EmptyS: 58}},
		{name: "a short one is only time", found: []interval{{30, 30.125}}, want: tally{FalseS: 0.125, EmptyS: 58}},
		{name: "what is ignored is neither", ignore: []scenes.Stretch{{Start: 30, End: 35}}, found: []interval{{30, 35}}, want: tally{EmptyS: 53}},
		{name: "the first two seconds are not false", found: []interval{{0, 2}}, want: tally{EmptyS: 58}},
		{name: "what touches is one", found: []interval{{40, 41}, {41, 42}, {41.5, 41.75}}, want: tally{False: 1, FalseS: 2, EmptyS: 58}},
	}
	for _, tt := range tests {
		got := compare(&scenes.Truth{Duration: 60, Events: tt.events, Ignore: tt.ignore}, tt.found)
		if got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

func TestF1OfNothingToFindAndNothingFoundIsOne(t *testing.T) {
	if f := (tally{}).f1(); f != 1 {
		t.Errorf("got %g, want 1", f)
	}
	if f := (tally{Events: 3, OnTime: 2, False: 1}).f1(); math.Abs(f-2.0/3) > 1e-9 {
		t.Errorf("got %g, want 0.667", f)
	}
}

// TestTheRulesAreTheReferences draws truths and detections, and lets the reference scorer score them too.
func TestTheRulesAreTheReferences(t *testing.T) {
	reference := filepath.Join("..", "..", shared(), "motion-score")
	if os.Getenv("CAMWARD_SHARED") != "" {
		reference = filepath.Join(shared(), "motion-score")
	}
	if _, err := os.Stat(reference); err != nil {
		t.Skip("not run: ../shared is absent")
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	var lines strings.Builder
	want := map[string]string{}
	var sum tally
	for n := range 400 {
		truth := randomTruth(r, n)
		b, err := json.Marshal(truth)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, truth.Clip+".json"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		var found []interval
		for range r.IntN(6) {
			from := float64(r.IntN(4000)) / 100
			i := interval{from, from + float64(r.IntN(400*r.IntN(4)+1))/100}
			found = append(found, i)
			fmt.Fprintf(&lines, "{\"clip\":%q,\"start_s\":%g,\"end_s\":%g}\n", truth.Clip, i.Start, i.End)
		}
		got := compare(truth, found)
		sum.add(got)
		want[truth.Clip] = fmt.Sprintf("%d %d %d %d %.1f", got.Events, got.OnTime, got.Late, got.False, got.FalseS)
	}
	score := func(args ...string) []byte {
		cmd := exec.Command("go", append([]string{"run", ".", "-truth", dir}, args...)...)
		cmd.Dir, cmd.Stdin, cmd.Stderr = reference, strings.NewReader(lines.String()), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("reference scorer: %v", err)
		}
		return out
	}
	for l := range strings.Lines(string(score())) {
		f := strings.Fields(l)
		if len(f) < 6 || want[f[0]] == "" {
			continue
		}
		if got := strings.Join(f[1:6], " "); got != want[f[0]] {
			t.Errorf("%s: events, on time, late, false, s: %s here, %s there", f[0], want[f[0]], got)
		}
		delete(want, f[0])
	}
	if len(want) > 0 {
		t.Errorf("%d clips were not scored there", len(want))
	}
	var theirs struct{ Sum tally }
	if err := json.Unmarshal(score("-json"), &theirs); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]float64{"false_s": theirs.Sum.FalseS - sum.FalseS, "negative_s": theirs.Sum.EmptyS - sum.EmptyS,
		"covered_s": theirs.Sum.CoveredS - sum.CoveredS, "truth_s": theirs.Sum.TruthS - sum.TruthS, "delay_sum_s": theirs.Sum.DelayS - sum.DelayS} {
		if math.Abs(d) > 1e-6 {
			t.Errorf("%s differs by %g", name, d)
		}
	}
}

func randomTruth(r *rand.Rand, n int) *scenes.Truth {
	t := &scenes.Truth{Clip: fmt.Sprintf("clip%d", n), Duration: 40, Source: "rendered"}
	at := func() float64 { return float64(r.IntN(3800)) / 100 }
	for range r.IntN(4) {
		e := scenes.Event{Start: at(), OnsetTol: float64(r.IntN(2) * r.IntN(5))}
		e.End = min(e.Start+float64(1+r.IntN(900))/100, 40)
		t.Events = append(t.Events, e)
	}
	for range r.IntN(3) {
		from := at()
		t.Ignore = append(t.Ignore, scenes.Stretch{Start: from, End: from + float64(1+r.IntN(500))/100})
	}
	return t
}

func TestHeldScenesAreToldOnlyInASumOfMany(t *testing.T) {
	const held, tune, some = "car-pass-2", "car-pass-1", "^(car|person-near)-"
	score := func(only string, reveal, asJSON bool) string {
		var out bytes.Buffer
		o := options{clips: t.TempDir(), rate: 2, reveal: reveal, json: asJSON, planes: filepath.Join(t.TempDir(), "planes")}
		if err := run(context.Background(), o, "64x48", only, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, asJSON := range []bool{false, true} {
		got := score(some, false, asJSON)
		if strings.Contains(got, held) || !strings.Contains(got, tune) || !strings.Contains(got, "held") || !strings.Contains(got, "../shared is absent") {
			t.Errorf("JSON %t: want %s, the sum of held and nothing of %s, and why open is absent, in\n%s", asJSON, tune, held, got)
		}
	}
	if got := score(some, true, false); !strings.Contains(got, held) {
		t.Errorf("revealed, but no %s in\n%s", held, got)
	}
	if got := score("^"+held+"$", false, false); !strings.Contains(got, "held: not run: the sum of 1 scenes would tell") {
		t.Errorf("the sum of a single held scene is told:\n%s", got)
	}
}

func TestKeptPlanesGiveTheSameScore(t *testing.T) {
	dir := t.TempDir()
	o := options{width: 160, height: 120, rate: 5, planes: dir}
	s, _ := scenes.Named("car-pass-1")
	first, err := o.watch(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := o.watch(t.Context(), s)
	if err != nil || !bytes.Equal(first, kept) {
		t.Errorf("%d bytes, then %d, %v", len(first), len(kept), err)
	}
	if want := 20 * 15 * 200; len(first) != want {
		t.Errorf("%d bytes, want %d", len(first), want)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files kept, want 1", len(files))
	}
}

// TestKeptRecordingsGiveTheSameScore goes by camward detect's way first, then keeps the planes, then takes them from there.
func TestKeptRecordingsGiveTheSameScore(t *testing.T) {
	const clip = "syn_light_switch.mp4"
	o := options{clips: filepath.Join("..", "..", shared(), "motion-clips")}
	if os.Getenv("CAMWARD_SHARED") != "" {
		o.clips = filepath.Join(shared(), "motion-clips")
	}
	if _, err := os.Stat(o.clips); err != nil {
		t.Skip("not run: ../shared is absent")
	}
	dir := t.TempDir()
	var want *seen
	for _, o.planes = range []string{"", dir, dir} {
		got, err := o.found(t.Context(), filepath.Join(o.clips, clip))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if len(got.intervals) == 0 || len(got.intervals) != len(want.intervals) || len(got.scenes) == 0 || !slices.Equal(got.scenes, want.scenes) {
			t.Fatalf("planes %q: %+v, want %+v", o.planes, got, want)
		}
		for k, iv := range got.intervals {
			if w := want.intervals[k]; iv.Start != w.Start || iv.End != w.End {
				t.Errorf("planes %q: interval %d is %v to %v, want %v to %v", o.planes, k, iv.Start, iv.End, w.Start, w.End)
			}
		}
	}
}

func TestKeptPlanesThatAreCutOffAreNotUsed(t *testing.T) {
	f := film{width: 3, height: 2, stamps: []time.Duration{0, 1}, pix: make([]byte, 12)}
	whole := f.pack()
	for n := range whole {
		if _, err := unpack(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(whole))
		}
	}
	if got, err := unpack(whole); err != nil || len(got.stamps) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestScoreIsTakenUnderOtherConditions(t *testing.T) {
	var out bytes.Buffer
	o := options{clips: t.TempDir(), rate: 4, many: true, sizes: "80x60", rates: "2", qualities: "50", planes: t.TempDir()}
	if err := run(context.Background(), o, "64x48", "^car-pass-", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"base", "80x60", "2/s", "JPEG quality 50", "one picture of 2", "first 7 pictures cut"} {
		if !strings.Contains(out.String(), "\n"+want+" ") {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
	if !strings.Contains(out.String(), "| held") || strings.Count(out.String(), "%") < 9 {
		t.Errorf("got\n%s", out.String())
	}
}

func TestFilmIsThinnedToARateAndFromTheStart(t *testing.T) {
	f := &film{width: 1, height: 1}
	for i := range 30 {
		f.stamps, f.pix = append(f.stamps, time.Duration(i)*time.Second/15), append(f.pix, byte(i))
	}
	tests := []struct {
		name      string
		cut, each int
		rate      float64
		want      []byte
	}{
		{name: "a third of the rate", rate: 5, want: []byte{0, 3, 6, 9, 12, 15, 18, 21, 24, 27}},
		{name: "a rate that doesn't divide it", rate: 2, want: []byte{0, 8, 15, 23}},
		{name: "a higher rate", cut: 28, rate: 20, want: []byte{28, 29}},
		{name: "each tenth after the first three", cut: 3, each: 10, want: []byte{3, 13, 23}},
	}
	for _, tt := range tests {
		got := f.thin(tt.cut, tt.each, tt.rate)
		if !bytes.Equal(got.pix, tt.want) {
			t.Errorf("%s: got %d, want %d", tt.name, got.pix, tt.want)
		}
		if got.stamps[0] != f.stamps[tt.want[0]] {
			t.Errorf("%s: the first stamp is %v, want %v", tt.name, got.stamps[0], f.stamps[tt.want[0]])
		}
	}
}

func TestResizedPlanesKeepTheirMeanAndPlaces(t *testing.T) {
	f := &film{width: 8, height: 6, stamps: []time.Duration{0}}
	for y := range 6 {
		for x := range 8 {
			f.pix = append(f.pix, byte(40+10*x+5*y))
		}
	}
	for _, width := range []int{4, 5, 8, 16, 21} {
		g := f.resize(width)
		if want := (6*width + 4) / 8; g.width != width || g.height != want || len(g.pix) != width*want {
			t.Fatalf("width %d: got %dx%d with %d samples", width, g.width, g.height, len(g.pix))
		}
		sum := 0
		for _, v := range g.pix {
			sum += int(v)
		}
		if mean := float64(sum) / float64(len(g.pix)); math.Abs(mean-87.5) > 1 {
			t.Errorf("width %d: the mean is %.1f, want 87.5", width, mean)
		}
		left, right := float64(g.pix[0]), float64(g.pix[width-1])
		if d := right - left; d < 50 || d > 71 {
			t.Errorf("width %d: from left to right %.0f, want about 70", width, d)
		}
	}
}

func TestSceneChangesAreJudgedByTheFirstNameTold(t *testing.T) {
	change := func(kind string, from, to float64) []scenes.Stretch {
		return []scenes.Stretch{{Kind: kind, Start: from, End: to}}
	}
	tests := []struct {
		name    string
		changes []scenes.Stretch
		told    []told
		want    verdict
		others  int
	}{
		{name: "right", changes: change("light", 10, 11), told: []told{{12, "light"}, {13, "moved"}}, want: verdict{"light", "light"}},
		{name: "wrong", changes: change("moved", 10, 11), told: []told{{12, "infra-red"}}, want: verdict{"moved", "infra-red"}},
		{name: "not at all", changes: change("moved", 10, 11), want: verdict{"moved", ""}},
		{name: "too late, and so false", changes: change("black", 10, 30), told: []told{{20, "black"}}, want: verdict{"black", ""}, others: 1},
		{name: "frozen is told later", changes: change("frozen", 10, 30), told: []told{{20.5, "frozen"}}, want: verdict{"frozen", "frozen"}},
		{name: "the end of it counts neither way", changes: change("covered", 10, 20), told: []told{{11, "black"}, {22, "light"}}, want: verdict{"covered", "black"}},
	}
	for _, tt := range tests {
		each, others := judge(&scenes.Truth{Source: "rendered", Changes: tt.changes}, tt.told)
		if len(each) != 1 || each[0] != tt.want || len(others) != tt.others {
			t.Errorf("%s: got %+v and %v", tt.name, each, others)
		}
	}
	recording := scenes.Truth{Source: "real", Nuisance: change("light_step", 10, 10.3)}
	if each, _ := judge(&recording, []told{{12, "light"}}); len(each) != 1 || !each[0].right() {
		t.Errorf("a recording's light: %+v", each)
	}
}

func TestTheBestOnTheOtherClipsIsChosen(t *testing.T) {
	good, bad := tally{Events: 1, OnTime: 1}, tally{Events: 1}
	tallies := map[string][]tally{
		defaults:   {good, bad, good},
		"fits all": {good, good, bad},
		"as good":  {bad, bad, good},
	}
	names := []string{"as good", defaults, "fits all"}
	tests := []struct {
		but    int
		chosen string
		equals int
	}{
		{but: 0, chosen: defaults, equals: 3}, // each has one of the two others
		{but: 1, chosen: defaults, equals: 1},
		{but: 2, chosen: "fits all", equals: 1},
	}
	for _, tt := range tests {
		chosen, equals := best(names, tallies, tt.but)
		if chosen != tt.chosen || len(equals) != tt.equals {
			t.Errorf("without clip %d: %s of %q, want %s of %d", tt.but, chosen, equals, tt.chosen, tt.equals)
		}
	}
}
