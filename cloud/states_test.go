package cloud_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"camward/camio"
	"camward/cloud/cloudtest"
)

const statesPath = "/api/users/me/cameras/front/states"

func (r *liveRig) states() []camio.CameraChange {
	r.t.Helper()
	c := r.as("GET", statesPath, "")
	if c.Status != 200 || strings.TrimSpace(c.Body) == "null" {
		r.t.Fatalf("%d %s", c.Status, c.Body)
	}
	return decode[[]camio.CameraChange](r.t, c.Body)
}

// report sends what a camera reports and gives the answer.
func (f *fakeCamera) report(id string, st *camio.CameraState) camio.LiveMessage {
	f.t.Helper()
	f.say(camio.LiveMessage{Type: camio.LiveState, ID: id, State: st})
	return f.next()
}

func newReporter(t testing.TB, options ...cloudtest.Option) (*liveRig, *fakeCamera) {
	t.Helper()
	r := newLiveRig(t, options...)
	return r, r.connect(func(m camio.LiveMessage) *camio.LiveMessage { return nil })
}

func TestACameraThatIsLostAndFoundIsShownInTheAPI(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 3, 30, 0, time.UTC)
	r, f := newReporter(t, cloudtest.Clock(func() time.Time { return now }))
	camera := func() string { return r.as("GET", "/api/users/me/cameras/front", "").Body }
	if got := r.states(); len(got) != 0 || strings.Contains(camera(), `"state"`) {
		t.Errorf("before the first report: %v, %s", got, camera())
	}
	lost := &camio.CameraState{Boot: "b1", Seq: 1, At: now.Add(-8 * time.Second), Ago: 8.1, Reason: "no such device"}
	if m := f.report("x", lost); m.Type != camio.LiveState || m.ID != "x" || m.Error != nil || m.State != nil {
		t.Errorf("answered %+v", m)
	}
	if got := camera(); !strings.Contains(got, `"state":{"is_found":false,"date":"2026-11-23T12:03:22.000-0000","date_received":"2026-11-23T12:03:30.000-0000","reason":"no such device"}`) {
		t.Error(got)
	}
	if got := r.as("GET", "/api/users/me/cameras", "").Body; !strings.Contains(got, `"is_found":false`) {
		t.Error(got)
	}
	f.report("y", &camio.CameraState{Boot: "b1", Seq: 2, Found: true, Ago: 6, Reason: "USB camera"})
	for range 3 { // repetitions, of which the first of the two is hopelessly late
		f.report("y", &camio.CameraState{Boot: "b1", Seq: 2, Found: true, Ago: 60, Reason: "USB camera"})
		f.report("x", lost)
	}
	want := []camio.CameraChange{
		{IsFound: true, Date: camio.Time{Time: now.Add(-6 * time.Second)}, Received: camio.Time{Time: now}, Reason: "USB camera"},
		{Date: camio.Time{Time: now.Add(-8 * time.Second)}, Received: camio.Time{Time: now}, Reason: "no such device"},
	}
	if got := r.states(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// The agent starts anew and counts from one.
	f.report("z", &camio.CameraState{Boot: "b2", Seq: 1})
	if got := r.states(); len(got) != 3 || got[0].IsFound {
		t.Errorf("after a restart: %v", got)
	}
}

func TestStatesAreTheOwnersOnly(t *testing.T) {
	r, f := newReporter(t)
	f.report("x", &camio.CameraState{Boot: "b1", Seq: 1})
	other, err := r.Server.AddUser(t.Context(), "other@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]string{"nobody": "X-Y: z", "the upload token": "Authorization: token " + r.Account.UploadToken, "another account": "Authorization: token " + other.OAuthToken} {
		if c := send(t, "GET", r.URL+statesPath, "", header); c.Status != 401 && c.Status != 404 || strings.Contains(c.Body, "is_found") {
			t.Errorf("%s: %d %s", name, c.Status, c.Body)
		}
	}
	if c := r.as("GET", "/api/users/me/cameras/back/states", ""); c.Status != 404 {
		t.Errorf("a camera that is none: %d", c.Status)
	}
	// What it reported goes with the camera.
	if c := r.as("DELETE", "/api/users/me/cameras/front", ""); c.Status != 204 {
		t.Fatal(c)
	}
	f.ended()
	r.connect(nil)
	if got := r.states(); len(got) != 0 {
		t.Errorf("a new camera of that name has %v", got)
	}
}

