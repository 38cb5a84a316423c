package motion

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// A Story is what traces are explained with: the grid and the settings that they were made with.
type Story struct {
	Cols, Rows int // of the grid, in cells
	Config     Config
	// When writes a picture's stamp for people; nil: seconds, as "12.4 s".
	When func(mono time.Duration) string
}

// What a Finding is.
const (
	FoundMotion   = "motion"   // a stretch of motion, gaps of up to MaxGap in it
	FoundMiss     = "miss"     // a stretch in which something changed, but did not make motion
	FoundScene    = "scene"    // the whole picture changed, with the learning that followed
	FoundLearning = "learning" // the detector knew nothing yet
	FoundStill    = "still"    // nothing changed
)

// A Finding explains a stretch of pictures in plain words.
type Finding struct {
	Kind     string
	From, To time.Duration // stamps of its first and its last picture
	Trace    Trace         // of the picture that tells most
	Text     string        // sentences, of which each says when
	Changes  []Change      // that would have made it otherwise
}

// A Change is a setting that would have led to another decision.
type Change struct {
	Key   string // as the configuration has it, such as motion.min_area; empty: no setting does it
	Value string // that would do; empty: it depends
	Text  string
}

// Explain tells what happened, in order of time: every stretch of motion, every scene change and time of learning, and of the stretches in which
// something changed without making motion the ones that came nearest to it, at most misses of them; single places only where there is no motion
// at all. If there is none of all that, the one finding says so.
func (s *Story) Explain(traces []Trace, misses int) []Finding {
	stretches := split(traces)
	var found []Finding
	var near []Finding
	for i, st := range stretches {
		switch st.kind {
		case FoundMiss:
			if !beside(stretches, i) {
				near = append(near, s.miss(st))
			}
		case FoundMotion:
			found = append(found, s.motion(st))
		case FoundScene, FoundLearning:
			found = append(found, s.relearnt(st))
		}
	}
	sort.SliceStable(near, func(i, j int) bool { return near[i].Trace.Nearness() > near[j].Trace.Nearness() }) // of package slices it would be larger
	moved := slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == FoundMotion })
	if moved {
		near = slices.DeleteFunc(near, func(f Finding) bool { return f.Trace.Reason == ReasonAlone })
	}
	found = append(found, s.alike(near, misses)...)
	if !slices.ContainsFunc(found, func(f Finding) bool { return f.Kind != FoundLearning }) && len(traces) > 0 {
		found = append(found, s.still(traces))
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].From < found[j].From })
	return found
}

// alike keeps the first most of the misses; those that have the same reason and place as one of them are mentioned there.
func (s *Story) alike(near []Finding, most int) (kept []Finding) {
	again := map[int][]time.Duration{} // by the index in kept
	for _, f := range near {
		i := slices.IndexFunc(kept, func(k Finding) bool {
			return k.Trace.Reason == f.Trace.Reason && place(k.Trace.Box) == place(f.Trace.Box)
		})
		switch {
		case i >= 0:
			again[i] = append(again[i], f.Trace.Mono)
		case len(kept) < most:
			kept = append(kept, f)
		}
	}
	const named = 3
	for i, at := range again {
		sort.Slice(at, func(i, j int) bool { return at[i] < at[j] })
		var times []string
		for _, t := range at[:min(len(at), named)] {
			times = append(times, s.when(t))
		}
		text := strings.Join(times, ", ")
		if more := len(at) - named; more > 0 {
			text += fmt.Sprintf(" and %d more times", more)
		}
		kept[i].Text += " Much the same: " + text + "."
	}
	return kept
}

// Nearest gives the miss that came nearest to motion among findings; ok is false if there is none.
func Nearest(found []Finding) (f Finding, ok bool) {
	for _, m := range found {
		if m.Kind == FoundMiss && (!ok || m.Trace.Nearness() > f.Trace.Nearness()) {
			f, ok = m, true
		}
	}
	return f, ok
}

