package cloud_test

import (
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

func TestWhoMayDoWhat(t *testing.T) {
	c := cloudtest.New(t)
	up := put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 1))
	other, err := c.Server.AddUser(t.Context(), "other@example.com")
	if err != nil {
		t.Fatal(err)
	}
	content := "/content/" + up.ID
	oauth, upload := c.Account.OAuthToken, c.Account.UploadToken
	const jpegUpload = "/content/x.jpeg?camera_id=1"
	tests := []struct {
		method, path string
		header       string // Authorization
		want         int
	}{
		{"GET", "/api/users/me/cameras", "token " + oauth, 200},
		{"GET", "/api/users/me/cameras", "Token " + oauth, 200},
		{"GET", "/api/users/me/cameras", "BEARER " + oauth, 200},
		{"GET", "/api/users/TEST@example.com/cameras", "token " + oauth, 200},
		{"GET", "/api/users/me/cameras?access_token=" + oauth, "", 200},
		{"HEAD", "/api/users/me/cameras?access_token=" + oauth, "", 200},
		{"GET", "/api/users/me/cameras?access_token=wrong", "token " + oauth, 200},
		{"GET", "/api/users/me/cameras?access_token=" + oauth, "token wrong", 401},
		{"GET", "/api/users/me/cameras", "Basic " + oauth, 401},
		{"GET", "/api/users/me/cameras", "token " + upload, 401},
		{"GET", "/api/users/me/cameras?access_token=" + upload, "", 401},
		{"GET", "/api/users/me/cameras", "token " + c.Account.APIKey, 401},
		{"GET", "/api/users/me/cameras", "", 401},
		{"GET", "/api/users/" + upload + "/cameras", "", 401},
		{"GET", "/api/users/" + upload + "/cameras", "token " + oauth, 401},
		{"GET", "/api/users/nobody/cameras", "token " + oauth, 404},
		{"GET", "/api/users/other@example.com/cameras", "token " + oauth, 404},
		{"GET", "/api/users/me/cameras?user=test@example.com", "token " + oauth, 200},
		{"GET", "/api/users/me/cameras?user=other@example.com", "token " + oauth, 404},
		{"GET", "/api/users/me/cameras/front", "token " + other.OAuthToken, 404},
		{"DELETE", "/api/users/me/cameras/front?access_token=" + oauth, "", 401},
		{"POST", "/api/users/me/settings?access_token=" + oauth, "", 401},
		{"POST", "/api/users/me/cameras/front" + jpegUpload, "token " + oauth, 200},
		{"PUT", "/api/users/me/cameras/front" + jpegUpload, "", 401},
		{"PUT", "/api/users/me/cameras/front" + jpegUpload + "&access_token=" + oauth, "", 401},
		{"PUT", "/api/users/" + upload + "/cameras/front" + jpegUpload, "", 200},
		{"PUT", "/api/users/" + upload + "/cameras/front" + jpegUpload, "token wrong", 200},
		{"PUT", "/api/users/" + oauth + "/cameras/front" + jpegUpload, "", 401},
		{"PUT", "/api/users/nobody/cameras/front" + jpegUpload, "", 401},
		{"GET", "/api/users/me/cameras/front" + content, "token " + oauth, 200},
		{"GET", "/api/users/me/cameras/front" + content, "", 401},
		{"GET", "/api/users/" + upload + "/cameras/front" + content, "", 401},
		{"GET", "/api/users/me/cameras/front" + content, "token " + other.OAuthToken, 404},
		{"GET", "/api/content/live/front", "", 401},
		{"GET", "/api/search", "", 401},
		{"GET", "/api/users/me/tokens/upload", "", 401},
		{"GET", "/api/users/me/settings", "", 401},
		{"GET", "/api/cameras/discovered", "", 401},
		{"GET", "/api/tokens/" + upload + "/hint", "", 200},
		{"POST", "/api/tokens/" + upload + "/hint", "", 200},
		{"GET", "/api/tokens/" + oauth + "/hint", "", 404},
		{"GET", "/api/cameras/123456789012?maker=Sharx&model=x", "", 200},
	}
	body := string(picture(t, 64, 48, 3))
	for _, tt := range tests {
		var header []string
		if tt.header != "" {
			header = append(header, "Authorization: "+tt.header)
		}
		if got := send(t, tt.method, c.URL+tt.path, body, header...); got.Status != tt.want {
			t.Errorf("%s %s with %q: %d %s, want %d", tt.method, tt.path, tt.header, got.Status, got.Body, tt.want)
		} else if got.Status == 401 && got.Body != `{"message":"API key is invalid"}` {
			t.Errorf("%s %s: %s", tt.method, tt.path, got.Body)
		}
	}
}

