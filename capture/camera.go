// Package capture turns a camera, on a bus or in the network, a recording or a rendered scene into a stream of video.Frame and
// hands each frame to whoever subscribed: the motion detector, the pre-roll ring, the live view.
//
// A Camera reads one source and publishes on a Hub. V4L2 devices are driven through
// Linux's streaming I/O with memory mapping (Documentation/userspace-api/media/v4l/mmap.rst). Recordings are replayed by their own time stamps; MJPEG is read natively,
// anything else through an ffmpeg child process, which is a development aid.
package capture

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"camward/video"
)

// ErrEnded is what Run returns when a recording has ended and is not to begin again.
var ErrEnded = errors.New("recording ended")

// lossInterval is how often lost and broken pictures are logged while they happen.
const lossInterval = time.Minute

// A Camera captures from one source. Make it with New.
type Camera struct {
	cfg     Config
	src     source
	formats []video.FourCC // nil: what is cheapest
	hub     *Hub
	pool    *video.Pool
	log     *zap.Logger
	host    host

	detect   *Hub         // what the detector looks at; nil: nothing
	onChange func(Change) // nil: nobody asks
	second   atomic.Bool  // the detector looks at a second node

	privacy  privacy // what deliver and whatever else publishes frames passes them through
	settings settings
	patience patience    // with an http source
	lockout  lockout     // after it refused its password
	nominal  nominalRate // of its frames

	// Only Run's goroutine touches these.
	known    known     // the device last opened
	alone    bool      // its H.264 failed, and is done without for one run; where nothing else is wanted, its second node is
	scarce   string    // Status.Reduced last logged
	good     bool      // this attempt has given a picture
	firstAt  time.Time // when that came
	presence presence  // last told
	sighting sighting  // last logged
	report   report    // last logged
	pacer    pacer     // between attempts
	plugs    <-chan struct{}
	unplug   func()

	besideFault string // last logged; only the goroutine of the second node touches it

	mu       sync.Mutex
	status   Status
	lastSeq  uint64 // of the last delivered frame of this attempt
	skipped  uint64 // buffers discarded since then; their gap in Seq is not a drop
	reported uint64 // losses logged so far
	nextLoss time.Duration
	why      string // the last picture was discarded
}

// Status is what a camera is doing. The counters cover all runs.
type Status struct {
	Source    string        `json:"source"`          // as configured; an address without what may be secret in it
	Device    string        `json:"device"`          // what was opened: node, file or address; empty before
	Card      string        `json:"card"`            // the device's name for itself
	Running   bool          `json:"running"`         // frames are expected
	Format    video.Format  `json:"format,omitzero"` // as granted; of an http source the rate is that of the last pictures
	Frames    uint64        `json:"frames"`          // published
	Drops     uint64        `json:"drops"`           // missing by their sequence numbers
	Errored   uint64        `json:"errored"`         // broken or empty pictures, discarded
	Last      time.Duration `json:"last_mono_ns"`    // Frame.Mono of the last frame; 0 before the first
	LastError string        `json:"last_error"`      // of the last run that failed
	Detect    string        `json:"detect"`          // the second node that detection looks at; empty without one
	Reduced   string        `json:"reduced"`         // what was asked of the USB bus and what it has room for, in one line; empty if that is the same
}

// New validates cfg and wires a camera that publishes frames from pool on hub. It opens nothing.
func New(cfg Config, hub *Hub, pool *video.Pool, log *zap.Logger) (*Camera, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	src, err := parseSource(cfg.Source)
	if err != nil {
		return nil, err
	}
	formats, err := parseFormat(cfg.Format)
	if err != nil {
		return nil, err
	}
	return &Camera{
		cfg: cfg, src: src, formats: formats, hub: hub, pool: pool, log: log, host: thisHost(), privacy: privacy{shapes: cfg.Privacy},
		status: Status{Source: src.shown(cfg.Source)}, patience: defaultPatience, nominal: nominalRate{rate: cfg.Rate},
	}, nil
}