// At tells how the picture nearest to a moment was decided; ok is false if there is no trace at all.
func (s *Story) At(traces []Trace, mono time.Duration) (f Finding, ok bool) {
	best := -1
	for i, t := range traces {
		if t.Reason == ReasonSkipped && len(traces) > 1 {
			continue
		}
		if best < 0 || abs64(t.Mono-mono) < abs64(traces[best].Mono-mono) {
			best = i
		}
	}
	if best < 0 {
		return f, false
	}
	t := traces[best]
	f = Finding{Kind: kindOf(t.Reason), From: t.Mono, To: t.Mono, Trace: t, Changes: s.changes(t)}
	if f.Kind == "" {
		f.Kind = FoundStill
	}
	f.Text = s.when(t.Mono) + ": " + s.sentence(t)
	if t.Evidence > 0 && t.Reason != ReasonBrief {
		f.Text += fmt.Sprintf(" Evidence of motion at this moment: %s of the %s that are needed.", inSeconds(t.Evidence), inSeconds(t.Needed))
	}
	return f, true
}

func abs64(d time.Duration) time.Duration { return max(d, -d) }

// kindOf is the kind of finding that a picture belongs to; empty if it is of none.
func kindOf(r Reason) string {
	switch r {
	case ReasonMoving, ReasonLasting:
		return FoundMotion
	case ReasonScene:
		return FoundScene
	case ReasonStart, ReasonLearning:
		return FoundLearning
	case ReasonNone, ReasonSkipped, ReasonStill:
		return ""
	}
	return FoundMiss
}

// A stretch is pictures that belong together.
type stretch struct {
	kind   string
	traces []Trace
}

func (s *stretch) from() time.Duration { return s.traces[0].Mono }
func (s *stretch) to() time.Duration   { return s.traces[len(s.traces)-1].Mono }

// split cuts traces into stretches: pictures of one kind, with at most MaxGap between two of them. Learning that follows a scene change belongs to that.
func split(traces []Trace) (list []stretch) {
	last := map[string]int{} // of a kind: the index in list
	first, end := map[string]int{}, map[string]int{}
	put := func(kind string, i int) {
		if n, ok := last[kind]; ok && traces[i].Mono-traces[end[kind]].Mono <= MaxGap && traces[i].Mono >= traces[end[kind]].Mono {
			end[kind] = i
			list[n].traces = traces[first[kind] : i+1]
			return
		}
		last[kind], first[kind], end[kind] = len(list), i, i
		list = append(list, stretch{kind, traces[i : i+1]})
	}
	scene := false // what is learnt now is a changed scene
	for i, t := range traces {
		kind := kindOf(t.Reason)
		switch kind {
		case "":
			if t.Scene != SceneNone { // a frozen picture, of which the detector needs to learn nothing
				put(FoundScene, i)
			}
			continue
		case FoundScene:
			scene = true
		case FoundLearning:
			if scene = scene && t.Reason != ReasonStart; scene {
				kind = FoundScene
			}
		default:
			scene = false
		}
		put(kind, i)
	}
	return list
}

// beside reports whether a stretch begins or ends where motion is, or the picture is learnt: what leads up to that and what it leaves behind are no misses.
func beside(list []stretch, i int) bool {
	for _, o := range list {
		if o.kind == FoundMotion && o.from() <= list[i].to()+MaxGap && list[i].from() <= o.to()+MaxGap {
			return true
		}
	}
	return false
}

// Nearness says how near to motion a picture came: 0 not at all, from 2 on something moved and was only too brief, from 4 on it is motion, and the more the
// larger what moves.
func (t Trace) Nearness() float64 {
	least := float64(max(t.Least, 1))
	switch t.Reason {
	case ReasonBrief:
		return 2 + float64(t.Evidence)/math.Max(float64(t.Needed), 1e-3)
	case ReasonStands, ReasonLight:
		return 1 + min(float64(t.Largest)/least, 100)/101
	case ReasonSmall:
		return 0.5 + min(float64(t.Largest)/least, 1)/2.1
	case ReasonAlone:
		return min(float64(t.Changed)/least, 1) / 2.1
	case ReasonMoving:
		return 4 + float64(t.Moved)/4096
	case ReasonNone, ReasonSkipped, ReasonStill, ReasonStart, ReasonLearning, ReasonScene, ReasonLasting:
		return 0
	}
	return 1
}

