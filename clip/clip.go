// Package clip records events: it keeps the last seconds of a camera's pictures in memory,
// compressed, and when the detector sees motion it writes them and what follows as MP4s, each with a JPEG
// of its peak. Where no H.264 can be made, an event becomes JPEGs alone. Between
// events it writes a heartbeat picture now and then.
//
// What the ring holds depends on the camera. MJPEG frames are kept as they are and encoded only
// during an event, so that idling costs almost nothing; raw pictures are encoded as they come; H.264 is
// passed through. One goroutine takes frames in and never waits; another encodes and writes, and the
// ring is the queue between them.
//
// All time here is that of the frames (video.Frame.Mono): no timer runs, and a recording replayed faster
// than real time gives the same clips.
package clip

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

// A Spool takes recordings. Create begins one; what is in it becomes visible to the uploader
// only by Finish. An error of Create means that nothing was begun. Create is called from one
// goroutine at a time, but a recording may be open while others come and go. A clip whose Create failed is
// tried again a few seconds later; a picture is not.
type Spool interface {
	Create(m camio.Media) (Recording, error)
}

// A Recording is one file being written, by one goroutine. Write appends; WriteAt changes bytes
// already written. What was written before Sync returned nil survives a power cut, as a file that may lack its
// end. Exactly one of Finish and Discard ends the recording, even after errors, and neither may
// be called twice. Finish makes the file durable and queues it, with the length of a clip (0 for a
// picture); if it returns an error the recording is over all the same and is not queued now, though a spool may save it
// at its next start. Discard
// leaves nothing behind; its error is of no consequence but to the log.
type Recording interface {
	io.Writer
	io.WriterAt
	Sync() error
	Finish(length time.Duration) error
	Discard() error
}

const (
	// maxLag bounds how far the detector may be behind the camera: pictures are kept that much longer
	// than the pre-roll, and an event is over that long after its post-roll even if the detector is silent.
	maxLag = 2 * time.Second
	// maxAhead is how far the detector may be ahead of the recorder's own queue.
	maxAhead = 10 * time.Second
	// keepCodec is how long encoder, decoder and their pictures stay after the last use.
	keepCodec = 10 * time.Second
	// longGroup is how long a camera that encodes may go without a key picture before it is asked for one, and askAgain how long an answer
	// may take.
	longGroup, askAgain = 10 * time.Second, time.Second
	// maxGap is the longest gap that dropping for an overloaded encoder may make.
	maxGap = 500 * time.Millisecond
	// firstHeartbeat follows a camera's first picture; many cameras need that long to find their exposure.
	firstHeartbeat = 2 * time.Second
	// maxStills bounds the pictures that wait to be written as JPEG, so that a spool
	// that hangs cannot hold the camera's frames. Each holds at most maxPeaks frames.
	maxStills = 8
	// sayFormat is how often at most a change of the pictures' format is logged.
	sayFormat = time.Minute
	// encoderPause is how long after a failure to make an encoder the next attempt waits.
	encoderPause = time.Minute
	// closingBacklog is how many pictures are still encoded when the agent stops: a few seconds' work
	// on the slowest board. A longer queue is thinned.
	closingBacklog = 150
)

// A Recorder records the events of one camera. Run, Observe, CameraLost and Status may be called
// from different goroutines at the same time.
type Recorder struct {
	cfg              Config
	camera, cameraID string
	spool            Spool
	log              *zap.Logger
	newEncoder       func(h264.Config) (encoder, error)
	clock            func(mono time.Duration) (t time.Time, trusted bool) // nil: none
	requestKey       func()                                               // nil: nobody to ask
	onEvent          func(EventChange)                                    // nil: nobody listens
	track            TrackOf                                              // nil: nobody to ask

	wake chan struct{} // one token: the worker has something to look at
	lost chan struct{} // one token: CameraLost was called

	mu          sync.Mutex
	running     bool
	closing     bool
	stream      *stream  // of the frames now coming; nil before the first and after CameraLost
	events      []*event // oldest first; those before the last are over and wait for the worker
	stills      []still
	noEncoder   bool // this build has none
	heartbeatAt time.Duration
	hasBeat     bool          // heartbeatAt is set
	freeAt      time.Duration // when the codecs are to be freed; 0 if there are none
	freeNow     bool
	recording   bool // a clip is open
	status      Status
	drops       [len(reasons)]uint64
	alarm       Alarm
	quietUntil  time.Duration // no new event before
	changes     []EventChange // that onEvent has still to be told
	formatSaid  time.Duration // when a change of format was last logged
}

