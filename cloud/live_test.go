package cloud_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

func TestAViewerReachesTheCameraThroughItsSocket(t *testing.T) {
	r := newLiveRig(t)
	f := r.connect(agreeable)
	if info := decode[camio.LiveInfo](t, r.as("GET", livePath, "").Body); !info.WebRTC || info.ICEServers == nil {
		t.Errorf("info: %+v", info)
	}
	open := r.as("POST", livePath, "offer\r\n<&>", sdp)
	if open.Status != 201 || open.Body != "answer to offer\r\n<&>" || open.Header.Get("Content-Type") != "application/sdp" ||
		open.Header.Get("Location") != livePath+"/s-1" || open.Header.Get("ETag") != `"e-1"` || open.Header.Get("Accept-Patch") != "application/trickle-ice-sdpfrag" ||
		open.Header.Get("Cache-Control") != "no-store" || !strings.Contains(open.Header.Get("Access-Control-Expose-Headers"), "Location") {
		t.Errorf("POST: %+v", open)
	}
	if m := f.next(); m.Type != camio.LiveOpen || m.SDP != "offer\r\n<&>" || m.ID == "" {
		t.Errorf("the camera was asked %+v", m)
	}
	session := open.Header.Get("Location")
	if p := r.as("PATCH", session, "a=candidate", sdpfrag, `If-Match: "e-1"`); p.Status != 204 || p.Body != "" {
		t.Errorf("PATCH: %+v", p)
	}
	if m := f.next(); m.Type != camio.LivePatch || m.Session != "s-1" || m.ETag != "e-1" || m.SDP != "a=candidate" {
		t.Errorf("the camera was asked %+v", m)
	}
	if p := r.as("PATCH", session, "a=ice-ufrag", sdpfrag, `If-Match: "*"`); p.Status != 200 || p.Body != "fragment of the camera" || p.Header.Get("ETag") != `"restarted"` ||
		p.Header.Get("Content-Type") != "application/trickle-ice-sdpfrag" {
		t.Errorf("PATCH to restart: %+v", p)
	}
	if m := f.next(); m.ETag != "*" {
		t.Errorf("the camera was asked %+v", m)
	}
	if d := r.as("DELETE", session, ""); d.Status != 200 {
		t.Errorf("DELETE: %+v", d)
	}
	if m := f.next(); m.Type != camio.LiveEnd || m.Session != "s-1" {
		t.Errorf("the camera was asked %+v", m)
	}
	if st := r.Server.Status(); st.Connected != 1 || st.Ready != 1 || st.Answered != 4 || st.Failed != 0 {
		t.Errorf("status: %+v", st)
	}
}

