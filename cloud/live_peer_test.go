package cloud_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/pion/webrtc/v4/pkg/media/h264reader"

	"camward/camio"
	"camward/cloud"
)

// A peerCamera is a fakeCamera with a picture: each session is a peer connection that plays the same H.264 over and over.
type peerCamera struct {
	*fakeCamera
	api   *webrtc.API
	relay bool // reaches viewers through TURN only

	mu      sync.Mutex
	peers   map[string]*webrtc.PeerConnection
	servers []camio.ICEServer // of the last request
	playing sync.WaitGroup
	stop    chan struct{}
}

// quietLogs keep WebRTC's messages out of tests.
func quietLogs() logging.LoggerFactory {
	f := logging.NewDefaultLoggerFactory()
	f.Writer, f.DefaultLogLevel = io.Discard, logging.LogLevelDisabled
	return f
}

func newPeerAPI(t testing.TB) *webrtc.API {
	t.Helper()
	var e webrtc.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeQueryOnly)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	e.LoggerFactory = quietLogs()
	var m webrtc.MediaEngine
	err := m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 102, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"}}, webrtc.RTPCodecTypeVideo)
	if err != nil {
		t.Fatal(err)
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(&m))
}

// connectPeer connects a camera that can be watched.
func (r *liveRig) connectPeer(relay bool) *peerCamera {
	r.t.Helper()
	p := &peerCamera{api: newPeerAPI(r.t), relay: relay, peers: make(map[string]*webrtc.PeerConnection), stop: make(chan struct{})}
	clip := annexB(r.t)
	r.t.Cleanup(func() {
		p.fakeCamera.close()
		close(p.stop)
		p.mu.Lock()
		for _, pc := range p.peers {
			pc.GracefulClose()
		}
		p.mu.Unlock()
		p.playing.Wait()
	})
	p.fakeCamera = r.connect(func(m camio.LiveMessage) *camio.LiveMessage { return p.serve(m, clip) })
	return p
}

func (p *peerCamera) serve(m camio.LiveMessage, clip string) *camio.LiveMessage {
	fail := func(err error) *camio.LiveMessage {
		return &camio.LiveMessage{Error: &camio.LiveError{Status: 500, Text: err.Error()}}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Type {
	case camio.LiveOpen:
		p.servers = m.ICEServers
		answer, err := p.open(m, clip)
		if err != nil {
			return fail(err)
		}
		return answer
	case camio.LiveEnd:
		pc := p.peers[m.Session]
		if pc == nil {
			return &camio.LiveMessage{Error: &camio.LiveError{Status: 404, Text: "no such session"}}
		}
		delete(p.peers, m.Session)
		pc.GracefulClose()
	case camio.LivePatch: // what it needs to know came with the offer, or comes with the checks
	}
	return &camio.LiveMessage{}
}

func (p *peerCamera) open(m camio.LiveMessage, clip string) (*camio.LiveMessage, error) {
	cfg := webrtc.Configuration{}
	for _, s := range m.ICEServers {
		cfg.ICEServers = append(cfg.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	if p.relay {
		cfg.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	pc, err := p.api.NewPeerConnection(cfg)
	if err != nil {
		return nil, err
	}
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264}, "video", "camera")
	if err != nil {
		return nil, err
	}
	sender, err := pc.AddTrack(track)
	if err != nil {
		return nil, err
	}
	p.playing.Go(func() {
		for {
			if _, _, err := sender.ReadRTCP(); err != nil {
				return
			}
		}
	})
	p.playing.Go(func() { p.play(pc, track, clip) })
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: m.SDP}); err != nil {
		return nil, err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return nil, err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return nil, err
	}
	select {
	case <-gathered:
	case <-time.After(patience):
	}
	session := "session-" + m.ID
	p.peers[session] = pc
	return &camio.LiveMessage{Session: session, ETag: "tag", SDP: pc.LocalDescription().SDP}, nil
}

// play sends the clip at 25 pictures a second until the camera or the connection ends.
func (p *peerCamera) play(pc *webrtc.PeerConnection, track *webrtc.TrackLocalStaticSample, clip string) {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := os.Open(clip)
		if err != nil {
			p.t.Error(err)
			return
		}
		r, err := h264reader.NewReader(f)
		if err != nil {
			p.t.Error(err)
			return
		}
		for {
			nal, err := r.NextNAL()
			if err != nil {
				break
			}
			if nal.UnitType == h264reader.NalUnitTypeCodedSliceIdr || nal.UnitType == h264reader.NalUnitTypeCodedSliceNonIdr {
				select {
				case <-p.stop:
					f.Close()
					return
				case <-tick.C:
				}
			}
			if track.WriteSample(media.Sample{Data: nal.Data, Duration: 40 * time.Millisecond}) != nil || pc.ConnectionState() == webrtc.PeerConnectionStateClosed {
				f.Close()
				return
			}
		}
		f.Close()
	}
}

var annexBOnce struct {
	sync.Mutex
	data []byte
}

