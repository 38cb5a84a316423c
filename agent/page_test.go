package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/board/cgi"
	"camward/camio"
	"camward/capture"
	"camward/video"
)

const pagePassword = "the page's password"

// A visitor is a signed-in page of an agent whose HTTP server runs.
type visitor struct {
	t    *testing.T
	a    *Agent
	base string
}

// visit makes an agent of a directory and runs its HTTP server, and its pipeline if run is true.
func visit(t *testing.T, dir string, run bool, more ...string) *visitor {
	t.Helper()
	a := testAgent(t, dir, append([]string{"listen=127.0.0.1:0", "live.udp_port=0", "live.tcp_port=0"}, more...)...)
	if err := SetPassword(filepath.Join(dir, "state"), pagePassword); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.web.Run(ctx)
	}()
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		if run {
			a.cameras[0].Run(ctx)
		}
	}()
	t.Cleanup(func() {
		stop(errors.New("the test is over"))
		<-done
		<-ran
	})
	eventually(t, "the server listens", func() bool { return a.web.Address() != nil })
	return &visitor{t, a, "http://" + a.web.Address().String()}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// do asks as the page does and gives status and answer.
func (v *visitor) do(method, path, body string) (int, string) {
	v.t.Helper()
	req, err := http.NewRequest(method, v.base+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.SetBasicAuth(User, pagePassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// json asks and reads the answer, which is to be a success.
func (v *visitor) json(method, path, body string, into any) {
	v.t.Helper()
	status, text := v.do(method, path, body)
	if status != http.StatusOK {
		v.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		v.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// refused asks for what is to be refused with a status and one sentence, and gives that.
func (v *visitor) refused(method, path, body string, want int) string {
	v.t.Helper()
	status, text := v.do(method, path, body)
	var fault struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(text), &fault); err != nil || fault.Error == "" || strings.Contains(fault.Error, "\n") || status != want {
		v.t.Errorf("%s %s %.80s: %d %s, want %d and an error of one line", method, path, body, status, text, want)
	}
	return fault.Error
}

func TestThePagesAPIWantsThePassword(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	for _, route := range []string{"GET /api/cameras/front/detection", "PUT /api/cameras/front/detection", "DELETE /api/cameras/front/detection",
		"GET /api/cameras/front/controls", "PUT /api/cameras/front/controls", "GET /api/queue", "POST /api/queue/retry", "GET /api/commands",
		"POST /api/commands/x/approve", "POST /api/commands/x/refuse", "GET /api/claim", "POST /api/token/check", "GET /api/logs", "GET /api/support-bundle"} {
		method, path, _ := strings.Cut(route, " ")
		req, _ := http.NewRequest(method, v.base+path, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", route, resp.StatusCode)
		}
	}
}

const aZone = `[[0.1,0.1],[0.9,0.1],[0.9,0.9]]`

// detection is a body with all five settings.
func detectionBody(include, exclude string, area, contrast float64, duration int) string {
	return fmt.Sprintf(`{"include":%s,"exclude":%s,"min_area":%g,"min_contrast":%g,"min_duration_ms":%d}`, include, exclude, area, contrast, duration)
}

func TestDetectionSetOnThePageHoldsAtOnceAndOverARestart(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false, "cameras[0].motion.min_contrast=9")
	const path = "/api/cameras/front/detection"
	configured := pageDetection{Include: [][][]float64{}, Exclude: [][][]float64{}, MinArea: 0.001, MinContrast: 9, MinDuration: 300, From: "configuration"}
	set := pageDetection{Include: [][][]float64{{{0.1, 0.1}, {0.9, 0.1}, {0.9, 0.9}}}, Exclude: [][][]float64{}, MinArea: 0.02, MinContrast: 12, MinDuration: 500, From: "page"}
	holds := func(v *visitor, want pageDetection) {
		t.Helper()
		var got pageDetection
		v.json("GET", path, "", &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	holds(v, configured)
	var got pageDetection
	v.json("PUT", path, detectionBody("["+aZone+"]", "[]", 0.02, 12, 500), &got)
	if diff := cmp.Diff(set, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if c := v.a.cameras[0].settings.Load(); c == nil || c.MinArea != 0.02 || len(c.Include) != 1 {
		t.Errorf("the detector is to take %+v", c)
	}
	if st := v.a.device.status(); len(st) != 1 || st[0].Form != "detection of front" || st[0].By != "127.0.0.1" || st[0].At.IsZero() {
		t.Errorf("status %+v", st)
	}
	again := visit(t, dir, false)
	holds(again, set)
	if c := again.a.cameras[0].settings.Load(); c == nil || c.MinContrast != 12 {
		t.Errorf("after a restart the detector is to take %+v", c)
	}
	again.json("DELETE", path, "", &got)
	configured.MinContrast = 6
	if diff := cmp.Diff(configured, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if c := again.a.cameras[0].settings.Load(); c == nil || c.MinContrast != 6 || len(c.Include) != 0 {
		t.Errorf("the detector is to take %+v", c)
	}
	holds(visit(t, dir, false), configured)
}

func TestDetectionThatCannotHoldIsRefusedAndChangesNothing(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	const path = "/api/cameras/front/detection"
	all := `[[[0,0],[1,0],[1,1],[0,1]]]`
	tests := map[string]struct {
		body string
		want int
	}{
		"nothing":            {"", 400},
		"no object":          {"[]", 400},
		"null":               {"null", 400},
		"a setting missing":  {`{"include":[],"exclude":[],"min_area":0.001,"min_contrast":6}`, 400},
		"unknown setting":    {`{"include":[],"exclude":[],"min_area":0.001,"min_contrast":6,"min_duration_ms":300,"from":"page"}`, 400},
		"two values":         {detectionBody("[]", "[]", 0.001, 6, 300) + "{}", 400},
		"NaN":                {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "0.001", "NaN", 1), 400},
		"infinite":           {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "0.001", "1e999", 1), 400},
		"text":               {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "0.001", `"0.001"`, 1), 400},
		"area too large":     {detectionBody("[]", "[]", 0.6, 6, 300), 400},
		"area zero":          {detectionBody("[]", "[]", 0, 6, 300), 400},
		"contrast too large": {detectionBody("[]", "[]", 0.001, 65, 300), 400},
		"duration below":     {detectionBody("[]", "[]", 0.001, 6, -1), 400},
		"duration above":     {detectionBody("[]", "[]", 0.001, 6, 10001), 400},
		"duration overflows": {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "300", "9223372036854775807", 1), 400},
		"half a millisecond": {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "300", "300.5", 1), 400},
		"two points":         {detectionBody("[[[0,0],[1,1]]]", "[]", 0.001, 6, 300), 400},
		"three numbers":      {detectionBody("[[[0,0,0],[1,1,1],[0,1,0]]]", "[]", 0.001, 6, 300), 400},
		"one number":         {detectionBody("[[[0],[1],[0]]]", "[]", 0.001, 6, 300), 400},
		"no polygon":         {detectionBody("[null]", "[]", 0.001, 6, 300), 400},
		"outside":            {detectionBody("[[[0,0],[1.1,0],[1,1]]]", "[]", 0.001, 6, 300), 400},
		"many polygons":      {detectionBody("["+strings.Repeat(aZone+",", 64)+aZone+"]", "[]", 0.001, 6, 300), 400},
		"many points":        {detectionBody("[["+strings.Repeat("[0,0],", 256)+"[0,0]]]", "[]", 0.001, 6, 300), 400},
		"all excluded":       {detectionBody("[]", all, 0.001, 6, 300), 400},
		"nothing included":   {detectionBody("[[[0,0],[0.001,0],[0,0.001]]]", "[]", 0.001, 6, 300), 400},
		"less than counts":   {detectionBody("["+aZone+"]", "[]", 0.4, 6, 300), 422},
		"endless":            {`{"include":[` + strings.Repeat(aZone+",", 3000), 413},
		"deep":               {strings.Repeat("[", 60000), 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := &visitor{t, v.a, v.base}
			v.refused("PUT", path, tt.body, tt.want)
		})
	}
	if text := v.refused("PUT", path, detectionBody("["+aZone+"]", "[]", 0.4, 6, 300), 422); !strings.Contains(text, "cells") {
		t.Errorf("no reason in %q", text)
	}
	for _, name := range []string{"back", "%2e%2e%2ffront", "front%00", "FRONT"} {
		v.refused("GET", "/api/cameras/"+name+"/controls", "", 404)
		v.refused("PUT", "/api/cameras/"+name+"/controls", `{"x":1}`, 404)
		v.refused("DELETE", "/api/cameras/"+name+"/detection", "", 404)
	}
	if v.a.cameras[0].settings.Load() != nil || len(v.a.device.status()) > 0 {
		t.Error("something changed")
	}
}

func TestTheNewestOfPageAndCloudHolds(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false)
	const path = "/api/cameras/front/detection"
	zone := func(name string, x float64) camio.Zone {
		return camio.Zone{Name: name, Polygons: []camio.Polygon{{Points: []camio.Point{{X: x, Y: 0}, {X: 1, Y: 0}, {X: x, Y: 0.5}}}}}
	}
	cloud := func(zones ...camio.Zone) {
		t.Helper()
		if err := v.a.device.Apply(t.Context(), cgi.Zones{Zones: zones}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(step, from string, include, exclude int, area float64) {
		t.Helper()
		for _, v := range []*visitor{v, visit(t, dir, false)} { // and after a restart
			var got pageDetection
			v.json("GET", path, "", &got)
			if got.From != from || len(got.Include) != include || len(got.Exclude) != exclude || got.MinArea != area {
				t.Errorf("%s: %+v", step, got)
			}
			if c := v.a.cameras[0].settings.Load(); c != nil && (len(c.Exclude) != exclude || c.MinArea != area) {
				t.Errorf("%s: the detector has %+v", step, c)
			}
		}
	}
	want("at first", "configuration", 0, 0, 0.001)
	cloud(zone("-tree", 0.5), zone("door", 0.2))
	want("zones of the cloud", "cloud", 0, 1, 0.001)
	v.json("PUT", path, detectionBody("["+aZone+"]", "[]", 0.02, 6, 300), &pageDetection{})
	want("set on the page", "page", 1, 0, 0.02)
	cloud(zone("-tree", 0.5), zone("door", 0.3))
	want("the cloud says again what it said", "page", 1, 0, 0.02)
	cloud(zone("-tree", 0.5), zone("-street", 0.7))
	want("another zone of the cloud", "cloud", 0, 2, 0.02)
	v.json("PUT", path, detectionBody("[]", "["+aZone+"]", 0.03, 6, 300), &pageDetection{})
	want("set on the page again", "page", 0, 1, 0.03)
	cloud()
	want("the cloud takes its zones away", "cloud", 0, 0, 0.03)
	cloud(zone("-tree", 0.5), zone("door", 0.2))
	v.json("DELETE", path, "", &pageDetection{})
	want("back to the configuration", "configuration", 0, 0, 0.001)
	if z := v.a.device.Settings().Zones; len(z.Zones) != 1 || z.Zones[0].Name != "door" {
		t.Errorf("zones that silence nothing are %+v", z)
	}
	cloud(zone("-tree", 0.5))
	want("the cloud silences it again", "cloud", 0, 1, 0.001)
}

func TestAPageSettingThatCannotBeKeptIsNotInForce(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false)
	camera := &knobs{value: 5}
	v.a.cameras[0].controls = camera
	v.a.device.file = filepath.Join(dir, "no", "such", "settings.json")
	v.refused("PUT", "/api/cameras/front/detection", detectionBody("["+aZone+"]", "[]", 0.02, 6, 300), 500)
	v.refused("PUT", "/api/cameras/front/controls", `{"brightness":9}`, 500)
	var got pageDetection
	if v.json("GET", "/api/cameras/front/detection", "", &got); got.From != "configuration" {
		t.Errorf("%+v", got)
	}
	if c := v.a.cameras[0].settings.Load(); c == nil || c.MinArea != 0.001 {
		t.Errorf("the detector is to take %+v", c)
	}
	if camera.value != 5 || len(camera.kept) != 0 || len(v.a.device.status()) != 0 {
		t.Errorf("%+v, %+v", camera, v.a.device.status())
	}
}

// knobs is a camera with one control.
type knobs struct {
	value int32
	kept  map[string]int32
	fault error
}

func (k *knobs) Controls() ([]capture.Control, error) {
	return []capture.Control{{ID: 9963776, Name: "brightness", Label: "Brightness", Type: "integer", Max: 10, Step: 1, Default: 5, Value: k.value}}, k.fault
}

func (k *knobs) SetControls(values map[string]int32) ([]capture.Control, error) {
	for name, v := range values {
		if name != "brightness" || v < 0 || v > 10 {
			return nil, fmt.Errorf("%w: %s", capture.ErrControl, name)
		}
		k.value = v
	}
	if k.kept == nil {
		k.kept = map[string]int32{}
	}
	maps.Copy(k.kept, values)
	return k.Controls()
}

func (k *knobs) KeepControls(values map[string]int32) { k.kept = maps.Clone(values) }

func TestControlsSetOnThePageAreKept(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false)
	const path = "/api/cameras/front/controls"
	v.a.cameras[0].controls = &knobs{value: 5}
	want := `[{"id":9963776,"name":"brightness","label":"Brightness","type":"integer","min":0,"max":10,"step":1,"default":5,"value":%d}]` + "\n"
	if status, text := v.do("GET", path, ""); status != 200 || text != fmt.Sprintf(want, 5) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := v.do("PUT", path, `{"brightness":8}`); status != 200 || text != fmt.Sprintf(want, 8) {
		t.Errorf("%d %s", status, text)
	}
	for _, bad := range []string{``, `{}`, `[]`, `null`, `{"brightness":11}`, `{"contrast":1}`, `{"brightness":"8"}`, `{"brightness":null}`, `{"brightness":1.5}`,
		`{"brightness":99999999999}`, `{"brightness":7}{}`} {
		v.refused("PUT", path, bad, 400)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "state", "settings.json")); err != nil || !strings.Contains(string(b), `"brightness": 8`) {
		t.Errorf("%s, %v", b, err)
	}
	again := testAgent(t, dir)
	camera := &knobs{value: 5}
	again.cameras[0].controls = camera
	again.device.load(t.Context())
	if camera.kept["brightness"] != 8 {
		t.Errorf("after a restart %v is kept", camera.kept)
	}
	v.a.cameras[0].controls = &knobs{fault: fmt.Errorf("unplugged: %w", capture.ErrAbsent)}
	v.refused("GET", path, "", 503)
	v.refused("PUT", path, `{"brightness":8}`, 503)
}

