// Package live shows a camera in a browser by WebRTC: one peer connection per viewer, one H.264 encoder per camera for
// all its viewers, and only while someone watches.
//
// Signalling is WHEP (draft-ietf-wish-whep, with the conventions of RFC 9725), over HTTP by Handler, or by Open, Patch
// and End where something else carries it. All viewers' media share one UDP port and one TCP port.
//
// A picture goes from the source to the camera's one loop, which decodes and encodes it, and from there, cut into RTP
// payloads once, into each viewer's own short queue. A viewer whose queue is full loses its own pictures up to the next key
// picture. The encoder's bit rate and, below what a picture needs, its picture rate follow the worst viewer.
package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/video"
)

// A Source is one camera's pictures. Subscribe is called when the first viewer comes and stop when the last has gone, both
// from the camera's own goroutine. The queue holds depth frames; one that is full loses frames and never waits. Whoever
// receives a frame owns a reference and releases it. The channel is not closed; stop releases what is still queued.
//
// A Source that is also a Teller says before that what is to be expected; one that is a Narrator has more to say than pictures.
type Source interface {
	Subscribe(depth int) (frames <-chan *video.Frame, stop func())
}

// A Teller says which format a source delivers at the moment; ok is false while it delivers nothing, and viewers are then
// asked to come back later. Safe for concurrent use.
type Teller interface {
	Format() (f video.Format, ok bool)
}

// A KeyRequester can have a camera that encodes make a key picture soon. Without one, a new viewer of such a camera waits
// for the next that comes by itself. RequestKey is called from the camera's own goroutine, at most twice a second, and must not block.
type KeyRequester interface {
	RequestKey()
}

// Errors that Open, Patch and End are tested for. Others are faults of this side.
var (
	// ErrNoCamera says that there is no camera of that name.
	ErrNoCamera = errors.New("no such camera")
	// ErrNoSession says that there is no such session, or no longer.
	ErrNoSession = errors.New("no such session")
	// ErrNoEncoder says that this build cannot encode what the camera delivers.
	ErrNoEncoder = errors.New("this build has no H.264 encoder and the camera delivers none: use MJPEG")
	// ErrNoPicture says that the camera delivers nothing at the moment.
	ErrNoPicture = errors.New("the camera delivers no pictures at the moment")
	// ErrBusy says that the camera has as many viewers as are allowed.
	ErrBusy = errors.New("all places for viewers are taken")
	// ErrNotRunning says that Run is not running.
	ErrNotRunning = errors.New("live view is not running")
	// ErrOffer says that the offer or the fragment cannot be read.
	ErrOffer = errors.New("unusable session description")
	// ErrNoVideo says that an offer has no place for the video that is made here.
	ErrNoVideo = errors.New("the offer does not accept H.264 with packetization-mode 1")
	// ErrPrecondition says that a PATCH is about an ICE session that has been replaced.
	ErrPrecondition = errors.New("the ICE session has been replaced")
)

// timing holds the limits that tests shorten.
type timing struct {
	connect      time.Duration // a viewer that is not connected by then is given up
	disconnected time.Duration // without a sign of life: disconnected
	failed       time.Duration // after that: given up
	keepalive    time.Duration // between ICE's own packets
	free         time.Duration // from the last viewer to the end of the encoder
	adjust       time.Duration // between looks at the viewers' bandwidth
	gather       time.Duration // the longest wait for answers of STUN and TURN servers
}

func defaultTiming() timing {
	return timing{
		connect: 20 * time.Second, disconnected: 4 * time.Second, failed: 6 * time.Second, keepalive: time.Second,
		free: 10 * time.Second, adjust: 500 * time.Millisecond, gather: 500 * time.Millisecond,
	}
}

// A Server shows cameras to viewers. Its methods are safe for concurrent use.
type Server struct {
	cfg      Config
	stateDir string
	log      *zap.Logger
	timing   timing
	starts   chan func(context.Context) // what Run is to run
	newEnc   h264.Factory

	mu       sync.Mutex
	cameras  []*camera
	sessions map[string]*viewer
	places   int      // sessions and those that are being made
	net      *network // nil while Run is not running
}

// New checks cfg and makes a server that keeps its certificate in stateDir.
func New(cfg Config, stateDir string, log *zap.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Server{
		cfg: cfg, stateDir: stateDir, log: log.Named("live"), timing: defaultTiming(),
		starts: make(chan func(context.Context)), newEnc: newEncoder, sessions: make(map[string]*viewer),
	}, nil
}

// SetEncoder has pictures encoded by what the factory makes, instead of OpenH264. It is called before AddCamera.
func (s *Server) SetEncoder(f h264.Factory) { s.newEnc = f }

// AddCamera makes a camera known. The first is also served without a name in the path. A name that is already known
// gets the new source, for viewers that come from then on.
func (s *Server) AddCamera(name string, src Source) {
	c := newCamera(name, src, s.cfg, s.timing, s.newEnc, s.log.With(zap.String("camera", name)))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, old := range s.cameras {
		if old.name == name {
			s.cameras[i] = c
			return
		}
	}
	s.cameras = append(s.cameras, c)
}

