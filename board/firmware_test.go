package board

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"camward/camio"
	"camward/camio/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialects are of this test alone: each allows what a case needs.
const dialects = `profiles:
  - maker: plain
    failure: "^# Error:"
    endpoints:
      - {path: /set, others: true, query: {a: ".*", URL: ".*"}, methods: [GET, POST, PUT]}
      - {path: /form/set, slash: true, others: true, query: {a: ".*"}}
      - {path: /isapi/ftp, methods: [PUT], merge: {read: /isapi/ftp}}
  - maker: inquery
    auth: query
    user_param: usr
    password_param: pwd
    endpoints:
      - {path: /cgi, others: true, query: {URL: ".*"}}
      - {path: /bare}
`

func dialect(t *testing.T, maker string) *profile.Profile {
	t.Helper()
	set, err := profile.Builtin().Extend("dialects.yml", []byte(dialects))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := set.Find(maker, "", "")
	if !ok {
		t.Fatalf("no dialect %s", maker)
	}
	return p
}

func newFirmware(t *testing.T, maker string, cfg FirmwareConfig) *Firmware {
	t.Helper()
	f, err := NewFirmware(cfg, dialect(t, maker), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestARequestGoesOutByteForByte(t *testing.T) {
	const ping = "/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD="
	tests := []struct{ maker, method, path, body string }{
		{"Sharx", "GET", ping, ""},
		{"Sharx", "GET", "/" + ping, ""},
		{"plain", "GET", "/form/set?a=%7e%7E%2F[]{}*'()!~,:@", ""},
		{"plain", "GET", "/form/set/", ""},
		{"plain", "POST", "/set", "{\"a\": \"\r\n\x01\xc3\xa9\"}"},
		{"plain", "PUT", "/set?x=/../y//z", "<?xml version=\"1.0\"?>\n<a/>\n"},
		{"plain", "POST", "/set?x=1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			w := newWire(t, always(success))
			f := newFirmware(t, tt.maker, FirmwareConfig{Address: "http://" + w.address, User: "admin", Password: "hush"})
			a, err := f.Apply(t.Context(), camio.Command{Method: tt.method, Path: tt.path, Body: tt.body, ContentType: "application/xml", IsAuthRequired: true})
			if err != nil || a.Status != 200 || string(a.Body) != "000 Success" {
				t.Fatal(a, err)
			}
			got := w.requests()
			if len(got) != 1 || !strings.HasPrefix(got[0], tt.method+" "+tt.path+" HTTP/1.1\r\n") || !strings.HasSuffix(got[0], "\r\n\r\n"+tt.body) {
				t.Errorf("sent %q", got)
			}
			for _, never := range []string{"Authorization", "Cookie", "Accept-Encoding", "Referer"} {
				if strings.Contains(got[0], never) {
					t.Errorf("%s is in %q", never, got[0])
				}
			}
			if !strings.Contains(got[0], "\r\nHost: "+w.address+"\r\n") || !strings.Contains(got[0], "\r\nContent-Type: application/xml\r\n") {
				t.Errorf("sent %q", got[0])
			}
		})
	}
}

func TestAPathThatHTTPCannotCarryIsNotSent(t *testing.T) {
	for _, path := range []string{"/a b", "/a?b c", "/a\r\nX: y", "/a?\x00", "/a\x7f", "", "a", "http://elsewhere/", "//a|b?c", "//\u00e4"} {
		if u, err := wireURL("http", "board", path); err == nil {
			t.Errorf("%q becomes %q", path, u)
		} else if !errors.Is(err, errTarget) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func FuzzARequestLineIsTheCommandsPath(f *testing.F) {
	for _, s := range []string{"/", "//form/", "/a|b?c=$(hwaddr)&d=%zz", "/%2e%2e/", "/a?", "/a??b#c", "//a?b|c", "/\u00e4", "/a;b=c", "/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, err := request(t.Context(), "http", "board", camio.Command{Method: "GET", Path: path}, "")
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		if want := "GET " + path + " HTTP/1.1\r\nHost: board\r\n"; !strings.HasPrefix(b.String(), want) {
			t.Errorf("%q went out as %q", path, b.String())
		}
	})
}

func TestWhatTheProfileForbidsIsNotSent(t *testing.T) {
	w := newWire(t, always(success))
	f := newFirmware(t, "Sharx", FirmwareConfig{Address: "http://" + w.address})
	for _, c := range []camio.Command{{Method: "GET", Path: "/form/reboot"}, {Method: "DELETE", Path: "/form/setNtp?ENABLE=1"}, {Method: "GET", Path: "http://elsewhere/"}} {
		if _, err := f.Apply(t.Context(), c); err == nil {
			t.Errorf("%v was sent", c)
		}
	}
	if got := w.requests(); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
}

func TestNoCredentialsWhereTheCommandNeedsNone(t *testing.T) {
	w := newWire(t, always(unauthorized(`Basic realm="x"`)))
	f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address, User: "admin", Password: "hush"})
	a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set"})
	if err == nil || a.Status != 401 || len(w.requests()) != 1 {
		t.Error(a, err, w.requests())
	}
}

