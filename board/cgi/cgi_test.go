package cgi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"camward/camio"
	"camward/camio/profile"
)

// A device keeps what it is told, as a real one does.
type device struct {
	mu     sync.Mutex
	now    Settings
	took   []Setting
	sender []string
	err    error
}

func (d *device) Apply(ctx context.Context, s Setting) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	switch s := s.(type) {
	case Period:
		d.now.Period = s
	case NTP:
		d.now.NTP = s
	case FTPAlarm:
		d.now.FTPAlarm = s
	case HTTPAlarm:
		d.now.HTTPAlarm = s
	case Zones:
		d.now.Zones = s
	}
	d.took = append(d.took, s)
	d.sender = append(d.sender, Sender(ctx))
	return nil
}

func (d *device) Settings() Settings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// send is one request to a handler for d; header is Name: value pairs.
func send(t *testing.T, d Device, method, target, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, "http://192.0.2.7/", strings.NewReader(body))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.RequestURI = u, target
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	New(d, zap.NewNop()).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// compare settings, secrets by their text and addresses by theirs.
var sameSettings = cmp.Options{
	cmp.Comparer(func(a, b camio.Secret) bool { return a.Reveal() == b.Reveal() }),
	cmp.Comparer(func(a, b *url.URL) bool { return fmt.Sprint(a) == fmt.Sprint(b) }),
}

// The paths are those of the API document, "Get Camera Configuration", byte for byte.
const (
	docPing = "/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD="
	docTime = "/form/setNtp?ENABLE=1&SERVER=time.nist.gov"
	docFTP  = "/form/setFtpAlarmSending/?ENABLE=1&SCHED=0&SCHEDID=1&STREAMID=0&DURATION=1&FRAMERATE=1&INTERVAL=0&SERVER=ftp.camio.com&PORT=21&REMOTEPATH=123456789012&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio"
)

func TestTheDocumentsCommandsSetTheDevice(t *testing.T) {
	ping := Period{Enabled: true, URL: "www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)", Every: 30 * time.Second, Schedule: Schedule{ID: 1}}
	ntp := NTP{Enabled: true, Server: "time.nist.gov"}
	ftp := FTPAlarm{Enabled: true, Server: "ftp.camio.com", Port: 21, Auth: true, User: "abc123pdq", Password: "camio",
		RemotePath: "123456789012", After: time.Second, Rate: 1, Schedule: Schedule{ID: 1}}
	upload := HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Base: &url.URL{Scheme: "https", Host: "cloud.example.com:8443"}, Token: "tok", Camera: "Front door"}
	post := func(path string) (string, string) {
		form, query, _ := strings.Cut(path, "?")
		return form, query
	}
	pingForm, pingBody := post(docPing)
	tests := []struct {
		method, path, body string
		want               Setting
	}{
		{"GET", docPing, "", ping},
		{"GET", docTime, "", ntp},
		{"GET", docFTP, "", ftp},
		{"GET", "/" + docPing, "", ping},
		{"GET", strings.Replace(docPing, "/?ENABLE", "?ENABLE", 1), "", ping},
		{"GET", strings.Replace(docTime, "?", "/?", 1), "", ntp},
		{"POST", docTime, "", ntp},
		{"POST", "/form/setNtp", "ENABLE=1&SERVER=time.nist.gov\r\n", ntp},
		{"POST", "/form/setNtp?ENABLE=1", "SERVER=time.nist.gov", ntp},
		{"POST", pingForm, pingBody, ping},
		{"POST", pingForm, "ENABLE=1&URL=" + url.QueryEscape(ping.URL) + "&SEC=30&SCHEDID=1", ping},
		{"GET", "/form/setHttpPeriodSending?ENABLE=1&SEC=30&SCHEDID=1&URL=" + ping.URL, "", ping},
		{"GET", "/form/setHttpPeriodSending?URL=h/?AUTH=1&AUTH=2&x=%20&AUTH=1&USERNAME=a+b&PASSWORD=%26&SEC=5&MIN=1&HOUR=1&ENABLE=1", "",
			Period{Enabled: true, URL: "h/?AUTH=1&AUTH=2&x=%20", Every: time.Hour + time.Minute + 5*time.Second, Auth: true, User: "a b", Password: "&"}},
		{"GET", "/form/setFtpAlarmSending?ENABLE=1&SERVER=::1", "", FTPAlarm{Enabled: true, Server: "::1", Port: 21, After: time.Second, Rate: 1}},
		{"GET", "/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=https://cloud.example.com:8443/api/users/tok/cameras/Front%20door/content/", "", upload},
		{"GET", "/form/setHttpAlarmSending?URL=HTTPS://cloud.example.com:8443/api/users/tok/cameras/Front%20door/content&ENABLE=1", "", upload},
		{"POST", "/form/setHttpAlarmSending", "MODE=image&URL=http%3A%2F%2Fh%2Fpre%2Fapi%2Fusers%2Ft%2Fcameras%2Fa%2525b%2Fcontent%2F&ENABLE=1", HTTPAlarm{
			Enabled: true, Mode: camio.UploadImage, Base: &url.URL{Scheme: "http", Host: "h", Path: "/pre"}, Token: "t", Camera: "a%b"}},
		{"POST", "/form/setMotionZones/", ` [{"name":"door","polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":0.12079093470323,"y":1}]}],"id":7}] `, Zones{[]camio.Zone{
			{Name: "door", Polygons: []camio.Polygon{{Points: []camio.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0.12079093470323, Y: 1}}}}}}}},
		{"POST", "/form/setMotionZones", `[]`, Zones{[]camio.Zone{}}},
	}
	for _, tt := range tests {
		d := &device{}
		for range 2 { // the same again is told to the device again
			if code, got := send(t, d, tt.method, tt.path, tt.body); code != 200 || got != "000 Success\n" {
				t.Errorf("%s %s %s: %d %q", tt.method, tt.path, tt.body, code, got)
			}
		}
		if diff := cmp.Diff([]Setting{tt.want, tt.want}, d.took, sameSettings); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", tt.method, tt.path, tt.body, diff)
		}
	}
}