func TestASourceThatIsNoDeviceHasNoControls(t *testing.T) {
	v := visit(t, t.TempDir(), false, "cameras[0].source=demo:")
	if status, text := v.do("GET", "/api/cameras/front/controls", ""); status != 200 || text != "[]\n" {
		t.Errorf("%d %s", status, text)
	}
	v.refused("PUT", "/api/cameras/front/controls", `{"brightness":8}`, 400)
	absent := visit(t, t.TempDir(), false, "cameras[0].source=/dev/video99")
	absent.refused("GET", "/api/cameras/front/controls", "", 503)
}

func TestAQuarantinedSettingsFileOfThePageIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{"detection":{"front":{}}}`,
		`{"detection":{"front":{"Include":[[[0,0]]],"MinArea":0.001,"MinContrast":6}}}`,
		`{"detection":{"other":{"MinArea":0.1,"MinContrast":6}},"controls":{"other":{"x":1}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "state", "settings.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c := testAgent(t, dir).cameras[0].settings.Load(); c != nil {
			t.Errorf("%s: the detector is to take %+v", text, c)
		}
	}
}

// cloudOf is a server that knows one token and lists one command.
func cloudOf(t *testing.T, command string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/tokens/good-token/hint" || strings.HasSuffix(r.URL.Path, "good-token/hint"):
			io.WriteString(w, `{"email":"te...@example.com"}`)
		case strings.HasSuffix(r.URL.Path, "/hint"):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message":"no such token"}`)
		default:
			json.NewEncoder(w).Encode(camio.PollReply{Commands: []camio.Command{{ID: "upload", DateUpdated: "1", Method: "GET", RegexResponse: "^000 Success", Path: command}}})
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestATokenIsCheckedOnThePage(t *testing.T) {
	cloud := cloudOf(t, "")
	v := visit(t, t.TempDir(), false, "cloud.url="+cloud.URL)
	const path = "/api/token/check"
	var got struct{ Email, Problem, Advice string }
	if v.json("POST", path, `{"token":""}`, &got); got.Problem != "no token" || got.Advice == "" {
		t.Errorf("without a token: %+v", got)
	}
	got.Problem, got.Advice = "", ""
	if v.json("POST", path, `{"token":"good-token"}`, &got); got.Email != "te...@example.com" || got.Problem != "" {
		t.Errorf("the right token: %+v", got)
	}
	got.Email = ""
	if v.json("POST", path, `{"token":"bad-token"}`, &got); got.Email != "" || got.Problem != string(WrongToken) || !strings.Contains(got.Advice, "copy it again") {
		t.Errorf("a wrong token: %+v", got)
	}
	for _, bad := range []string{``, `{"token":7}`, `{"token":"x","more":1}`, `{"token":"` + strings.Repeat("x", 257) + `"}`} {
		v.refused("POST", path, bad, 400)
	}
	base, _ := url.Parse(cloud.URL)
	if err := v.a.device.Apply(t.Context(), cgi.HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Base: base, Token: "good-token", Camera: "garden"}); err != nil {
		t.Fatal(err)
	}
	if v.json("POST", path, `{"token":""}`, &got); got.Email != "te...@example.com" {
		t.Errorf("the token in use: %+v", got)
	}
}

