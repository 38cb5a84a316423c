package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"camward/board/cgi"
	"camward/camio"
	"camward/uploader"
)

// testAgent is one that was wired and does not run.
func testAgent(t *testing.T, dir string, more ...string) *Agent {
	t.Helper()
	cfg, err := Load(Layers{File: writeFile(t, smallest), Flags: append([]string{
		"state_dir=" + filepath.Join(dir, "state"), "spool.dir=" + filepath.Join(dir, "spool"), "listen=", "board.time=leave", "cloud.upload_token=",
	}, more...)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg, "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	a.device.load(t.Context())
	return a
}

func TestWhatFormsSetOutlivesARestartAndShowsNoSecret(t *testing.T) {
	dir := t.TempDir()
	base, _ := url.Parse("http://127.0.0.1:1")
	want := cgi.Settings{
		Period:    cgi.Period{Enabled: true, URL: "http://127.0.0.1:1/api/cameras/$(hwaddr)/?maker=camward", Every: 45 * time.Second, Auth: true, User: "u", Password: "poll secret"},
		NTP:       cgi.NTP{Enabled: true, Server: "ntp.example.com"},
		FTPAlarm:  cgi.FTPAlarm{Enabled: true, Server: "ftp.example.com", Port: 2121, Auth: true, User: "token secret", Password: "ftp secret", RemotePath: "cams/front", After: 7 * time.Second, Rate: 2},
		HTTPAlarm: cgi.HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Base: base, Token: "http secret", Camera: "garden"},
		Zones:     cgi.Zones{Zones: []camio.Zone{{Name: "-tree", Polygons: []camio.Polygon{{Points: []camio.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0, Y: 1}}}}}}},
	}
	a := testAgent(t, dir)
	for _, s := range []cgi.Setting{want.Period, want.NTP, want.FTPAlarm, want.HTTPAlarm, want.Zones} {
		if err := a.device.Apply(t.Context(), s); err != nil {
			t.Fatalf("%T: %v", s, err)
		}
	}
	for _, a := range []*Agent{a, testAgent(t, dir)} {
		got := a.device.Settings()
		got.Info = cgi.Info{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if ways := a.uploads.ways; len(ways) != 2 || ways[0].camera != "garden" || ways[1].camera != "front" {
			t.Errorf("uploads go %+v", ways)
		}
		text, err := json.Marshal(a.Status())
		if err != nil || strings.Contains(string(text), "secret") {
			t.Errorf("the status shows a secret: %s, %v", text, err)
		}
		if st := a.device.status(); len(st) != 5 || st[0].By != "cloud" || st[0].At.IsZero() {
			t.Errorf("%+v", st)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "state", "settings.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestASettingThatIsNotPossibleLeavesTheOneBefore(t *testing.T) {
	a := testAgent(t, t.TempDir())
	good := cgi.FTPAlarm{Enabled: true, Server: "ftp.example.com", Port: 21, Auth: true, User: "token", Password: "camio", RemotePath: "front"}
	if err := a.device.Apply(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	https, _ := url.Parse("https://cloud.example.com")
	tests := map[string]cgi.Setting{
		"poll by schedule":        cgi.Period{Enabled: true, URL: "127.0.0.1:1/api/cameras/x", Every: time.Minute, Schedule: cgi.Schedule{Enabled: true, ID: 1}},
		"poll once a day":         cgi.Period{Enabled: true, URL: "127.0.0.1:1/api/cameras/x", Every: 24 * time.Hour},
		"poll of something else":  cgi.Period{Enabled: true, URL: "127.0.0.1:1/status", Every: time.Minute},
		"unknown schedule":        cgi.FTPAlarm{Enabled: true, Server: "f", Port: 21, User: "u", Schedule: cgi.Schedule{Enabled: true, ID: 3}},
		"second stream":           cgi.FTPAlarm{Enabled: true, Server: "f", Port: 21, User: "u", Stream: 1},
		"template as a directory": cgi.FTPAlarm{Enabled: true, Server: "f", Port: 21, User: "u", RemotePath: "{mac}/front"},
		"pictures instead":        cgi.HTTPAlarm{Enabled: true, Mode: camio.UploadImage, Base: https, Token: "t", Camera: "c"},
		"no server":               cgi.HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Token: "t", Camera: "c"},
		"all of the picture": cgi.Zones{Zones: []camio.Zone{{Name: "-all", Polygons: []camio.Polygon{{Points: []camio.Point{
			{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 1}, {X: 0, Y: 1}}}}}}},
	}
	for name, s := range tests {
		if err := a.device.Apply(t.Context(), s); !errors.Is(err, cgi.ErrValue) || strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	got := a.device.Settings()
	if diff := cmp.Diff(good, got.FTPAlarm); diff != "" || got.HTTPAlarm.Enabled || len(got.Zones.Zones) > 0 || got.Period.Every != 30*time.Second {
		t.Errorf("%s%+v", diff, got)
	}
	if len(a.uploads.ways) != 1 {
		t.Errorf("uploads go %+v", a.uploads.ways)
	}
}

func TestPlainHTTPIsOnlyForADeviceThatIsConfiguredSo(t *testing.T) {
	a := testAgent(t, t.TempDir(), "cloud.url=https://cloud.example.com")
	base, _ := url.Parse("http://cloud.example.com")
	for _, s := range []cgi.Setting{
		cgi.Period{Enabled: true, URL: "http://cloud.example.com/api/cameras/x", Every: time.Minute},
		cgi.HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Base: base, Token: "t", Camera: "c"},
	} {
		if err := a.device.Apply(t.Context(), s); !errors.Is(err, cgi.ErrValue) {
			t.Errorf("%T: %v", s, err)
		}
	}
	bases, err := a.pollBases(cgi.Period{Enabled: true, URL: "other.example.com/api/cameras/$(hwaddr)/"})
	if err != nil || len(bases) != 1 || bases[0] != "https://other.example.com" {
		t.Errorf("an address without a scheme: %v, %v", bases, err)
	}
	plain := testAgent(t, t.TempDir())
	bases, err = plain.pollBases(cgi.Period{Enabled: true, URL: "other.example.com/api/cameras/$(hwaddr)/"})
	if err != nil || len(bases) != 2 || bases[0] != "https://other.example.com" || bases[1] != "http://other.example.com" {
		t.Errorf("where plain http is configured: %v, %v", bases, err)
	}
}

func TestSwitchingOffGoesBackToTheConfiguration(t *testing.T) {
	a := testAgent(t, t.TempDir(), "cloud.upload_token=configured")
	if len(a.uploads.ways) != 1 || a.uploads.ways[0].camera != "" {
		t.Fatalf("uploads go %+v", a.uploads.ways)
	}
	on := cgi.FTPAlarm{Enabled: true, Server: "ftp.example.com", Port: 21, User: "u", RemotePath: "front"}
	off := on
	off.Enabled = false
	for _, tt := range []struct {
		set  cgi.Setting
		ftp  bool
		form string
	}{{on, true, ""}, {off, false, ""}, {on, true, "setFtpAlarmSending"}} {
		if err := a.device.Apply(t.Context(), tt.set); err != nil {
			t.Fatal(err)
		}
		if got := a.uploads.ways[0].camera == "front"; got != tt.ftp {
			t.Errorf("after %+v uploads go %+v", tt.set, a.uploads.ways)
		}
		if tt.form != "" {
			if err := a.device.reset(tt.form); err != nil || a.uploads.ways[0].camera != "" || a.device.Settings().FTPAlarm.Enabled {
				t.Errorf("after a reset: %v, %+v", err, a.uploads.ways)
			}
		}
	}
}

func TestADamagedSettingsFileKeepsTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", "null", `{"http_alarm":{"Enabled":true,"Base":"::"}}`, `{"ftp_alarm":{"Enabled":true}}`} {
		if err := os.WriteFile(filepath.Join(dir, "state", "settings.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a := testAgent(t, dir, "cloud.upload_token=configured")
		if len(a.uploads.ways) != 1 || a.uploads.ways[0].camera != "" {
			t.Errorf("%q: uploads go %+v", text, a.uploads.ways)
		}
	}
}

func TestSchedulesAreFoundByNumber(t *testing.T) {
	s := Schedules{{ID: 1, Hours: uploader.Hours{First: 22, Last: 6}}}
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 30, 0, 0, time.Local) }
	f := cgi.FTPAlarm{Enabled: true, Schedule: cgi.Schedule{Enabled: true, ID: 1}}
	if one := s.find(f); one == nil || !one.open(at(23)) || one.open(at(12)) {
		t.Errorf("%+v", one)
	}
	f.Schedule.Enabled = false
	if one := s.find(f); one != nil || !one.open(at(12)) {
		t.Errorf("%+v", one)
	}
	if err := (Schedules{{ID: 0}, {ID: 17}, {ID: 17}}).validate(); err == nil || len(Faults(err)) != 7 {
		t.Errorf("%v", err)
	}
}