func TestCamerasComeFromUploadsAndGoOffline(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	if r := get(t, c, "/api/users/me/cameras/"); r.Body != "[]" {
		t.Fatalf("at first: %s", r.Body)
	}
	put(t, c, "Door", stamp(0, ".jpeg"), "camera_id=2431614740321587915", picture(t, 1280, 720, 1))
	put(t, c, "back yard/näht", stamp(0, ".jpeg"), "camera_id=2&rotation=90", picture(t, 640, 480, 1))
	door := decode[map[string]any](t, get(t, c, "/api/users/me/cameras/door").Body)
	if door["user_id"] == "" {
		t.Error("no user_id")
	}
	delete(door, "user_id")
	want := map[string]any{"camera_id": "2431614740321587915", "attribution": map[string]any{}, "capabilities": []any{"video"}, "is_online": true,
		"name": "Door", "resolution": map[string]any{"aspect_ratio": 1.7777778, "height": 720.0, "width": 1280.0}, "tags": []any{}, "refreshInterval": 0.0}
	if d := cmp.Diff(want, door); d != "" {
		t.Error(d)
	}
	yard := "/api/users/me/cameras/" + url.PathEscape("back yard/näht")
	if cam := decode[camio.Camera](t, get(t, c, yard).Body); cam.Resolution.Width != 480 || cam.Resolution.Height != 640 {
		t.Errorf("turned picture: %+v", cam.Resolution)
	}
	now = now.Add(120 * time.Second)
	if cam := decode[camio.Camera](t, get(t, c, yard).Body); !cam.IsOnline {
		t.Error("offline after exactly 120 s")
	}
	now = now.Add(time.Second)
	if cam := decode[camio.Camera](t, get(t, c, yard).Body); cam.IsOnline {
		t.Error("online after 121 s")
	}
	auth := "Authorization: token " + c.Account.OAuthToken
	for _, want := range []int{204, 404} {
		if r := send(t, "DELETE", c.URL+yard, "", auth); r.Status != want || (want == 204 && r.Body != "") {
			t.Errorf("DELETE: %d %q, want %d", r.Status, r.Body, want)
		}
	}
	if n := search(t, c, "motion_type=all").Result.Count; n != 1 {
		t.Errorf("%d events left, want the other camera's one", n)
	}
}

func TestCameraIdentity(t *testing.T) {
	c := cloudtest.New(t)
	names := func() string {
		var list []string
		for _, cam := range decode[[]camio.Camera](t, get(t, c, "/api/users/me/cameras").Body) {
			list = append(list, cam.Name+"="+cam.CameraID)
		}
		return strings.Join(list, " ")
	}
	steps := []struct{ name, id, want string }{
		{"front", "1", "front=1"},
		{"FRONT", "1", "front=1"},
		{"porch", "1", "porch=1"}, // renamed
		{"porch", "9", "porch=9"}, // replaced
		{"yard", "2", "porch=9 yard=2"} /* another */}
	for i, s := range steps {
		put(t, c, s.name, stamp(float64(i), ".jpeg"), "camera_id="+s.id, picture(t, 64, 48, i))
		if got := names(); got != s.want {
			t.Errorf("after %s=%s: %s, want %s", s.name, s.id, got, s.want)
		}
	}
	if r := send(t, "PUT", uploadURL(c, "porch", "a.jpeg", "camera_id=2"), string(picture(t, 64, 48, 9))); r.Status != 400 {
		t.Errorf("name of one, id of another: %d, want 400", r.Status)
	}
}

