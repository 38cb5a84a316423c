//go:build cgo

package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"camward/capture"
	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/video"
)

// patience bounds every wait; what is waited for comes much sooner.
const patience = 20 * time.Second

// A scene is a camera that shows numbered pictures. It is a Source by way of the hub that the agent uses.
type scene struct {
	hub    *capture.Hub
	subs   atomic.Int32  // subscriptions at the moment
	gone   atomic.Bool   // delivers nothing
	number atomic.Uint32 // of the last picture
	fourcc video.FourCC
	w, h   int
	rate   float64
}

func (s *scene) Subscribe(depth int) (<-chan *video.Frame, func()) {
	sub := s.hub.Subscribe("live", depth)
	s.subs.Add(1)
	return sub.Frames(), func() {
		s.subs.Add(-1)
		sub.Close()
	}
}

func (s *scene) Format() (video.Format, bool) {
	return video.Format{FourCC: s.fourcc, Width: s.w, Height: s.h, Rate: s.rate}, !s.gone.Load()
}

// newScene begins to publish pictures. It is the first that a test makes: all goroutines must have ended with the test.
func newScene(t testing.TB, fourcc video.FourCC, w, h int, rate float64) *scene {
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil {
			t.Error(err)
		}
	})
	s := &scene{hub: capture.NewHub(), fourcc: fourcc, w: w, h: h, rate: rate}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.play(ctx, t) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return s
}

func (s *scene) play(ctx context.Context, t testing.TB) {
	pool := video.NewPool(16 << 20)
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.rate))
	defer tick.Stop()
	var enc *h264.Encoder
	if s.fourcc == video.H264 {
		var err error
		if enc, err = h264.NewEncoder(h264.Config{Width: s.w, Height: s.h, Rate: s.rate, Bitrate: 1_000_000, KeyInterval: 10}); err != nil {
			t.Error(err)
			return
		}
		defer enc.Close()
	}
	for n := uint32(1); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		data, err := s.picture(n, enc)
		if err != nil {
			t.Error(err)
			return
		}
		f := pool.Get(len(data))
		copy(f.Data, data)
		f.Format = video.Format{FourCC: s.fourcc, Width: s.w, Height: s.h, Rate: s.rate}
		f.Seq, f.Mono = uint64(n), video.Now()
		s.number.Store(n)
		s.hub.Publish(f)
		f.Release()
	}
}

// picture draws a moving slope with the number n in it.
func (s *scene) picture(n uint32, enc *h264.Encoder) ([]byte, error) {
	var img video.I420
	img.Resize(s.w, s.h)
	img.FullRange = s.fourcc == video.MJPEG
	for y := range s.h {
		for x := range s.w {
			img.Y[y*img.YStride+x] = byte(64 + (x+y+int(n)*3)%128)
		}
	}
	for i := range img.U {
		img.U[i], img.V[i] = 128, 128
	}
	x, y := video.MarkAt(s.w, s.h)
	video.DrawMark(&video.Plane{Pix: img.Y, Width: s.w, Height: s.h, Stride: img.YStride}, x, y, n)
	switch s.fourcc {
	case video.MJPEG:
		return jpeg.Encode(nil, &img, 85)
	case video.H264:
		p, err := enc.Encode(&img, time.Duration(n)*time.Second/time.Duration(s.rate), uint64(n), false)
		return p.Data, err
	}
	return append(append(img.Y, img.U...), img.V...), nil
}

// freePort gives a port that neither UDP nor TCP uses, and that no program gets by asking for just any.
func freePort(t testing.TB) int {
	t.Helper()
	for range 50 {
		port := 10000 + rand.IntN(20000)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		l.Close()
		u, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// A rig is a running server with its HTTP side.
type rig struct {
	t    testing.TB
	s    *Server
	url  string
	made atomic.Int32 // encoders made
	open atomic.Int32 // encoders not closed
	stop func()
	hide ice.MulticastDNSMode // of the watchers

	mu       sync.Mutex
	watchers map[*watcher]bool // not closed; a watcher that is closed is not kept, lest it be taken for a leak
}

type countedEncoder struct {
	encoder
	open *atomic.Int32
}

func (e countedEncoder) Close() {
	e.open.Add(-1)
	e.encoder.Close()
}

// newRig runs a server with one camera named "front"; change may adjust it before.
func newRig(t testing.TB, src Source, change func(*Server)) *rig {
	t.Helper()
	port := freePort(t)
	cfg := Default()
	cfg.UDPPort, cfg.TCPPort, cfg.Loopback = port, port, true
	log := zap.NewNop()
	if testing.Verbose() && !*figures {
		log = zaptest.NewLogger(t)
	}
	s, err := New(cfg, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, s: s, hide: ice.MulticastDNSModeDisabled, watchers: make(map[*watcher]bool)}
	s.newEnc = func(c h264.Config) (encoder, error) {
		e, err := newEncoder(c)
		if err != nil {
			return nil, err
		}
		r.made.Add(1)
		r.open.Add(1)
		return countedEncoder{e, &r.open}, nil
	}
	if change != nil {
		change(s)
	}
	if src != nil {
		s.AddCamera("front", src)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	r.url = web.URL
	r.run()
	t.Cleanup(func() {
		for w := range r.watchers {
			w.close()
		}
	})
	return r
}

// run has the server run until stop or the end of the test.
func (r *rig) run() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.s.Run(ctx); !errors.Is(err, context.Canceled) {
			r.t.Errorf("Run ended with %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	r.t.Cleanup(r.stop)
	r.wait("the server runs", func() bool { return r.s.Status().Running })
}

// wait polls until something holds.
func (r *rig) wait(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // what is waited for gives no sign
	}
}

// do sends a request and returns the answer with its body.
func (r *rig) do(method, path, kind, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(text)
}

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
