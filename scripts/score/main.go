// Command score measures the detector, with its defaults, on recordings with truth and on rendered scenes.
//
//	go run ./scripts/score [-json] [-draw N] [-size 640x480] [-rate 10] [-only REGEXP] [-planes DIR] [-reveal]
//	go run ./scripts/score -matrix [-sizes LIST] [-rates LIST] [-qualities LIST] [-cross] [-planes DIR]
//	go run ./scripts/score -leave-one-out [-planes DIR]
//
// Three tables: the open recordings beside the checkout (../shared/motion-clips; CAMWARD_SHARED names another place for ../shared), the
// scenes for tuning, and the held scenes. Of the latter only the sum is told, since who reads single ones begins to tune on them;
// -reveal tells all, for the day on which a detector is final. Recordings go through agent.Detect as in camward detect,
// scenes through JPEG and the decoder that the agent has. -planes keeps what the detector sees of all of them, stamps and planes, and
// the next time only the detector runs.
//
// An event counts as on time when something is detected from 0.5 s before its start to 1 s after it (or what the truth allows); late
// when only after that. False are detections outside the events, but for 0.5 s before and 2 s after each, the stretches to ignore
// and the first 2 s of a clip: one for each 10 s begun, shorter than 0.2 s only as time. F1 is of events on time, missed and
// false; covered is the share of the events' time in which something was detected. The last table holds the names of scene changes against
// the truth.
//
// -matrix measures again under other sizes, rates, JPEG qualities, with pictures dropped, and begun later. Scenes are rendered so, those wider than 640 at an eighth of their size; of recordings the planes are
// averaged and dropped. -leave-one-out tells whether the detector's constants fit the clips that they were chosen on better than others.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"camward/scripts/scenes"
)

type options struct {
	json          bool
	reveal        bool
	draw          int // the number to draw further scenes by; 0: none
	width, height int
	rate          float64
	only          *regexp.Regexp
	planes        string
	clips         string

	leaveOut                bool
	many                    bool // the matrix
	cross                   bool
	sizes, rates, qualities string
	condition               condition
	quality                 int // of JPEG; 0 is what a scene has
}

func main() {
	o := options{clips: filepath.Join(shared(), "motion-clips")}
	flag.BoolVar(&o.json, "json", false, "print JSON")
	flag.BoolVar(&o.reveal, "reveal", false, "tell the held scenes one by one")
	flag.Float64Var(&o.rate, "rate", 10, "pictures a second of the scenes")
	flag.StringVar(&o.planes, "planes", "", "keep what the detector sees in this `folder`, and take it from there")
	flag.IntVar(&o.draw, "draw", 0, "measure 74 further scenes too, drawn by this `number`, 1 to 1e6: one that nobody used before")
	size := flag.String("size", "640x480", "size of the scenes")
	only := flag.String("only", "", "only clips and scenes whose name matches this `expression`")
	flag.BoolVar(&o.leaveOut, "leave-one-out", false, "try other constants, choosing them for each clip by the others")
	flag.BoolVar(&o.many, "matrix", false, "print the sums under many conditions")
	flag.StringVar(&o.sizes, "sizes", "1920x1080,1280x720,640x480,320x240,160x120", "of the matrix")
	flag.StringVar(&o.rates, "rates", "60,30,15,10,5,2,1", "of the matrix")
	flag.StringVar(&o.qualities, "qualities", "95,70,40", "of JPEG, of the matrix")
	flag.BoolVar(&o.cross, "cross", false, "in the matrix every size at every rate")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, *size, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(1)
	}
}

// shared is where the recordings lie.
func shared() string {
	if dir := os.Getenv("CAMWARD_SHARED"); dir != "" {
		return dir
	}
	return filepath.Join("..", "shared")
}

