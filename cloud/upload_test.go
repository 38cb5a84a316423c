package cloud_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

func TestUploadAnswersByTheRules(t *testing.T) {
	c := cloudtest.New(t, cloudtest.MaxUpload(100_000))
	jpeg, clip := string(picture(t, 64, 48, 1)), string(movie(t, 2))
	digest := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return "Repr-Digest: sha-256=:" + base64.StdEncoding.EncodeToString(h[:]) + ":"
	}
	tests := []struct {
		name, method, path, body string
		header                   []string
		want                     int
	}{
		{"the document's picture", "PUT", "/2014-07-21T20:38:32.183-07:00.jpeg?camera_id=1234", jpeg, []string{"Content-Type: image/jpeg"}, 200},
		{"the document's clip", "POST", "/filename.mp4?camera_id=1234&upload_mode=video", clip, []string{"Content-Type: video/mp4"}, 200},
		{"no name, with slash", "POST", "/?camera_id=1234", jpeg, nil, 200},
		{"no name, no slash", "POST", "?camera_id=1234", jpeg, nil, 200},
		{"doubled slashes", "PUT", "//a.jpeg?camera_id=1234", jpeg, nil, 200},
		{"encoded colon and slash", "PUT", "/2014-07-21T20%3A38%2F32.jpeg?camera_id=1234", jpeg, nil, 200},
		{"form type is not trusted", "PUT", "/b.jpeg?camera_id=1234", jpeg, []string{"Content-Type: application/x-www-form-urlencoded"}, 200},
		{"image/jpg", "PUT", "/c.jpeg?camera_id=1234", jpeg, []string{"Content-Type: image/jpg"}, 200},
		{"clip without upload_mode", "PUT", "/d.mp4?camera_id=1234", clip, nil, 200},
		{"all parameters", "PUT", "/e.mp4?camera_id=1234&upload_mode=video&img_type=a&rotation=270&video_length=20.18&options=no_analysis,parse_timestamp", clip, nil, 200},
		{"right digest", "PUT", "/f.jpeg?camera_id=1234", jpeg, []string{digest(jpeg)}, 200},
		{"wrong digest", "PUT", "/g.jpeg?camera_id=1234", jpeg, []string{digest("x")}, 400},
		{"digest that is none", "PUT", "/g.jpeg?camera_id=1234", jpeg, []string{"Repr-Digest: sha-256=abc"}, 400},
		{"unknown digest algorithm", "PUT", "/h.jpeg?camera_id=1234", jpeg, []string{"Repr-Digest: md5=:AAAA:"}, 200},
		{"camera_id missing", "PUT", "/x.jpeg", jpeg, nil, 400},
		{"unknown mode", "PUT", "/x.jpeg?camera_id=1&upload_mode=film", jpeg, nil, 400},
		{"unknown type", "PUT", "/x.jpeg?camera_id=1&img_type=x", jpeg, nil, 400},
		{"unknown rotation", "PUT", "/x.jpeg?camera_id=1&rotation=45", jpeg, nil, 400},
		{"length zero", "PUT", "/x.mp4?camera_id=1&video_length=0", clip, nil, 400},
		{"length not a number", "PUT", "/x.mp4?camera_id=1&video_length=NaN", clip, nil, 400},
		{"unknown option", "PUT", "/x.jpeg?camera_id=1&options=fast", jpeg, nil, 400},
		{"alternate without event", "PUT", "/2001-01-01T00:00:00Z.jpeg?camera_id=1234&options=alternate", jpeg, nil, 400},
		{"empty body", "PUT", "/x.jpeg?camera_id=1", "", nil, 400},
		{"neither picture nor video", "PUT", "/x.jpeg?camera_id=1", "hello", nil, 400},
		{"text", "PUT", "/x.txt?camera_id=1", "hello", []string{"Content-Type: text/plain"}, 400},
		{"a clip called picture", "PUT", "/x.jpeg?camera_id=1", clip, []string{"Content-Type: image/jpeg"}, 400},
		{"a picture called clip", "PUT", "/x.mp4?camera_id=1", jpeg, []string{"Content-Type: video/mp4"}, 400},
		{"garbage called clip", "PUT", "/x.mp4?camera_id=1", "hello, hello", []string{"Content-Type: video/mp4"}, 400},
		{"a JPEG that is only a beginning", "PUT", "/x.jpeg?camera_id=1", "\xff\xd8\xff\xe0", nil, 400},
		{"too large", "PUT", "/x.jpeg?camera_id=1", jpeg + strings.Repeat("x", 100_000), nil, 413},
		{"method", "DELETE", "/x.jpeg?camera_id=1", "", nil, 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := send(t, tt.method, c.URL+"/api/users/"+c.Account.UploadToken+"/cameras/front/content"+tt.path, tt.body, tt.header...)
			if got.Status != tt.want {
				t.Fatalf("%d %s, want %d", got.Status, got.Body, tt.want)
			}
			if tt.want == 200 && got.Header.Get("Repr-Digest") != strings.TrimPrefix(digest(tt.body), "Repr-Digest: ") {
				t.Errorf("Repr-Digest %q is not that of the body", got.Header.Get("Repr-Digest"))
			}
			if tt.want != 200 && !strings.HasPrefix(got.Body, `{"message":"`) {
				t.Errorf("body %q has no message", got.Body)
			}
		})
	}
}

