package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"camward/capture"
	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/motion"
	"camward/video"
)

// An Explanation tells why there was motion in a recording, an event or the last minutes of a camera, or why there was none.
type Explanation struct {
	TraceHeader
	Pictures int         `json:"pictures"`             // with a trace, those that were passed over left out
	Length   float64     `json:"length_s"`             // from the first of them to the last
	Found    []Explained `json:"found"`                // in the order of time
	Drawn    float64     `json:"picture_at,omitempty"` // of the picture that WritePNG draws, in seconds from time 0

	traces  []motion.Trace
	told    motion.Finding // what the picture shows
	picture *shownPicture  // nil: none is known
}

// Explained is one thing that an Explanation tells. Times are in seconds from time 0.
type Explained struct {
	Kind    string      `json:"kind"` // as motion.FoundMotion and its like
	From    float64     `json:"from"`
	To      float64     `json:"to"`
	At      float64     `json:"at"` // the picture that tells most
	Reason  string      `json:"reason"`
	Text    string      `json:"text"`
	Changes []ChangeTip `json:"changes,omitempty"`

	motion.Finding `json:"-"`
}

// A ChangeTip is a setting that would have made it otherwise.
type ChangeTip struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
	Text  string `json:"text"`
	Tried string `json:"tried,omitempty"` // what came of it, if it was
}

// explainMisses is how many stretches without motion are told of.
const explainMisses = 3

// A shownPicture is a picture with what the detector saw in it.
type shownPicture struct {
	mono       time.Duration
	rgb        []byte // three bytes a pixel
	w, h       int
	cols, rows int
	cells      [64]uint64
	boxes      []motion.Rect
}

// ExplainTraced explains traces that were kept. at, in seconds from time 0, asks about one moment; nil: about everything.
func ExplainTraced(t Traced, at *float64) (*Explanation, error) {
	e := &Explanation{TraceHeader: t.TraceHeader, traces: t.Traces}
	if err := e.explain(at); err != nil {
		return nil, err
	}
	e.choose(at)
	var best *TracePicture
	for i := range t.Pictures {
		if p := &t.Pictures[i]; best == nil || (p.Mono-e.told.Trace.Mono).Abs() < (best.Mono-e.told.Trace.Mono).Abs() {
			best = p
		}
	}
	if best != nil {
		e.show(grey(best))
	}
	return e, nil
}

// grey is a kept picture, which has no color.
func grey(p *TracePicture) *shownPicture {
	s := &shownPicture{mono: p.Mono, w: p.Width, h: p.Height, cols: p.Cols, rows: p.Rows, cells: p.Cells, boxes: p.Boxes, rgb: make([]byte, 0, 3*len(p.Luma))}
	for _, v := range p.Luma {
		s.rgb = append(s.rgb, v, v, v)
	}
	return s
}

func (e *Explanation) show(p *shownPicture) {
	e.picture, e.Drawn = p, e.seconds(p.mono)
}

func (e *Explanation) seconds(mono time.Duration) float64 {
	return math.Round((mono-e.Mono).Seconds()*1000) / 1000
}

// story is what the traces are explained with.
func (e *Explanation) story() *motion.Story {
	return &motion.Story{Cols: e.Cols, Rows: e.Rows, Config: e.Settings.config(), When: e.when}
}

// when writes a stamp as people read it.
func (e *Explanation) when(mono time.Duration) string {
	s := e.seconds(mono)
	if e.live() {
		return fmt.Sprintf("%.1f s ago", max(0, -s))
	}
	return fmt.Sprintf("%.1f s", s)
}

// live says that these are the last minutes of a camera.
func (e *Explanation) live() bool { return e.Clip == "" && e.Event == "" }

// explain finds what there is to tell.
func (e *Explanation) explain(at *float64) error {
	e.traces = slices.DeleteFunc(e.traces, func(t motion.Trace) bool { return t.Reason == motion.ReasonSkipped })
	if len(e.traces) == 0 {
		return errors.New("there is nothing to explain: the detector looked at no picture")
	}
	e.Pictures = len(e.traces)
	first, last := e.traces[0].Mono, e.traces[len(e.traces)-1].Mono
	e.Length = math.Round((last-first).Seconds()*1000) / 1000
	if at == nil {
		for _, f := range e.story().Explain(e.traces, explainMisses) {
			e.tell(f)
		}
		return nil
	}
	mono := e.Mono + time.Duration(*at*float64(time.Second))
	if mono < first-time.Second || mono > last+time.Second {
		return fmt.Errorf("%s is not within what is known: %s to %s", e.when(mono), e.when(first), e.when(last))
	}
	f, _ := e.story().At(e.traces, mono)
	e.tell(f)
	return nil
}