func TestASettingThatCannotBeKeptIsNotInForce(t *testing.T) {
	dir := t.TempDir()
	a := testAgent(t, dir, "cloud.upload_token=configured")
	if err := os.WriteFile(filepath.Join(dir, "state"), nil, 0o600); err != nil { // where a directory should be
		t.Fatal(err)
	}
	base, _ := url.Parse("http://127.0.0.1:1")
	zone := camio.Zone{Name: "-tree", Polygons: []camio.Polygon{{Points: []camio.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0, Y: 1}}}}}
	for _, s := range []cgi.Setting{
		cgi.Period{Enabled: true, URL: "http://127.0.0.1:1/api/cameras/$(hwaddr)/", Every: 45 * time.Second},
		cgi.FTPAlarm{Enabled: true, Server: "ftp.example.com", Port: 21, User: "u", RemotePath: "front"},
		cgi.HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Base: base, Token: "t", Camera: "garden"},
		cgi.Zones{Zones: []camio.Zone{zone}},
	} {
		if err := a.device.Apply(t.Context(), s); err == nil {
			t.Errorf("%T: kept in a file that cannot be", s)
		}
	}
	if got := a.poller.Status().Period; got != 30 {
		t.Errorf("the poll is every %v s", got)
	}
	if len(a.uploads.ways) != 1 || a.uploads.ways[0].camera != "" {
		t.Errorf("uploads go %+v", a.uploads.ways)
	}
	if c := a.cameras[0].settings.Load(); c == nil || len(c.Exclude) != 0 {
		t.Errorf("the detector has %+v", c)
	}
}

