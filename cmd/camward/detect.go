package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"camward/agent"
)

// interval is one line of output, as motion scorers read it.
type interval struct {
	Clip  string  `json:"clip"` // the file's base name
	Start float64 `json:"start_s"`
	End   float64 `json:"end_s"`
}

func detectVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	camera := fs.String("camera", "", "use this camera's motion settings (`NAME`; default: the first one's, or the defaults without a file)")
	return func(ctx context.Context, clips []string, std stdio) error {
		if len(clips) == 0 {
			return fmt.Errorf("%w: name at least one recording", errMisused)
		}
		cam, err := motionCamera(&c, *camera)
		if err != nil {
			return err
		}
		return detectAll(ctx, cam, clips, std)
	}
}

// motionCamera finds the camera whose motion settings are meant; without a configuration the defaults are.
func motionCamera(c *configFlags, name string) (agent.CameraConfig, error) {
	cam := agent.DefaultCamera()
	loaded, err := c.load()
	if err == nil && (len(loaded.Cameras) > 0 || name != "") {
		cam, err = loaded.Camera(name)
	}
	if err = errors.Join(err, cam.Motion.Validate()); err != nil {
		return cam, fmt.Errorf("%w: %w", errMisused, err)
	}
	return cam, nil
}

// detectAll goes on after a recording that cannot be read, and fails in the end.
func detectAll(ctx context.Context, cam agent.CameraConfig, clips []string, std stdio) error {
	lines := json.NewEncoder(std.out)
	lines.SetEscapeHTML(false)
	var errs []error
	for i, clip := range clips {
		name := filepath.Base(clip)
		p := newProgress(std.err, fmt.Sprintf("%d/%d %s", i+1, len(clips), name))
		start := time.Now()
		d, err := agent.Detect(ctx, cam, clip, p.at)
		p.clear()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, iv := range d.Intervals {
			if err := lines.Encode(interval{name, round(iv.Start.Seconds()), round(iv.End.Seconds())}); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
		fmt.Fprintf(std.err, "%s: %s in %.1f s of video (%d pictures, %d unreadable), %.0f times real time\n", name,
			count(len(d.Intervals), "interval of motion", "intervals of motion"), d.Length.Seconds(), d.Pictures, d.Unreadable, d.Length.Seconds()/time.Since(start).Seconds())
	}
	return errors.Join(errs...)
}

func round(s float64) float64 { return float64(int64(s*1000+0.5)) / 1000 }

// progress shows on a terminal how far a long piece of work has come, and nothing elsewhere.
type progress struct {
	w    io.Writer
	what string
	last time.Time
}

func newProgress(w io.Writer, what string) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, what: what}
}

func (p *progress) at(pos time.Duration) { p.show(fmt.Sprintf("%s: %.0f s", p.what, pos.Seconds())) }

// show replaces what stands on the line, at most ten times a second.
func (p *progress) show(text string) {
	if p.w == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