func TestCommandsAreDecidedOnThePage(t *testing.T) {
	cloud := cloudOf(t, "/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=http://127.0.0.1:1/api/users/secret-token/cameras/garden/content/")
	v := visit(t, t.TempDir(), false, "cloud.url="+cloud.URL, `cloud.poll.policy={"*": ask}`)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.a.poller.Run(ctx)
	}()
	defer func() { stop(); <-done }()
	var list Commands
	state := func() string {
		v.json("GET", "/api/commands", "", &list)
		if len(list.Poll.Commands) != 1 {
			return ""
		}
		return list.Poll.Commands[0].State
	}
	eventually(t, "it waits", func() bool { return state() == camio.StateWaiting })
	if _, text := v.do("GET", "/api/commands", ""); strings.Contains(text, "secret-token") {
		t.Errorf("a token in %s", text)
	}
	v.refused("POST", "/api/commands/other/approve", "{}", 404)
	v.json("POST", "/api/commands/upload/refuse", "{}", &list)
	if got := list.Poll.Commands[0].State; got != camio.StateRefused {
		t.Errorf("it is %s", got)
	}
	v.refused("POST", "/api/commands/upload/approve", "", 409)
}

func TestTheClaimIsShownAsAnAddressAndAPicture(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	var got struct {
		Claimed bool
		URL, QR string
	}
	v.json("GET", "/api/claim", "", &got)
	if got.Claimed || got.URL != v.a.base.String()+"/claim/"+v.a.id.MAC || !strings.HasPrefix(got.QR, "<svg xmlns=") || strings.Contains(got.QR, "style") {
		t.Errorf("%+v", got)
	}
}