func TestWhatTheCloudSendsToCamwardSetsTheDevice(t *testing.T) {
	p, ok := profile.Builtin().Find("camward", "", "")
	if !ok {
		t.Fatal("no profile for camward")
	}
	zones := []camio.Zone{{Name: "door", Polygons: []camio.Polygon{{Points: []camio.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0, Y: 1}}}}}}
	commands, err := p.Commands(profile.Values{
		CloudURL: &url.URL{Scheme: "https", Host: "cloud.example.com"}, MAC: "123456789012", Camera: "Front door & co", UploadToken: "abc123pdq",
		FTPHost: "ftp.example.com", FTPPort: 2121, FTPPassword: "camio", NTPServer: "ntp.example.com", Period: 90 * time.Second, Zones: zones,
	})
	if err != nil || len(commands) != 5 {
		t.Fatal(len(commands), err)
	}
	d := &device{}
	for _, c := range commands {
		if code, got := send(t, d, c.Method, c.Path, c.Body, "Content-Type", c.ContentType); code != 200 || got != "000 Success\n" {
			t.Errorf("%s %s: %d %q", c.Method, c.Path, code, got)
		}
	}
	now := d.Settings()
	if got, want := now.Period.Candidates("123456789012", "192.0.2.5", false), "https://cloud.example.com/api/cameras/123456789012/?maker="; len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("polls %q, want %s...", got, want)
	}
	now.Period.URL = ""
	want := Settings{
		Period:    Period{Enabled: true, Every: 90 * time.Second, Schedule: Schedule{ID: 1}},
		NTP:       NTP{Enabled: true, Server: "ntp.example.com"},
		FTPAlarm:  FTPAlarm{Enabled: true, Server: "ftp.example.com", Port: 2121, Auth: true, User: "abc123pdq", Password: "camio", RemotePath: "123456789012", After: time.Second, Rate: 1, Schedule: Schedule{ID: 1}},
		HTTPAlarm: HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Base: &url.URL{Scheme: "https", Host: "cloud.example.com"}, Token: "abc123pdq", Camera: "Front door & co"},
		Zones:     Zones{zones},
	}
	if diff := cmp.Diff(want, now, sameSettings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A wrongRequest is refused with this answer.
type wrongRequest struct {
	method, path, body string
	status             int
	want               string // the answer's beginning
}

func wrongRequests() []wrongRequest {
	ping := func(query string) string { return "/form/setHttpPeriodSending?" + query }
	ftp := func(query string) string { return "/form/setFtpAlarmSending?ENABLE=1&SERVER=h&" + query }
	upload := func(address string) string { return "/form/setHttpAlarmSending?ENABLE=1&URL=" + address }
	triangle := `{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":0,"y":1}]}`
	return []wrongRequest{
		{"GET", "/form/", "", 404, "101 no such form; there are setFtpAlarmSending, "},
		{"GET", "/form/setntp?ENABLE=1&SERVER=h", "", 404, "101 "},
		{"GET", "/other/setNtp", "", 404, "101 "},
		{"GET", "///form/setNtp", "", 404, "101 "},
		{"PUT", docTime, "", 405, "102 this form is set by GET or POST"},
		{"HEAD", docTime, "", 405, "102 "},
		{"POST", "/form/getNtp", "", 405, "102 this form is read by GET"},
		{"GET", "/form/setMotionZones", "", 405, "102 this form is set by POST"},

		{"GET", "/form/setNtp?" + strings.Repeat("a", maxQuery+1), "", 413, "201 the query is longer"},
		{"POST", "/form/setNtp", strings.Repeat("a", maxBody+1), 413, "201 the body is larger"},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=h&SERVER=h", "", 400, "201 SERVER: given twice"},
		{"POST", "/form/setNtp?ENABLE=1&SERVER=h", "SERVER=i", 400, "201 SERVER: given twice"},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=%zz", "", 400, "201 SERVER: a % must be followed"},
		{"GET", "/form/setNtp?ENABLE=1&%zz=h", "", 400, "201 a parameter's name"},
		{"GET", "/form/setNtp?ENABLE=1&=h", "", 400, "201 a parameter's name"},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=h%0d%0a", "", 400, "201 SERVER: has control"},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=%E2%80%AEh", "", 400, "201 SERVER: has control"},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=%ff", "", 400, "201 SERVER: has control"},
		{"GET", "/form/setNtp?ENABLE=1&X=" + strings.Repeat("a", maxValue+1), "", 400, "201 X: longer than 1024"},
		{"GET", "/form/setNtp?" + manyParams(maxParams+1), "", 400, "201 more than 64 parameters"},
		{"GET", ping("ENABLE=1&SEC=30&URL=h/" + strings.Repeat("a", maxURL)), "", 400, "201 URL: longer than 2048"},
		{"GET", ping("ENABLE=1&SEC=30&URL=h/\u00e9"), "", 400, "201 URL: has a space or"},
		{"GET", ping("ENABLE=1&SEC=30&URL=h%2F%20"), "", 400, "201 URL: has a space or"},

		{"GET", "/form/setNtp", "", 400, "202 ENABLE: missing"},
		{"GET", "/form/setNtp?ENABLE=1", "", 400, "202 SERVER: missing"},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=", "", 400, "202 SERVER: missing"},
		{"GET", ping("ENABLE=1"), "", 400, "202 URL: missing; HOUR, MIN, SEC: missing"},
		{"GET", ping("ENABLE=1&URL=h/&SEC=30"), "", 400, "202 HOUR, MIN, SEC: missing; what stands behind URL"},
		{"GET", "/form/setFtpAlarmSending?ENABLE=1", "", 400, "202 SERVER: missing"},
		{"GET", ftp("AUTH=1&PASSWORD=x"), "", 400, "202 USERNAME: missing"},
		{"GET", "/form/setHttpAlarmSending?ENABLE=1&MODE=video", "", 400, "202 URL: missing"},

		{"GET", "/form/setNtp?ENABLE=yes&SERVER=h", "", 400, `203 ENABLE: "yes" is neither 0 nor 1`},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=http://h", "", 400, `203 SERVER: "http://h" is not a host`},
		{"GET", "/form/setNtp?ENABLE=1&SERVER=h%20x", "", 400, `203 SERVER: `},
		{"GET", "/form/setNtp?ENABLE=0&SERVER=-h", "", 400, `203 SERVER: `},
		{"GET", ping("ENABLE=1&SEC=4&URL=h/"), "", 400, "203 HOUR, MIN, SEC: 4s is outside 5 s..24 h"},
		{"GET", ping("ENABLE=1&HOUR=24&SEC=1&URL=h/"), "", 400, "203 HOUR, MIN, SEC: 24h0m1s is outside"},
		{"GET", ping("ENABLE=1&SEC=-30&URL=h/"), "", 400, `203 SEC: -30 is outside 0..86400`},
		{"GET", ping("ENABLE=1&SEC=30&URL=$(hwaddr)"), "", 400, "203 URL: "},
		{"GET", ping("ENABLE=1&SEC=30&URL=h/$(reboot)"), "", 400, "203 URL: only $(hwaddr)"},
		{"GET", ping("ENABLE=1&SEC=30&URL=h/$(hwaddr"), "", 400, "203 URL: only $(hwaddr)"},
		{"GET", ping("ENABLE=1&SEC=30&URL=ftp://h/"), "", 400, "203 URL: has no host, or a scheme"},
		{"GET", ping("ENABLE=1&SEC=30&URL=http:///x"), "", 400, "203 URL: has no host"},
		{"GET", ping("ENABLE=1&SEC=30&URL=https://user:pw@h/"), "", 400, "203 URL: must hold no user"},
		{"GET", ping("ENABLE=1&SEC=30&URL=h%2F%23x"), "", 400, "203 URL: must have no fragment"},
		{"GET", ping("ENABLE=1&SEC=30&URL=h:99999/"), "", 400, "203 URL: its port is outside"},
		{"GET", ping("ENABLE=1&SEC=30&URL=https://h:x/"), "", 400, "203 URL: cannot be read"},
		{"GET", ftp("PORT=70000"), "", 400, "203 PORT: 70000 is outside 1..65535"},
		{"GET", ftp("PORT=99999999999999999999"), "", 400, "203 PORT: 99999999999999999999 is outside 1..65535"},
		{"GET", ftp("PORT=&STREAMID=3&FRAMERATE=0.5"), "", 400, `203 STREAMID: 3 is outside 0..2; FRAMERATE: "0.5" is not a whole number; PORT: "" is not a whole number`},
		{"GET", ftp("DURATION=3601&INTERVAL=86401&SCHED=2&SCHEDID=17"), "", 400, "203 SCHED: "},
		{"GET", ftp("REMOTEPATH=a/../b"), "", 400, "203 REMOTEPATH: must not"},
		{"GET", ftp("REMOTEPATH=" + strings.Repeat("a", 256)), "", 400, "203 REMOTEPATH: longer than 255"},
		{"GET", "/form/setHttpAlarmSending?ENABLE=0&MODE=both", "", 400, `203 MODE: "both" is neither`},
		{"GET", upload("h/api/users/t/cameras/c/content/"), "", 400, "203 URL: needs https://"},
		{"GET", upload("https://h/api/users/t/cameras/c/"), "", 400, "203 URL: its path is not"},
		{"GET", upload("https://h/api/users/t/cameras/c/content/?camera_id=x"), "", 400, "203 URL: must have no user, query"},
		{"GET", upload("https://u:p@h/api/users/t/cameras/c/content/"), "", 400, "203 URL: must have no user, query"},
		{"GET", upload("https://h/api/users/../cameras/c/content/"), "", 400, "203 URL: its token"},
		{"GET", upload("https://h/api/users/t/cameras/a%2Fb/content/"), "", 400, "203 URL: its camera's name"},
		{"GET", upload("https://h/api/users/t/cameras/../content/"), "", 400, "203 URL: its camera's name"},
		{"GET", upload("https://h/api/users/t/cameras/%0a/content/"), "", 400, "203 URL: its camera's name"},
		{"GET", upload("https://h/api/users/t/cameras/%zz/content/"), "", 400, "203 URL: cannot be read"},

		{"POST", "/form/setMotionZones", "", 400, "201 the body is not a JSON array"},
		{"POST", "/form/setMotionZones", "null", 400, "201 the body is not a JSON array"},
		{"POST", "/form/setMotionZones", `{"zones":[]}`, 400, "201 the body is not a JSON array"},
		{"POST", "/form/setMotionZones", `[]]`, 400, "201 the body is not a JSON array"},
		{"POST", "/form/setMotionZones", `[{"name":""}]`, 400, `203 zone 1 (""): needs a name`},
		{"POST", "/form/setMotionZones", `[{"name":"a\u202e","polygons":[` + triangle + `]}]`, 400, `203 zone 1 ("a text that cannot be shown"): needs a name`},
		{"POST", "/form/setMotionZones", `[{"name":"a"}]`, 400, `203 zone 1 ("a"): needs a polygon`},
		{"POST", "/form/setMotionZones", `[{"name":"a","polygons":[{"points":[{"x":0,"y":0}]}]}]`, 400, `203 zone 1 ("a"): polygon 1 has 1 points`},
		{"POST", "/form/setMotionZones", `[{"name":"a","polygons":[` + strings.Replace(triangle, `"y":1`, `"y":1.01`, 1) + `]}]`, 400, `203 zone 1 ("a"): polygon 1, point 3: `},
		{"POST", "/form/setMotionZones", `[{"name":"a","polygons":[` + strings.Replace(triangle, `,"y":1`, ``, 1) + `]}]`, 400, `203 zone 1 ("a"): polygon 1, point 3: `},
		{"POST", "/form/setMotionZones", `[{"name":"a","polygons":[` + triangle + `]},{"name":"A","polygons":[` + triangle + `]}]`, 400, `203 zone 2 ("A"): the name is taken`},
		{"POST", "/form/setMotionZones", "[" + strings.Repeat(`{},`, maxZones) + "{}]", 400, `203 65 zones; at most 64`},
	}
}