func (s *Story) when(mono time.Duration) string {
	if s.When != nil {
		return s.When(mono)
	}
	return fmt.Sprintf("%.1f s", mono.Seconds())
}

func (s *Story) span(from, to time.Duration) string {
	if a, b := s.when(from), s.when(to); a != b {
		return a + " to " + b
	}
	return s.when(from)
}

// area writes so many cells as a share of the picture.
func (s *Story) area(cells uint16) string {
	return Percent(float64(cells) / float64(max(1, s.Cols*s.Rows)))
}

// Percent writes a share of the picture, 0..1, in percent to two digits or two decimals.
func Percent(share float64) string {
	switch p := share * 100; {
	case p >= 10:
		return fmt.Sprintf("%.0f %%", p)
	case p >= 1:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.2f %%", p)
	}
}

func inSeconds(v float32) string { return fmt.Sprintf("%.2f s", v) }

// floor reports whether the smallest part that counts is as small as it can be, whatever is set.
func (s *Story) floor(t Trace) bool {
	return int(t.Least) <= defaultTuning().minCells
}

// place names where a box is, as a person says it.
func place(box [4]uint8) string {
	if box == [4]uint8{} {
		return "in the picture"
	}
	across, down := int(box[0])+int(box[2]), int(box[1])+int(box[3]) // twice the middle: 0..510
	column := [...]string{"left", "", "right"}[min(across/170, 2)]
	line := [...]string{"top", "", "bottom"}[min(down/170, 2)]
	wide := int(box[2])-int(box[0]) > 200
	switch {
	case wide && line == "":
		return "across the picture"
	case wide:
		return "across the " + line
	case line == "" && column == "":
		return "in the middle"
	case line == "":
		return "on the " + column
	case column == "":
		return "at the " + line
	}
	return "at the " + line + " " + column
}

// insect is the share of the picture above which motion.min_area is not advised against what moves: it would leave out people, too.
const insect = 0.02

// motion explains why there was motion.
func (s *Story) motion(st stretch) Finding {
	first, last, peak := st.traces[0], st.traces[0], st.traces[0]
	for _, t := range st.traces {
		if t.Reason != ReasonMoving {
			continue
		}
		last = t
		if t.Moved > peak.Moved {
			peak = t
		}
	}
	f := Finding{Kind: FoundMotion, From: st.from(), To: st.to(), Trace: peak}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: motion. Something moved %s", s.span(f.From, f.To), place(first.Box))
	if there := place(last.Box); there != place(first.Box) {
		fmt.Fprintf(&b, ", in the end %s", there)
	}
	fmt.Fprintf(&b, ". At its largest it took %s of the picture (%s); %s is enough (motion.min_area). It counted once it had been seen for %s (motion.min_duration).",
		s.area(peak.Moved), s.when(peak.Mono), s.area(peak.Least), inSeconds(first.Needed))
	f.Text = b.String()
	f.Changes = []Change{{"motion.exclude", "", "a polygon " + place(peak.Box) + " silences it"}}
	if float64(peak.Moved) < insect*float64(s.Cols*s.Rows) {
		f.Changes = append(f.Changes, Change{"motion.min_area", s.shareAbove(peak.Moved), "leaves out what is not larger than this was"})
	}
	if long := f.To - f.From; long < 2*time.Second {
		f.Changes = append(f.Changes, Change{"motion.min_duration", (long + s.Config.MinDuration + 200*time.Millisecond).Truncate(100 * time.Millisecond).String(), "leaves out what moves for no longer than this did"})
	}
	return f
}