// Run opens the ports, reads or makes the certificate, and serves viewers until ctx ends. It leaves no goroutine and no
// socket behind.
func (s *Server) Run(ctx context.Context) error {
	n, err := s.open()
	if err != nil {
		return err
	}
	s.setNetwork(n)
	var running sync.WaitGroup
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case run := <-s.starts:
			running.Go(func() { run(ctx) })
		}
	}
	s.setNetwork(nil)
	close(n.done)
	running.Wait()
	if err := n.close(); err != nil {
		s.log.Warn("close media ports", zap.Error(err))
	}
	return context.Cause(ctx)
}

func (s *Server) setNetwork(n *network) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.net = n
}

// start has Run run f until it returns.
func (s *Server) start(n *network, f func(context.Context)) error {
	select {
	case s.starts <- f:
		return nil
	case <-n.done:
		return ErrNotRunning
	}
}

// camera finds a camera; the empty name is the first.
func (s *Server) camera(name string) (*camera, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cameras {
		if name == "" || c.name == name {
			return c, nil
		}
	}
	return nil, ErrNoCamera
}

// Ready is nil when a viewer of a camera, "" being the first, would get a picture now, if there is a place for it. It is cheap.
func (s *Server) Ready(camera string) error {
	c, err := s.camera(camera)
	if err != nil {
		return err
	}
	s.mu.Lock()
	running := s.net != nil
	s.mu.Unlock()
	if !running {
		return ErrNotRunning
	}
	return c.ready()
}

// Forget lets no viewer of a camera begin with a picture stamped until (Frame.Mono) or earlier: it shows what is to be hidden from now on.
func (s *Server) Forget(camera string, until time.Duration) {
	if c, err := s.camera(camera); err == nil {
		c.past.Store(int64(until))
	}
}

// takePlace reserves a place for a viewer; the network is that of the current Run.
func (s *Server) takePlace() (*network, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.net == nil:
		return nil, ErrNotRunning
	case s.places >= s.cfg.MaxViewers:
		return nil, ErrBusy
	}
	s.places++
	return s.net, nil
}

// leave gives back a viewer's place, and forgets its session if it had one.
func (s *Server) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, id)
	s.places--
}

// session finds a viewer; a camera name other than its own does not.
func (s *Server) session(camera, id string) (*viewer, error) {
	c, err := s.camera(camera)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.sessions[id]; v != nil && v.camera.name == c.name {
		return v, nil
	}
	return nil, ErrNoSession
}

// Open answers a viewer's offer. An empty camera name is the first camera. The servers are used beside the configured
// ones. The session ends by End, when the viewer is gone, or with Run. Errors are those of this package where they are
// the viewer's or the moment's fault.
func (s *Server) Open(ctx context.Context, camera, offer string, servers ...ICEServer) (Answer, error) {
	c, err := s.camera(camera)
	if err != nil {
		return Answer{}, err
	}
	if err := checkOffer(offer); err != nil {
		return Answer{}, err
	}
	if err := c.ready(); err != nil {
		return Answer{}, err
	}
	n, err := s.takePlace()
	if err != nil {
		return Answer{}, err
	}
	v, err := s.newViewer(n, c, servers)
	if err != nil {
		s.leave("")
		return Answer{}, fmt.Errorf("make peer connection: %w", err)
	}
	answer, err := v.accept(ctx, offer)
	if err == nil {
		err = s.admit(n, v)
	}
	if err != nil {
		v.discard()
		s.leave(v.id)
		close(v.done) // End may have found it
		return Answer{}, err
	}
	return answer, nil
}

// admit makes the session known and runs it.
func (s *Server) admit(n *network, v *viewer) error {
	s.mu.Lock()
	s.sessions[v.id] = v
	s.mu.Unlock()
	if v.camera.watch() {
		if err := s.start(n, v.camera.run); err != nil {
			v.camera.unwatch()
			v.camera.retire(true)
			return err
		}
	}
	err := s.start(n, func(ctx context.Context) {
		defer close(v.done)
		defer s.leave(v.id)
		defer v.camera.unwatch()
		v.run(ctx)
	})
	if err != nil {
		v.camera.unwatch()
	}
	return err
}

// Patch hands a session the viewer's candidates, or restarts ICE if the fragment (RFC 8840) brings new credentials. The
// etag is that of the ICE session meant, or "*"; ErrPrecondition says that it is not the current one. After a restart, answer holds
// this side's fragment and its new tag; otherwise its SDP is empty.
func (s *Server) Patch(ctx context.Context, camera, id, etag, fragment string) (answer Answer, err error) {
	v, err := s.session(camera, id)
	if err != nil {
		return Answer{}, err
	}
	f, err := parseFragment(fragment)
	if err != nil {
		return Answer{}, err
	}
	return v.patch(ctx, etag, f)
}

// End ends a session.
func (s *Server) End(camera, id string) error {
	v, err := s.session(camera, id)
	if err != nil {
		return err
	}
	v.end("ended by the viewer")
	<-v.done
	return nil
}