func TestWhoMayWatch(t *testing.T) {
	r := newLiveRig(t)
	r.connect(agreeable)
	other, err := r.Server.AddUser(t.Context(), "other@example.com")
	if err != nil {
		t.Fatal(err)
	}
	cookie := "Cookie: " + signIn(t, r.Cloud)
	oauth, foreign := "Authorization: token "+r.Account.OAuthToken, "Authorization: token "+other.OAuthToken
	upload := "/api/users/" + r.Account.UploadToken + "/cameras/front/live"
	tests := []struct {
		method, path string
		header       []string
		want         int
	}{
		{"GET", livePath, nil, 401},
		{"POST", livePath, []string{sdp}, 401},
		{"PATCH", livePath + "/s", []string{sdpfrag, `If-Match: "*"`}, 401},
		{"DELETE", livePath + "/s", nil, 401},
		{"GET", upload, nil, 401},
		{"POST", upload, []string{sdp}, 401},
		{"POST", upload, []string{sdp, oauth}, 401},
		{"POST", livePath, []string{sdp, "Authorization: token " + r.Account.UploadToken}, 401},
		{"POST", livePath + "?access_token=" + r.Account.OAuthToken, []string{sdp}, 401},
		{"GET", livePath + "?access_token=" + r.Account.OAuthToken, nil, 200},
		{"POST", livePath + "?view_tokens=nonsense", []string{sdp}, 401},
		{"GET", livePath, []string{foreign}, 404},
		{"POST", livePath, []string{sdp, foreign}, 404},
		{"DELETE", livePath + "/s", []string{foreign}, 404},
		{"POST", "/api/users/other@example.com/cameras/front/live", []string{sdp, oauth}, 404},
		{"POST", "/api/users/other@example.com/cameras/front/live", []string{sdp, cookie}, 404},
		{"POST", "/api/users/me/cameras/nobody/live", []string{sdp, oauth}, 404},
		{"POST", livePath, []string{sdp, oauth}, 201},
		{"POST", "/api/users/TEST@example.com/cameras/FRONT/live/", []string{sdp, oauth}, 201},
		{"GET", livePath, []string{cookie}, 200},
		{"POST", livePath, []string{sdp, cookie}, 201},
		{"POST", livePath, []string{sdp, cookie, "Sec-Fetch-Site: same-origin"}, 201},
		{"POST", livePath, []string{sdp, cookie, "Sec-Fetch-Site: cross-site"}, 403},
		{"POST", livePath, []string{sdp, cookie, "Origin: https://elsewhere.example"}, 403},
		{"PATCH", livePath + "/s", []string{sdpfrag, `If-Match: "*"`, cookie, "Sec-Fetch-Site: same-site"}, 403},
		{"DELETE", livePath + "/s", []string{cookie, "Sec-Fetch-Site: cross-site"}, 403},
		{"DELETE", livePath + "/s", []string{cookie}, 200},
		{"POST", livePath, []string{sdp, oauth, "Origin: https://elsewhere.example", "Sec-Fetch-Site: cross-site"}, 201},
		{"POST", livePath, []string{oauth}, 415},
		{"POST", livePath, []string{"Content-Type: application/json", oauth}, 415},
		{"PATCH", livePath + "/s", []string{sdp, oauth, `If-Match: "*"`}, 415},
		{"PATCH", livePath + "/s", []string{sdpfrag, oauth}, 428},
		{"PATCH", livePath + "/s", []string{sdpfrag, oauth, `If-Match: "a b"`}, 412},
		{"DELETE", livePath + "/a%20b", []string{oauth}, 404},
		{"DELETE", livePath + "/a%2F..%2Fb", []string{oauth}, 404},
		{"PUT", livePath, []string{oauth}, 405},
		{"POST", livePath + "/s", []string{oauth}, 405},
	}
	for _, tt := range tests {
		if got := send(t, tt.method, r.URL+tt.path, "v=0", tt.header...); got.Status != tt.want {
			t.Errorf("%s %s with %q: %d %s, want %d", tt.method, tt.path, tt.header, got.Status, got.Body, tt.want)
		}
	}
	pre := send(t, "OPTIONS", r.URL+livePath, "", "Origin: https://elsewhere.example")
	if h := pre.Header; pre.Status != 204 || h.Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS, POST" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "If-Match") ||
		h.Get("Accept-Post") != "application/sdp" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("OPTIONS: %+v", pre)
	}
}