// annexB is two seconds of a moving test picture as H.264 with a key picture each second.
func annexB(t testing.TB) string {
	t.Helper()
	annexBOnce.Lock()
	defer annexBOnce.Unlock()
	if annexBOnce.data == nil {
		out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2", "-pix_fmt", "yuv420p", "-c:v", "libx264",
			"-profile:v", "baseline", "-g", "25", "-x264-params", "slices=1:threads=1:repeat-headers=1", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-").Output()
		if err != nil {
			t.Fatal("ffmpeg: ", err)
		}
		annexBOnce.data = out
	}
	name := filepath.Join(t.TempDir(), "clip.h264")
	if err := os.WriteFile(name, annexBOnce.data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// watchBy watches the camera by pion through the cloud and returns once packets came; relay leaves only TURN.
func (r *liveRig) watchBy(relay bool) (session string, pair *webrtc.ICECandidatePair) {
	r.t.Helper()
	info := decode[camio.LiveInfo](r.t, r.as("GET", livePath, "").Body)
	cfg := webrtc.Configuration{}
	for _, s := range info.ICEServers {
		cfg.ICEServers = append(cfg.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	if relay {
		cfg.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	pc, err := newPeerAPI(r.t).NewPeerConnection(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	var reading sync.WaitGroup
	r.t.Cleanup(func() { pc.GracefulClose(); reading.Wait() })
	packets := make(chan int, 1)
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		reading.Go(func() {
			for n := 1; ; n++ {
				if _, _, err := track.ReadRTP(); err != nil {
					return
				}
				select {
				case <-packets:
				default:
				}
				packets <- n
			}
		})
	})
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		r.t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		r.t.Fatal(err)
	}
	<-gathered
	open := r.as("POST", livePath, pc.LocalDescription().SDP, sdp)
	if open.Status != 201 {
		r.t.Fatalf("POST: %d %s", open.Status, open.Body)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: open.Body}); err != nil {
		r.t.Fatal(err)
	}
	for end := time.After(patience); ; {
		select {
		case n := <-packets:
			if n < 50 {
				continue
			}
			pair, err := pc.GetTransceivers()[0].Receiver().Transport().ICETransport().GetSelectedCandidatePair()
			if err != nil {
				r.t.Fatal(err)
			}
			return open.Header.Get("Location"), pair
		case <-end:
			r.t.Fatalf("no pictures; the connection is %v", pc.ConnectionState())
		}
	}
}

func TestPicturesReachAViewerThroughTheCloudsSignalling(t *testing.T) {
	r := newLiveRig(t)
	p := r.connectPeer(false)
	session, _ := r.watchBy(false)
	if d := r.as("DELETE", session, ""); d.Status != 200 {
		t.Errorf("DELETE: %+v", d)
	}
	if d := r.as("DELETE", session, ""); d.Status != 404 {
		t.Errorf("DELETE again: %+v", d)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.peers) != 0 {
		t.Errorf("%d sessions are left", len(p.peers))
	}
}

// runTURN runs the rig's TURN server until the test ends.
func (r *liveRig) runTURN() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := cloud.RunTURN(ctx, r.Server); !errors.Is(err, context.Canceled) {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(func() { cancel(); running.Wait() })
	until(r.t, "TURN runs", func() bool { return r.Server.Status().TURN })
}

// withTURN is a server that relays on loopback.
func withTURN(c *cloud.Config) {
	c.TURNListen, c.TURNAllow = "127.0.0.1:0", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func TestPicturesPassThroughTheRelayWhereThereIsNoOtherWay(t *testing.T) {
	for _, tt := range []struct {
		name           string
		camera, viewer bool // only through TURN
	}{{"the viewer is relayed", false, true}, {"the camera is relayed", true, false}, {"both are relayed", true, true}} {
		t.Run(tt.name, func(t *testing.T) {
			r := newLiveRig(t, withTURN)
			r.runTURN()
			p := r.connectPeer(tt.camera)
			_, pair := r.watchBy(tt.viewer)
			if tt.viewer && pair.Local.Typ != webrtc.ICECandidateTypeRelay || tt.camera && pair.Remote.Typ != webrtc.ICECandidateTypeRelay {
				t.Errorf("the pictures come by %v", pair)
			}
			if st := r.Server.Status(); st.Relays == 0 || st.Relayed < 10_000 {
				t.Errorf("status: %+v", st)
			}
			if s := p.servers; len(s) != 2 || s[0].URLs[0][:5] != "stun:" || len(s[1].URLs) != 2 || s[1].Username == "" || s[1].Credential == "" {
				t.Errorf("the camera was told %+v", s)
			}
		})
	}
}

func TestViewersAreToldTheServersThatHelp(t *testing.T) {
	r := newLiveRig(t, withTURN)
	if info := decode[camio.LiveInfo](t, r.as("GET", livePath, "").Body); len(info.ICEServers) != 0 {
		t.Errorf("while TURN does not run: %+v", info)
	}
	r.runTURN()
	r.connect(agreeable)
	info := decode[camio.LiveInfo](t, r.as("GET", livePath, "").Body)
	if len(info.ICEServers) != 2 || strings.Contains(info.ICEServers[1].Username, "test@example.com") {
		t.Errorf("info: %+v", info)
	}
	links := r.as("POST", livePath, "v=0", sdp).Header.Values("Link")
	want := regexp.MustCompile(`^<turn:127\.0\.0\.1:\d+\?transport=(udp|tcp)>; rel="ice-server"; username="\d+:[a-z2-7]{16}"; credential="[A-Za-z0-9+/=]{28}"; credential-type="password"$`)
	if len(links) != 3 || !strings.HasPrefix(links[0], "<stun:127.0.0.1:") || !want.MatchString(links[1]) || !want.MatchString(links[2]) {
		t.Errorf("links: %q", links)
	}
}
