package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"camward/capture"
	"camward/clip"
	"camward/codec/jpeg"
	"camward/internal/supervise"
	"camward/motion"
	"camward/video"
)

// Depths of the queues behind the hubs, in pictures. The detector may skip pictures, and those of an H.264 camera up to the next key picture; the
// recorder must see each one, and its ring is where pictures wait, so its queue only bridges scheduling.
const (
	queueDetect, detectDepth = "motion", 4
	queueRecord, recordDepth = "record", 32
	queueView                = "view"
)

// idleBuffers bounds what the frame pool keeps for reuse, in bytes: a few pictures of each size class.
const idleBuffers = 4 << 20

// A pipeline is one camera's way from capture to the spool.
type pipeline struct {
	name     string
	camera   *capture.Camera
	controls settable     // the camera
	hub      *capture.Hub // what is recorded and shown
	small    *capture.Hub // what the detector looks at; the same unless the camera has a second node for it
	detector *motion.Detector
	config   motion.Config // of the detector
	overlay  *overlay
	recorder *clip.Recorder
	tracks   tracks       // of the recorder's events
	traces   *traceKeeper // nil: none are kept
	log      *zap.Logger

	looked   atomic.Int64                  // Mono of the last picture that the detector had, in ns
	since    atomic.Int64                  // Mono of the picture that the camera was found with, in ns; 0: it is lost
	settings atomic.Pointer[motion.Config] // of the detector, to be taken before the next picture is looked at; nil: they are
	schedule atomic.Pointer[Schedule]      // outside of which nothing is recorded; nil: none
	masked   atomic.Int64                  // video.Now when the privacy mask changed, in ns; 0: never

	scenes ScenesConfig
	paces  map[string]*scenePace // by the scene's name; the detector's goroutine's
	begun  time.Duration         // since, as the detector knows it

	report      func(found bool, at time.Time, reason string)  // to the cloud; nil: to nobody
	reportScene func(name string, at time.Time, reason string) // likewise
	wall        func(mono time.Duration) (time.Time, bool)     // nil: no clock is trusted
	granted     func(video.Format)                             // told what the camera sends; nil: nobody asks
	losses      atomic.Uint64                                  // how often the camera was lost

	mu     sync.Mutex
	motion MotionStatus
}

// setDetection replaces the detector's settings, which were validated, from the next picture on.
func (p *pipeline) setDetection(c motion.Config) { p.settings.Store(&c) }

// setSchedule restricts recording to some hours; nil: to none.
func (p *pipeline) setSchedule(s *Schedule) { p.schedule.Store(s) }

// sayUnreadable is how often pictures that cannot be read are logged while they go on coming.
const sayUnreadable = time.Minute

// MotionStatus is what the detector sees.
type MotionStatus struct {
	Moving     bool    `json:"moving"`
	Score      float64 `json:"score"`
	Analysed   uint64  `json:"analysed"`   // pictures
	Unreadable uint64  `json:"unreadable"` // pictures
	LastError  string  `json:"last_error"` // why the last of those could not be read; empty if there was none
	Skipped    uint64  `json:"skipped"`    // pictures that came while it was busy
	Events     uint64  `json:"events"`     // stretches of motion
	Scenes     uint64  `json:"scene_changes"`

	ScenesNamed map[string]uint64 `json:"scenes"`               // how often the whole picture changed, by what it changed to
	LastScene   string            `json:"last_scene,omitempty"` // the last of them
}

func newPipeline(c CameraConfig, cameraID string, spool clip.Spool, log *zap.Logger) (*pipeline, error) {
	p := &pipeline{name: c.Name, scenes: c.Scenes, paces: map[string]*scenePace{}, hub: capture.NewHub(), small: capture.NewHub(), overlay: newOverlay(), log: log.With(zap.String("camera", c.Name))}
	p.motion.ScenesNamed = map[string]uint64{}
	var err error
	if p.camera, err = capture.New(c.Config, p.hub, video.NewPool(idleBuffers), p.log); err != nil {
		return nil, err
	}
	p.camera.SetDetection(p.small)
	p.camera.OnChange(p.changed)
	p.controls = p.camera
	p.config = c.Motion
	if p.detector, err = motion.New(c.Motion); err != nil {
		return nil, err
	}
	if p.recorder, err = clip.New(c.Clip, c.Name, cameraID, spool, log); err != nil {
		return nil, err
	}
	p.tracks.rotation = c.Clip.Rotation
	p.recorder.SetTracks(p.tracks.of)
	return p, nil
}

// Run keeps the camera, its detector and its recorder going until ctx ends. The recorder is stopped last, so that
// the clip it is writing gets every picture that was captured.
func (p *pipeline) Run(ctx context.Context) error {
	recordCtx, stopRecorder := context.WithCancelCause(context.WithoutCancel(ctx))
	recorded := make(chan error, 1)
	record := p.hub.Subscribe(queueRecord, recordDepth)
	defer record.Close()
	go func() {
		recorded <- supervise.Keep(recordCtx, p.log, "recorder", func(ctx context.Context) error {
			return p.recorder.Run(ctx, record.Frames())
		})
	}()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return supervise.Keep(gctx, p.log, "camera", p.capture) })
	g.Go(func() error { return p.detect(gctx) })
	g.Go(func() error { return p.look(gctx) })
	err := g.Wait()
	stopRecorder(err)
	<-recorded
	return err
}