func TestViewTokensLetOthersWatch(t *testing.T) {
	r := newLiveRig(t)
	put(t, r.Cloud, "back", stamp(1, ".jpeg"), "camera_id=2", picture(t, 64, 48, 2))
	f := r.connect(agreeable)
	share := func(body string) string {
		t.Helper()
		c := r.as("POST", "/api/users/me/camios", body)
		if c.Status != 200 {
			t.Fatalf("%s: %d %s", body, c.Status, c.Body)
		}
		return decode[map[string]string](t, c.Body)["view_token"]
	}
	good := share(`{"name":"Door","query":{"cameras":["FRONT"],"start_date":"2020-01-01T00:00:00Z","sort":"asc"}}`)
	for name, tt := range map[string]struct {
		token string
		want  int
	}{
		"covers the camera":  {good, 201},
		"one of several":     {"nonsense," + good, 201},
		"unknown":            {"nonsense", 401},
		"another camera":     {share(`{"query":{"cameras":["back"]}}`), 401},
		"no camera by name":  {share(`{"query":{}}`), 401},
		"has an end":         {share(`{"query":{"cameras":["front"],"end_date":"2999-01-01T00:00:00Z"}}`), 401},
		"has not begun":      {share(`{"query":{"cameras":["front"],"start_date":"2999-01-01T00:00:00Z"}}`), 401},
		"only with a label":  {share(`{"query":{"cameras":["front"],"labels":["red"]}}`), 401},
		"only some events":   {share(`{"query":{"cameras":["front"],"events":["X"]}}`), 401},
		"private":            {share(`{"type":"private","query":{"cameras":["front"]}}`), 401},
		"the upload token":   {r.Account.UploadToken, 401},
		"the OAuth token":    {r.Account.OAuthToken, 401},
		"of a gone Camio":    {gone(t, r, share(`{"query":{"cameras":["front"]}}`)), 401},
		"of a gone account?": {" ,", 401},
	} {
		if got := send(t, "POST", r.URL+livePath+"?view_tokens="+url.QueryEscape(tt.token), "v=0", sdp); got.Status != tt.want {
			t.Errorf("%s: %d %s, want %d", name, got.Status, got.Body, tt.want)
		}
	}
	open := send(t, "POST", r.URL+livePath+"?view_tokens="+good, "v=0", sdp)
	session := open.Header.Get("Location")
	if p := send(t, "PATCH", r.URL+session, "a=candidate", sdpfrag, `If-Match: "*"`); p.Status != 204 {
		t.Errorf("PATCH of %s: %+v", session, p)
	}
	if d := send(t, "DELETE", r.URL+session, ""); d.Status != 200 {
		t.Errorf("DELETE of %s: %+v", session, d)
	}
	if i := send(t, "GET", r.URL+livePath+"?view_tokens="+good, ""); i.Status != 200 || !decode[camio.LiveInfo](t, i.Body).WebRTC {
		t.Errorf("GET: %+v", i)
	}
	if i := send(t, "GET", r.URL+"/api/content/live/front?output=jpeg&view_tokens="+good, ""); i.Status != 200 || i.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("the live picture: %d %s", i.Status, i.Header.Get("Content-Type"))
	}
	for _, path := range []string{"/api/content/live/back?view_tokens=", "/api/users/me/cameras/front?view_tokens=", "/api/search?view_tokens=", "/api/users/me/cameras/back/live?view_tokens="} {
		if got := send(t, "GET", r.URL+path+good, ""); got.Status != 401 {
			t.Errorf("GET %s: %d, want 401", path, got.Status)
		}
	}
	if len(f.asked) == 0 {
		t.Error("the camera was not asked")
	}
}

// gone deletes a Camio and returns its token.
func gone(t *testing.T, r *liveRig, token string) string {
	t.Helper()
	if d := r.as("DELETE", "/api/users/me/camios?view_token="+token, ""); d.Status != 204 {
		t.Fatalf("DELETE: %+v", d)
	}
	if d := r.as("DELETE", "/api/users/me/camios?view_token="+token, ""); d.Status != 404 {
		t.Errorf("DELETE again: %+v", d)
	}
	return token
}

func TestCamiosAreListedAndChecked(t *testing.T) {
	c := cloudtest.New(t)
	auth := "Authorization: token " + c.Account.OAuthToken
	const path = "/api/users/me/camios"
	for body, want := range map[string]int{
		`{}`: 400, `{"query":[]}`: 400, `[]`: 400, `nonsense`: 400, `{"query":{},"type":"secret"}`: 400,
		`{"query":{"start_date":"yesterday"}}`: 400, `{"query":{"end_date":"x"}}`: 400, `{"query":{"sort":"up"}}`: 400,
		`{"query":{"cameras":[""]}}`: 400, `{"query":{"cameras":"front"}}`: 400,
	} {
		if r := send(t, "POST", c.URL+path, body, auth); r.Status != want {
			t.Errorf("%s: %d %s, want %d", body, r.Status, r.Body, want)
		}
	}
	if r := send(t, "GET", c.URL+path, "", auth); r.Body != "[]" {
		t.Errorf("at first: %s", r.Body)
	}
	made := send(t, "PUT", c.URL+path, `{"name":"My\u0007 Camio\u202e","query":{"cameras":["front"]},"more":1}`, auth)
	listed := send(t, "GET", c.URL+path, "", auth)
	if made.Status != 200 || listed.Body != "["+made.Body+"]" || !strings.Contains(made.Body, `"type":"public"`) || strings.ContainsAny(made.Body, "\u202e\u0007") {
		t.Errorf("made %s, listed %s", made.Body, listed.Body)
	}
	if r := send(t, "GET", c.URL+path, ""); r.Status != 401 {
		t.Errorf("without a token: %d", r.Status)
	}
	if r := send(t, "DELETE", c.URL+path, "", auth); r.Status != 400 {
		t.Errorf("DELETE of nothing: %d", r.Status)
	}
}