func (e *Explanation) tell(f motion.Finding) {
	x := Explained{Kind: f.Kind, From: e.seconds(f.From), To: e.seconds(f.To), At: e.seconds(f.Trace.Mono), Reason: f.Trace.Reason.String(), Text: f.Text, Finding: f}
	for _, c := range f.Changes {
		x.Changes = append(x.Changes, ChangeTip{Key: c.Key, Value: c.Value, Text: c.Text})
	}
	e.Found = append(e.Found, x)
}

// choose picks what the picture shows: the moment asked for; else the motion that was largest, or the nearest miss, or the first thing that there is to tell.
func (e *Explanation) choose(at *float64) {
	e.told = e.Found[0].Finding
	if at != nil {
		return
	}
	best := -1.0
	for _, f := range e.Found {
		if n := f.Trace.Nearness(); n > best {
			best, e.told = n, f.Finding
		}
	}
}

// ExplainClip runs the agent's own detector, with a camera's motion settings, over a recording, and explains what it found; at is as in ExplainTraced.
// Changes of settings that are named with a value are tried. progress, which may be nil, is told how much is done, 0..1.
func ExplainClip(ctx context.Context, camera CameraConfig, clip string, at *float64, progress func(float64)) (*Explanation, error) {
	x := &clipExplainer{ctx: ctx, clip: clip, progress: progress}
	x.e.Clip, x.e.Camera, x.e.Settings = clipName(clip), camera.Name, SettingsOf(camera.Motion)
	if err := x.trace(camera.Motion); err != nil {
		return nil, err
	}
	if err := x.e.explain(at); err != nil {
		return nil, fmt.Errorf("%s: %w", clip, err)
	}
	x.e.choose(at)
	if err := x.again(camera.Motion); err != nil {
		return nil, err
	}
	return &x.e, nil
}

// A clipExplainer plays a recording twice: to find what there is to tell, and then for the picture that shows it.
type clipExplainer struct {
	ctx      context.Context
	clip     string
	progress func(float64)
	before   float64 // share of the work that was done before this time
	e        Explanation
}

// play shows the detector every picture that can be read.
func (x *clipExplainer) play(fn func(f *video.Frame, plane *video.Plane) error) error {
	var luma lumaReader
	defer luma.close()
	unreadable := errors.New("it has no pictures")
	read := 0
	p := capture.Playback{Path: x.clip, Progress: func(share float64) {
		if x.progress != nil && share >= 0 {
			x.progress(x.before + share/2)
		}
	}}
	err := p.Play(x.ctx, func(f *video.Frame) error {
		plane, err := luma.read(f)
		if err != nil {
			unreadable = err
			return nil
		}
		read++
		return fn(f, plane)
	})
	if err == nil && read == 0 {
		err = fmt.Errorf("%s: %w", x.clip, unreadable)
	}
	x.before += 0.5
	return err
}

// trace is the first time.
func (x *clipExplainer) trace(cfg motion.Config) error {
	det, err := motion.New(cfg)
	if err != nil {
		return err
	}
	e := &x.e
	err = x.play(func(f *video.Frame, plane *video.Plane) error {
		det.Step(f.Mono, plane)
		if len(e.traces) == 0 {
			var v motion.View
			det.View(&v)
			e.Mono, e.Width, e.Height, e.Cols, e.Rows = f.Mono, f.Format.Width, f.Format.Height, v.Cols, v.Rows
		}
		e.traces = append(e.traces, det.Trace())
		return nil
	})
	return err
}

// A trial is a detector with one setting changed.
type trial struct {
	tip   *ChangeTip
	from  time.Duration // of the finding
	to    time.Duration
	det   *motion.Detector
	join  motion.Joiner
	found []motion.Interval
}

// mostTrials bounds the detectors that run beside each other.
const mostTrials = 4

// trials makes a detector for each change that has a value.
func (x *clipExplainer) trials(cfg motion.Config) (list []*trial) {
	var order []*Explained // the nearest to motion first
	for i := range x.e.Found {
		order = append(order, &x.e.Found[i])
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].Trace.Nearness() > order[j].Trace.Nearness() })
	for _, f := range order {
		for k := range f.Changes {
			tip := &f.Changes[k]
			if tip.Value == "" || len(list) == mostTrials {
				continue
			}
			det, err := motion.New(changed(cfg, tip.Key, tip.Value))
			if err == nil {
				list = append(list, &trial{tip: tip, from: f.Finding.From, to: f.Finding.To, det: det})
			}
		}
	}
	return list
}

