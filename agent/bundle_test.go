package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/board/cgi"
	"camward/camio"
	"camward/live"
)

// bundle asks for the support bundle and gives its files by name, without the directory.
func (v *visitor) bundle() map[string]string {
	v.t.Helper()
	req, _ := http.NewRequest("GET", v.base+"/api/support-bundle", nil)
	req.SetBasicAuth(User, pagePassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	if d := resp.Header.Get("Content-Disposition"); resp.StatusCode != 200 || !strings.HasPrefix(d, `attachment; filename="camward-support-`+v.a.id.MAC+"-") || !strings.HasSuffix(d, `.tar.gz"`) {
		v.t.Fatalf("%d, %s", resp.StatusCode, d)
	}
	zip, err := gzip.NewReader(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			v.t.Fatal(err)
		}
		b, err := io.ReadAll(archive)
		if err != nil {
			v.t.Fatal(err)
		}
		dir, name := filepath.Split(h.Name)
		if !strings.HasPrefix(dir, "camward-support-"+v.a.id.MAC) {
			v.t.Errorf("%s", h.Name)
		}
		files[name] = string(b)
	}
}

func TestTheSupportBundleTellsMuchAndNoSecret(t *testing.T) {
	secrets := []string{"s3cret-upload", "s3cret-proxy", "s3cret-ftp-user", "s3cret-ftp-pass", "s3cret-mqtt", "s3cret-turn", "s3cret-serial",
		"s3cret-poll-user", "s3cret-poll-query", "s3cret-form-ftp", "s3cret-form-ftp-user", "s3cret-form-http", "s3cret \"quoted\"<&>", "s3cret-board"}
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(camio.PollReply{Commands: []camio.Command{
			{ID: "upload", DateUpdated: "1", Method: "GET", RegexResponse: "^000 Success", Path: "/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=http://127.0.0.1:1/api/users/s3cret-waiting/cameras/garden/content/"},
			{ID: "wifi", DateUpdated: "1", Method: "POST", RegexResponse: "^000 Success", Path: "/form/setWifi?WPA_KEY=s3cret-wifi", Body: "PASSWORD=s3cret-wifi"},
		}})
	}))
	defer cloud.Close()
	dir := t.TempDir()
	v := visit(t, dir, false, "cloud.url="+cloud.URL, "cloud.upload_token=s3cret-upload", "cloud.ftp.user=s3cret-ftp-user", "cloud.ftp.password=s3cret-ftp-pass",
		"mqtt.url=mqtt://127.0.0.1:1", "mqtt.user=somebody", "mqtt.password=s3cret-mqtt", "board.serial=s3cret-serial", "first_password=serial", "board.firmware.user=somebody", "board.firmware.password=s3cret-board", `cloud.poll.policy={"*": ask}`)
	v.a.cfg.Live.ICEServers = []live.ICEServer{{URLs: []string{"turn:turn.example.com"}, User: "somebody", Password: "s3cret-turn"}}
	v.a.cfg.Cloud.Proxy = "http://somebody:s3cret-proxy@proxy.example.com"
	base, _ := url.Parse("http://127.0.0.1:1")
	for _, s := range []cgi.Setting{
		cgi.FTPAlarm{Enabled: true, Server: "ftp.example.com", Port: 21, Auth: true, User: "s3cret-form-ftp-user", Password: "s3cret-form-ftp", RemotePath: "front"},
		cgi.HTTPAlarm{Enabled: true, Mode: camio.UploadVideo, Base: base, Token: "s3cret-form-http", Camera: "garden"},
	} {
		if err := v.a.device.Apply(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	v.json("PUT", "/api/cameras/front/detection", detectionBody("["+aZone+"]", "[]", 0.02, 12, 500), &pageDetection{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.a.poller.Run(ctx)
	}()
	eventually(t, "the commands came", func() bool { return len(v.a.poller.Status().Commands) == 2 })
	stop()
	<-done
	for _, s := range []cgi.Setting{ // after the poll, which it would move
		cgi.Period{Enabled: true, URL: "http://127.0.0.1:1/api/cameras/$(hwaddr)/?maker=camward&token=s3cret-poll-query", Every: time.Minute, Auth: true, User: "s3cret-poll-user", Password: "s3cret \"quoted\"<&>"},
		cgi.Zones{Zones: []camio.Zone{{Name: "-tree", Polygons: []camio.Polygon{{Points: []camio.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0, Y: 1}}}}}}},
	} {
		if err := v.a.device.Apply(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range secrets { // as a slip would do it
		v.a.log.Warn("a slip: "+s, zap.String("x", s), zap.String("url", "http://x/api/users/"+url.PathEscape(s)+"/y?z="+url.QueryEscape(s)))
	}
	files := v.bundle()
	for name, want := range map[string][]string{
		"version.json":      {`"h264_encoder"`},
		"status.json":       {`"detection of front"`, `"cameras": [`},
		"configuration.txt": {`cloud.upload_token: "***"  # flag`, "turn.example.com", "cameras[0].motion.min_area: 0.001"},
		"settings.json":     {"setFtpAlarmSending", "1 include, 0 exclude, area 0.02, contrast 12, duration 500ms"},
		"commands.json":     {`"wifi"`, `"waiting"`, "WPA_KEY=***"},
		"queue.json":        {"not open"},
		"log.json":          {"a slip: ***"},
		"goroutines.txt":    {"goroutine ", "supportBundle"},
		"system.txt":        {"== /proc/meminfo\nMemTotal:", "== open files\n"},
	} {
		for _, w := range want {
			if !strings.Contains(files[name], w) {
				t.Errorf("%s lacks %q: %.600s", name, w, files[name])
			}
		}
	}
	if len(files) != 9 {
		t.Errorf("%d files", len(files))
	}
	for name, text := range files {
		if strings.HasSuffix(name, ".json") && !json.Valid([]byte(text)) {
			t.Errorf("%s is no JSON: %s", name, text)
		}
		for _, s := range append(secrets, "s3cret", "quoted", pagePassword, "Bearer") {
			for _, form := range []string{s, url.PathEscape(s), url.QueryEscape(s)} {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s has %q in ...%.120q", name, form, text[max(0, i-60):])
				}
			}
		}
	}
	if _, text := v.do("GET", "/api/logs", ""); strings.Contains(text, "s3cret") || !json.Valid([]byte(text)) {
		t.Errorf("the log on the page: %s", text)
	}
}

func TestMaskingHidesWordsAndLeavesJSONWhole(t *testing.T) {
	m := &masker{long: strings.NewReplacer("long-secret", "***", "nopassword", "***"), short: []string{"1234", "text", "true"}}
	tests := []struct{ in, json, text string }{
		{`{"text":"text","n":1234,"b":true,"s":"1234 a1234 1234b x=1234"}`, `{"text":"***","n":1234,"b":true,"s":"*** a1234 1234b x=***"}`, `{"***":"***","n":***,"b":***,"s":"*** a1234 1234b x=***"}`},
		{`{"a":"x\"1234\"y"}`, `{"a":"x\"***\"y"}`, `{"a":"x\"***\"y"}`},
		{`"\nopassword nopassword"`, `"\nopassword ***"`, `"\*** ***"`},
		{`["long-secret","along-secret2"]`, `["***","a***2"]`, `["***","a***2"]`},
		{`"cut 1234`, `"cut ***`, `"cut ***`},
		{`"cut 1234\`, `"cut ***\`, `"cut ***\`},
		{``, ``, ``},
	}
	for _, tt := range tests {
		if got := m.json(tt.in); got != tt.json {
			t.Errorf("json(%s) = %s, want %s", tt.in, got, tt.json)
		}
		if got := m.text(tt.in); got != tt.text {
			t.Errorf("text(%s) = %s, want %s", tt.in, got, tt.text)
		}
	}
}

func FuzzMasking(f *testing.F) {
	f.Add(`{"text":"text","n":1234,"s":"1234 \\"x\\"","a":["long-secret"]}`)
	f.Add(`"\\`)
	m := &masker{long: strings.NewReplacer("long-secret", "***"), short: []string{"1234", "text"}}
	f.Fuzz(func(t *testing.T, text string) {
		if got := m.json(text); json.Valid([]byte(text)) && !json.Valid([]byte(got)) {
			t.Errorf("%s became %s", text, got)
		}
	})
}

func TestOtherProgramsReadTheArchive(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	var b bytes.Buffer
	sizes := []int{0, 1, 511, 512, 513, 70_000}
	for _, n := range sizes {
		b.Write(tarFile(strings.Repeat("n", 94)+fmt.Sprintf("%06d", n), strings.Repeat("ü", n), at)) // 100 bytes, the longest name
	}
	b.Write(make([]byte, 2*tarBlock))
	archive := tar.NewReader(bytes.NewReader(b.Bytes()))
	for _, n := range sizes {
		h, err := archive.Next()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil || string(text) != strings.Repeat("ü", n) || h.Mode != 0o644 || !h.ModTime.Equal(at) || !strings.HasSuffix(h.Name, fmt.Sprintf("n%06d", n)) || h.Typeflag != tar.TypeReg {
			t.Errorf("%d bytes, %v, of %+v", len(text), err, h)
		}
	}
	if h, err := archive.Next(); err != io.EOF {
		t.Errorf("behind the last: %+v, %v", h, err)
	}
	list := exec.Command("tar", "-tv")
	list.Stdin = &b
	if out, err := list.CombinedOutput(); err != nil || strings.Count(string(out), "-rw-r--r-- 0/0") != len(sizes) {
		t.Errorf("tar: %v\n%s", err, out)
	}
}