func TestUploadReplyAndTimes(t *testing.T) {
	now := noon.Add(90 * time.Minute)
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	jpeg := picture(t, 64, 48, 1)
	tests := []struct{ name, options, want string }{
		{"2014-07-21T20:38:32.183-07:00.jpeg", "", "2014-07-22T03:38:32.183-0000"},
		{"2014-07-21T20:38:32.183-0700", "", "2014-07-22T03:38:32.183-0000"},
		{"2014-07-21 20:38:32.jpeg", "", "2014-07-21T20:38:32.000-0000"},
		{"snapshot.jpeg", "", "2026-05-01T13:30:00.000-0000"},
		{"MDAlarm_20150919-143055.jpg", "", "2026-05-01T13:30:00.000-0000"},
		{"MDAlarm_20150919-143055.jpg", "parse_timestamp", "2015-09-19T14:30:55.000-0000"},
	}
	for i, tt := range tests {
		got := put(t, c, "front", tt.name, fmt.Sprintf("camera_id=1&options=%s&x=%d", tt.options, i), append(jpeg, byte(i)))
		if d := camio.FormatTime(got.DateCreated.Time); d != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.name, tt.options, d, tt.want)
		}
		if got.ID == "" || got.EventID == "" || got.Source != "front" || got.CameraID != "1" || got.ContentType != "image/jpeg" || got.Type != "m" {
			t.Errorf("%s: reply %+v is not complete", tt.name, got)
		}
	}
}

func TestRepeatedUploadIsOneItem(t *testing.T) {
	c := cloudtest.New(t)
	body := picture(t, 64, 48, 1)
	const n = 12
	got := make([]camio.Uploaded, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { got[i] = put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", body) })
	}
	wg.Wait()
	for i := range n {
		if got[i] != got[0] {
			t.Fatalf("repeat %d: %+v, first %+v", i, got[i], got[0])
		}
	}
	if s := search(t, c, ""); s.Result.Count != 1 || s.Result.Buckets[0].Count != 1 {
		t.Fatalf("%d events, want one with one picture: %+v", s.Result.Count, s.Result.Buckets)
	}
	other := put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 2))
	if other.ID == got[0].ID {
		t.Error("other bytes under the same name got the first item's id")
	}
	if a, b := put(t, c, "front", "", "camera_id=1", body), put(t, c, "front", "", "camera_id=1", body); a.ID == b.ID {
		t.Error("two uploads without a name were taken for one")
	}
}

func TestConcurrentUploadsOfManyCamerasAllArrive(t *testing.T) {
	c := cloudtest.New(t)
	var wg sync.WaitGroup
	for cam := range 4 {
		for i := range 8 {
			wg.Go(func() {
				put(t, c, fmt.Sprint("cam ", cam), stamp(float64(i*60), ".jpeg"), fmt.Sprint("camera_id=", cam), picture(t, 64, 48, i))
			})
		}
	}
	wg.Wait()
	if s := search(t, c, "num_results=100"); s.Result.Count != 32 {
		t.Fatalf("%d events, want 32", s.Result.Count)
	}
}

