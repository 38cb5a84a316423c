package live

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"go.uber.org/zap"
)

const (
	// queued pictures, of a viewer: half a second at 15 a second. One that is further behind waits for a key picture.
	queueDepth = 8
	// maxCandidates of a viewer, all told: each is an address that the camera sends packets to.
	maxCandidates = 64
	// rembAge is how long a viewer's own estimate counts.
	rembAge = 5 * time.Second
)

// An Answer is this side's part of a session.
type Answer struct {
	Session string // its name, which cannot be guessed
	ETag    string // of the ICE session, without quotes; a restart changes it
	SDP     string // an answer (application/sdp), or a fragment of one after a restart
}

// A viewer is one peer connection and the goroutine that feeds it.
type viewer struct {
	id      string
	camera  *camera
	log     *zap.Logger
	timing  timing
	pc      *webrtc.PeerConnection
	track   *webrtc.TrackLocalStaticRTP
	sender  *webrtc.RTPSender
	bwe     bandwidth
	gather  bool // there are servers whose answers are worth a wait
	since   time.Time
	up      chan struct{} // closed when media can flow
	setUp   func()
	over    chan struct{} // closed when the viewer is to be given up
	done    chan struct{} // closed when nothing of it is left, nor its session
	endOnce sync.Once
	why     string // under endOnce

	queue   chan *unit
	needKey atomic.Bool // pictures are left out up to the next key picture
	begun   bool        // has been offered a picture that it can use; of the camera's goroutine
	dropped atomic.Uint64
	sent    atomic.Uint64 // payload bytes

	channels atomic.Int32   // data channels that the viewer has opened so far
	listens  chan listening // holds one: open, and not yet served
	unsaid   atomic.Uint64  // messages left out

	remb   atomic.Int64 // bits per second, 0 without
	rembAt atomic.Int64 // nanoseconds since since

	signal     sync.Mutex // one exchange at a time; guards what follows
	etag       string
	remote     string // the offer, as it stands after restarts
	remoteID   string // the viewer's ice-ufrag
	candidates int

	header  rtp.Header // of the next packet; used by run only
	delayID uint8      // of the playout delay extension; 0 without
}

// newViewer makes a peer connection that has nothing but its track.
func (s *Server) newViewer(n *network, c *camera, servers []ICEServer) (*viewer, error) {
	v := &viewer{
		id: rand.Text(), camera: c, timing: s.timing, since: time.Now(), etag: rand.Text(),
		up: make(chan struct{}), over: make(chan struct{}), done: make(chan struct{}), queue: make(chan *unit, queueDepth),
		listens: make(chan listening, 1),
	}
	v.log = s.log.With(zap.String("camera", c.name), zap.String("session", v.id[:6]))
	v.setUp = sync.OnceFunc(func() { close(v.up) })
	v.header = rtp.Header{Version: 2, SequenceNumber: uint16(mathrand.Uint32())}
	api, err := newAPI(n, s.cfg, c.startBitrate(), &v.bwe)
	if err != nil {
		return nil, err
	}
	cfg := webrtc.Configuration{Certificates: []webrtc.Certificate{n.certificate}, BundlePolicy: webrtc.BundlePolicyMaxBundle}
	for _, list := range [][]ICEServer{s.cfg.ICEServers, servers} {
		for _, i := range list {
			cfg.ICEServers = append(cfg.ICEServers, webrtc.ICEServer{URLs: i.URLs, Username: i.User, Credential: i.Password.Reveal()})
			v.gather = true
		}
	}
	if v.pc, err = api.NewPeerConnection(cfg); err != nil {
		return nil, err
	}
	if v.track, err = webrtc.NewTrackLocalStaticRTP(h264Codec(baseline), "video", "camward"); err == nil {
		v.sender, err = v.pc.AddTrack(v.track)
	}
	if err != nil {
		return nil, errors.Join(err, v.pc.GracefulClose())
	}
	v.pc.OnConnectionStateChange(v.connection)
	v.pc.OnDataChannel(v.dataChannel)
	return v, nil
}

func (v *viewer) connection(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		v.setUp()
	case webrtc.PeerConnectionStateFailed:
		v.end("connection failed")
	case webrtc.PeerConnectionStateClosed:
		v.end("closed by the viewer")
	}
}

// end has the viewer given up; only the first reason counts.
func (v *viewer) end(why string) {
	v.endOnce.Do(func() {
		v.why = why
		close(v.over)
	})
}

// accept makes the answer to an offer that has passed checkOffer.
func (v *viewer) accept(ctx context.Context, offer string) (Answer, error) {
	v.signal.Lock()
	defer v.signal.Unlock()
	sdp, err := v.negotiate(ctx, offer)
	if err != nil {
		return Answer{}, err
	}
	p := v.sender.GetParameters()
	if len(p.Codecs) == 0 || p.Codecs[0].MimeType != webrtc.MimeTypeH264 {
		return Answer{}, ErrNoVideo
	}
	for _, e := range p.HeaderExtensions {
		if e.URI == playoutDelayURI {
			v.delayID = uint8(e.ID)
		}
	}
	return Answer{Session: v.id, ETag: v.etag, SDP: sdp}, nil
}

