package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/rtcp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

const (
	sdpType      = "application/sdp"
	fragmentType = "application/trickle-ice-sdpfrag"
	gatherTime   = time.Second            // the longest wait for candidates before an offer goes out
	staleAfter   = 500 * time.Millisecond // a packet that is missing for so long is given up
	retryEvery   = time.Second            // pause between attempts to get the picture back
)

// A watcher shows a camera as a page does, but counts: WHEP at the cloud from within a namespace, by the servers that the cloud names. When
// the picture stops it restarts ICE, and when its session is no more, it asks for another.
type watcher struct {
	t       testing.TB
	url     string // of live view at the cloud
	token   string
	client  *http.Client
	network *namespaceNet

	nacks, plis        atomic.Int64 // asked for: packets again, key pictures
	restarts, sessions atomic.Int64

	mu       sync.Mutex
	pc       *webrtc.PeerConnection
	location string
	pictures []shown
	reading  sync.WaitGroup
}

// A shown is a picture that arrived, with its number in the scene.
type shown struct {
	at     time.Time
	number uint32
}

func newWatcher(t testing.TB, n *namespace, url, token string) *watcher {
	t.Helper()
	w := &watcher{t: t, url: url, token: token, client: n.client(t), network: &namespaceNet{n: n}}
	if err := n.do(func() (err error) {
		w.network.Net, err = stdnet.NewNet()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func (w *watcher) close() {
	w.mu.Lock()
	pc := w.pc
	w.mu.Unlock()
	if pc != nil {
		pc.GracefulClose()
	}
	w.reading.Wait()
}

// do sends a request to the cloud.
func (w *watcher) do(method, url, kind, body string, header ...string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "token "+w.token)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// open begins a new session.
func (w *watcher) open(servers []camio.ICEServer) error {
	pc, err := w.peer(servers)
	if err != nil {
		return err
	}
	offer, err := w.offer(pc, false)
	if err != nil {
		return errors.Join(err, pc.GracefulClose())
	}
	resp, answer, err := w.do("POST", w.url, sdpType, offer)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("POST: %s: %s", resp.Status, answer)
	}
	if err == nil {
		err = pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
	}
	if err != nil {
		return errors.Join(err, pc.GracefulClose())
	}
	w.mu.Lock()
	old := w.pc
	w.pc = pc
	location, err := resp.Location()
	if err == nil {
		w.location = location.String()
	}
	w.mu.Unlock()
	w.sessions.Add(1)
	if old != nil {
		err = errors.Join(err, old.GracefulClose())
	}
	return err
}

func (w *watcher) peer(servers []camio.ICEServer) (*webrtc.PeerConnection, error) {
	var e webrtc.SettingEngine
	e.SetNet(w.network)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.DisableActiveTCP(true)
	e.SetICETimeouts(2*time.Second, 8*time.Second, time.Second)
	for _, wait := range []func(time.Duration){e.SetSrflxAcceptanceMinWait, e.SetPrflxAcceptanceMinWait, e.SetRelayAcceptanceMinWait} {
		wait(0) // a browser takes what works first
	}
	media, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	registry.Add(counterFactory{w})                                                 // next to the wire
	patient := webrtc.WithNackGeneratorOptions(nack.GeneratorMaxNacksPerPacket(10)) // as browsers
	if err := webrtc.RegisterDefaultInterceptorsWithOptions(media, registry, patient); err != nil {
		return nil, err
	}
	var cfg webrtc.Configuration
	for _, s := range servers {
		cfg.ICEServers = append(cfg.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry)).NewPeerConnection(cfg)
	if err != nil {
		return nil, err
	}
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		return nil, errors.Join(err, pc.GracefulClose())
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		w.reading.Go(func() { w.read(pc, track) })
		w.reading.Go(func() {
			for b := make([]byte, 1500); ; {
				if _, _, err := receiver.Read(b); err != nil {
					return
				}
			}
		})
	})
	return pc, nil
}

