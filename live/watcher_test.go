//go:build cgo

package live

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/video"
)

// A line is a viewer's network: it can be cut, and can lose a share of what arrives.
type line struct {
	net.PacketConn
	cut  atomic.Bool
	lose atomic.Int32 // percent
	sum  atomic.Uint32
}

func newLine(t testing.TB) *line {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &line{PacketConn: c}
}

// lost spreads the losses evenly, so that every run has the same share.
func (l *line) lost() bool {
	n := uint32(l.lose.Load())
	s := l.sum.Add(n * 61 % 100)
	return l.cut.Load() || n > 0 && s%100 < n
}

func (l *line) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	for {
		if n, from, err = l.PacketConn.ReadFrom(b); err != nil || !l.lost() {
			return n, from, err
		}
	}
}

func (l *line) WriteTo(b []byte, to net.Addr) (int, error) {
	if l.cut.Load() {
		return len(b), nil
	}
	return l.PacketConn.WriteTo(b, to)
}

// A mark is the number read from a picture and the picture's RTP timestamp.
type mark struct{ n, timestamp uint32 }

// A watcher is a viewer in the test: a peer connection that decodes what it gets.
type watcher struct {
	r        *rig
	pc       *webrtc.PeerConnection
	location string
	etag     string
	marks    chan mark // the newest
	keys     atomic.Int32
	pictures atomic.Int32
	delay    atomic.Bool // a playout delay extension of 0 to 0 was seen
	ssrc     atomic.Uint32
	reading  sync.WaitGroup
}

// newWatcher makes a peer connection that wants to receive video, over a line of its own or over the network types given.
func (r *rig) newWatcher(over *line, types ...webrtc.NetworkType) *watcher {
	r.t.Helper()
	var e webrtc.SettingEngine
	if over != nil {
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: over, Logger: logFactory{zap.NewNop()}.NewLogger("")})
		r.t.Cleanup(func() { mux.Close() })
		e.SetICEUDPMux(mux)
		types = []webrtc.NetworkType{webrtc.NetworkTypeUDP4}
	}
	e.SetIncludeLoopbackCandidate(true)
	e.SetICEMulticastDNSMode(r.hide)
	e.SetSRTPReplayProtectionWindow(1024) // as browsers have it; with 64 what is sent again is often too late
	e.LoggerFactory = logFactory{zap.NewNop()}
	if len(types) > 0 {
		e.SetNetworkTypes(types)
	}
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		r.t.Fatal(err)
	}
	if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: playoutDelayURI}, webrtc.RTPCodecTypeVideo); err != nil {
		r.t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(media)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		r.t.Fatal(err)
	}
	w := &watcher{r: r, pc: pc, marks: make(chan mark, 1)}
	r.mu.Lock()
	r.watchers[w] = true
	r.mu.Unlock()
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		r.t.Fatal(err)
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		w.ssrc.Store(uint32(track.SSRC()))
		w.reading.Go(func() { w.read(track, receiver) })
	})
	return w
}

func (w *watcher) close() {
	w.r.mu.Lock()
	delete(w.r.watchers, w)
	w.r.mu.Unlock()
	w.pc.GracefulClose()
	w.reading.Wait()
}

// offer makes an offer; without trickle it waits for the candidates.
func (w *watcher) offer(restart, trickle bool) string {
	w.r.t.Helper()
	gathered := webrtc.GatheringCompletePromise(w.pc)
	d, err := w.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		w.r.t.Fatal(err)
	}
	if err := w.pc.SetLocalDescription(d); err != nil {
		w.r.t.Fatal(err)
	}
	if !trickle {
		<-gathered
		return w.pc.LocalDescription().SDP
	}
	return d.SDP
}

// post sends an offer and takes the answer, which change may alter on the way.
func (w *watcher) post(path, offer string, change ...func(string) string) {
	w.r.t.Helper()
	resp, answer := w.r.do("POST", path, sdpType, offer)
	if resp.StatusCode != http.StatusCreated {
		w.r.t.Fatalf("POST: status %d %s", resp.StatusCode, answer)
	}
	w.location, w.etag = resp.Header.Get("Location"), resp.Header.Get("ETag")
	for _, f := range change {
		answer = f(answer)
	}
	if err := w.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		w.r.t.Fatal(err)
	}
}

// watch is a viewer that is connected in the simplest way.
func (r *rig) watch(over *line, types ...webrtc.NetworkType) *watcher {
	r.t.Helper()
	w := r.newWatcher(over, types...)
	w.post("/cameras/front/whep", w.offer(false, false))
	return w
}

func (w *watcher) read(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	w.reading.Go(func() {
		for {
			if _, _, err := receiver.ReadRTCP(); err != nil {
				return
			}
		}
	})
	dec, err := h264.NewDecoder()
	if err != nil {
		w.r.t.Error(err)
		return
	}
	defer dec.Close()
	var delayID uint8
	for _, e := range receiver.GetParameters().HeaderExtensions {
		if e.URI == playoutDelayURI {
			delayID = uint8(e.ID)
		}
	}
	// Packets that come again come late.
	order := samplebuilder.New(256, &codecs.H264Packet{}, 90000)
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if v := p.GetExtension(delayID); delayID != 0 && len(v) == 3 && v[0]|v[1]|v[2] == 0 {
			w.delay.Store(true)
		}
		order.Push(p)
		for au := order.Pop(); au != nil; au = order.Pop() {
			w.picture(dec, au.Data, au.PacketTimestamp)
		}
	}
}

func (w *watcher) picture(dec *h264.Decoder, au []byte, timestamp uint32) {
	for nal := range h264.NALs(au) {
		if nal[0]&0x1f == 5 {
			w.keys.Add(1)
		}
	}
	var img video.I420
	if ok, err := dec.Decode(au, &img); err != nil || !ok {
		return
	}
	w.pictures.Add(1)
	x, y := video.MarkAt(img.Width, img.Height)
	n, ok := video.ReadMark(&video.Plane{Pix: img.Y, Width: img.Width, Height: img.Height, Stride: img.YStride}, x, y)
	if ok {
		select {
		case <-w.marks:
		default:
		}
		w.marks <- mark{n, timestamp}
	}
}

// next waits for a picture's number.
func (w *watcher) next() uint32 { return w.nextMark().n }

func (w *watcher) nextMark() mark {
	w.r.t.Helper()
	select {
	case m := <-w.marks:
		return m
	case <-time.After(patience):
		w.r.t.Fatalf("no picture within %v; connection is %v, ICE %v, DTLS %v; the server says %+v\noffer:\n%s\nanswer:\n%s", patience, w.pc.ConnectionState(),
			w.pc.ICEConnectionState(), w.pc.SCTP().Transport().State(), w.r.s.Status(), w.pc.LocalDescription().SDP, w.pc.RemoteDescription().SDP)
		return mark{}
	}
}

// moves waits until the pictures go on from here.
func (w *watcher) moves() {
	w.r.t.Helper()
	first := w.next()
	for w.next() <= first {
	}
}

func (w *watcher) pli() {
	w.r.t.Helper()
	if err := w.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: w.ssrc.Load()}}); err != nil {
		w.r.t.Fatal(err)
	}
}
