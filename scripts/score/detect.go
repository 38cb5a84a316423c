package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"camward/agent"
	"camward/motion"
	"camward/scripts/scenes"
)

// recordings scores the clips that lie in a folder with their truth.
func (p *part) recordings(ctx context.Context, o *options) error {
	files, err := filepath.Glob(filepath.Join(o.clips, "*.json"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		p.Absent = "../shared is absent"
		return nil
	}
	var truths []*scenes.Truth
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		t := &scenes.Truth{}
		if err := json.Unmarshal(b, t); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		if o.only.MatchString(t.Clip) {
			truths = append(truths, t)
		}
	}
	return p.all(ctx, len(truths), func(ctx context.Context, i int) (*scenes.Truth, *seen, error) {
		got, err := o.found(ctx, filepath.Join(o.clips, truths[i].Clip))
		return truths[i], got, err
	})
}

// found runs the detector over a recording: as camward detect does, or over what was kept of it.
func (o *options) found(ctx context.Context, clip string) (*seen, error) {
	if o.planes == "" && !o.many {
		return replayed(ctx, clip)
	}
	f, err := o.recording(ctx, clip)
	if err != nil {
		return nil, err
	}
	return detect(f.as(o.condition))
}

// replayed is what camward detect finds, and the scene changes from its trace.
func replayed(ctx context.Context, clip string) (*seen, error) {
	var lines bytes.Buffer
	r := agent.Replay{Settings: []motion.Config{agent.DefaultCamera().Motion}, Trace: agent.NewTraceWriter(&lines, false)}
	d, err := r.Run(ctx, clip)
	if err == nil {
		err = r.Trace.Close()
	}
	if err != nil {
		return nil, err
	}
	traces, err := agent.ReadTraces(&lines)
	if err != nil {
		return nil, err
	}
	got := &seen{intervals: d[0].Intervals}
	for _, recording := range traces {
		for _, t := range recording.Traces {
			if t.Scene != motion.SceneNone {
				got.scenes = append(got.scenes, told{(t.Mono - recording.Mono).Seconds(), t.Scene.String()})
			}
		}
	}
	return got, nil
}

// fewestHeld scenes are summed, or the sum would tell about single ones.
const fewestHeld = 5

// rendered scores scenes.
func (p *part) rendered(ctx context.Context, o *options, all []scenes.Scene) error {
	var list []scenes.Scene
	for _, s := range all {
		if o.only.MatchString(s.Name) {
			list = append(list, s)
		}
	}
	if p.secret && len(list) < fewestHeld {
		p.Absent = fmt.Sprintf("the sum of %d scenes would tell of single ones", len(list))
		return nil
	}
	return p.all(ctx, len(list), func(ctx context.Context, i int) (*scenes.Truth, *seen, error) {
		truth := list[i].Truth(o.width, o.height, o.rate)
		f, err := o.scene(ctx, list[i])
		if err != nil {
			return nil, nil, err
		}
		got, err := detect(f.thin(o.condition.cut, o.condition.each, 0))
		return &truth, got, err
	})
}

// all fills the table, as many clips at a time as there are processors.
func (p *part) all(ctx context.Context, n int, one func(context.Context, int) (*scenes.Truth, *seen, error)) error {
	p.Rows = make([]row, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range p.Rows {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			truth, got, err := one(ctx, i)
			if err != nil {
				return err
			}
			r := row{Clip: truth.Clip, truth: truth, Family: truth.Family}
			for _, f := range got.intervals {
				r.Intervals = append(r.Intervals, interval{f.Start.Seconds(), f.End.Seconds()})
			}
			r.Tally = compare(truth, r.Intervals)
			r.Found = onTime(truth, r.Intervals)
			r.Named, r.FalseNames = judge(truth, got.scenes)
			p.Rows[i] = r
			return nil
		})
	}
	return g.Wait()
}

// What the detector made of a film.
type seen struct {
	intervals []motion.Interval
	scenes    []told
}

// detect runs the detector, with a camera's defaults, over a film.
func detect(f *film) (*seen, error) {
	det, err := motion.New(agent.DefaultCamera().Motion)
	if err != nil {
		return nil, err
	}
	var (
		join motion.Joiner
		got  seen
	)
	keep := func(iv motion.Interval, ok bool) {
		if ok {
			got.intervals = append(got.intervals, iv)
		}
	}
	for i, at := range f.stamps {
		luma := f.plane(i)
		d := det.Step(at, &luma)
		if d.Scene != motion.SceneNone {
			got.scenes = append(got.scenes, told{at.Seconds(), d.Scene.String()})
		}
		keep(join.Add(at, d))
	}
	keep(join.Flush())
	return &got, nil
}