func TestAReportThatCannotBeIsRefusedAndTheSocketLivesOn(t *testing.T) {
	r, f := newReporter(t)
	long := strings.Repeat("b", 65)
	for name, st := range map[string]*camio.CameraState{
		"none": nil, "no boot": {Seq: 1}, "a long boot": {Boot: long, Seq: 1}, "a boot that is markup": {Boot: "<b>", Seq: 1},
		"seq 0": {Boot: "b"}, "a negative seq": {Boot: "b", Seq: -1}, "a huge seq": {Boot: "b", Seq: 1 << 62},
	} {
		if m := f.report("1", st); m.Error == nil || m.Error.Status != 400 || m.ID != "1" {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if got := r.states(); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	// An answer is not answered.
	f.say(camio.LiveMessage{Type: camio.LiveState, ID: "2", Error: &camio.LiveError{Status: 500}})
	if m := f.report("3", &camio.CameraState{Boot: "b", Seq: 1}); m.ID != "3" || m.Error != nil {
		t.Errorf("%+v", m)
	}
}

func TestHostileReportsDoNoHarm(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r, f := newReporter(t, cloudtest.Clock(func() time.Time { return now }))
	tests := []struct {
		name, state string
		reason      string
		date        time.Time
	}{
		{"control characters", `"reason":"a\u0000b\r\n\u001b[31mc\u202ed"`, "a b [31mc\uFFFDd", now},
		{"markup", `"reason":"<script>alert(1)</script>"`, "<script>alert(1)</script>", now},
		{"a long reason", `"reason":"` + strings.Repeat("ü", 5000) + `"`, strings.Repeat("ü", 100), now},
		{"no UTF-8", `"reason":"a` + "\xff\xfe" + `b"`, "a\uFFFD\uFFFDb", now},
		{"year 1", `"at":"0001-01-02T00:00:00Z","ago":3`, "", now.Add(-3 * time.Second)},
		{"year 9999", `"at":"9999-12-31T23:59:59Z","ago":3`, "", now.Add(-3 * time.Second)},
		{"the near future", `"at":"2026-11-23T12:04:00Z"`, "", now},
		{"a clock that is wrong by a day", `"at":"2026-11-22T12:00:00Z","ago":1.5`, "", now.Add(-1500 * time.Millisecond)},
		{"its own clock", `"at":"2026-11-23T11:58:00Z","ago":123`, "", now.Add(-2 * time.Minute)},
		{"before the year 1", `"ago":1e300`, "", now.Add(-30 * 24 * time.Hour)},
		{"yet to come", `"ago":-1e300`, "", now},
		{"unknown fields", `"x":[1,{"y":null}]`, "", now},
	}
	for i, tt := range tests {
		text := fmt.Sprintf(`{"type":"state","id":"1","state":{"boot":"b","seq":%d,"found":true,%s}}`, i+1, tt.state)
		if err := f.conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(tt.name, err)
		}
		if m := f.next(); m.Error != nil {
			t.Errorf("%s: %+v", tt.name, m.Error)
		}
		got := r.states()
		if len(got) != i+1 || !got[0].Date.Equal(tt.date) || got[0].Reason != tt.reason {
			t.Errorf("%s: %d states, %v %q, want %v %q", tt.name, len(got), got[0].Date, got[0].Reason, tt.date, tt.reason)
		}
	}
}

func TestGarbageInPlaceOfAReportEndsTheSocket(t *testing.T) {
	r := newLiveRig(t)
	for name, text := range map[string]string{
		"a date that is none":  `{"type":"state","id":"1","state":{"boot":"b","seq":1,"at":"yesterday"}}`,
		"a fraction":           `{"type":"state","id":"1","state":{"boot":"b","seq":1.5}}`,
		"more than 64 bits":    `{"type":"state","id":"1","state":{"boot":"b","seq":99999999999999999999}}`,
		"a text for found":     `{"type":"state","id":"1","state":{"boot":"b","seq":1,"found":"yes"}}`,
		"a list":               `{"type":"state","id":"1","state":[]}`,
		"an id of a kilobyte":  `{"type":"state","id":"` + strings.Repeat("1", 1024) + `","state":{"boot":"b","seq":1}}`,
		"a megabyte of reason": `{"type":"state","id":"1","state":{"boot":"b","seq":1,"reason":"` + strings.Repeat("x", 1<<20) + `"}}`,
	} {
		f := r.connect(nil)
		_ = f.conn.Write(t.Context(), websocket.MessageText, []byte(text)) // it may be cut short
		if code, why := f.ended(); code != websocket.StatusPolicyViolation && code != websocket.StatusMessageTooBig && code != -1 {
			t.Errorf("%s: %d %s", name, code, why)
		}
	}
	if got := r.states(); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}

func TestAFloodOfReportsEndsTheSocket(t *testing.T) {
	r, f := newReporter(t)
	go func() {
		for i := range int64(1000) {
			data, _ := json.Marshal(camio.LiveMessage{Type: camio.LiveState, ID: "1", State: &camio.CameraState{Boot: "b", Seq: i + 1}})
			if f.conn.Write(t.Context(), websocket.MessageText, data) != nil {
				return
			}
		}
	}()
	go func() { // as many as there are
		for range f.asked {
		}
	}()
	code, why := f.ended()
	close(f.asked)
	if code != websocket.StatusPolicyViolation || why != "too many messages" {
		t.Errorf("%d %s", code, why)
	}
	if n := len(r.states()); n < 50 || n > 200 {
		t.Errorf("%d were kept", n)
	}
}

func TestWhatACameraReportsStandsOnItsPagesAsText(t *testing.T) {
	c := cloudtest.New(t)
	const mac = "B827EB00AA01"
	pollAs(t, c, mac, somePi)
	if err := c.Server.Claim(t.Context(), mac, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	f := connect(t, dialer{url: c.URL, token: c.Account.UploadToken, camera: "front"}, func(camio.LiveMessage) *camio.LiveMessage { return nil })
	cookie := signIn(t, c)
	get := func(page string) string {
		t.Helper()
		p := send(t, "GET", c.URL+page, "", "Cookie: "+cookie)
		if p.Status != 200 {
			t.Fatalf("%s: %d", page, p.Status)
		}
		return p.Body
	}
	for _, page := range []string{"/devices/" + mac, "/live/front", "/"} {
		if text := get(page); strings.Contains(text, "Camera lost") || strings.Contains(text, "camera lost") || strings.Contains(text, "Lost and found") {
			t.Errorf("%s speaks of losses before the first report", page)
		}
	}
	const reason = `<img src=x onerror=alert(1)>"'&`
	f.report("1", &camio.CameraState{Boot: "b", Seq: 1, Found: true, Reason: "card " + reason})
	f.report("2", &camio.CameraState{Boot: "b", Seq: 2, Reason: reason})
	for _, page := range []string{"/devices/" + mac, "/live/front"} {
		text := get(page)
		if strings.Contains(text, "<img src=x") || !strings.Contains(text, "&lt;img src=x onerror=alert(1)&gt;") || !strings.Contains(text, "Camera lost</") || !strings.Contains(text, "still lost") {
			t.Errorf("%s:\n%s", page, text)
		}
	}
	if text := get("/devices/" + mac); !strings.Contains(text, `<span class="badge bad">Camera lost</span>`) {
		t.Errorf("the verdict is another:\n%s", text)
	}
	if text := get("/"); !strings.Contains(text, "camera lost") {
		t.Errorf("home:\n%s", text)
	}
	f.report("3", &camio.CameraState{Boot: "b", Seq: 3, Found: true})
	for _, page := range []string{"/devices/" + mac, "/live/front", "/"} {
		if text := get(page); strings.Contains(text, "Camera lost") || strings.Contains(text, "camera lost") || strings.Contains(text, "still lost") {
			t.Errorf("%s still says that it is lost", page)
		}
	}
}

func TestACameraThatIsRenamedKeepsWhatItReported(t *testing.T) {
	c := cloudtest.New(t)
	put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 1))
	d := dialer{url: c.URL, token: c.Account.UploadToken, camera: "front"}
	keep := func(camio.LiveMessage) *camio.LiveMessage { return nil }
	connect(t, d, keep).report("1", &camio.CameraState{Boot: "b", Seq: 1, Reason: "one"})
	d.camera = "gate" // it connects under its new name before it uploads under it
	connect(t, d, keep).report("2", &camio.CameraState{Boot: "b", Seq: 2, Found: true, Reason: "two"})
	put(t, c, "gate", stamp(1, ".jpeg"), "camera_id=1", picture(t, 64, 48, 2))
	status, text := c.Do(t, "GET", "/api/users/me/cameras/gate/states", "")
	if got := decode[[]camio.CameraChange](t, text); status != 200 || len(got) != 2 || got[0].Reason != "two" || got[1].Reason != "one" {
		t.Errorf("%d %s", status, text)
	}
}