// answering gives a RoundTripper of the given function, for tests within the process.
type answering func(*http.Request) *http.Response

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func TestAWrongPasswordIsToldAndNotTriedUntilTheBoardLocksItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		password, tried := "other", 0
		f, err := NewFirmware(FirmwareConfig{User: "admin", Password: "hush"}, dialect(t, "plain"), answering(func(r *http.Request) *http.Response {
			if _, p, ok := r.BasicAuth(); ok {
				if tried++; p == password {
					return &http.Response{StatusCode: 200, Body: http.NoBody}
				}
			}
			return &http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {"Basic realm=x"}}, Body: http.NoBody}
		}))
		if err != nil {
			t.Fatal(err)
		}
		try := func() error {
			_, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set", IsAuthRequired: true})
			return err
		}
		for range 60 { // half an hour of polls
			if err := try(); !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), "hush") {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
		}
		if tried < 2 || tried > 5 {
			t.Errorf("the wrong password was tried %d times in half an hour", tried)
		}
		password = "hush"
		time.Sleep(longestPause)
		if err := try(); err != nil {
			t.Error(err)
		}
		if err := try(); err != nil {
			t.Error(err)
		}
	})
}

func TestCredentialsInTheQueryAreNotShown(t *testing.T) {
	for path, want := range map[string]string{
		"/cgi?cmd=snap": "GET /cgi?cmd=snap&usr=ad%20min&pwd=h%26us%2Bh%3D HTTP/1.1",
		"/bare":         "GET /bare?usr=ad%20min&pwd=h%26us%2Bh%3D HTTP/1.1",
		"/cgi?URL=$(a)": "GET /cgi?URL=$(a)&usr=ad%20min&pwd=h%26us%2Bh%3D HTTP/1.1",
	} {
		w := newWire(t, func(_ int, r string) string { // as web servers quote the address in their error pages
			line, _, _ := strings.Cut(r, "\r\n")
			return "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nno " + strings.ReplaceAll(line, "&", "&amp;") + " pwd=h&us+h="
		})
		f := newFirmware(t, "inquery", FirmwareConfig{Address: "http://" + w.address, User: "ad min", Password: "h&us+h="})
		a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: path, IsAuthRequired: true})
		if got := w.requests(); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], want+"\r\n") {
			t.Fatal(got, err)
		}
		if strings.Contains(string(a.Body), "us") && strings.Contains(string(a.Body), "h%26") || strings.Contains(string(a.Body), "h&us") || !strings.Contains(string(a.Body), "pwd=***") {
			t.Errorf("the answer shows %s", a.Body)
		}
		w = newWire(t, func(_ int, r string) string { return r + "\r\n\r\n" }) // not HTTP, and it echoes
		f = newFirmware(t, "inquery", FirmwareConfig{Address: "http://" + w.address, User: "ad min", Password: "h&us+h="})
		if _, err = f.Apply(t.Context(), camio.Command{Method: "GET", Path: path, IsAuthRequired: true}); err == nil || strings.Contains(err.Error(), "pwd") {
			t.Error(err)
		}
	}
}