// offer makes an offer with the candidates that are there in time.
func (w *watcher) offer(pc *webrtc.PeerConnection, restart bool) (string, error) {
	d, err := pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc) // a restart has begun to gather anew by now
	if err := pc.SetLocalDescription(d); err != nil {
		return "", err
	}
	select {
	case <-gathered:
	case <-time.After(gatherTime):
	}
	return pc.LocalDescription().SDP, nil
}

// restart begins a new ICE session (RFC 9725 4.3.3), or tells the camera of one that it has not heard of yet. It reports whether the
// session is no more.
func (w *watcher) restart() (gone bool, err error) {
	w.mu.Lock()
	pc, location := w.pc, w.location
	w.mu.Unlock()
	offer := pc.PendingLocalDescription()
	if offer == nil {
		if _, err := w.offer(pc, true); err != nil {
			return true, err
		}
		offer = pc.PendingLocalDescription()
	}
	resp, own, err := w.do("PATCH", location, fragmentType, iceLines(offer.SDP), "If-Match", "*")
	switch {
	case err != nil:
		return false, err
	case resp.StatusCode == http.StatusNotFound:
		return true, nil
	case resp.StatusCode != http.StatusOK:
		return false, fmt.Errorf("PATCH: %s: %s", resp.Status, own)
	}
	w.restarts.Add(1)
	return false, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: withICE(pc.RemoteDescription().SDP, own)})
}

var iceKeys = []string{"a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"}

func isICE(line string) bool {
	return slices.ContainsFunc(iceKeys, func(k string) bool { return strings.HasPrefix(line, k) })
}

// iceLines are a description's lines that a fragment (RFC 8840) needs, in the order of that.
func iceLines(sdp string) string {
	var general, candidates strings.Builder
	for line := range strings.Lines(sdp) {
		switch {
		case strings.HasPrefix(line, "a=candidate:"):
			candidates.WriteString(line)
		case isICE(line) && !strings.Contains(general.String(), line):
			general.WriteString(line)
		}
	}
	return general.String() + "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" + candidates.String()
}

// withICE puts a fragment's lines into an answer of one section.
func withICE(answer, fragment string) string {
	var b strings.Builder
	for line := range strings.Lines(answer) {
		if !isICE(line) {
			b.WriteString(line)
		}
	}
	for line := range strings.Lines(fragment) {
		if isICE(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// keep gets the picture back whenever it stops, until stop is closed.
func (w *watcher) keep(servers []camio.ICEServer, stop <-chan struct{}) {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		pc := w.pc
		w.mu.Unlock()
		state := pc.ConnectionState()
		if state == webrtc.PeerConnectionStateConnected || state == webrtc.PeerConnectionStateConnecting && pc.PendingLocalDescription() == nil {
			continue
		}
		gone, err := state == webrtc.PeerConnectionStateClosed, error(nil)
		if !gone {
			gone, err = w.restart()
		}
		if gone {
			err = w.open(servers)
		}
		w.t.Logf("connection is %v; restarted or asked again: %v", state, err)
	}
}

// read takes packets until the track ends.
func (w *watcher) read(pc *webrtc.PeerConnection, track *webrtc.TrackRemote) {
	dec, err := h264.NewDecoder()
	if err != nil {
		w.t.Error(err)
		return
	}
	defer dec.Close()
	order := samplebuilder.New(512, &codecs.H264Packet{}, 90000, samplebuilder.WithMaxTimeDelay(staleAfter))
	broken, asked := false, time.Time{}
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		order.Push(p)
		for s := order.Pop(); s != nil; s = order.Pop() {
			broken = broken || s.PrevDroppedPackets > 0
			if broken && !isKey(s.Data) {
				continue // it builds on what is not there
			}
			broken = !w.show(dec, s.Data)
		}
		if broken && time.Since(asked) > staleAfter {
			asked = time.Now()
			if err := pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}); err != nil {
				return
			}
		}
	}
}

func isKey(picture []byte) bool {
	for nal := range h264.NALs(picture) {
		if len(nal) > 0 && nal[0]&0x1f == 5 {
			return true
		}
	}
	return false
}

