package main

import (
	"math"
	"slices"

	"camward/scripts/scenes"
)

// What a detection is held against, in seconds. The rules are those of the scorer that the project's figures are given in.
const (
	warmUp      = 2    // from the start of a clip nothing counts as false
	early       = 0.5  // a detection may precede its event by this
	late        = 1    // and follow its start by this, where the truth doesn't say more
	after       = 2    // that long after an event what is detected isn't false
	falseUnit   = 10   // a false stretch counts once for each of these begun
	leastFalse  = 0.2  // shorter ones count as time only
	leastLength = 0.05 // a detection in a single picture lasts this long
)

// An interval is a detected stretch of motion, in seconds.
type interval struct {
	Start float64 `json:"start_s"`
	End   float64 `json:"end_s"`
}

// A tally is how detections compare with the truth, of one clip or of many together.
type tally struct {
	Events   int     `json:"events"`
	OnTime   int     `json:"on_time"`
	Late     int     `json:"late"`
	False    int     `json:"false_units"`
	FalseS   float64 `json:"false_s"`
	EmptyS   float64 `json:"negative_s"` // in which a detection is false
	CoveredS float64 `json:"covered_s"`
	TruthS   float64 `json:"truth_s"`
	DelayS   float64 `json:"delay_sum_s"`
}

func (t *tally) add(o tally) {
	t.Events += o.Events
	t.OnTime += o.OnTime
	t.Late += o.Late
	t.False += o.False
	t.FalseS += o.FalseS
	t.EmptyS += o.EmptyS
	t.CoveredS += o.CoveredS
	t.TruthS += o.TruthS
	t.DelayS += o.DelayS
}

// f1 weighs every event and every false unit alike; it is 1 where nothing was to be found and nothing was.
func (t tally) f1() float64 {
	if t.OnTime+t.wrong() == 0 {
		return 1
	}
	return 2 * float64(t.OnTime) / float64(2*t.OnTime+t.wrong())
}

// wrong counts what was missed or found late, and what is false.
func (t tally) wrong() int { return t.False + t.Events - t.OnTime }

// The ratios are NaN where there is nothing that they could be a share of.

func (t tally) recall() float64       { return float64(t.OnTime) / float64(t.Events) }
func (t tally) falsePerHour() float64 { return 60 * t.FalseS / t.EmptyS } // minutes
func (t tally) covered() float64      { return t.CoveredS / t.TruthS }
func (t tally) delay() float64        { return t.DelayS / float64(t.OnTime) }

// compare holds what was detected in a clip against its truth.
func compare(truth *scenes.Truth, found []interval) (t tally) {
	found = tidy(found, truth.Duration)
	t.Events = len(truth.Events)
	for _, e := range truth.Events {
		t.find(e, found)
	}
	t.time(truth, found)
	return t
}

// onTime tells of each event whether it was found on time.
func onTime(truth *scenes.Truth, found []interval) []bool {
	found = tidy(found, truth.Duration)
	list := make([]bool, len(truth.Events))
	for i, e := range truth.Events {
		var t tally
		t.find(e, found)
		list[i] = t.OnTime > 0
	}
	return list
}

// tidy gives what was detected within the clip, no interval of no length, sorted, what touches joined.
func tidy(found []interval, duration float64) []interval {
	var out []interval
	for _, f := range found {
		f = interval{max(f.Start, 0), min(max(f.End, f.Start+leastLength), duration)}
		if f.End > f.Start {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b interval) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	})
	n := 0
	for _, f := range out {
		if n > 0 && f.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, f.End)
			continue
		}
		out[n] = f
		n++
	}
	return out[:n]
}

// find looks for an event among what was detected.
func (t *tally) find(e scenes.Event, found []interval) {
	tolerance := e.OnsetTol
	if tolerance <= 0 {
		tolerance = late
	}
	from, to := e.Start-early, min(e.Start+tolerance, e.End)
	if e.Start < warmUp {
		from, to = 0, e.End
	}
	for _, f := range found {
		if f.End <= from || f.Start >= e.End {
			continue
		}
		if f.Start < to {
			t.OnTime++
			t.DelayS += max(0, max(f.Start, from)-e.Start)
		} else {
			t.Late++
		}
		return // the first is what counts
	}
}

// time cuts the clip wherever anything begins or ends; in each piece all is one way or the other.
func (t *tally) time(truth *scenes.Truth, found []interval) {
	var events, near, ignored []interval
	cuts := []float64{warmUp, truth.Duration}
	mark := func(list *[]interval, from, to float64) {
		*list = append(*list, interval{from, to})
		cuts = append(cuts, from, to)
	}
	for _, e := range truth.Events {
		mark(&events, e.Start, e.End)
		mark(&near, e.Start-early, e.End+after)
	}
	for _, i := range truth.Ignore {
		mark(&ignored, i.Start, i.End)
	}
	for _, f := range found {
		cuts = append(cuts, f.Start, f.End)
	}
	slices.Sort(cuts)
	stretch := 0.0 // of false detection up to here
	for i := 1; i < len(cuts); i++ {
		long, mid := cuts[i]-cuts[i-1], (cuts[i]+cuts[i-1])/2
		if long <= 0 {
			continue
		}
		detected, counts := within(found, mid), mid > warmUp && mid < truth.Duration && !within(ignored, mid)
		if counts && within(events, mid) {
			t.TruthS += long
			if detected {
				t.CoveredS += long
			}
		}
		empty := counts && !within(near, mid)
		if empty {
			t.EmptyS += long
		}
		if empty && detected {
			stretch += long
			continue
		}
		t.accuse(stretch)
		stretch = 0
	}
	t.accuse(stretch)
}

// accuse counts a stretch of false detection.
func (t *tally) accuse(long float64) {
	t.FalseS += long
	if long >= leastFalse {
		t.False += int(math.Ceil(long/falseUnit - 1e-9))
	}
}

func within(list []interval, at float64) bool {
	return slices.ContainsFunc(list, func(i interval) bool { return at > i.Start && at < i.End })
}