// negotiate sets the remote description and returns the local one with the candidates that could be had in time.
func (v *viewer) negotiate(ctx context.Context, offer string) (string, error) {
	id, err := iceUfrag(offer)
	if err != nil {
		return "", err
	}
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	gathered := webrtc.GatheringCompletePromise(v.pc) // a restart has begun to gather anew by now
	answer, err := v.pc.CreateAnswer(nil)
	if err == nil {
		err = v.pc.SetLocalDescription(answer)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	v.remote, v.remoteID = offer, id
	limit := time.NewTimer(v.timing.gather)
	defer limit.Stop()
	select {
	case <-gathered:
	case <-limit.C: // what comes later is found by the connectivity checks
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	return v.pc.LocalDescription().SDP, nil
}

// patch adds candidates or restarts ICE.
func (v *viewer) patch(ctx context.Context, etag string, f fragment) (Answer, error) {
	v.signal.Lock()
	defer v.signal.Unlock()
	if etag != "*" && etag != v.etag {
		return Answer{}, ErrPrecondition
	}
	if v.candidates += len(f.candidates); v.candidates > maxCandidates {
		return Answer{}, fmt.Errorf("%w: more than %d candidates", ErrOffer, maxCandidates)
	}
	if f.ufrag != "" && f.ufrag != v.remoteID {
		return v.restart(ctx, f)
	}
	for _, c := range f.candidates {
		// One that cannot be used, such as TCP or a kind not known yet, is no reason to refuse the others.
		if err := v.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: c}); err != nil {
			v.log.Debug("candidate is not usable", zap.Error(err))
		}
	}
	return Answer{Session: v.id, ETag: v.etag}, nil
}

// restart replaces the ICE session (RFC 9725 4.3.3): the offer is as it was, but for the credentials and the candidates.
func (v *viewer) restart(ctx context.Context, f fragment) (Answer, error) {
	offer, err := restartOffer(v.remote, f)
	if err != nil {
		return Answer{}, err
	}
	local, err := v.negotiate(ctx, offer)
	if err != nil {
		return Answer{}, err
	}
	own, err := localFragment(local)
	if err != nil {
		return Answer{}, err
	}
	v.etag = rand.Text()
	v.candidates = len(f.candidates)
	v.log.Debug("ICE restarted")
	return Answer{Session: v.id, ETag: v.etag, SDP: own}, nil
}

// discard frees a viewer that never ran.
func (v *viewer) discard() {
	v.end("refused")
	if err := v.pc.GracefulClose(); err != nil {
		v.log.Debug("close peer connection", zap.Error(err))
	}
}

// run feeds the viewer until it is gone. It waits for all that it started.
func (v *viewer) run(ctx context.Context) {
	var reading sync.WaitGroup
	reading.Go(v.readFeedback)
	reading.Go(v.narrate)
	defer func() {
		v.discard()
		reading.Wait()
		v.log.Info("viewer has gone", zap.String("why", v.why), zap.Duration("after", time.Since(v.since).Round(time.Second)))
	}()
	limit := time.NewTimer(v.timing.connect)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		v.end("live view ends")
		return
	case <-v.over:
		return
	case <-limit.C:
		v.end("no connection")
		return
	case <-v.up:
	}
	v.log.Info("viewer is connected", zap.Duration("after", time.Since(v.since).Round(time.Millisecond)))
	v.camera.join(v)
	defer v.camera.part(v)
	for {
		select {
		case <-ctx.Done():
			v.end("live view ends")
			return
		case <-v.over:
			return
		case u := <-v.queue:
			v.send(u)
		}
	}
}

// offer queues a picture; it is called by the camera's goroutine and never waits. It reports whether a key picture is needed
// for this viewer to go on.
func (v *viewer) offer(u *unit) (needsKey bool) {
	if v.needKey.Load() && !u.key {
		if v.begun { // what comes before the first is no loss
			v.dropped.Add(1)
		}
		return true
	}
	v.begun = true
	select {
	case v.queue <- u:
		v.needKey.Store(false)
		return false
	default:
		v.dropped.Add(1)
		v.needKey.Store(true)
		return true
	}
}

// playoutNow is the extension's value for a delay of 0 to 0: show each picture as soon as it is there.
var playoutNow = [3]byte{}

func (v *viewer) send(u *unit) {
	h := &v.header
	h.Timestamp = u.timestamp
	for i, payload := range u.payloads {
		h.Marker = i == len(u.payloads)-1
		h.Extension, h.Extensions = false, h.Extensions[:0]
		if v.delayID != 0 {
			if err := h.SetExtension(v.delayID, playoutNow[:]); err != nil {
				v.delayID = 0
			}
		}
		// A packet that cannot be sent is a lost packet, which the viewer asks for again.
		if err := v.track.WriteRTP(&rtp.Packet{Header: *h, Payload: payload}); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			v.log.Debug("send", zap.Error(err))
		}
		v.sent.Add(uint64(len(payload)))
		h.SequenceNumber++
	}
}

// readFeedback reads the viewer's RTCP, which also drives retransmission and the bandwidth estimate.
func (v *viewer) readFeedback() {
	for faults := 0; faults < 1000; {
		packets, _, err := v.sender.ReadRTCP()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
				return
			}
			faults++ // one that cannot be read says nothing about the next
			continue
		}
		for _, p := range packets {
			switch p := p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				v.camera.wantKey(soon)
			case *rtcp.ReceiverEstimatedMaximumBitrate:
				v.remb.Store(int64(min(p.Bitrate, highest)))
				v.rembAt.Store(int64(time.Since(v.since)))
			}
		}
	}
}

// estimate is what the viewer's line carries, bits per second.
func (v *viewer) estimate() int {
	e := v.bwe.target()
	if r := v.remb.Load(); r > 0 && time.Since(v.since)-time.Duration(v.rembAt.Load()) < rembAge {
		e = min(e, int(r))
	}
	return e
}