func TestAnswersWhereTheCameraHasNone(t *testing.T) {
	r := newLiveRig(t)
	cloud.ShortenLive(r.Server, 8*time.Second, 20*time.Second, 200*time.Millisecond)
	away := r.as("POST", livePath, "v=0", sdp)
	if away.Status != 503 || away.Header.Get("Retry-After") != "5" || !strings.Contains(away.Body, "not connected") {
		t.Errorf("without a camera: %+v", away)
	}
	if info := r.as("GET", livePath, ""); info.Status != 200 || info.Body != `{"web_rtc":false,"ice_servers":[]}` {
		t.Errorf("info: %+v", info)
	}
	tests := []struct {
		name   string
		answer *camio.LiveMessage
		want   int
		text   string
	}{
		{"no answer", nil, 504, "did not answer in time"},
		{"no picture", &camio.LiveMessage{Error: &camio.LiveError{Status: 409, Text: "no pictures\nat the moment\u202e"}}, 409, "no pictures at the moment\uFFFD"},
		{"busy", &camio.LiveMessage{Error: &camio.LiveError{Status: 503, Text: "all places are taken"}}, 503, "all places"},
		{"bad offer", &camio.LiveMessage{Error: &camio.LiveError{Status: 400}}, 400, "The camera refused"},
		{"a camera that wants a password", &camio.LiveMessage{Error: &camio.LiveError{Status: 401, Text: "no"}}, 502, "no"},
		{"half an answer", &camio.LiveMessage{Session: "s"}, 502, "incomplete"},
	}
	for _, tt := range tests {
		f := r.connect(func(camio.LiveMessage) *camio.LiveMessage { return tt.answer })
		cloud.ShortenLive(r.Server, 8*time.Second, 20*time.Second, 10*time.Second) // for the next
		got := r.as("POST", livePath, "v=0", sdp)
		if got.Status != tt.want || !strings.Contains(got.Body, tt.text) || got.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %s, want %d %s", tt.name, got.Status, got.Body, tt.want, tt.text)
		}
		f.close()
		r.waitReady(false)
	}
	f := r.connect(agreeable)
	if got := r.as("POST", livePath, strings.Repeat("a", 70_000), sdp); got.Status != 413 {
		t.Errorf("a large offer: %d", got.Status)
	}
	// What is escaped six times over would be too large for a message.
	if got := r.as("POST", livePath, strings.Repeat("\x01", 60_000), sdp); got.Status != 413 {
		t.Errorf("an offer of control characters: %d", got.Status)
	}
	if got := r.as("POST", livePath, "v=0", sdp); got.Status != 201 {
		t.Errorf("after that: %d", got.Status)
	}
	f.close()
	if st := r.Server.Status(); st.Failed == 0 {
		t.Errorf("status: %+v", st)
	}
}

func TestTheSocketGoesWhileAViewerWaits(t *testing.T) {
	r := newLiveRig(t)
	var f *fakeCamera
	f = r.connect(func(camio.LiveMessage) *camio.LiveMessage { f.conn.CloseNow(); return nil })
	if got := r.as("POST", livePath, "v=0", sdp); got.Status != 503 {
		t.Errorf("%+v", got)
	}
	r.waitReady(false)
}

func TestWhichCamerasMayConnect(t *testing.T) {
	r := newLiveRig(t)
	tests := []struct {
		name string
		d    dialer
		want int
	}{
		{"unknown token", dialer{r.url, "nonsense", "front", ""}, 401},
		{"OAuth token", dialer{r.url, r.Account.OAuthToken, "front", ""}, 401},
		{"me", dialer{r.url, "me", "front", ""}, 401},
		{"no name", dialer{r.url, r.token, "a\u202eb", ""}, 400},
	}
	for _, tt := range tests {
		c, res, err := tt.d.dial(t.Context())
		if err == nil {
			c.CloseNow()
			t.Errorf("%s: let in", tt.name)
			continue
		}
		if res == nil || res.StatusCode != tt.want {
			t.Errorf("%s: %v %v, want %d", tt.name, res, err, tt.want)
		}
	}
	c, _, err := dialer{r.url, r.token, "front", "chat"}.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("another protocol: %v", err)
	}
	// A page of another site that knows a token.
	h := http.Header{"Origin": {"https://elsewhere.example"}}
	c, res, err := websocket.Dial(t.Context(), r.url+"/api/users/"+r.token+"/cameras/front/live", &websocket.DialOptions{Subprotocols: []string{camio.LiveProtocol}, HTTPHeader: h})
	if err == nil {
		c.CloseNow()
	}
	if err == nil || res.StatusCode != 403 {
		t.Errorf("from another site: %v %v", res, err)
	}
}

