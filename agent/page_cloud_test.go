package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"camward/board/cgi"
	"camward/camio"
	"camward/video"
)

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