// show decodes a picture and notes its number.
func (w *watcher) show(dec *h264.Decoder, picture []byte) bool {
	var img video.I420
	if ok, err := dec.Decode(picture, &img); err != nil || !ok {
		return false
	}
	x, y := video.MarkAt(img.Width, img.Height)
	n, ok := video.ReadMark(&video.Plane{Pix: img.Y, Width: img.Width, Height: img.Height, Stride: img.YStride}, x, y)
	if ok {
		w.mu.Lock()
		w.pictures = append(w.pictures, shown{time.Now(), n})
		w.mu.Unlock()
	}
	return ok
}

// since are the pictures from a moment on.
func (w *watcher) since(at time.Time) []shown {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.pictures, at, func(s shown, at time.Time) int { return s.at.Compare(at) })
	return slices.Clone(w.pictures[i:])
}

// moves waits for n pictures from now on and gives the time of the first.
func (w *watcher) moves(n int, limit time.Duration) time.Time {
	w.t.Helper()
	began := time.Now()
	var got []shown
	eventually(w.t, limit, func() error {
		if got = w.since(began); len(got) < n {
			return fmt.Errorf("%d pictures of %d; the connection is %v", len(got), n, w.state())
		}
		return nil
	})
	return got[0].at
}

func (w *watcher) state() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pc == nil {
		return "not begun"
	}
	return w.pc.ConnectionState().String()
}

// way is how the pictures come, as candidate types at the viewer and at the camera.
func (w *watcher) way() (near, far *webrtc.ICECandidate) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.pc.GetReceivers() {
		if pair, err := r.Transport().ICETransport().GetSelectedCandidatePair(); err == nil && pair != nil {
			return pair.Local, pair.Remote
		}
	}
	w.t.Fatal("there is no way")
	return nil, nil
}

// freezes tells the longest pause between two pictures and how many were longer than limit.
func freezes(list []shown, limit time.Duration) (longest time.Duration, many int) {
	for i := 1; i < len(list); i++ {
		d := list[i].at.Sub(list[i-1].at)
		longest = max(longest, d)
		if d > limit {
			many++
		}
	}
	return longest, many
}

// A namespaceNet has a peer connection open its sockets in a namespace.
type namespaceNet struct {
	*stdnet.Net
	n *namespace
}

func (n *namespaceNet) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = n.n.do(func() error { c, err = n.Net.ListenPacket(network, address); return err })
	return c, err
}

func (n *namespaceNet) ListenUDP(network string, a *net.UDPAddr) (c transport.UDPConn, err error) {
	err = n.n.do(func() error { c, err = n.Net.ListenUDP(network, a); return err })
	return c, err
}

func (n *namespaceNet) DialUDP(network string, l, r *net.UDPAddr) (c transport.UDPConn, err error) {
	err = n.n.do(func() error { c, err = n.Net.DialUDP(network, l, r); return err })
	return c, err
}

func (n *namespaceNet) DialTCP(network string, l, r *net.TCPAddr) (c transport.TCPConn, err error) {
	err = n.n.do(func() error { c, err = n.Net.DialTCP(network, l, r); return err })
	return c, err
}

// counterFactory counts what a watcher asks the camera for.
type counterFactory struct{ w *watcher }

func (f counterFactory) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &counter{w: f.w}, nil
}

type counter struct {
	interceptor.NoOp
	w *watcher
}

func (c *counter) BindRTCPWriter(next interceptor.RTCPWriter) interceptor.RTCPWriter {
	return interceptor.RTCPWriterFunc(func(packets []rtcp.Packet, a interceptor.Attributes) (int, error) {
		for _, p := range packets {
			switch p := p.(type) {
			case *rtcp.TransportLayerNack:
				for _, pair := range p.Nacks {
					c.w.nacks.Add(int64(len(pair.PacketList())))
				}
			case *rtcp.PictureLossIndication:
				c.w.plis.Add(1)
			}
		}
		return next.Write(packets, a)
	})
}