// stored lists the regular files below a directory.
func stored(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !d.IsDir() {
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// withData makes a server whose data directory the test can look into.
func withData(t *testing.T, log *zap.Logger) (*cloudtest.Cloud, string) {
	dir := t.TempDir()
	return cloudtest.New(t, func(c *cloud.Config) {
		c.FTPHost = "127.0.0.1"
		c.Data = dir
		if log != nil {
			c.Log = log
		}
	}), dir
}

func TestCutUploadLeavesNothing(t *testing.T) {
	c, dir := withData(t, nil)
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	body := movie(t, 2)
	for _, head := range []string{
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body[:len(body)/2]),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body)/2, body[:len(body)/2]),
	} {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /api/users/%s/cameras/front/content/a.mp4?camera_id=1 HTTP/1.1\r\nHost: x\r\n%s", c.Account.UploadToken, head)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 12)
		if _, err := conn.Read(answer); err != nil || string(answer) != "HTTP/1.1 400" {
			t.Errorf("answer %q, %v; want 400", answer, err)
		}
		conn.Close()
	}
	if files := append(stored(t, filepath.Join(dir, "tmp")), stored(t, filepath.Join(dir, "content"))...); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	if got := get(t, c, "/api/users/me/cameras"); got.Body != "[]" {
		t.Errorf("cameras %s, want none", got.Body)
	}
}