// shareAbove is a value of motion.min_area that so many cells do not reach.
func (s *Story) shareAbove(cells uint16) string {
	return fmt.Sprintf("%.2g%%", math.Min(50, 100*float64(cells)*1.25/float64(max(1, s.Cols*s.Rows))))
}

// least tells the smallest part that counts, and why it is that.
func (s *Story) least(t Trace) string {
	if s.floor(t) {
		return fmt.Sprintf("%s (%d cells of the detector's grid, whatever motion.min_area says)", s.area(t.Least), t.Least)
	}
	return s.area(t.Least) + " (motion.min_area)"
}

// miss explains why what changed made no motion.
func (s *Story) miss(st stretch) Finding {
	best := st.traces[0]
	for _, t := range st.traces {
		if t.Nearness() > best.Nearness() {
			best = t
		}
	}
	f := Finding{Kind: FoundMiss, From: st.from(), To: st.to(), Trace: best, Changes: s.changes(best)}
	f.Text = s.when(best.Mono) + ": no motion. " + s.sentence(best)
	return f
}

// relearnt explains a time in which the picture was learnt.
func (s *Story) relearnt(st stretch) Finding {
	f := Finding{Kind: st.kind, From: st.from(), To: st.to(), Trace: st.traces[0]}
	if st.kind == FoundLearning {
		f.Text = s.span(f.From, f.To) + ": the detector learnt what the picture looks like, as it does at each start of the camera; nothing counts as motion meanwhile."
		return f
	}
	what := "most of the picture changed at once"
	learnt := false
	for _, t := range st.traces {
		if t.Scene != SceneNone {
			what, f.Trace = sceneText(t.Scene), t
		}
		learnt = learnt || kindOf(t.Reason) == FoundScene || kindOf(t.Reason) == FoundLearning
	}
	f.Text = fmt.Sprintf("%s: %s. This is told as a scene change, not as motion", s.span(f.From, f.To), what)
	if learnt {
		f.Text += "; the detector learnt the picture anew, and nothing counted as motion meanwhile"
	}
	f.Text += "."
	return f
}

func sceneText(c Scene) string {
	switch c {
	case SceneLight:
		return "the light in the whole picture changed"
	case SceneInfra:
		return "the filter against infra-red moved, between day and night"
	case SceneMoved:
		return "the camera was turned or carried, it shows another view"
	case SceneCovered:
		return "something covers the lens"
	case SceneBlack:
		return "the picture became black"
	case SceneFrozen:
		return "the picture is frozen: the same to the last bit for seconds"
	case SceneFocus:
		return "the picture lost its sharpness: out of focus, or fog"
	}
	return "the whole picture changed (" + c.String() + ")"
}

// still explains that there was nothing to explain.
func (s *Story) still(traces []Trace) Finding {
	traces = slices.DeleteFunc(slices.Clone(traces), func(t Trace) bool { return kindOf(t.Reason) == FoundLearning && len(traces) > 1 })
	if len(traces) == 0 {
		return Finding{Kind: FoundStill, Text: "There was nothing but that: the detector had no time to look for anything."}
	}
	f := Finding{Kind: FoundStill, From: traces[0].Mono, To: traces[len(traces)-1].Mono, Trace: traces[0]}
	for _, t := range traces {
		if t.Threshold > f.Trace.Threshold {
			f.Trace = t
		}
	}
	f.Text = fmt.Sprintf("%s: nothing changed. %s", s.span(f.From, f.To), s.sentence(f.Trace))
	f.Changes = s.changes(f.Trace)
	return f
}