func TestTheQueueIsListedAndTriedAgain(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	v.refused("GET", "/api/queue", "", 503)
	v.refused("POST", "/api/queue/retry", "{}", 503)
	if _, err := v.a.spool.open(); err != nil {
		t.Fatal(err)
	}
	defer v.a.spool.Close()
	if status, text := v.do("GET", "/api/queue", ""); status != 200 || text != "[]\n" {
		t.Errorf("%d %s", status, text)
	}
	rec, err := v.a.spool.Create(camio.Media{Kind: camio.KindSnapshot, Camera: "front", CameraID: v.a.id.MAC, Mono: video.Now()})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(rec, "picture")
	if err := rec.Finish(0); err != nil {
		t.Fatal(err)
	}
	var list []SpoolItem
	v.json("GET", "/api/queue", "", &list)
	if len(list) != 1 || list[0].Camera != "front" {
		t.Errorf("%+v", list)
	}
	v.json("POST", "/api/queue/retry", "{}", &list)
	if len(list) != 1 || list[0].NextTry != nil {
		t.Errorf("%+v", list)
	}
}

func TestTheDetectorTakesThePagesSettingsWhileItRuns(t *testing.T) {
	v := visit(t, t.TempDir(), true, "cameras[0].source=demo:?rate=15&size=320x240&first=2s&every=4s")
	p := v.a.cameras[0]
	messages, stop := p.Narrate(64)
	defer stop()
	await := func(what string, ok func(m map[string]any) bool) {
		t.Helper()
		for end := time.After(30 * time.Second); ; {
			select {
			case b := <-messages:
				m := map[string]any{}
				if err := json.Unmarshal(b, &m); err != nil {
					t.Fatalf("%v: %s", err, b)
				}
				if m["type"] == "detector" && ok(m) {
					return
				}
			case <-end:
				t.Fatalf("not in time: %s", what)
			}
		}
	}
	await("motion", func(m map[string]any) bool { return m["moving"] == true && len(m["boxes"].([]any)) > 0 })
	v.json("PUT", "/api/cameras/front/detection", detectionBody("[]", "[]", 0.5, 6, 300), &pageDetection{})
	await("the new setting", func(m map[string]any) bool {
		if m["learning"] == true {
			t.Fatal("it learns anew")
		}
		return m["min_area"] == 0.5
	})
	v.json("DELETE", "/api/cameras/front/detection", "", &pageDetection{})
	await("motion again", func(m map[string]any) bool { return m["moving"] == true && m["min_area"] == 0.001 })
}
