package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"camward/agent"
	"camward/codec/jpeg"
	"camward/internal/atomicfile"
	"camward/motion"
	"camward/scripts/scenes"
	"camward/video"
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
	return p.all(ctx, len(truths), func(ctx context.Context, i int) (*scenes.Truth, []motion.Interval, error) {
		d, err := agent.Detect(ctx, agent.DefaultCamera(), filepath.Join(o.clips, truths[i].Clip), nil)
		if err != nil {
			return nil, nil, err
		}
		return truths[i], d.Intervals, nil
	})
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
	if o.planes != "" {
		if err := os.MkdirAll(o.planes, 0o755); err != nil {
			return err
		}
	}
	return p.all(ctx, len(list), func(ctx context.Context, i int) (*scenes.Truth, []motion.Interval, error) {
		truth := list[i].Truth(o.width, o.height, o.rate)
		planes, err := o.watch(ctx, list[i])
		if err != nil {
			return nil, nil, err
		}
		intervals, err := detect(planes, o)
		return &truth, intervals, err
	})
}

// all fills the table, as many clips at a time as there are processors.
func (p *part) all(ctx context.Context, n int, one func(context.Context, int) (*scenes.Truth, []motion.Interval, error)) error {
	p.Rows = make([]row, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range p.Rows {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			truth, found, err := one(ctx, i)
			if err != nil {
				return err
			}
			r := row{Clip: truth.Clip, Family: truth.Family}
			for _, f := range found {
				r.Intervals = append(r.Intervals, interval{f.Start.Seconds(), f.End.Seconds()})
			}
			r.Tally = compare(truth, r.Intervals)
			p.Rows[i] = r
			return nil
		})
	}
	return g.Wait()
}

// watch gives what the detector sees of a scene, one plane after the other.
func (o *options) watch(ctx context.Context, s scenes.Scene) ([]byte, error) {
	if o.planes == "" {
		return o.render(ctx, s)
	}
	kept := filepath.Join(o.planes, fmt.Sprintf("%s-%dx%d-%g.v%d", s.Name, o.width, o.height, o.rate, scenes.Version))
	planes, err := os.ReadFile(kept)
	if !errors.Is(err, os.ErrNotExist) {
		return planes, err
	}
	if planes, err = o.render(ctx, s); err != nil {
		return nil, err
	}
	return planes, atomicfile.Write(kept, planes, 0o644)
}

func (o *options) render(ctx context.Context, s scenes.Scene) ([]byte, error) {
	r, err := s.Renderer(o.width, o.height, o.rate)
	if err != nil {
		return nil, err
	}
	var (
		dec    jpeg.LumaDecoder
		luma   video.Plane
		planes []byte
	)
	for p, ok := r.Next(); ok; p, ok = r.Next() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		data, err := r.JPEG(p)
		if err != nil {
			return nil, err
		}
		if err := dec.Decode(&luma, data); err != nil {
			return nil, fmt.Errorf("scene %s: %w", s.Name, err)
		}
		for y := range luma.Height {
			planes = append(planes, luma.Pix[y*luma.Stride:][:luma.Width]...)
		}
	}
	return planes, nil
}

// detect runs the detector over planes as render makes them.
func detect(planes []byte, o *options) (found []motion.Interval, err error) {
	det, err := motion.New(agent.DefaultCamera().Motion)
	if err != nil {
		return nil, err
	}
	luma := video.Plane{Width: (o.width + 7) / 8, Height: (o.height + 7) / 8, Stride: (o.width + 7) / 8}
	var join motion.Joiner
	keep := func(iv motion.Interval, ok bool) {
		if ok {
			found = append(found, iv)
		}
	}
	size := luma.Width * luma.Height
	for i := 0; (i+1)*size <= len(planes); i++ {
		luma.Pix = planes[i*size:][:size]
		at := time.Duration(float64(i) / o.rate * float64(time.Second))
		keep(join.Add(at, det.Step(at, &luma)))
	}
	keep(join.Flush())
	return found, nil
}