func TestChangesOfThePictureStandBesideLosses(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 3, 30, 0, time.UTC)
	r, f := newReporter(t, cloudtest.Clock(func() time.Time { return now }))
	f.report("1", &camio.CameraState{Boot: "b1", Seq: 1, Reason: "no such device"})
	f.report("2", &camio.CameraState{Boot: "b1", Seq: 2, Scene: "covered", Reason: "3 times"})
	camera := func() string { return r.as("GET", "/api/users/me/cameras/front", "").Body }
	if got := camera(); !strings.Contains(got, `"state":{"is_found":false,`) || strings.Contains(got, "covered") {
		t.Errorf("a camera that is lost is not found by a change of its picture: %s", got)
	}
	got := r.states()
	if len(got) != 2 || got[0].Scene != "covered" || !got[0].IsFound || got[0].Reason != "3 times" || got[1].Scene != "" {
		t.Fatalf("%+v", got)
	}
	for name, scene := range map[string]string{"markup": "<b>", "long": strings.Repeat("a", 33), "upper": "Covered"} {
		if m := f.report("3", &camio.CameraState{Boot: "b1", Seq: 3, Scene: scene}); m.Error == nil || m.Error.Status != 400 {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if m := f.report("4", &camio.CameraState{Boot: "b1", Seq: 3, Scene: "struck-by-lightning"}); m.Error != nil {
		t.Errorf("a change that this server has not heard of: %+v", m)
	}
}
