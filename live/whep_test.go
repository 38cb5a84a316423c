//go:build cgo

package live

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"camward/video"
)

func TestRequestsThatCannotBeServedAreRefusedWithTheRightStatus(t *testing.T) {
	src := newScene(t, video.YU12, 320, 240, 15)
	r := newRig(t, src, nil)
	offer := r.newWatcher(nil).offer(false, false)
	noH264 := strings.ReplaceAll(offer, "packetization-mode=1", "packetization-mode=0")
	tests := []struct {
		name, method, path, kind, body string
		want                           int
	}{
		{"unknown camera", "POST", "/cameras/back/whep", sdpType, offer, 404},
		{"wrong type", "POST", "/whep", "application/json", offer, 415},
		{"no type", "POST", "/whep", "", offer, 415},
		{"empty", "POST", "/whep", sdpType, "", 400},
		{"not SDP", "POST", "/whep", sdpType, "hello", 400},
		{"no media", "POST", "/whep", sdpType, offer[:strings.Index(offer, "m=")], 400},
		{"no H.264", "POST", "/whep", sdpType, noH264, 406},
		{"wants to send", "POST", "/whep", sdpType, strings.ReplaceAll(offer, "a=recvonly", "a=sendonly"), 406},
		{"too large", "POST", "/whep", sdpType, strings.Repeat("a=x\r\n", maxSDP), 413},
		{"read", "GET", "/whep", "", "", 405},
		{"replaced", "PUT", "/cameras/front/whep", sdpType, offer, 405},
		{"unknown session", "DELETE", "/whep/ABCDEF", "", "", 404},
		{"unknown session", "PATCH", "/cameras/front/whep/ABCDEF", fragmentType, "a=ice-ufrag:abcd\r\n", 404},
	}
	for _, tt := range tests {
		resp, text := r.do(tt.method, tt.path, tt.kind, tt.body, "If-Match", `"x"`)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s %s: status %d %q, want %d", tt.name, tt.method, tt.path, resp.StatusCode, text, tt.want)
		}
	}
	src.gone.Store(true)
	if resp, _ := r.do("POST", "/whep", sdpType, offer); resp.StatusCode != http.StatusConflict || resp.Header.Get("Retry-After") == "" {
		t.Errorf("camera without pictures: status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if st := r.s.Status(); len(st.Viewers) != 0 || r.s.places != 0 {
		t.Errorf("after refusals: %d viewers, %d places taken", len(st.Viewers), r.s.places)
	}
}

func TestPagesOfOtherSitesMayAskWhatTheyMayDo(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 15), nil)
	resp, _ := r.do("OPTIONS", "/cameras/front/whep", "", "", "Origin", "https://example.com", "Access-Control-Request-Method", "POST")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "OPTIONS, POST", "Accept-Post": sdpType,
		"Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
	} {
		if got := resp.Header.Get(name); resp.StatusCode != http.StatusNoContent || got != want {
			t.Errorf("status %d, %s: got %q, want %q", resp.StatusCode, name, got, want)
		}
	}
	r.s.cfg.AllowOrigin = ""
	if resp, _ := r.do("OPTIONS", "/whep", "", ""); resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("other sites are let in against the configuration")
	}
}

func TestViewersAreToldOfTheConfiguredServersButOnlyThoseWhoMayWatchOfPasswords(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 15), func(s *Server) {
		s.cfg.ICEServers = []ICEServer{
			{URLs: []string{"stun:127.0.0.1:1"}},
			{URLs: []string{"turn:127.0.0.1:1?transport=tcp", "turn:127.0.0.1:1"}, User: "cam", Password: `s3cret"word`},
		}
		s.timing.gather = time.Millisecond
	})
	resp, _ := r.do("POST", "/whep", sdpType, r.newWatcher(nil).offer(false, false))
	want := []string{
		`<stun:127.0.0.1:1>; rel="ice-server"`,
		`<turn:127.0.0.1:1?transport=tcp>; rel="ice-server"; username="cam"; credential="s3cret\"word"; credential-type="password"`,
		`<turn:127.0.0.1:1>; rel="ice-server"; username="cam"; credential="s3cret\"word"; credential-type="password"`,
	}
	if got := resp.Header.Values("Link"); resp.StatusCode != http.StatusCreated || !slices.Equal(got, want) {
		t.Errorf("POST: status %d, Link\n%q, want\n%q", resp.StatusCode, got, want)
	}
	r.do("DELETE", resp.Header.Get("Location"), "", "")
	for _, path := range []string{"/whep", resp.Header.Get("Location")} {
		resp, _ := r.do("OPTIONS", path, "", "")
		if got := resp.Header.Values("Link"); !slices.Equal(got, want[:1]) || strings.Contains(fmt.Sprint(resp.Header), "s3cret") {
			t.Errorf("OPTIONS %s: %v", path, resp.Header)
		}
	}
}

