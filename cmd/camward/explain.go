package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"camward/agent"
)

// explainFlags say what is asked.
type explainFlags struct {
	config configFlags
	motion []string // settings of the detector to explain a recording with
	camera string
	at     string
	png    string
	json   bool
	live   bool
	last   time.Duration
}

const explainExample = "camward explain last; camward explain yard.mp4 --at 12.5s; camward explain --live"

func explainVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var f explainFlags
	fs.StringVar(&f.config.file, "c", agent.DefaultFile, "configuration `FILE`")
	fs.StringVar(&f.config.file, "config", agent.DefaultFile, "the same")
	fs.Func("set", "`motion.KEY=VALUE`: explain a recording with this setting; other keys as for camward run; may be repeated", func(s string) error {
		if strings.Contains(s, "motion.") {
			f.motion = append(f.motion, s)
		} else {
			f.config.sets = append(f.config.sets, s)
		}
		return nil
	})
	fs.StringVar(&f.camera, "camera", "", "this camera's motion settings, or pictures with --live (`NAME`; default: the first one's, or the default settings without a file)")
	fs.StringVar(&f.at, "at", "", "explain this one `MOMENT`, such as 12.5s: from the recording's start, from the event's first movement, or with --live before now")
	fs.StringVar(&f.png, "png", "", "draw the picture to `FILE`; - is standard output, none draws nothing (default: EVENT.png, or CLIP.explain.png, here)")
	fs.BoolVar(&f.json, "json", false, "print JSON; draws only with --png")
	fs.BoolVar(&f.live, "live", false, "explain the last minutes of the running camward: why was there no event just now?")
	fs.DurationVar(&f.last, "last", 2*time.Minute, "how far --live goes back (`TIME`)")
	return func(ctx context.Context, args []string, std stdio) error {
		switch {
		case len(args) > 1:
			return fmt.Errorf("%w: one event or recording at a time", errMisused)
		case f.live && len(f.motion) > 0:
			return fmt.Errorf("%w: what was is not looked at again with other settings; --set motion. is for recordings", errMisused)
		case f.live && len(args) > 0:
			return fmt.Errorf("%w: either --live or %s", errMisused, args[0])
		case f.live || len(args) == 1:
			return f.explain(ctx, strings.Join(args, ""), std)
		}
		return f.list(std)
	}
}

// list shows the events whose traces are kept.
func (f *explainFlags) list(std stdio) error {
	cfg, err := f.config.load()
	if err != nil {
		return fmt.Errorf("%w: %w", errMisused, err)
	}
	list, err := agent.EventTraces(cfg)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%w: name a recording, or ask --live; no events are kept here yet", errMisused)
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "EVENT\tCAMERA\tBEGAN\tMOVED FOR\tSIZE")
	for _, e := range list {
		h, err := agent.ReadTraceHeader(e.Path)
		if err != nil {
			fmt.Fprintf(t, "%s\t-\t-\t-\t%s\n", plainLine(e.ID), size(e.Size))
			continue
		}
		began := "(no clock)"
		if !h.Started.IsZero() {
			began = h.Started.Local().Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f s\t%s\n", plainLine(e.ID), plainLine(h.Camera), began, h.Last, size(e.Size))
	}
	return t.Flush()
}

func (f *explainFlags) explain(ctx context.Context, what string, std stdio) error {
	at, err := f.moment()
	if err != nil {
		return fmt.Errorf("%w: %w", errMisused, err)
	}
	e, name, err := f.find(ctx, what, at, std)
	if err != nil {
		return err
	}
	words := std.out
	if f.png == "-" {
		words = std.err
	}
	if f.json {
		err = printJSON(words, e)
	} else {
		printExplanation(words, e)
	}
	if f.png == "none" || f.json && f.png == "" {
		return err
	}
	return errors.Join(err, f.draw(e, name, words, std))
}

// moment reads --at, in seconds.
func (f *explainFlags) moment() (*float64, error) {
	if f.at == "" {
		return nil, nil
	}
	v, err := strconv.ParseFloat(f.at, 64)
	if err != nil {
		var d time.Duration
		if d, err = time.ParseDuration(f.at); err != nil {
			return nil, fmt.Errorf("--at: %q is no time such as 12.5s", f.at)
		}
		v = d.Seconds()
	}
	if !(v > -1e6 && v < 1e6) {
		return nil, fmt.Errorf("--at: %q is out of range", f.at)
	}
	if f.live && v > 0 {
		v = -v
	}
	return &v, nil
}