func TestRealCurlUploads(t *testing.T) {
	c := cloudtest.New(t)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	base := c.URL + "/api/users/" + c.Account.UploadToken + "/cameras/front/content/"
	clip := write("filename.mp4", movie(t, 2))
	jpeg := write("2014-07-21T20:38:32.183-07:00.jpeg", picture(t, 640, 480, 1))
	tests := []struct {
		name, script, want string
	}{
		{"clip by POST, curl appends the file's name", `curl -sS -H "Content-Type:video/mp4" -X POST -T "$CLIP" "$BASE?camera_id=1234&upload_mode=video"`, `"content_type":"video/mp4"`},
		{"unquoted, the shell cuts the query", `curl -sS -H "Content-Type: video/mp4" -X PUT -T "$CLIP" ${BASE}2014-07-21T20:38:31.000-07:00.mp4?camera_id=1234 & wait`, `"date_created":"2014-07-22T03:38:31.000-0000"`},
		{"picture", `curl -sS -H "Content-Type: image/jpeg" -X PUT -T "$JPEG" "${BASE}2014-07-21T20:38:32.183-07:00.jpeg?camera_id=1234"`, `"date_created":"2014-07-22T03:38:32.183-0000"`},
		{"chunked from a pipe", `cat "$CLIP" | curl -sS -T - "${BASE}piped.mp4?camera_id=1234"`, `"content_type":"video/mp4"`},
		{"with Expect", `curl -sS -H "Expect: 100-continue" -T "$JPEG" "${BASE}expected.jpeg?camera_id=1234"`, `"content_type":"image/jpeg"`},
		{"binary data as a form", `curl -sS --data-binary @"$JPEG" "${BASE}form.jpeg?camera_id=1234"`, `"content_type":"image/jpeg"`},
		{"wrong token", `curl -sS -T "$JPEG" "` + c.URL + `/api/users/nobody/cameras/front/content/?camera_id=1"`, `{"message":"API key is invalid"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", tt.script)
			cmd.Env = append(os.Environ(), "BASE="+base, "CLIP="+clip, "JPEG="+jpeg)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Fatalf("%v: %s, want %s", err, out, tt.want)
			}
		})
	}
}

func TestStoredBytesAreTheOriginalAndRangesWork(t *testing.T) {
	c := cloudtest.New(t)
	clip := movie(t, 3)
	up := put(t, c, "front", stamp(0, ".mp4"), "camera_id=1&upload_mode=video", clip)
	path := "/api/users/me/cameras/front/content/" + up.ID
	got := get(t, c, path)
	if got.Body != string(clip) || got.Header.Get("Content-Type") != "video/mp4" {
		t.Fatalf("%d bytes of %s, want %d of video/mp4", len(got.Body), got.Header.Get("Content-Type"), len(clip))
	}
	auth := "Authorization: token " + c.Account.OAuthToken
	part := send(t, "GET", c.URL+path, "", auth, "Range: bytes=100-199")
	if part.Status != 206 || part.Body != string(clip[100:200]) {
		t.Errorf("range: %d with %d bytes", part.Status, len(part.Body))
	}
	if r := send(t, "GET", c.URL+path, "", auth, "Range: bytes=99999999-"); r.Status != 416 {
		t.Errorf("range beyond the end: %d, want 416", r.Status)
	}
	if r := send(t, "GET", c.URL+path, "", auth, "If-None-Match: "+got.Header.Get("ETag")); r.Status != 304 {
		t.Errorf("unchanged: %d, want 304", r.Status)
	}
	if r := send(t, "HEAD", c.URL+path, "", auth); r.Status != 200 || r.Header.Get("Content-Length") != fmt.Sprint(len(clip)) {
		t.Errorf("HEAD: %d %v", r.Status, r.Header)
	}
	for _, p := range []string{"/api/users/me/cameras/front/content/nothing", "/api/users/me/cameras/other/content/" + up.ID} {
		if r := get(t, c, p); r.Status != 404 {
			t.Errorf("%s: %d, want 404", p, r.Status)
		}
	}
	if v := search(t, c, "content_type=video").Result.Buckets[0].Videos[0]; v.VideoLength < 2.9 || v.VideoLength > 3.1 {
		t.Errorf("length %v s was taken from the file, want 3", v.VideoLength)
	}
}

func TestRecordingOffAnswersButKeepsNothing(t *testing.T) {
	c, dir := withData(t, nil)
	if status, body := c.Do(t, "POST", "/api/users/me/settings", `{"recording_enabled":false}`); status != 200 {
		t.Fatal(status, body)
	}
	got := put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 1))
	if got.Recorded == nil || *got.Recorded {
		t.Errorf("reply %+v, want recorded false", got)
	}
	if files := stored(t, filepath.Join(dir, "content")); len(files) > 0 {
		t.Errorf("kept %v", files)
	}
	if cams := decode[[]camio.Camera](t, get(t, c, "/api/users/me/cameras").Body); len(cams) != 1 || !cams[0].IsOnline {
		t.Errorf("cameras %+v, want one online", cams)
	}
}

func TestSecretsAreNeitherInTheDataNorInTheLog(t *testing.T) {
	var log syncBuffer
	c, dir := withData(t, zapTo(&log))
	put(t, c, "front", stamp(0, ".jpeg"), "camera_id=00E04CC27CC5", picture(t, 64, 48, 1))
	link := strings.TrimPrefix(c.Account.SigninURL, c.URL)
	jar := signIn(t, c)
	send(t, "GET", c.URL+link, "")
	send(t, "GET", c.URL+"/api/search?access_token="+c.Account.OAuthToken, "")
	send(t, "GET", c.URL+"/api/tokens/"+c.Account.UploadToken+"/hint", "")
	if err := c.Server.Claim(t.Context(), "00E04CC27CC5", "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	if r := send(t, "GET", c.URL+"/api/cameras/00E04CC27CC5?maker=Sharx", ""); !strings.Contains(r.Body, c.Account.UploadToken) {
		t.Fatalf("claimed camera's commands lack the upload token: %s", r.Body)
	}
	all := []byte(log.String())
	for _, f := range stored(t, dir) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	for name, secret := range map[string]string{"upload token": c.Account.UploadToken, "OAuth token": c.Account.OAuthToken,
		"API key": c.Account.APIKey, "link": link[strings.LastIndexByte(link, '/')+1:], "session": jar[strings.IndexByte(jar, '=')+1:]} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("the %s stands in the data directory or the log", name)
		}
	}
	for _, p := range []string{"secret.key", "camward.db"} {
		if info, err := os.Stat(filepath.Join(dir, p)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", p, info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v; want mode 0700", info.Mode(), err)
	}
	if log.String() == "" {
		t.Error("nothing was logged, so nothing was shown")
	}
}

func TestUnknownRoutesAndMethods(t *testing.T) {
	c := cloudtest.New(t)
	for _, p := range []string{"/api", "/api/nothing", "/api/users/me/hooks", "/api/users/me/cameras/front/zones", "/nothing"} {
		if r := get(t, c, p); r.Status != 404 {
			t.Errorf("GET %s: %d, want 404", p, r.Status)
		}
	}
	r := send(t, "DELETE", c.URL+"/api/search", "")
	if r.Status != 405 || r.Header.Get("Allow") != "GET, HEAD, OPTIONS" || !strings.HasPrefix(r.Body, `{"message":`) {
		t.Errorf("DELETE /api/search: %d %v %s", r.Status, r.Header, r.Body)
	}
	r = send(t, "OPTIONS", c.URL+"/api/users/me/cameras/front/", "", "Origin: https://elsewhere.example")
	want := http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Methods": {"DELETE, GET, HEAD, OPTIONS"},
		"Access-Control-Allow-Headers": {"Authorization, Content-Type, If-Match"}, "Access-Control-Max-Age": {"86400"}}
	for k, v := range want {
		if got := r.Header.Get(k); r.Status != 204 || got != v[0] {
			t.Errorf("OPTIONS: %d, %s: %q, want %q", r.Status, k, got, v[0])
		}
	}
}