func TestPollOfTheDocument(t *testing.T) {
	now := time.Date(2015, 9, 19, 21, 43, 55, 794e6, time.UTC)
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }), func(cfg *cloud.Config) { cfg.FTPHost = "127.0.0.1" })
	host := strings.TrimPrefix(c.URL, "http://")
	poll := func(path string) (string, camio.PollReply) {
		t.Helper()
		r := send(t, "GET", c.URL+"/api/cameras/"+path, "", "User-Agent: Wget")
		if r.Status != 200 {
			t.Fatalf("%s: %d %s", path, r.Status, r.Body)
		}
		return r.Body, decode[camio.PollReply](t, r.Body)
	}
	if _, p := poll("12:34:56:78:90:12?ip_address_local=192.168.1.51&maker=Sharx&model=SCNC3904"); len(p.Commands) != 2 {
		t.Fatalf("unclaimed: %d commands, want ping and time", len(p.Commands))
	}
	now = now.Add(41 * time.Millisecond)
	if err := c.Server.Claim(t.Context(), "12-34-56-78-90-12", "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	// The address that the ping command gives to firmware: a slash before the query, and no model.
	body, _ := poll("123456789012/?maker=Sharx&ip_address_local=192.168.1.51")
	want := `{"commands":[{"date_updated":"2015-09-19T21:43:55.794-0000","id":"ping","is_auth_required":true,"method":"GET",` +
		`"path":"/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=` + host + `/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD=",` +
		`"regex_response":"000 Success"},{"date_updated":"2015-09-19T21:43:55.794-0000","id":"time","is_auth_required":true,"method":"GET",` +
		`"path":"/form/setNtp?ENABLE=1&SERVER=time.nist.gov","regex_response":"000 Success"},` +
		`{"date_updated":"2015-09-19T21:43:55.835-0000","id":"ftpAlarm","is_auth_required":true,"method":"GET",` +
		`"path":"/form/setFtpAlarmSending/?ENABLE=1&SCHED=0&SCHEDID=1&STREAMID=0&DURATION=1&FRAMERATE=1&INTERVAL=0&SERVER=127.0.0.1&PORT=21&REMOTEPATH=123456789012&AUTH=1&USERNAME=` + c.Account.UploadToken + `&PASSWORD=camio",` +
		`"regex_response":"000 Success"}],"ip_address":"127.0.0.1","mac_address":"123456789012","maker":"Sharx","model":"SCNC3904","user_agent":"Wget"}`
	if body != want {
		t.Errorf("got\n%s\nwant\n%s", body, want)
	}
	now = now.Add(time.Hour)
	if again, _ := poll("123456789012?maker=Sharx&model=SCNC3904"); again != want {
		t.Errorf("an hour later something changed:\n%s", again)
	}
	if cam := decode[[]camio.Camera](t, get(t, c, "/api/users/me/cameras").Body); len(cam) != 1 || !cam[0].IsOnline || cam[0].CameraID != "123456789012" {
		t.Errorf("cameras %+v, want the claimed one online by its polls", cam)
	}
}