// changed is cfg with one of the settings that findings name.
func changed(cfg motion.Config, key, value string) motion.Config {
	number, _ := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64) // what is none is refused by the detector
	switch key {
	case "motion.min_area":
		cfg.MinArea = number / 100
	case "motion.min_contrast":
		cfg.MinContrast = number
	case "motion.min_duration":
		cfg.MinDuration, _ = time.ParseDuration(value)
	}
	return cfg
}

// again is the second time: it takes the picture, and tries the changes.
func (x *clipExplainer) again(cfg motion.Config) error {
	det, err := motion.New(cfg)
	if err != nil {
		return err
	}
	same := trial{det: det}
	trials := append(x.trials(cfg), &same)
	full := colorReader{jpeg: jpeg.NewDecoder()}
	defer full.close()
	at := x.e.told.Trace.Mono
	err = x.play(func(f *video.Frame, plane *video.Plane) error {
		for _, t := range trials {
			if iv, ok := t.join.Add(f.Mono, t.det.Step(f.Mono, plane)); ok {
				t.found = append(t.found, iv)
			}
		}
		if err := full.read(f, f.Mono == at); err != nil || f.Mono != at {
			return nil //nolint:nilerr // without the picture there are still the words
		}
		var v motion.View
		det.View(&v)
		x.e.show(&shownPicture{mono: at, rgb: rgbOf(&full.img), w: full.img.Width, h: full.img.Height, cols: v.Cols, rows: v.Rows, cells: v.Cells, boxes: slices.Clone(v.Boxes[:v.N])})
		return nil
	})
	for _, t := range trials {
		if iv, ok := t.join.Flush(); ok {
			t.found = append(t.found, iv)
		}
	}
	for _, t := range trials[:len(trials)-1] {
		t.tip.Tried = x.outcome(t, len(same.found))
	}
	return err
}

// outcome tells what a change did.
func (x *clipExplainer) outcome(t *trial, before int) string {
	there := slices.IndexFunc(t.found, func(iv motion.Interval) bool {
		return iv.Start <= t.to+motion.MaxGap && iv.End >= t.from-motion.MaxGap
	})
	text := "no motion there"
	if there >= 0 {
		text = fmt.Sprintf("motion there from %s to %s", x.e.when(t.found[there].Start), x.e.when(t.found[there].End))
	}
	return fmt.Sprintf("%s; stretches of motion in all: %d instead of %d", text, len(t.found), before)
}

// colorReader brings pictures to full size and color.
type colorReader struct {
	jpeg *jpeg.Decoder
	h264 h264Reader
	img  video.I420
}

// read reads a picture if it is wanted. Those of H.264 refer to each other, so all are read.
func (r *colorReader) read(f *video.Frame, wanted bool) error {
	switch {
	case f.Format.FourCC == video.H264:
		img, err := r.h264.read(f)
		if err == nil {
			r.img = *img
		}
		return err
	case !wanted:
		return nil
	case f.Format.FourCC == video.MJPEG:
		if err := r.jpeg.I420(&r.img, f.Data); err != nil && !errors.Is(err, jpeg.ErrTruncated) {
			return err
		}
		r.img.FullRange = true
		return nil
	}
	return h264.ToI420(&r.img, f)
}

func (r *colorReader) close() {
	r.jpeg.Close()
	r.h264.close()
}

// rgbOf converts a picture (ITU-R BT.601).
func rgbOf(img *video.I420) []byte {
	out := make([]byte, 0, 3*img.Width*img.Height)
	low, scale, chroma := 0.0, 1.0, 1.0
	if !img.FullRange {
		low, scale, chroma = 16, 255.0/219, 255.0/224
	}
	for y := range img.Height {
		for x := range img.Width {
			l := (float64(img.Y[y*img.YStride+x]) - low) * scale
			c := y/2*img.CStride + x/2
			u, v := (float64(img.U[c])-128)*chroma, (float64(img.V[c])-128)*chroma
			for _, s := range [3]float64{l + 1.402*v, l - 0.344136*u - 0.714136*v, l + 1.772*u} {
				out = append(out, byte(max(0, min(s+0.5, 255))))
			}
		}
	}
	return out
}