func TestAnAnswerIsConstrainedBaselineWithLocationAndTag(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 15), nil)
	w := r.newWatcher(nil)
	resp, answer := r.do("POST", "/cameras/front/whep", sdpType, w.offer(false, false))
	h := resp.Header
	if resp.StatusCode != 201 || h.Get("Content-Type") != sdpType || !strings.HasPrefix(h.Get("Location"), "/cameras/front/whep/") || !strings.HasPrefix(h.Get("ETag"), `"`) {
		t.Errorf("status %d, header %v", resp.StatusCode, h)
	}
	for _, want := range []string{"profile-level-id=42e01f", "packetization-mode=1", "a=sendonly", "nack pli", "transport-cc", "a=candidate:"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
	if resp, _ := r.do("DELETE", h.Get("Location"), "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("DELETE: status %d", resp.StatusCode)
	}
	if resp, _ := r.do("DELETE", h.Get("Location"), "", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("second DELETE: status %d", resp.StatusCode)
	}
}

func TestAViewerWithAudioAndDataInItsOfferIsServed(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	w := r.newWatcher(nil)
	if _, err := w.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pc.CreateDataChannel("x", nil); err != nil {
		t.Fatal(err)
	}
	w.post("/whep", w.offer(false, false))
	w.moves()
}

// fragmentOf makes what a viewer sends in a PATCH of its description.
func fragmentOf(t *testing.T, sdp string, candidates ...*webrtc.ICECandidate) string {
	t.Helper()
	d, err := parseSDP(sdp)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("a=ice-ufrag:" + ufrag(d) + "\r\na=ice-pwd:" + attribute(d, "ice-pwd") + "\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n")
	for _, c := range candidates {
		b.WriteString("a=" + c.ToJSON().Candidate + "\r\n")
	}
	b.WriteString("a=end-of-candidates\r\n")
	return b.String()
}

// gathered collects a viewer's candidates of one gathering, which begins after it.
func (w *watcher) gathered() func() []*webrtc.ICECandidate {
	all := make(chan []*webrtc.ICECandidate, 1)
	var mu sync.Mutex // candidates come from the gatherer and from SetLocalDescription
	var list []*webrtc.ICECandidate
	w.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		mu.Lock()
		defer mu.Unlock()
		if c != nil {
			list = append(list, c)
			return
		}
		select {
		case all <- list:
		default:
		}
	})
	return func() []*webrtc.ICECandidate {
		w.r.t.Helper()
		select {
		case list := <-all:
			return list
		case <-time.After(patience):
			w.r.t.Fatal("the viewer does not gather candidates")
			return nil
		}
	}
}

func TestCandidatesMayComeLater(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	w := r.newWatcher(nil)
	candidates := w.gathered()
	offer := w.offer(false, true)
	w.post("/cameras/front/whep", offer)
	fragment := fragmentOf(t, offer, candidates()...)
	for _, tt := range []struct {
		etag, kind, body string
		want             int
	}{
		{`"old"`, fragmentType, fragment, 412},
		{"", fragmentType, fragment, 428},
		{w.etag, sdpType, fragment, 415},
		{w.etag, fragmentType, "a=mid:0\r\n", 400},
		{w.etag, fragmentType, "a=candidate:rubbish\r\n", 204},
		{w.etag, fragmentType, fragment, 204},
		{w.etag, fragmentType, strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", maxCandidates), 400},
	} {
		if resp, text := r.do("PATCH", w.location, tt.kind, tt.body, "If-Match", tt.etag); resp.StatusCode != tt.want {
			t.Errorf("PATCH of %.30q with tag %s: status %d %s, want %d", tt.body, tt.etag, resp.StatusCode, text, tt.want)
		}
	}
	w.moves()
}

func TestICERestartsOnAnotherNetworkOfTheViewer(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	w := r.watch(nil)
	w.moves()
	for range 2 {
		before := w.etag
		candidates := w.gathered()
		offer := w.offer(true, true)
		fragment := fragmentOf(t, offer, candidates()...)
		resp, own := r.do("PATCH", w.location, fragmentType, fragment, "If-Match", "*")
		if w.etag = resp.Header.Get("ETag"); resp.StatusCode != http.StatusOK || w.etag == before || resp.Header.Get("Content-Type") != fragmentType {
			t.Fatalf("PATCH: status %d, header %v\n%s", resp.StatusCode, resp.Header, own)
		}
		if resp, _ := r.do("PATCH", w.location, fragmentType, fragment, "If-Match", before); resp.StatusCode != http.StatusPreconditionFailed {
			t.Errorf("PATCH for the replaced ICE session: status %d", resp.StatusCode)
		}
		f, err := parseFragment(own)
		if err != nil || len(f.candidates) == 0 {
			t.Fatalf("fragment %q: %v", own, err)
		}
		answer, err := restartOffer(w.pc.RemoteDescription().SDP, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
			t.Fatal(err)
		}
		seen := w.pictures.Load()
		r.wait("pictures after the restart", func() bool { return w.pictures.Load() > seen+30 })
		w.moves()
	}
}