func TestACameraThatConnectsBeforeItsFirstUploadCanBeWatched(t *testing.T) {
	r := newLiveRig(t)
	names := func() string {
		var list []string
		for _, c := range decode[[]camio.Camera](t, r.as("GET", "/api/users/me/cameras", "").Body) {
			list = append(list, c.Name+" "+c.CameraID+" "+strings.Join(c.Capabilities, "+"))
		}
		return strings.Join(list, ", ")
	}
	r.camera = "back door"
	f := r.connect(agreeable)
	if got := names(); got != "back door  video+web_rtc, front 1 video" {
		t.Errorf("cameras: %s", got)
	}
	if got := r.as("POST", "/api/users/me/cameras/back%20door/live", "v=0", sdp); got.Status != 201 {
		t.Errorf("%+v", got)
	}
	if c := decode[camio.Camera](t, r.as("GET", "/api/users/me/cameras/back%20door", "").Body); !c.IsOnline {
		t.Error("it is not online")
	}
	put(t, r.Cloud, "back door", stamp(1, ".jpeg"), "camera_id=7", picture(t, 64, 48, 2))
	if got := names(); got != "back door 7 video+web_rtc, front 1 video" {
		t.Errorf("after its upload: %s", got)
	}
	f.close()
	// A camera that was renamed connects under its new name before it uploads under it.
	r.camera = "porch"
	f = connect(t, r.dialer, agreeable)
	until(t, "it is known", func() bool { return strings.Contains(names(), "porch") })
	put(t, r.Cloud, "porch", stamp(2, ".jpeg"), "camera_id=7", picture(t, 64, 48, 3))
	if got := names(); got != "front 1 video, porch 7 video" {
		t.Errorf("after its renaming: %s", got)
	}
	f.close()
}

func TestANewerSocketReplacesTheOlder(t *testing.T) {
	r := newLiveRig(t)
	first := r.connect(agreeable)
	second := connect(t, dialer{r.url, r.token, "FRONT", ""}, agreeable)
	if code, reason := first.ended(); code != websocket.StatusPolicyViolation || !strings.Contains(reason, "newer") {
		t.Errorf("the first ended with %d %s", code, reason)
	}
	until(t, "the second is asked", func() bool { return r.as("POST", livePath, "v=0", sdp).Status == 201 })
	second.next()
	if st := r.Server.Status(); st.Connected != 1 || st.Ready != 1 {
		t.Errorf("status: %+v", st)
	}
}

func TestCapabilitiesNameWebRTCOnlyWhileItWorks(t *testing.T) {
	r := newLiveRig(t)
	has := func() bool {
		return strings.Contains(r.as("GET", "/api/users/me/cameras/front", "").Body, `"web_rtc"`)
	}
	if has() {
		t.Error("before the camera is connected")
	}
	f := connect(t, r.dialer, agreeable)
	until(t, "web_rtc", has)
	f.say(camio.LiveMessage{Type: camio.LiveHello})
	until(t, "no web_rtc without pictures", func() bool { return !has() })
	if st := r.Server.Status(); st.Connected != 1 || st.Ready != 0 {
		t.Errorf("status: %+v", st)
	}
	f.say(camio.LiveMessage{Type: "something newer", ID: "1", SDP: "x"})
	f.say(camio.LiveMessage{Type: camio.LiveHello, WebRTC: true})
	until(t, "web_rtc again", has)
	f.close()
	until(t, "no web_rtc without a socket", func() bool { return !has() })
}