// find explains a recording, a trace file, an event, or the running agent's last minutes, and gives the drawing's name.
func (f *explainFlags) find(ctx context.Context, what string, at *float64, std stdio) (*agent.Explanation, string, error) {
	if f.live {
		cfg, err := f.config.load()
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", errMisused, err)
		}
		t, err := agent.RunningTraces(cfg, f.camera, f.last)
		if err != nil {
			return nil, "", notRunning(err)
		}
		e, err := agent.ExplainTraced(t, at)
		return e, t.Camera + ".explain.png", err
	}
	base, _, _ := strings.Cut(filepath.Base(what), "?")
	path, _, _ := strings.Cut(what, "?")
	info, err := os.Stat(path)
	switch there := err == nil && !info.IsDir(); {
	case there && info.Mode().IsRegular() && isTrace(path):
		if len(f.motion) > 0 {
			break
		}
		return explainTraces(path, base, at)
	case there:
		e, err := f.clip(ctx, what, base, at, std)
		return e, strings.TrimSuffix(base, filepath.Ext(base)) + ".explain.png", err
	}
	if len(f.motion) > 0 {
		return nil, "", fmt.Errorf("%w: %s is no recording here, and only those can be looked at with other settings", errMisused, what)
	}
	cfg, err := f.config.load()
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errMisused, err)
	}
	list, err := agent.EventTraces(cfg)
	if err != nil {
		return nil, "", err
	}
	found, err := agent.FindEventTrace(list, what)
	if err != nil {
		return nil, "", err
	}
	return explainTraces(found.Path, found.ID, at)
}

// isTrace reports whether a file is of traces, whatever its name: JSON or gzip, which no recording is.
func isTrace(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, 2)
	n, _ := io.ReadFull(file, head) // a shorter one is none
	return n > 0 && head[0] == '{' || string(head) == "\x1f\x8b"
}

func explainTraces(path, name string, at *float64) (*agent.Explanation, string, error) {
	all, err := agent.ReadTraceFile(path)
	if err != nil {
		return nil, "", err
	}
	if len(all) > 1 {
		return nil, "", fmt.Errorf("%s has the traces of %d recordings; explain one of them by its name", path, len(all))
	}
	e, err := agent.ExplainTraced(all[0], at)
	for range 2 {
		name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".jsonl"), ".json")
	}
	return e, name + ".png", err
}

func (f *explainFlags) clip(ctx context.Context, clip, name string, at *float64, std stdio) (*agent.Explanation, error) {
	settings := detectFlags{config: f.config, camera: f.camera}
	cam, _, err := settings.load(f.motion)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMisused, err)
	}
	p := newProgress(std.err, name)
	defer p.clear()
	return agent.ExplainClip(ctx, cam, clip, at, func(share float64) { p.show(fmt.Sprintf("%s: %.0f %%", name, 100*share)) })
}

// mostAdvised is how many stretches of motion there may be for the words to say what would silence each.
const mostAdvised = 3

// printExplanation tells it in words.
func printExplanation(w io.Writer, e *agent.Explanation) {
	fmt.Fprintf(w, "%s\n", plainLine(e.About()))
	hits := 0
	for _, f := range e.Found {
		if f.Kind == "motion" {
			hits++
		}
	}
	for _, f := range e.Found {
		printWrapped(w, "  ", f.Text)
		if f.Kind == "motion" && hits > mostAdvised {
			continue
		}
		for _, c := range f.Changes {
			text := c.Text
			if f.Kind != "motion" && strings.HasPrefix(c.Tried, "no motion") {
				continue // it was to be found by that, and is not
			}
			switch {
			case c.Value != "":
				text = fmt.Sprintf("%s=%s %s", c.Key, c.Value, c.Text)
			case c.Key != "":
				text = fmt.Sprintf("%s: %s", c.Key, c.Text)
			}
			if c.Tried != "" {
				text += " (tried: " + c.Tried + ")"
			}
			printWrapped(w, "      - ", text)
		}
	}
}

// printWrapped breaks a text into lines for a terminal; those after the first are indented as far.
func printWrapped(w io.Writer, indent, text string) {
	const most = 100
	line := indent
	blank := strings.Repeat(" ", len(indent))
	empty := true
	for _, word := range strings.Fields(plainLine(text)) {
		if !empty && len(line)+1+len(word) > most {
			fmt.Fprintln(w, line)
			line, empty = blank, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	fmt.Fprintln(w, line)
}

// draw writes the picture. Where nobody named a file, one that cannot be written is no failure.
func (f *explainFlags) draw(e *agent.Explanation, name string, words io.Writer, std stdio) error {
	if f.png == "-" {
		return e.WritePNG(std.out)
	}
	path := f.png
	if path == "" {
		path = filepath.Base(name)
	}
	err := writePNG(e, path)
	if err == nil {
		fmt.Fprintf(words, "  drawn: %s\n", path)
	} else if f.png == "" {
		fmt.Fprintf(std.err, "camward explain: not drawn: %v; --png names another file\n", err)
		err = nil
	}
	return err
}

func writePNG(e *agent.Explanation, path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	err = e.WritePNG(file)
	return errors.Join(err, file.Close())
}