func TestSettingsThatStayAreReadFirst(t *testing.T) {
	const held = "<FTP><id>1</id><enabled>false</enabled><path>keep</path></FTP>"
	w := newWire(t, func(n int, r string) string {
		if strings.HasPrefix(r, "GET ") {
			return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + held
		}
		return success
	})
	f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address})
	c := camio.Command{Method: "PUT", Path: "/isapi/ftp", Body: "<FTP><enabled>true</enabled></FTP>", ContentType: "application/xml"}
	if a, err := f.Apply(t.Context(), c); err != nil || a.Status != 200 {
		t.Fatal(a, err)
	}
	got := w.requests()
	if len(got) != 2 || !strings.Contains(got[1], "<enabled>true</enabled>") || !strings.Contains(got[1], "<path>keep</path>") {
		t.Errorf("sent %q", got)
	}

	for _, answer := range []string{"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n" + held, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>"} {
		w := newWire(t, always(answer))
		f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address})
		if a, err := f.Apply(t.Context(), c); err == nil || a.Status == 0 || len(w.requests()) != 1 {
			t.Errorf("%q: %v %v", answer, a, err)
		}
	}
}

func TestOnlyTheConfiguredBoardIsCalled(t *testing.T) {
	elsewhere := newWire(t, always(success))
	t.Setenv("HTTP_PROXY", "http://"+elsewhere.address)
	w := newWire(t, always("HTTP/1.1 302 Found\r\nLocation: http://"+elsewhere.address+"/set\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address, User: "admin", Password: "hush"})
	for range 2 {
		if a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set", IsAuthRequired: true}); err != nil || a.Status != 302 {
			t.Error(a, err)
		}
	}
	if n := len(elsewhere.requests()); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
	for _, r := range w.requests() {
		if strings.Contains(r, "Cookie") {
			t.Error(r)
		}
	}
}

func TestAnAnswerIsCutAt64KiB(t *testing.T) {
	w := newWire(t, always("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+strings.Repeat("x", 1<<20)))
	f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address})
	if a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set"}); err != nil || len(a.Body) != 64<<10 {
		t.Error(len(a.Body), err)
	}
}

func TestASilentBoardIsGivenUpAndACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := NewFirmware(FirmwareConfig{}, dialect(t, "plain"), silent{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set"}); err == nil || !strings.Contains(err.Error(), "no answer within 15s") {
			t.Error(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the agent stops")
		cancel(why)
		if _, err := f.Apply(ctx, camio.Command{Method: "GET", Path: "/set"}); !errors.Is(err, why) {
			t.Error(err)
		}
	})
}

type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestWithinTheProcessAHandlerSeesTheRequestAsFromTheNetwork(t *testing.T) {
	f, err := NewFirmware(FirmwareConfig{}, dialect(t, "Sharx"), answering(func(r *http.Request) *http.Response {
		if r.URL.Path != "/form/setNtp/" || r.URL.RawQuery != "ENABLE=1&SERVER=a.b" || r.RequestURI != "/form/setNtp/?ENABLE=1&SERVER=a.b" || r.Host != "board" {
			t.Errorf("%+v", r)
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("000 Success"))}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/form/setNtp/?ENABLE=1&SERVER=a.b"}); err != nil || a.Status != 200 {
		t.Error(a, err)
	}
	if _, err := NewFirmware(FirmwareConfig{}, dialect(t, "Sharx"), nil); err == nil {
		t.Error("without an address and a RoundTripper there is nothing to call")
	}
}
