package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"camward/agent"
)

const detectExample = `camward detect yard.mp4                               what the detector finds with the first camera's settings
  camward detect --camera garden night/*.avi > found.jsonl
  camward detect --trace yard.trace.gz yard.mp4         and why, for camward explain
  camward detect --set motion.min_area=0.2% yard.mp4    beside what it finds now, what it would find then
  camward detect --set motion.exclude='[[[0,0],[1,0],[1,0.2],[0,0.2]]]' --set motion.min_duration=500ms yard.mp4
  curl -s http://10.0.0.8/video.mjpg | camward detect -- '-?fps=10'
  ffmpeg -v error -i yard.mkv -f rawvideo -pix_fmt gray - | camward detect --raw 640x480@15 -

Each line is a stretch of motion: {"clip", "start_s", "end_s", "peak_s", "peak": the largest moving part's share of the
picture at its largest, "boxes": [[seconds, left, top, right, bottom], ...] in fractions of the picture, "headings"}.
- is standard input: JPEGs or AVI as they come, MP4 with its index in front, what else ffmpeg can read from a pipe.`

// detectFlags are the verb's.
type detectFlags struct {
	config configFlags // but for changes
	sets   []string    // what is different in a replay
	camera string
	raw    agent.RawPictures
	trace  string
	json   bool
}

func detectVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var f detectFlags
	fs.StringVar(&f.config.file, "c", agent.DefaultFile, "configuration `FILE`")
	fs.StringVar(&f.config.file, "config", agent.DefaultFile, "`FILE`: the same as -c")
	fs.StringVar(&f.camera, "camera", "", "use this camera's motion settings (`NAME`; default: the first one's, or the defaults without a file)")
	fs.Func("set", "`motion.KEY=VALUE`: look with this setting too, and show both side by side; may be repeated", func(s string) error {
		f.sets = append(f.sets, s)
		return nil
	})
	fs.Func("raw", "the recordings are raw 8-bit luma of this size and rate (`WxH@FPS`)", func(s string) (err error) {
		f.raw, err = agent.ParseRawPictures(s)
		return err
	})
	fs.StringVar(&f.trace, "trace", "", "write how each picture was decided to `FILE`, compressed if it ends in .gz; with --set, of the settings as set")
	fs.BoolVar(&f.json, "json", false, "with --set: JSON lines instead of a table, each with its \"settings\"")
	return func(ctx context.Context, clips []string, std stdio) error { return f.run(ctx, clips, std) }
}

func (f *detectFlags) run(ctx context.Context, clips []string, std stdio) (err error) {
	if err := f.check(clips); err != nil {
		return fmt.Errorf("%w: %w", errMisused, err)
	}
	r, err := f.replay()
	if err != nil {
		return fmt.Errorf("%w: %w", errMisused, err)
	}
	if f.trace != "" {
		if r.Trace, err = agent.CreateTrace(f.trace); err != nil {
			return err
		}
		defer func() {
			if e := r.Trace.Close(); e != nil {
				err = errors.Join(err, fmt.Errorf("write the trace: %w", e))
			}
		}()
	}
	return detectAll(ctx, r, clips, f.writer(std), std)
}

func (f *detectFlags) check(clips []string) error {
	inputs := 0
	for _, c := range clips {
		if c == "-" || strings.HasPrefix(c, "-?") {
			inputs++
		}
	}
	switch {
	case len(clips) == 0:
		return errors.New("name at least one recording, or - for standard input")
	case inputs > 1:
		return errors.New("- stands for standard input, which can be read only once")
	case f.trace == "-":
		return errors.New("--trace wants a file: standard output has what is found")
	}
	for _, c := range clips {
		if same, err := filepath.Abs(f.trace); f.trace != "" && err == nil {
			c, _, _ = strings.Cut(c, "?") // options
			if own, err := filepath.Abs(c); err == nil && own == same {
				return fmt.Errorf("--trace %s would overwrite the recording", f.trace)
			}
		}
	}
	return nil
}

// replay finds the settings: those of the camera, and with --set those as set too.
func (f *detectFlags) replay() (*agent.Replay, error) {
	cam, _, err := f.load(nil)
	if err != nil {
		return nil, err
	}
	r := &agent.Replay{Raw: f.raw, Stdin: os.Stdin, Camera: cam.Name}
	r.Settings = append(r.Settings, cam.Motion)
	if len(f.sets) > 0 {
		set, sets, err := f.load(f.sets)
		if err != nil {
			return nil, err
		}
		f.sets = sets
		r.Settings = append(r.Settings, set.Motion)
	}
	return r, nil
}