// Run captures into the hub until ctx ends, whose cause it returns. A device or a network camera that fails is opened again as often as
// it takes: as soon as its node is back, else after pauses of 250 ms to 5 s, and up to 30 s where it is busy or of no use. A fault
// is logged when it appears or changes. A recording that ends is ErrEnded; a recording or the demo scene that fails is an error.
// Every path releases the device, child process and memory. Run may be called again after it returned, not before.
func (c *Camera) Run(ctx context.Context) error {
	if c.src.kind == kindDevice || c.src.kind == kindHTTP {
		return c.keep(ctx)
	}
	return c.attempt(ctx)
}

// attempt opens the source and streams it into the hub until ctx ends, whose cause it returns, or the source fails.
func (c *Camera) attempt(ctx context.Context) error {
	c.good = false
	c.mu.Lock()
	c.lastSeq, c.skipped = noSeq, 0
	c.mu.Unlock()
	err := c.stream(ctx)
	c.privacy.close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	c.mu.Lock()
	c.status.Running = false
	if ctx.Err() == nil {
		c.status.LastError = err.Error()
	}
	c.mu.Unlock()
	if ctx.Err() == nil {
		c.lost(err)
	}
	return err
}

// noSeq marks "no frame yet" in lastSeq.
const noSeq = ^uint64(0)

func (c *Camera) stream(ctx context.Context) error {
	switch c.src.kind {
	case kindDemo:
		return c.runDemo(ctx)
	case kindRecording:
		return replay(ctx, c.src, c.cfg, c.pool, c)
	case kindHTTP:
		return c.runHTTP(ctx)
	}
	return c.runDevice(ctx)
}

// Status tells what was granted and counted so far. Safe for concurrent use.
func (c *Camera) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// An output is what a running source reports to.
type output interface {
	granted(device, card string, f video.Format)
	deliver(f *video.Frame) error // takes over the reference
	discard(reason string)        // a picture that was not fit to deliver
}

// granted is called by a source that is open and about to deliver.
func (c *Camera) granted(device, card string, f video.Format) {
	c.mu.Lock()
	c.status.Device, c.status.Card, c.status.Format, c.status.Running = device, card, f, true
	c.mu.Unlock()
	c.log.Debug("camera opened", zap.String("device", device), zap.String("card", card), zap.Stringer("format", f))
}

// deliver counts and publishes a frame, less what nobody is to see of it.
func (c *Camera) deliver(f *video.Frame) error {
	f, err := c.privacy.apply(f, c.pool)
	if err != nil {
		c.discard(err.Error())
		return nil
	}
	c.mu.Lock()
	if f == nil { // a decoder waits
		c.skipped++
		c.mu.Unlock()
		return nil
	}
	if c.lastSeq != noSeq && f.Seq > c.lastSeq+1+c.skipped {
		c.status.Drops += f.Seq - c.lastSeq - 1 - c.skipped
	}
	c.lastSeq, c.skipped = f.Seq, 0
	f.Mono = forward(f.Mono, c.status.Last)
	c.status.Frames++
	c.status.Last = f.Mono
	c.status.Format.Width, c.status.Format.Height = f.Format.Width, f.Format.Height
	c.reportLoss(f.Mono)
	c.mu.Unlock()
	if !c.good {
		c.found(f)
	}
	c.hub.Publish(f)
	if c.detect != nil && !c.second.Load() {
		c.detect.Publish(f)
	}
	f.Release()
	return nil
}

// forward moves a stamp behind the one before: some webcams' clocks are read wrongly now and then, and whoever keeps time by
// pictures must not see it run backwards.
func forward(mono, last time.Duration) time.Duration { return max(mono, last+time.Microsecond) }

// discard counts a picture that was not fit to publish.
func (c *Camera) discard(reason string) {
	c.mu.Lock()
	c.skipped++
	c.status.Errored++
	c.why = reason
	c.reportLoss(video.Now())
	c.mu.Unlock()
	c.log.Debug("picture discarded", zap.String("reason", reason))
}

// reportLoss logs new losses, at most once per lossInterval. c.mu is held.
func (c *Camera) reportLoss(now time.Duration) {
	if lost := c.status.Drops + c.status.Errored; lost != c.reported && now >= c.nextLoss {
		fields := []zap.Field{zap.Uint64("drops", c.status.Drops), zap.Uint64("errored", c.status.Errored)}
		if c.why != "" {
			fields = append(fields, zap.String("last_error", c.why))
		}
		c.log.Warn("pictures lost", fields...)
		c.reported, c.nextLoss, c.why = lost, now+lossInterval, ""
	}
}