func TestASocketEndsWithItsTokenItsClaimAndItsCamera(t *testing.T) {
	const mac = "00E04CC27CC5"
	for name, end := range map[string]func(*liveRig){
		"rotated": func(r *liveRig) {
			if _, err := r.Server.RotateUploadToken(r.t.Context(), "test@example.com"); err != nil {
				r.t.Error(err)
			}
		},
		"released": func(r *liveRig) {
			if err := r.Server.Release(r.t.Context(), mac); err != nil {
				r.t.Error(err)
			}
		},
		"deleted": func(r *liveRig) {
			if d := r.as("DELETE", "/api/users/me/cameras/front", ""); d.Status != 204 {
				r.t.Error(d)
			}
		},
		"claimed again": func(r *liveRig) {
			if err := r.Server.Release(r.t.Context(), mac); err != nil {
				r.t.Error(err)
			}
			if err := r.Server.Claim(r.t.Context(), "00E04CC27CC6", "test@example.com", "front"); err != nil {
				r.t.Error(err)
			}
		},
		"rotated by another process": func(r *liveRig) {
			s, err := cloud.New(r.cfg)
			if err != nil {
				r.t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.RotateUploadToken(r.t.Context(), "test@example.com"); err != nil {
				r.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newLiveRig(t)
			if name == "rotated by another process" {
				cloud.ShortenLive(r.Server, 50*time.Millisecond, 20*time.Second, 10*time.Second)
			}
			if err := r.Server.Claim(t.Context(), mac, "test@example.com", "front"); err != nil {
				t.Fatal(err)
			}
			f := r.connect(agreeable)
			end(r)
			if code, reason := f.ended(); code != websocket.StatusPolicyViolation || !strings.Contains(reason, "not valid") {
				t.Errorf("ended with %d %s", code, reason)
			}
			until(t, "it is forgotten", func() bool { return r.Server.Status().Connected == 0 })
		})
	}
}

func TestASocketOutlivesWhatDoesNotConcernIt(t *testing.T) {
	r := newLiveRig(t)
	cloud.ShortenLive(r.Server, 20*time.Millisecond, 20*time.Second, 10*time.Second)
	f := r.connect(agreeable)
	if err := r.Server.Claim(t.Context(), "00E04CC27CC5", "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Server.AddUser(t.Context(), "other@example.com"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Server.RotateUploadToken(t.Context(), "other@example.com"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // ten looks at the token
	if got := r.as("POST", livePath, "v=0", sdp); got.Status != 201 {
		t.Errorf("%+v", got)
	}
	f.next()
}

func TestADeadSocketIsNoticed(t *testing.T) {
	r := newLiveRig(t)
	cloud.ShortenLive(r.Server, 50*time.Millisecond, 300*time.Millisecond, time.Second)
	conn, _, err := r.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	// It says hello, and then does not even answer pings: nobody reads.
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"hello","web_rtc":true}`)); err != nil {
		t.Fatal(err)
	}
	r.waitReady(true)
	r.waitReady(false)
	if st := r.Server.Status(); st.Connected != 0 {
		t.Errorf("status: %+v", st)
	}
	// One that answers pings stays, though it says nothing.
	f := r.connect(agreeable)
	select {
	case <-f.done:
		t.Errorf("a living socket ended: %v", f.err)
	case <-time.After(time.Second):
	}
}

func TestNonsenseEndsTheSocket(t *testing.T) {
	r := newLiveRig(t)
	for name, tt := range map[string]struct {
		kind  websocket.MessageType
		text  string
		times int
		want  websocket.StatusCode
	}{
		"no JSON":      {websocket.MessageText, "hello", 1, websocket.StatusPolicyViolation},
		"binary":       {websocket.MessageBinary, `{"type":"hello"}`, 1, websocket.StatusPolicyViolation},
		"bad session":  {websocket.MessageText, `{"type":"open","id":"1","session":"../x"}`, 1, websocket.StatusPolicyViolation},
		"bad etag":     {websocket.MessageText, `{"type":"open","id":"1","etag":"a\"\r\nSet-Cookie: x"}`, 1, websocket.StatusPolicyViolation},
		"bad status":   {websocket.MessageText, `{"type":"open","id":"1","error":{"status":200}}`, 1, websocket.StatusPolicyViolation},
		"too large":    {websocket.MessageText, `{"type":"hello","sdp":"` + strings.Repeat("x", camio.MaxLiveMessage) + `"}`, 1, websocket.StatusMessageTooBig},
		"large SDP":    {websocket.MessageText, `{"type":"hello","sdp":"` + strings.Repeat("x", 70_000) + `"}`, 1, websocket.StatusPolicyViolation},
		"a flood":      {websocket.MessageText, `{"type":"hello","web_rtc":true}`, 1000, websocket.StatusPolicyViolation},
		"a long hello": {websocket.MessageText, `{"type":"hello","id":"` + strings.Repeat("x", 65) + `"}`, 1, websocket.StatusPolicyViolation},
	} {
		t.Run(name, func(t *testing.T) {
			f := r.connect(agreeable)
			for range tt.times {
				if f.conn.Write(context.Background(), tt.kind, []byte(tt.text)) != nil {
					break
				}
			}
			if code, reason := f.ended(); code != tt.want {
				t.Errorf("ended with %d %s, want %d", code, reason, tt.want)
			}
			r.waitReady(false)
		})
	}
}

func TestTheCameraWorksOnFewRequestsAtATime(t *testing.T) {
	r := newLiveRig(t)
	var mu sync.Mutex
	working, most := 0, 0
	release := make(chan struct{})
	var f *fakeCamera
	f = r.connect(func(m camio.LiveMessage) *camio.LiveMessage {
		mu.Lock()
		working++
		most = max(most, working)
		mu.Unlock()
		go func() {
			<-release
			mu.Lock()
			working--
			mu.Unlock()
			a := agreeable(m)
			a.Type, a.ID = m.Type, m.ID
			f.say(*a)
		}()
		return nil
	})
	statuses := make(chan int, 100)
	var viewers sync.WaitGroup
	for range 60 {
		viewers.Go(func() { statuses <- r.as("POST", livePath, "v=0", sdp).Status })
	}
	counts := map[int]int{}
	for range 60 - 36 { // four that are worked on, 32 that wait
		counts[<-statuses]++
	}
	if counts[503] != 24 {
		t.Errorf("at once: %v", counts)
	}
	close(release)
	viewers.Wait()
	for range 36 {
		counts[<-statuses]++
	}
	if counts[201] != 36 || most != 4 {
		t.Errorf("in the end: %v, %d at a time", counts, most)
	}
}

func TestAViewerThatLeavesEarlyLeavesNoSession(t *testing.T) {
	r := newLiveRig(t)
	asked, release := make(chan struct{}), make(chan struct{})
	var f *fakeCamera
	f = r.connect(func(m camio.LiveMessage) *camio.LiveMessage {
		if m.Type != camio.LiveOpen || m.SDP != "impatient" {
			return agreeable(m)
		}
		close(asked)
		go func() {
			<-release
			f.say(camio.LiveMessage{Type: m.Type, ID: m.ID, Session: "orphan", ETag: "e", SDP: "answer"})
		}()
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", r.URL+livePath, strings.NewReader("impatient"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/sdp")
	req.Header.Set("Authorization", "token "+r.Account.OAuthToken)
	go func() {
		<-asked
		cancel()
	}()
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Fatal("there was an answer")
	}
	f.next()
	until(t, "the server notices", func() bool { return r.Server.Status().Failed == 1 })
	close(release)
	if m := f.next(); m.Type != camio.LiveEnd || m.Session != "orphan" {
		t.Errorf("the camera was asked %+v", m)
	}
	if got := r.as("POST", livePath, "v=0", sdp); got.Status != 201 {
		t.Errorf("the next viewer: %+v", got)
	}
}

func TestNoTokenIsLoggedForASocket(t *testing.T) {
	var log syncBuffer
	r := newLiveRig(t, cloudtest.Log(zapTo(&log)))
	f := r.connect(agreeable)
	r.as("POST", livePath, "v=0", sdp)
	_ = f.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"hello","session":"`+r.token+` "}`))
	f.ended()
	if _, res, err := (dialer{r.url, "wrong-token-of-someone", "front", ""}).dial(t.Context()); err == nil || res.StatusCode != 401 {
		t.Error(res, err)
	}
	until(t, "the end is logged", func() bool { return strings.Contains(log.String(), "live view disconnected") })
	for _, secret := range []string{r.token, "wrong-token-of-someone", r.Account.OAuthToken} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s:\n%s", secret, log.String())
		}
	}
}

func TestHealthAndMetricsCountConnectedCameras(t *testing.T) {
	r := newLiveRig(t)
	if h := send(t, "GET", r.URL+"/healthz", ""); h.Status != 200 || h.Body != "ok\n" {
		t.Errorf("healthz: %+v", h)
	}
	r.connect(agreeable)
	st := decode[cloud.Status](t, send(t, "GET", r.URL+"/healthz", "", "Accept: application/json").Body)
	if st.Status != "ok" || st.Connected != 1 || st.Ready != 1 || st.TURN {
		t.Errorf("healthz: %+v", st)
	}
	m := send(t, "GET", r.URL+"/metrics", "")
	for _, want := range []string{"# TYPE camward_cloud_live_cameras gauge\ncamward_cloud_live_cameras 1\n", "\ncamward_cloud_turn_relays 0\n"} {
		if !strings.Contains(m.Body, want) {
			t.Errorf("metrics lack %q:\n%s", want, m.Body)
		}
	}
}
