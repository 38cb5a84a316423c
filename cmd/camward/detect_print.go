package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"camward/agent"
)

// What the settings of a replay are called.
const (
	asConfigured = "as configured"
	asSet        = "as set"
)

// found takes what was found in each recording: one detection, or two side by side.
type found interface {
	clip(name string, d []agent.Detection) error
}

// interval is one line of output, as motion scorers read it.
type interval struct {
	Clip     string       `json:"clip"` // the file's base name
	Settings string       `json:"settings,omitempty"`
	Start    float64      `json:"start_s"`
	End      float64      `json:"end_s"`
	PeakAt   float64      `json:"peak_s"`             // of the picture in which the most moved
	Peak     float64      `json:"peak"`               // share of the picture that the largest moving part took there
	Boxes    [][5]float64 `json:"boxes"`              // around the largest moving part: second, then left, top, right, bottom in fractions of the picture
	Headings []string     `json:"headings,omitempty"` // which ways it surely went
}

// lines are JSON, one for each interval.
type lines struct {
	e        *json.Encoder
	settings []string // names of the detections, if there is more than one
}

func newLines(w io.Writer) *lines {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return &lines{e: e}
}

func (l *lines) clip(name string, d []agent.Detection) error {
	for i, one := range d {
		for _, iv := range one.Intervals {
			line := interval{Clip: name, Start: seconds(iv.Start), End: seconds(iv.End), PeakAt: seconds(iv.Peak), Peak: digits(iv.Score, 4), Boxes: [][5]float64{}}
			if l.settings != nil {
				line.Settings = l.settings[i]
			}
			for _, b := range iv.Boxes {
				line.Boxes = append(line.Boxes, [5]float64{seconds(b.Time), digits(b.X0, 4), digits(b.Y0, 4), digits(b.X1, 4), digits(b.Y1, 4)})
			}
			for _, h := range iv.Headings {
				line.Headings = append(line.Headings, h.String())
			}
			if err := l.e.Encode(line); err != nil {
				return err
			}
		}
	}
	return nil
}

func seconds(d time.Duration) float64 { return digits(d.Seconds(), 3) }

func digits(v float64, n int) float64 {
	unit := math.Pow10(n)
	return math.Round(v*unit) / unit
}

// table holds two detections side by side for people.
type table struct {
	w    io.Writer
	sets []string
	more bool // recordings before this one
}

func (t *table) clip(name string, d []agent.Detection) error {
	if !t.more {
		for _, s := range t.sets {
			fmt.Fprintf(t.w, "%s: %s\n", asSet, s)
		}
	}
	t.more = true
	tab := tabwriter.NewWriter(t.w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(tab, "\n%s\t%s\t%s\n", name, asConfigured, asSet)
	pairs := agent.Pair(d[0].Intervals, d[1].Intervals)
	for _, p := range pairs {
		for i := range max(len(p.A), len(p.B)) {
			verdict := "both"
			switch {
			case len(p.B) == 0:
				verdict = "only " + asConfigured
			case len(p.A) == 0:
				verdict = "only " + asSet
			case i > 0:
				verdict = ""
			}
			fmt.Fprintf(tab, "%s\t%s\t%s\n", verdict, stretch(p.A, i), stretch(p.B, i))
		}
	}
	if len(pairs) == 0 {
		fmt.Fprint(tab, "no motion\t-\t-\n")
	}
	fmt.Fprintf(tab, "together\t%s\t%s\n", total(d[0]), total(d[1]))
	return tab.Flush()
}

func stretch(of []agent.Interval, i int) string {
	if i >= len(of) {
		return "-"
	}
	return fmt.Sprintf("%.1f - %.1f s, peak %.2g %%", of[i].Start.Seconds(), of[i].End.Seconds(), 100*of[i].Score)
}

func total(d agent.Detection) string {
	sum := time.Duration(0)
	for _, iv := range d.Intervals {
		sum += iv.End - iv.Start
	}
	return strings.TrimSuffix(fmt.Sprintf("%d, %.1f s", len(d.Intervals), sum.Seconds()), ", 0.0 s")
}