// load finds the camera whose motion settings are meant; without a configuration the defaults are. It gives the sets with their whole keys.
func (f *detectFlags) load(sets []string) (cam agent.CameraConfig, whole []string, err error) {
	loaded, err := f.config.load()
	if err != nil {
		return cam, nil, err
	}
	i := max(0, slices.IndexFunc(loaded.Cameras, func(c agent.CameraConfig) bool { return c.Name == f.camera }))
	own := fmt.Sprintf("cameras[%d].", i)
	for _, s := range sets {
		if strings.HasPrefix(s, "motion.") {
			s = own + s
		}
		if !strings.HasPrefix(s, own+"motion.") {
			return cam, nil, fmt.Errorf("--set %s: only the camera's motion settings change what is found, as in --set motion.min_area=0.2%%", s)
		}
		whole = append(whole, s)
	}
	c := f.config
	c.sets = whole
	if loaded, err = c.load(); err != nil {
		return cam, whole, err
	}
	cam = agent.DefaultCamera()
	if len(loaded.Cameras) > 0 || f.camera != "" {
		cam, err = loaded.Camera(f.camera)
	}
	return cam, whole, errors.Join(err, cam.Motion.Validate())
}

func (f *detectFlags) writer(std stdio) found {
	switch {
	case len(f.sets) == 0:
		return newLines(std.out)
	case f.json:
		l := newLines(std.out)
		l.settings = []string{asConfigured, asSet}
		return l
	}
	return &table{w: std.out, sets: f.sets}
}

// detectAll goes on after a recording that cannot be read, and fails in the end.
func detectAll(ctx context.Context, r *agent.Replay, clips []string, w found, std stdio) error {
	var errs []error
	for i, clip := range clips {
		name := clipName(clip)
		p := newProgress(std.err, fmt.Sprintf("%d/%d %s", i+1, len(clips), name))
		start := time.Now()
		r.Progress = func(at time.Duration, share float64) { p.at(at, share) }
		d, err := r.Run(ctx, clip)
		p.clear()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, text := range d[0].Warnings {
			fmt.Fprintf(std.err, "camward detect: %s: %s\n", name, text)
		}
		if err := w.clip(name, d); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		summary(std.err, name, d, time.Since(start))
	}
	return errors.Join(errs...)
}

// clipName is the base name of a recording, without options.
func clipName(clip string) string {
	path, _, _ := strings.Cut(clip, "?")
	return filepath.Base(path)
}

func summary(w io.Writer, name string, d []agent.Detection, took time.Duration) {
	var intervals []string
	for _, one := range d {
		intervals = append(intervals, count(len(one.Intervals), "interval of motion", "intervals of motion"))
	}
	text := intervals[0]
	if len(d) > 1 {
		text = fmt.Sprintf("%s %s, %d %s", intervals[0], asConfigured, len(d[1].Intervals), asSet)
	}
	fmt.Fprintf(w, "%s: %s in %.1f s of video (%d pictures, %d unreadable), %.0f times real time\n", name, text, d[0].Length.Seconds(), d[0].Pictures, d[0].Unreadable,
		d[0].Length.Seconds()/max(took, time.Millisecond).Seconds())
}

// progress shows on a terminal how far a long piece of work has come, and nothing elsewhere.
type progress struct {
	w           io.Writer
	what        string
	begun, last time.Time
}

func newProgress(w io.Writer, what string) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, what: what, begun: time.Now()}
}

// at shows the place in a recording, how much of that is done (a share of 1, or -1 if that is not known), and the speed.
func (p *progress) at(pos time.Duration, share float64) {
	if p.w == nil || time.Since(p.last) < progressPace {
		return
	}
	p.show(position(p.what, pos, share, time.Since(p.begun)))
}

const progressPace = 100 * time.Millisecond

// speedAfter is how long a piece of work must have gone on for its speed to say something.
const speedAfter = 500 * time.Millisecond

// position reads as "1/2 yard.mp4  [#########...........]  45 %  13 s  58 times real time".
func position(what string, pos time.Duration, share float64, took time.Duration) string {
	bar := ""
	if share >= 0 {
		const width = 20
		done := int(min(share, 1) * width)
		bar = fmt.Sprintf("  [%s%s] %3.0f %%", strings.Repeat("#", done), strings.Repeat(".", width-done), 100*min(share, 1))
	}
	text := fmt.Sprintf("%s%s  %.0f s", what, bar, pos.Seconds())
	if took < speedAfter {
		return text
	}
	return fmt.Sprintf("%s  %.0f times real time", text, pos.Seconds()/took.Seconds())
}

// show replaces what stands on the line, at most ten times a second.
func (p *progress) show(text string) {
	if p.w == nil || time.Since(p.last) < progressPace {
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