// sentence says why a picture led to what it led to.
func (s *Story) sentence(t Trace) string {
	switch t.Reason {
	case ReasonSkipped:
		return "The picture came so soon after the last that it was passed over; the last decision holds."
	case ReasonStart, ReasonLearning:
		return "The detector was still learning what the picture looks like; nothing counts as motion meanwhile."
	case ReasonScene:
		return "Most of the picture changed at once, as when the light is switched or the camera is moved: a scene change, not motion."
	case ReasonStill, ReasonNone:
		return fmt.Sprintf("No place differed from its background by more than the %.1f levels of 255 that count there (motion.min_contrast %v, more where the picture is noisy, has edges or flickers).", t.Threshold, s.Config.MinContrast)
	case ReasonAlone:
		return fmt.Sprintf("%s changed, but nothing near had changed just before: noise, a flicker, a drop.", s.cells(t.Changed))
	case ReasonSmall:
		return fmt.Sprintf("Something changed %s, %s of the picture at its largest part; the smallest that counts is %s.", place(t.Box), s.area(t.Largest), s.least(t))
	case ReasonStands:
		return fmt.Sprintf("Something of %s of the picture differs from the background %s, but stands still: left behind or taken away, parked, a digit of a clock. It becomes background within seconds.", s.area(t.Largest), place(t.Box))
	case ReasonLight:
		return fmt.Sprintf("Light or shadow fell on %s of the picture %s: what can be seen there kept its texture, so nothing stands before it.", s.area(t.Largest), place(t.Box))
	case ReasonBrief:
		return s.brief(t)
	case ReasonMoving:
		return fmt.Sprintf("Something of %s of the picture moved %s. The smallest that counts is %s.", s.area(t.Moved), place(t.Box), s.least(t))
	case ReasonLasting:
		return "Nothing moves in this picture, but something did a moment ago, so the motion goes on."
	}
	return fmt.Sprintf("Something of %s of the picture changed %s and was left out (%s).", s.area(t.Largest), place(t.Box), t.Reason)
}

func (s *Story) cells(n uint16) string {
	if n == 1 {
		return fmt.Sprintf("A single place (%s of the picture)", s.area(n))
	}
	return fmt.Sprintf("%d places (%s of the picture)", n, s.area(n))
}

// brief says how long something moved, and that small things need longer.
func (s *Story) brief(t Trace) string {
	text := fmt.Sprintf("Something of %s of the picture moved %s. It was seen for %s; %s are needed (motion.min_duration).", s.area(t.Moved), place(t.Box), inSeconds(t.Evidence), inSeconds(t.Needed))
	if sure := defaultTuning().sure; float64(t.Moved) < sure*float64(t.Least) {
		text += fmt.Sprintf(" It is not much larger than the smallest that counts, %s; such things need longer, up to %.0f times.", s.least(t), sure)
	}
	return text
}

// changes lists what would have let the picture count.
func (s *Story) changes(t Trace) (list []Change) {
	none := func(text string) { list = append(list, Change{Text: text}) }
	switch t.Reason {
	case ReasonBrief:
		list = append(list, Change{"motion.min_duration", fmt.Sprint(time.Duration(float64(t.Evidence)*0.9*20) * time.Second / 20), "lets what was seen for so long count"})
	case ReasonSmall:
		if s.floor(t) || int(t.Largest) < defaultTuning().minCells {
			none("no setting lets smaller things count; a camera that is nearer, or a narrower view, makes them larger")
		} else {
			list = append(list, Change{"motion.min_area", fmt.Sprintf("%.2g%%", 98*float64(t.Largest)/float64(max(1, s.Cols*s.Rows))), "lets so small a part count"})
		}
		list = append(list, s.contrast("finds more of it, if it differs little from what is behind it"))
	case ReasonStill, ReasonAlone:
		list = append(list, s.contrast("finds what differs less from its background, and more noise"))
	case ReasonLearning, ReasonStart:
		none("no setting; it takes 1.5 s after a start and 0.7 s after a scene change")
	case ReasonStands, ReasonLight:
		none("no setting; if somebody did walk there, a zone (motion.zones) with a higher sensitivity may find more of them")
	}
	return list
}

// contrast is a change of motion.min_contrast by half.
func (s *Story) contrast(text string) Change {
	c := Change{"motion.min_contrast", "", text + " (or a zone there with sensitivity 2, motion.zones)"}
	if v := math.Floor(s.Config.MinContrast) / 2; v >= 2 {
		c.Value = fmt.Sprint(v)
	}
	return c
}