func TestTheStatusHidesSecretsOfAPollAddress(t *testing.T) {
	a := testAgent(t, t.TempDir())
	err := a.device.Apply(t.Context(), cgi.Period{Enabled: true, URL: "http://127.0.0.1:1/api/cameras/$(hwaddr)/?maker=camward&token=51r6kndapc", Every: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(a.Status())
	if err != nil || strings.Contains(string(text), "51r6kndapc") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLostSettingsAreAskedForAnew(t *testing.T) {
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/hint") {
			io.WriteString(w, `{"email":"test@..."}`)
			return
		}
		json.NewEncoder(w).Encode(camio.PollReply{Commands: []camio.Command{{ID: "upload", DateUpdated: "1", Method: "GET", RegexResponse: "^000 Success",
			Path: "/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=http://" + r.Host + "/api/users/t0ken/cameras/garden/content/"}}})
	}))
	defer cloud.Close()
	dir := t.TempDir()
	poll := func() *Agent {
		a := testAgent(t, dir, "cloud.url="+cloud.URL)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		done := make(chan struct{})
		go func() { defer close(done); a.poller.Run(ctx) }()
		for ctx.Err() == nil {
			if st := a.poller.Status(); len(st.Commands) == 1 && st.Commands[0].State == camio.StateApplied {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
		<-done
		return a
	}
	file := filepath.Join(dir, "state", "settings.json")
	for _, damage := range []func() error{
		func() error { return nil },
		func() error { return os.Remove(file) },
		func() error { return os.WriteFile(file, []byte("{"), 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if ways := poll().uploads.ways; len(ways) != 1 || ways[0].camera != "garden" {
			t.Errorf("a claimed camera uploads %+v", ways)
		}
	}
}

func TestAPollThatWasMovedToADeadServerComesBackThoughItsTrialIsLost(t *testing.T) {
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"mac_address":"02FC00000001","commands":[]}`)
	}))
	defer cloud.Close()
	dir := t.TempDir()
	other := httptest.NewServer(http.NotFoundHandler()) // answers, and is no cloud
	defer other.Close()
	a := testAgent(t, dir, "cloud.url="+cloud.URL)
	if err := a.device.Apply(t.Context(), cgi.Period{Enabled: true, URL: other.URL + "/api/cameras/$(hwaddr)/", Every: time.Minute}); err != nil {
		t.Fatal(err)
	}
	a = testAgent(t, dir, "cloud.url="+cloud.URL) // commands.json, which knows of the trial, is gone
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); a.poller.Run(ctx) }()
	for ctx.Err() == nil && !a.poller.Reached() {
		time.Sleep(10 * time.Millisecond)
	}
	if !a.poller.Reached() {
		t.Errorf("the device is lost: %+v", a.poller.Status())
	}
	cancel()
	<-done
}