func TestPollToleratesRealFirmware(t *testing.T) {
	c := cloudtest.New(t)
	tests := []struct {
		name, method, path, body string
		want                     int
	}{
		{"unknown without maker", "GET", "AABBCCDDEEFF", "", 400},
		{"first contact without model", "GET", "AABBCCDDEEFF?maker=Sharx", "", 200},
		{"known without anything", "GET", "aa.bb.cc.dd.ee.ff/", "", 200},
		{"by POST form", "POST", "AABBCCDDEE00", "maker=Sharx&model=1", 200},
		{"by PUT JSON", "PUT", "AABBCCDDEE01", `{"maker":"Sharx","model":"1"}`, 200},
		{"results", "POST", "AABBCCDDEEFF", `{"results":[{"id":"ping","date_updated":"x","state":"applied","http_status":200,"answer":"000 Success","at":"2026-05-01T12:00:00.000-0000"}]}`, 200},
		{"results with a time that is none", "POST", "AABBCCDDEEFF", `{"results":[{"id":"ping","date_updated":"x","state":"applied","http_status":200,"answer":"000 Success","at":"y"}]}`, 400},
		{"results with a status that is none", "POST", "AABBCCDDEEFF", `{"results":[{"id":"ping","state":"applied","http_status":1000}]}`, 400},
		{"a result of nothing", "POST", "AABBCCDDEEFF", `{"results":[{}]}`, 400},
		{"a list", "POST", "AABBCCDDEEFF", `[{"id":"ping","state":"applied"}]`, 400},
		{"broken JSON", "POST", "AABBCCDDEEFF", `{"results":[`, 400},
		{"too many results", "POST", "AABBCCDDEEFF", `{"results":[` + strings.Repeat(`{},`, 50) + `{}]}`, 400},
		{"too large", "POST", "AABBCCDDEEFF", strings.Repeat("x", 2<<20), 413},
		{"no MAC", "GET", "hello?maker=Sharx", "", 400},
		{"eleven digits", "GET", "AABBCCDDEEF?maker=Sharx", "", 400},
		{"mixed separators", "GET", "AA:BB-CC:DD:EE:FF?maker=Sharx", "", 400},
		{"another method", "DELETE", "AABBCCDDEEFF", "", 405},
	}
	for _, tt := range tests {
		if r := send(t, tt.method, c.URL+"/api/cameras/"+tt.path, tt.body); r.Status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, r.Status, r.Body, tt.want)
		}
	}
	out, err := exec.CommandContext(t.Context(), "wget", "-qO-", c.URL+"/api/cameras/AABBCCDDEEFF/?maker=Sharx&ip_address_local=10.0.0.2").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `&AUTH=0&USERNAME=&PASSWORD="`) {
		t.Errorf("wget: %v %s", err, out)
	}
}

func TestClaims(t *testing.T) {
	c := cloudtest.New(t)
	if _, err := c.Server.AddUser(t.Context(), "other@example.com"); err != nil {
		t.Fatal(err)
	}
	put(t, c, "front", stamp(0, ".jpeg"), "camera_id=AABBCCDDEEFF", picture(t, 64, 48, 1))
	steps := []struct {
		mac, user, name string
		ok              bool
	}{
		{"aa:bb:cc:dd:ee:ff", "test@example.com", "porch", true}, // known by its uploads: renamed
		{"aa:bb:cc:dd:ee:ff", "test@example.com", "porch", true},
		{"aa:bb:cc:dd:ee:ff", "other@example.com", "mine", false},
		{"00:00:00:00:00:01", "test@example.com", "Porch", false},
		{"00:00:00:00:00:01", "nobody@example.com", "x", false},
		{"00:00:00:00:00:01", "test@example.com", " ", false},
		{"hello", "test@example.com", "x", false},
		{"00:00:00:00:00:01", "test@example.com", "yard", true},
	}
	for _, s := range steps {
		if err := c.Server.Claim(t.Context(), s.mac, s.user, s.name); (err == nil) != s.ok {
			t.Errorf("claim %v: %v", s, err)
		}
	}
	// The claim's name is stronger than what the camera calls itself.
	if up := put(t, c, "front", stamp(60, ".jpeg"), "camera_id=AABBCCDDEEFF", picture(t, 64, 48, 2)); up.Source != "porch" {
		t.Errorf("upload of a claimed camera went to %s", up.Source)
	}
	if status, body := c.Do(t, "POST", "/api/cameras/discovered", `{"local":{"name":"gate","mac_address":"00:00:00:00:00:02"}}`); status != 400 {
		t.Errorf("claim of what never polled: %d %s, want 400", status, body)
	}
	if r := send(t, "GET", c.URL+"/api/cameras/000000000002?maker=Sharx", ""); r.Status != 200 {
		t.Fatal(r.Status, r.Body)
	}
	status, body := c.Do(t, "POST", "/api/cameras/discovered", `{"local":{"name":"gate","mac_address":"00:00:00:00:00:02","maker":"Sharx"}}`)
	if status != 200 || !strings.Contains(body, `"000000000002":{"camera_id":"000000000002","name":"gate","mac_address":"000000000002"}`) {
		t.Errorf("discovered: %d %s", status, body)
	}
	if status, _ := c.Do(t, "POST", "/api/cameras/discovered", `{"local":{"name":"gate","mac_address":"00:00:00:00:00:03"}}`); status != 400 {
		t.Errorf("a taken name: %d, want 400", status)
	}
}