// capture runs the camera once. A recording that has ended is no failure: there is nothing more to come.
func (p *pipeline) capture(ctx context.Context) error {
	err := p.camera.Run(ctx)
	p.recorder.CameraLost()
	if errors.Is(err, capture.ErrEnded) {
		p.log.Info("the recording has ended")
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return err
}

// changed takes note that the camera was found or lost: the clip being written ends there, and the cloud is told.
func (p *pipeline) changed(c capture.Change) {
	reason := ""
	p.since.Store(0)
	if c.Found {
		p.since.Store(int64(max(c.Mono, 1)))
		if p.granted != nil {
			p.granted(c.Format)
		}
		reason = strings.TrimSpace(c.Card + " " + c.Format.String())
	} else {
		p.recorder.CameraLost()
		p.losses.Add(1)
		if c.Err != nil {
			reason = c.Err.Error()
		}
	}
	if p.report == nil {
		return
	}
	p.report(c.Found, p.when(c.Mono), reason)
}

// alive says what hangs: a detector that has looked at nothing for long although the camera gives pictures.
func (p *pipeline) alive() error {
	now, last := video.Now(), p.camera.Status().Last
	found, seen := time.Duration(p.since.Load()), time.Duration(p.looked.Load())
	// After an absence the detector's last picture is old, and the first new one on its way.
	if found > 0 && now-last < stalled && last-max(found, seen) > stalled {
		return fmt.Errorf("camera %s: no picture was looked at for %v", p.name, (now - seen).Round(time.Second))
	}
	return nil
}

func (p *pipeline) detect(ctx context.Context) error {
	sub := p.small.Subscribe(queueDetect, detectDepth)
	defer sub.Close()
	defer p.traces.end()
	var (
		luma lumaReader
		said time.Duration // when an unreadable picture was last logged
		mask = sieve{changed: &p.masked, depth: detectDepth}
	)
	defer luma.close()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-sub.Frames():
			old, last := mask.old(f)
			if last {
				p.renewed()
			}
			switch plane, err := luma.read(f); {
			case old:
			case err == nil:
				p.decide(f, plane)
			case !errors.Is(err, errNoKey):
				said = p.unreadable(f, err, said)
			}
			p.looked.Store(int64(f.Mono))
			f.Release()
		}
	}
}

// unreadable counts a picture the detector cannot use, and says so now and then. The first one of a camera that has just
// started is often cut, but one that sends nothing else must not go unnoticed.
func (p *pipeline) unreadable(f *video.Frame, err error, said time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.motion.Unreadable++
	p.motion.LastError = err.Error()
	if said != 0 && f.Mono-said < sayUnreadable {
		return said
	}
	p.log.Warn("picture cannot be read, no motion is seen in it", zap.Stringer("format", f.Format), zap.Int("bytes", len(f.Data)),
		zap.Uint64("unreadable", p.motion.Unreadable), zap.Error(err))
	return f.Mono
}

func (p *pipeline) decide(f *video.Frame, plane *video.Plane) {
	if c := p.settings.Swap(nil); c != nil {
		if err := p.detector.SetConfig(*c); err != nil {
			p.log.Error("settings of the detector not taken", zap.Error(err))
		} else {
			p.config = *c
		}
	}
	if since := time.Duration(p.since.Load()); since != p.begun && since != 0 && f.Mono >= since {
		p.begun = since
		p.detector.Reset() // the camera was away, however shortly: its exposure may be another
	}
	d := p.detector.Step(f.Mono, plane)
	p.overlay.seen(p.detector, f.Mono, d)
	wanted := p.schedule.Load().open(time.Now())
	event := p.tracks.add(f.Mono, d, func() string { return p.recorder.Observe(f, d.Moving && wanted, d.Score) })
	p.traces.seen(p.detector, &p.config, f, plane, event)
	if d.Scene != motion.SceneNone {
		p.sceneChanged(f, d.Scene, wanted)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &p.motion
	m.Analysed++
	if d.Moving && !m.Moving {
		m.Events++
	}
	if d.SceneChange {
		m.Scenes++
	}
	m.Moving, m.Score = d.Moving, d.Score
}

func (p *pipeline) motionStatus() MotionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.motion
	m.ScenesNamed = m.namedScenes()
	m.Skipped = p.small.Drops()[queueDetect]
	return m
}

// lumaReader brings a frame of any format to an eighth of its size, luma alone. It keeps its buffers from one frame to
// the next; close frees them.
type lumaReader struct {
	jpeg  jpeg.LumaDecoder
	h264  h264Reader
	plane video.Plane
}

// read gives errNoKey while an H.264 stream cannot be decoded yet.
func (r *lumaReader) read(f *video.Frame) (*video.Plane, error) {
	switch f.Format.FourCC {
	case video.MJPEG:
		return &r.plane, r.jpeg.Decode(&r.plane, f.Data)
	case video.H264:
		return &r.plane, r.h264.luma(&r.plane, f)
	}
	return &r.plane, video.Luma8(&r.plane, f)
}

func (r *lumaReader) close() { r.h264.close() }