func run(ctx context.Context, o options, size, only string, w io.Writer) (err error) {
	wh, err := parseSize(size)
	if err != nil {
		return fmt.Errorf("-size: %w", err)
	}
	o.width, o.height = wh[0], wh[1]
	if o.only, err = regexp.Compile(only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if o.planes != "" {
		if err := os.MkdirAll(o.planes, 0o755); err != nil {
			return err
		}
	}
	if o.draw < 0 || o.draw > 1e6 {
		return fmt.Errorf("-draw: %d is not 1 to 1000000", o.draw)
	}
	began := time.Now()
	switch {
	case o.leaveOut:
		return o.leaveOneOut(ctx, w)
	case o.many:
		return o.matrix(ctx, w)
	}
	parts, err := o.measure(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(w).Encode(report(parts))
	}
	for _, p := range parts {
		p.print(w)
	}
	summary(w, parts)
	printNames(w, parts)
	fmt.Fprintf(w, "\nscenes at %dx%d, %g pictures a second; %.0f s\n", o.width, o.height, o.rate, time.Since(began).Seconds())
	return nil
}

// A part is one of the tables.
type part struct {
	Name   string
	Absent string // why there is none
	Rows   []row
	secret bool
}

// A row is one clip of a table.
type row struct {
	Clip      string
	truth     *scenes.Truth
	Family    string // of a scene
	Intervals []interval
	Tally     tally
	Found     []bool // of each event, whether on time

	Named      []verdict // of each scene change
	FalseNames []told
}

func (p *part) sum() (t tally) {
	for _, r := range p.Rows {
		t.add(r.Tally)
	}
	return t
}

func report(parts []*part) map[string]any {
	out := map[string]any{}
	for _, p := range parts {
		one := figures(p.sum())
		if p.Absent != "" {
			one = map[string]any{"absent": p.Absent}
		}
		var clips []map[string]any
		for _, r := range p.Rows {
			if p.secret {
				break
			}
			c := figures(r.Tally)
			c["clip"], c["intervals"] = r.Clip, r.Intervals
			c["scene_changes"], c["false_names"] = r.Named, r.FalseNames
			clips = append(clips, c)
		}
		one["clips"], one["number"] = clips, len(p.Rows)
		one["scene_changes"], _ = p.namings()
		out[p.Name] = one
	}
	return out
}

// figures leaves out what is no number.
func figures(t tally) map[string]any {
	out := map[string]any{"sum": t, "f1": t.f1()}
	for name, v := range map[string]float64{"recall": t.recall(), "fa_min_per_h": t.falsePerHour(), "coverage": t.covered(), "mean_delay_s": t.delay()} {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			out[name] = v
		}
	}
	return out
}

const heading = "%-26s %6s %7s %6s %5s %6s %6s %8s %8s %6s\n"

func head(w io.Writer, what string) {
	fmt.Fprintf(w, heading, what, "events", "on time", "recall", "late", "false", "FA s", "FA min/h", "covered", "F1")
}

func line(w io.Writer, name string, t tally) {
	fmt.Fprintf(w, "%-26s %6d %7d %6s %5d %6d %6.1f %8s %8s %6.3f\n", name, t.Events, t.OnTime, number("%.0f%%", 100*t.recall()), t.Late, t.False, t.FalseS,
		number("%.1f", t.falsePerHour()), number("%.0f%%", 100*t.covered()), t.f1())
}

func number(format string, v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func (p *part) print(w io.Writer) {
	if p.Absent != "" {
		fmt.Fprintf(w, "%s: not run: %s\n\n", p.Name, p.Absent)
		return
	}
	if p.secret || len(p.Rows) == 0 {
		return
	}
	head(w, p.Name)
	for _, r := range p.Rows {
		line(w, r.Clip, r.Tally)
	}
	fmt.Fprintln(w)
}

func summary(w io.Writer, parts []*part) {
	head(w, "all")
	fmt.Fprintln(w, strings.Repeat("-", 94))
	for _, p := range parts {
		if len(p.Rows) > 0 {
			t := p.sum()
			line(w, fmt.Sprintf("%s (%d, delay %s s)", p.Name, len(p.Rows), number("%.2f", t.delay())), t)
		}
	}
}