func TestWrongRequestsSayWhatIsWrong(t *testing.T) {
	for _, tt := range wrongRequests() {
		d := &device{}
		code, got := send(t, d, tt.method, tt.path, tt.body)
		if code != tt.status || !strings.HasPrefix(got, tt.want) || strings.Count(got, "\n") != 1 || len(got) > 600 {
			t.Errorf("%s %.120s %.60s:\n got %d %q\nwant %d %q", tt.method, tt.path, tt.body, code, got, tt.status, tt.want)
		}
		if len(d.took) > 0 {
			t.Errorf("%s %.120s: the device was set: %v", tt.method, tt.path, d.took)
		}
	}
	if code, got := send(t, &device{}, "POST", "/form/setNtp", "{}", "Content-Type", "application/json"); code != 400 || !strings.HasPrefix(got, "201 the body is application/json") {
		t.Errorf("JSON for a form: %d %q", code, got)
	}
}

func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d=&", i)
	}
	return b.String()
}

func TestSwitchingOffKeepsTheRest(t *testing.T) {
	d := &device{}
	for _, path := range []string{docPing, docTime, docFTP, "/form/setHttpAlarmSending?ENABLE=1&URL=https://h/api/users/t/cameras/c/content/"} {
		send(t, d, "GET", path, "")
	}
	want := d.Settings()
	want.Period.Enabled, want.NTP.Enabled, want.FTPAlarm.Enabled, want.HTTPAlarm.Enabled = false, false, false, false
	want.FTPAlarm.Port = 2121
	for _, path := range []string{"setHttpPeriodSending?ENABLE=0", "setNtp?ENABLE=0", "setFtpAlarmSending?ENABLE=0&PORT=2121", "setHttpAlarmSending?ENABLE=0"} {
		if _, got := send(t, d, "GET", "/form/"+path, ""); got != success {
			t.Errorf("%s: %q", path, got)
		}
	}
	if diff := cmp.Diff(want, d.Settings(), sameSettings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsSetCanBeReadWithoutTheSecrets(t *testing.T) {
	d := &device{now: Settings{Info: Info{MAC: "123456789012", Maker: "camward", Model: "Pi", Serial: "s1", Firmware: "v1", LocalIP: "192.0.2.5", Camera: "front"}}}
	for _, path := range []string{
		strings.Replace(docPing, "AUTH=0&USERNAME=&PASSWORD=", "api_key=hidden1&AUTH=1&USERNAME=u&PASSWORD=hidden2", 1), docTime,
		strings.Replace(strings.Replace(docFTP, "abc123pdq", "hidden3", 1), "camio&", "hidden4", 1),
		"/form/setHttpAlarmSending?ENABLE=1&URL=https://h/pre/api/users/hidden5/cameras/a%20b/content/",
	} {
		if _, got := send(t, d, "GET", path, ""); got != success {
			t.Fatalf("%s: %q", path, got)
		}
	}
	send(t, d, "POST", "/form/setMotionZones", `[{"name":"a & b","polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":0,"y":0.5}]}]}]`)
	tests := map[string]string{
		"getHttpPeriodSending": "ENABLE=1\nSCHED=0\nSCHEDID=1\nHOUR=0\nMIN=0\nSEC=30\nURL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&api_key=***\nAUTH=1\nUSERNAME=u\nPASSWORD=***\n",
		"getNtp":               "ENABLE=1\nSERVER=time.nist.gov\n",
		"getFtpAlarmSending/":  "ENABLE=1\nSCHED=0\nSCHEDID=1\nSTREAMID=0\nDURATION=1\nFRAMERATE=1\nINTERVAL=0\nSERVER=ftp.camio.com\nPORT=21\nREMOTEPATH=123456789012\nAUTH=1\nUSERNAME=***\nPASSWORD=***\n",
		"getHttpAlarmSending":  "ENABLE=1\nMODE=video\nURL=https://h/pre/api/users/***/cameras/a%20b/content/\n",
		"getMotionZones":       `ZONES=[{"name":"a & b","polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":0,"y":0.5}]}]}]` + "\n",
		"getDeviceInfo":        "MAC=123456789012\nMAKER=camward\nMODEL=Pi\nSERIAL=s1\nFIRMWARE=v1\nIPADDRESS=192.0.2.5\nCAMERA=front\n",
	}
	for form, want := range tests {
		if code, got := send(t, d, "GET", "/form/"+form, ""); code != 200 || got != success+want {
			t.Errorf("%s: %d\n got %q\nwant %q", form, code, got, success+want)
		}
	}
	for form := range tests { // an unset device shows empty fields
		if code, got := send(t, &device{}, "GET", "/form/"+form, ""); code != 200 || !strings.HasPrefix(got, success) || strings.Contains(got, "nil") {
			t.Errorf("%s, unset: %d %q", form, code, got)
		}
	}
}

func TestAFailingDeviceIsToldWithoutSecrets(t *testing.T) {
	const ftp = "/form/setFtpAlarmSending?ENABLE=1&SERVER=h&AUTH=1&USERNAME=tok%20en&PASSWORD="
	const upload = "/form/setHttpAlarmSending?ENABLE=1&URL=https://h/api/users/token/cameras/c/content/"
	for _, tt := range []struct {
		path   string
		err    error
		status int
		want   string
	}{
		{docTime, errors.New("write settings: no space\nleft"), 500, "301 write settings: no space left; the setting before is in force\n"},
		{docTime, fmt.Errorf("SCHED: %w", ErrValue), 400, "203 SCHED: not possible on this device\n"},
		{docPing, fmt.Errorf("URL: plain HTTP: %w", ErrValue), 400, "203 URL: plain HTTP: not possible on this device\n"},
		{ftp, errors.New("reach https://h/api/users/tok%20en as tok en"), 500, "301 reach https://h/api/users/*** as ***; the setting before is in force\n"},
		{upload, errors.New("reach https://h/api/users/token"), 500, "301 reach https://h/api/users/***; the setting before is in force\n"},
		{docTime, errors.New("it said 000 SUCCESS"), 500, "301 the device could not apply it; its log says why\n"},
		{docTime, errors.New(strings.Repeat("\u00e9", 600)), 500, "301 " + strings.Repeat("\u00e9", 250) + "...\n"},
	} {
		if code, got := send(t, &device{err: tt.err}, "GET", tt.path, ""); code != tt.status || got != tt.want {
			t.Errorf("%v:\n got %d %q\nwant %d %q", tt.err, code, got, tt.status, tt.want)
		}
	}
}

func TestNoValueMakesAnErrorLookLikeSuccess(t *testing.T) {
	for _, path := range []string{"/form/setNtp?ENABLE=000+Success&SERVER=h", "/form/setNtp?ENABLE=1&SERVER=000%20Success", "/form/setFtpAlarmSending?ENABLE=1&SERVER=h&PORT=000%20success"} {
		if code, got := send(t, &device{}, "GET", path, ""); code != 400 || strings.Contains(strings.ToLower(got), "success") {
			t.Errorf("%s: %d %q", path, code, got)
		}
	}
	if _, got := send(t, &device{}, "POST", "/form/setMotionZones", `[{"name":"000 Success"}]`); strings.Contains(got, "Success") {
		t.Error(got)
	}
}

func TestOtherSitesPagesCannotSetTheDevice(t *testing.T) {
	const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
	tests := []struct {
		header []string
		want   int
	}{
		{nil, 200},
		{[]string{"User-Agent", "curl/7.88.1"}, 200},
		{[]string{"User-Agent", browser, "Sec-Fetch-Site", "none"}, 200},
		{[]string{"User-Agent", browser, "Sec-Fetch-Site", "same-origin", "Referer", "http://192.0.2.7/page"}, 200},
		{[]string{"User-Agent", browser, "Origin", "http://192.0.2.7"}, 200},
		{[]string{"User-Agent", browser}, 403},
		{[]string{"User-Agent", browser, "Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"User-Agent", browser, "Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"User-Agent", browser, "Origin", "null"}, 403},
		{[]string{"User-Agent", browser, "Origin", "http://192.0.2.7:81"}, 403},
		{[]string{"User-Agent", browser, "Referer", "http://evil.example/192.0.2.7"}, 403},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Referer", "::"}, 403},
	}
	for _, tt := range tests {
		d := &device{}
		code, got := send(t, d, "GET", docTime, "", tt.header...)
		if code != tt.want || (len(d.took) == 1) != (tt.want == 200) || tt.want == 403 && !strings.HasPrefix(got, "103 ") {
			t.Errorf("%q: %d %q", tt.header, code, got)
		}
		if code, _ := send(t, d, "GET", "/form/getNtp", "", tt.header...); code != 200 {
			t.Errorf("%q, reading: %d", tt.header, code)
		}
	}
}

func TestPollAddressesAreMadeFromTheTemplate(t *testing.T) {
	tests := []struct {
		url       string
		allowHTTP bool
		want      []string
	}{
		{"h/$(hwaddr)/?ip=$(localip)&b=%20", false, []string{"https://h/12AB/?ip=fe80%3A%3A1&b=%20"}},
		{"h/$(hwaddr)", true, []string{"https://h/12AB", "http://h/12AB"}},
		{"HTTP://h/x?u=http://y", true, []string{"http://h/x?u=http://y"}},
		{"http://h/x", false, nil},
		{"https://h/x", true, []string{"https://h/x"}},
		{"", true, nil},
	}
	for _, tt := range tests {
		if got := (Period{URL: tt.url}).Candidates("12AB", "fe80::1", tt.allowHTTP); !cmp.Equal(got, tt.want) {
			t.Errorf("%s, HTTP %v: %q, want %q", tt.url, tt.allowHTTP, got, tt.want)
		}
	}
}

func TestTheLogNamesIgnoredParametersAndNoValues(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	h := New(&device{}, zap.New(core))
	r := httptest.NewRequest("GET", docFTP+"&FOO=hidden&BAR=1", nil)
	h.ServeHTTP(httptest.NewRecorder(), r)
	text := fmt.Sprint(logs.All())
	for _, e := range logs.All() {
		text += fmt.Sprint(e.ContextMap())
	}
	if logs.Len() != 2 || !strings.Contains(text, "[BAR FOO]") || strings.Contains(text, "hidden") || strings.Contains(text, "abc123pdq") {
		t.Error(text)
	}
}

func TestTheAgentReachesItsOwnFormsWithoutANetwork(t *testing.T) {
	d := &device{}
	c := &http.Client{Transport: Transport(New(d, zap.NewNop()))}
	for _, path := range []string{docPing, docTime, "/" + docFTP} {
		req, err := http.NewRequest("GET", "http://camera.invalid", nil)
		if err != nil {
			t.Fatal(err)
		}
		form, query, _ := strings.Cut(path, "?")
		req.URL.Path, req.URL.RawQuery = form, query
		opaque := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: "camera.invalid", Opaque: "//camera.invalid" + path}}
		for _, r := range []*http.Request{req, opaque} {
			resp, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := resp.Write(&b); err != nil || !strings.HasPrefix(b.String(), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(b.String(), "\r\n\r\n"+success) {
				t.Errorf("%s: %q, %v", path, b.String(), err)
			}
		}
	}
	if len(d.took) != 6 || d.now.Period.URL != "www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)" || strings.Join(d.sender, "") != "" {
		t.Errorf("%d settings, %q, from %q", len(d.took), d.now.Period.URL, d.sender)
	}
	resp, err := c.Post("http://camera.invalid/form/setMotionZones", "application/json", strings.NewReader("[]"))
	if err != nil || resp.StatusCode != 200 || d.now.Zones.Zones == nil {
		t.Errorf("zones: %v, %v", resp, err)
	}
	if resp, err := c.Get("http://camera.invalid/form/x"); err != nil || resp.StatusCode != 404 {
		t.Errorf("unknown form: %v, %v", resp, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://camera.invalid"+docTime, nil)
	if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