func TestSettingsMerge(t *testing.T) {
	c := cloudtest.New(t)
	on := func(method string) map[string]any {
		return map[string]any{"state": "ON", "method": method, "options": ""}
	}
	want := map[string]any{"recording_enabled": true, "upload_token": c.Account.UploadToken, "notifications": map[string]any{
		"motion_alerts": on("EMAIL"), "camera_diagnostics": on("EMAIL"), "announcements": on("EMAIL"), "newsletters": on("EMAIL"), "camio_daily": on("EMAIL")}}
	check := func(body string) {
		t.Helper()
		if d := cmp.Diff(want, decode[map[string]any](t, body)); d != "" {
			t.Error(d)
		}
	}
	check(get(t, c, "/api/users/me/settings").Body)
	for _, bad := range []string{`{"recording_enabled":false,"notifications":{"nothing":{"state":"ON","method":"PUSH"}}}`, `{"notifications":{"motion_alerts":{"state":"on","method":"PUSH"}}}`,
		`{"notifications":{"motion_alerts":{"state":"ON"}}}`, `{"recording_enabled":"no"}`, `nonsense`} {
		if status, body := c.Do(t, "POST", "/api/users/me/settings", bad); status != 400 {
			t.Errorf("%s: %d %s, want 400", bad, status, body)
		}
	}
	check(get(t, c, "/api/users/me/settings").Body)
	want["notifications"].(map[string]any)["motion_alerts"] = map[string]any{"state": "OFF", "method": "PUSH", "options": "mute street,window"}
	status, body := c.Do(t, "PATCH", "/api/users/me/settings/",
		`{"upload_token":"mine","notifications":{"motion_alerts":{"state":"OFF","method":"PUSH","options":"mute street,window"}}}`)
	if status != 200 {
		t.Fatal(status, body)
	}
	check(body)
	check(get(t, c, "/api/users/me/settings").Body)
}

func TestTokenAndHint(t *testing.T) {
	c := cloudtest.New(t)
	if r := get(t, c, "/api/users/me/tokens/upload"); r.Body != fmt.Sprintf("%q", c.Account.UploadToken) {
		t.Errorf("upload token: %s", r.Body)
	}
	path := c.URL + "/api/tokens/" + c.Account.UploadToken + "/hint"
	if r := send(t, "GET", path, ""); r.Body != `{"email":"test@..."}` {
		t.Errorf("hint: %s", r.Body)
	}
	var last call
	for range 60 {
		if last = send(t, "GET", c.URL+"/api/tokens/guess/hint", ""); last.Status == 429 {
			break
		}
	}
	if last.Status != 429 || last.Header.Get("Retry-After") == "" {
		t.Errorf("guessing is answered %d, want 429 with Retry-After", last.Status)
	}
	for range 400 {
		if last = send(t, "GET", c.URL+"/api/cameras/000000000000?maker=x", ""); last.Status == 429 {
			break
		}
	}
	if last.Status != 429 {
		t.Errorf("polling without end is answered %d, want 429", last.Status)
	}
}