// New validates cfg and wires a recorder for the camera with that configured name and camera_id.
func New(cfg Config, camera, cameraID string, spool Spool, log *zap.Logger) (*Recorder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if spool == nil {
		return nil, errors.New("clip: no spool")
	}
	return &Recorder{
		cfg: cfg, camera: camera, cameraID: cameraID, spool: spool,
		log:        log.Named("clip").With(zap.String("camera", camera)),
		newEncoder: newEncoder,
		noEncoder:  !h264.Available,
		wake:       make(chan struct{}, 1),
		lost:       make(chan struct{}, 1),
	}, nil
}

// SetClock tells the recorder how to date a picture by its Mono, for the text that Config.Timestamp asks for: the time,
// in any zone, and whether it can be relied on. An untrusted time is not shown, and without a clock none is. Call it
// before Run; the function is called from another goroutine.
func (r *Recorder) SetClock(clock func(mono time.Duration) (t time.Time, trusted bool)) {
	r.clock = clock
}

// SetKeyRequest tells the recorder how to ask a camera that encodes for a key picture, which it does where none came for long: no clip can
// begin or end elsewhere, and the ring keeps nothing that lacks its own. Call it before Run; the function is called from Run's goroutine,
// must not block, and may do nothing.
func (r *Recorder) SetKeyRequest(ask func()) { r.requestKey = ask }

// Run records until ctx ends and returns ctx's cause. It releases every frame it receives; frames is
// never closed. It takes frames without ever waiting for the encoder or the spool. When ctx ends, it takes what is
// still queued, finishes the open clip, which is then playable and in the spool, writes the pictures due, and
// leaves no goroutine, codec or frame behind. It may be run again afterwards, but not twice at once.
func (r *Recorder) Run(ctx context.Context, frames <-chan *video.Frame) error {
	r.mu.Lock()
	r.running, r.closing = true, false
	r.mu.Unlock()
	select {
	case <-r.lost: // of an earlier run
	default:
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := worker{r: r, codec: codec{newEncoder: r.newEncoder}}
		w.run()
	}()
	for {
		select {
		case <-ctx.Done():
			r.drain(frames)
			r.close()
			<-done
			return context.Cause(ctx)
		case <-r.lost:
			r.drain(frames)
			r.cameraLost()
		case f := <-frames:
			r.add(f)
			f.Release()
		}
	}
}

// drain takes in what is queued.
func (r *Recorder) drain(frames <-chan *video.Frame) {
	for range cap(frames) {
		select {
		case f := <-frames:
			r.add(f)
			f.Release()
		default:
			return
		}
	}
}

// Observe tells what the detector saw in a frame: whether it shows motion, and how much (any
// non-negative measure; the highest of an event gives its snapshot). Frames must come in order of
// time and of the same clock as those given to Run, but may be of another stream of the same
// camera. It never blocks and retains what it keeps. It gives the id of the event that the frame belongs to, "" if there is none.
func (r *Recorder) Observe(f *video.Frame, moving bool, score float64) (event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stream
	if !r.running || s == nil || f.Mono > s.received+maxAhead {
		return ""
	}
	s.observed = max(s.observed, f.Mono)
	e := r.liveEvent(s)
	if moving {
		if e == nil && !r.quiet(f.Mono) {
			e = r.begin(s, f.Mono)
			r.tell(e.whole)
		}
		if e != nil {
			r.moving(e, f, score)
		}
	}
	if e != nil {
		event = e.id
		r.snapshot(e, false)
	}
	if len(r.events) > 0 {
		r.signal()
	}
	return event
}

// CameraLost says that the source failed or ended: the open clip is finished with the frames that
// were queued for Run until now. The next frame begins anew. It never blocks.
func (r *Recorder) CameraLost() {
	select {
	case r.lost <- struct{}{}:
	default:
	}
}

func (r *Recorder) cameraLost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeStream()
	r.freeNow = true
	r.signal()
}

// close makes the worker finish what is open and end.
func (r *Recorder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running, r.closing = false, true
	r.closeStream()
	for _, e := range r.events {
		for q := &e.stream.waiting; q.left() > closingBacklog && q.thin(forever, maxGap); {
			r.drop(DropOverload)
		}
	}
	r.signal()
}

// signal wakes the worker. It never blocks.
func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
