package board

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"camward/camio"
	"camward/camio/profile"
	"camward/internal/transport"
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

// A wire is a server that understands nothing of HTTP but where a request ends. It answers the n-th with answer(n, request) and
// hangs up.
type wire struct {
	address string
	mu      sync.Mutex
	got     []string
}

func newWire(t *testing.T, answer func(n int, request string) string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: ln.Addr().String()}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			w.serve(c, answer)
		}
	})
	t.Cleanup(func() { ln.Close(); done.Wait() })
	return w
}

func (w *wire) serve(c net.Conn, answer func(n int, request string) string) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
	}
	h, _ := textproto.NewReader(bufio.NewReader(strings.NewReader(head.String()[strings.Index(head.String(), "\n")+1:]))).ReadMIMEHeader()
	var n int64
	fmt.Sscan(h.Get("Content-Length"), &n)
	body, _ := io.ReadAll(io.LimitReader(r, n))
	w.mu.Lock()
	w.got = append(w.got, head.String()+string(body))
	text := answer(len(w.got), head.String()+string(body))
	w.mu.Unlock()
	io.WriteString(c, text)
}

func (w *wire) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got
}

const success = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n000 Success"

func always(text string) func(int, string) string { return func(int, string) string { return text } }

func unauthorized(challenges ...string) string {
	s := "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n"
	for _, c := range challenges {
		s += "WWW-Authenticate: " + c + "\r\n"
	}
	return s + "\r\n"
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

// answers a Digest challenge the way a server does, with nothing of the client's library.
func digestIsRight(request, algorithm, password string) error {
	line, _, _ := strings.Cut(request, " HTTP/1.1\r\n")
	method, target, _ := strings.Cut(line, " ")
	field := regexp.MustCompile(`(?m)^Authorization: Digest (.*)\r$`).FindStringSubmatch(request)
	if field == nil {
		return errors.New("no Digest")
	}
	p := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^, ]*))`).FindAllStringSubmatch(field[1], -1) {
		p[m[1]] = m[2] + m[3]
	}
	hash := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	if algorithm == "SHA-256" {
		hash = func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	}
	ha1, ha2 := hash(p["username"]+":"+p["realm"]+":"+password), hash(method+":"+target)
	want := hash(ha1 + ":" + p["nonce"] + ":" + ha2) // RFC 2069
	if p["qop"] != "" {
		want = hash(strings.Join([]string{ha1, p["nonce"], p["nc"], p["cnonce"], p["qop"], ha2}, ":"))
	}
	if p["uri"] != target || p["response"] != want || p["realm"] != "NC-336PW, v5" || p["algorithm"] != algorithm || p["opaque"] != "o/1==" {
		return fmt.Errorf("%v: want uri %s and response %s", p, target, want)
	}
	return nil
}

func TestTheWaySignInIsOfferedIsTaken(t *testing.T) {
	const realm = `realm="NC-336PW, v5", `
	tests := []struct {
		name       string
		challenges []string
		want       string // MD5, SHA-256, "" (no algorithm) or basic
	}{
		{"Digest of RFC 2069", []string{"Digest " + realm + `nonce="n1", opaque="o/1=="`}, ""},
		{"MD5 with qop", []string{"Digest " + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth"`}, "MD5"},
		{"SHA-256", []string{"Digest " + realm + `nonce="n1", opaque="o/1==", algorithm=SHA-256, qop="auth"`}, "SHA-256"},
		{"the list of qop has spaces", []string{"digest " + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth-int, auth"`}, "MD5"},
		{"nothing quoted, a comma too many", []string{"Digest " + realm + `nonce=n1==,,opaque="o/1==",algorithm=MD5,qop=auth,`}, "MD5"},
		{"Basic alone", []string{`Basic realm="NC-336PW, v5"`}, "basic"},
		{"Basic before Digest", []string{`Basic realm="x"`, "Digest " + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth"`}, "MD5"},
		{"both in one field", []string{`Basic realm="x, y=z", Digest ` + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth"`}, "MD5"},
		{"the first that is understood", []string{"Digest " + realm + `nonce="n1", algorithm=SHA-3`, "Digest " + realm + `nonce="n2", opaque="o/1==", algorithm=SHA-256, qop="auth"`}, "SHA-256"},
		{"Basic where Digest is not understood", []string{"Digest " + realm + `nonce="n1", algorithm=MD5-sess`, `basic realm=x`}, "basic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, func(n int, request string) string {
				if !strings.Contains(request, "Authorization: ") {
					return unauthorized(tt.challenges...)
				}
				if tt.want == "basic" {
					if strings.Contains(request, "\r\nAuthorization: Basic YWRtaW46aHVzaA==\r\n") {
						return success
					}
					return unauthorized()
				}
				if err := digestIsRight(request, tt.want, "hush"); err != nil {
					t.Error(err)
				}
				return success
			})
			f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address, User: "admin", Password: "hush"})
			a, err := f.Apply(t.Context(), camio.Command{Method: "PUT", Path: "/set?URL=a/$(hwaddr)/x&c=%2f", Body: "<again/>", IsAuthRequired: true})
			if err != nil || a.Status != 200 {
				t.Fatal(a, err)
			}
			got := w.requests()
			if len(got) != 2 || strings.Contains(got[0], "Authorization") || !strings.HasSuffix(got[1], "\r\n\r\n<again/>") {
				t.Errorf("sent %q", got)
			}
		})
	}
}

func TestAStaleNonceIsReplacedOnceAndNoneIsUsedTwice(t *testing.T) {
	w := newWire(t, func(n int, request string) string {
		stale := ""
		if n == 2 {
			stale = ", stale=TRUE"
		}
		if n == 3 || n == 5 {
			return success
		}
		return unauthorized(fmt.Sprintf(`Digest realm="r", qop="auth", nonce="n%d"%s`, n, stale))
	})
	f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address, User: "admin", Password: "hush"})
	for range 2 {
		if a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set", IsAuthRequired: true}); err != nil || a.Status != 200 {
			t.Fatal(a, err)
		}
	}
	var nonces []string
	for _, r := range w.requests() {
		if m := regexp.MustCompile(`nonce="(\w+)", .*nc=(\d+)`).FindStringSubmatch(r); m != nil {
			nonces = append(nonces, m[1]+" "+m[2])
		}
	}
	if got := strings.Join(nonces, ", "); got != "n1 00000001, n2 00000001, n4 00000001" {
		t.Error(got)
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

func TestWhatIsWrongIsTold(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	plain := func(text string) func(*testing.T) string {
		return func(t *testing.T) string { return "http://" + newWire(t, always(text)).address }
	}
	tests := []struct {
		name    string
		address func(*testing.T) string
		want    string
	}{
		{"refused", func(*testing.T) string { return "http://" + free.Addr().String() }, "nothing listens there, see board.firmware.address"},
		{"unknown name", func(*testing.T) string { return "http://camera.invalid" }, "board camera.invalid:80: "},
		{"hangs up", plain(""), "hangs up without an answer"},
		{"not HTTP", plain("000 Success\r\n\r\n"), "not HTTP"},
		{"HTTPS to an HTTP port", func(t *testing.T) string { return "https://" + plainServer(t) }, "does not speak HTTPS"},
		{"an error text", plain("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n# Error: no"), "answers with an error text"},
		{"no password set", plain(unauthorized("Basic realm=x")), ErrPassword.Error()},
		{"an unknown sign-in", plain(unauthorized("Negotiate")), "board.firmware.user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFirmware(t, "plain", FirmwareConfig{Address: tt.address(t)})
			if _, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set?secret=hush", IsAuthRequired: true}); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
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

// secure is a camera with a certificate of its own making, and the file that holds it.
func secure(t *testing.T) (host, file string, pin transport.Pin) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, p, ok := r.BasicAuth(); !ok || p != "hush" || r.ProtoMajor != 1 {
			w.Header().Set("WWW-Authenticate", "Basic realm=x")
			w.WriteHeader(401)
			return
		}
		io.WriteString(w, "000 Success "+r.RequestURI)
	}))
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	file = filepath.Join(t.TempDir(), "board.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.Listener.Addr().String(), file, transport.PinOf(s.Certificate())
}

// plainServer is a camera without TLS. It is never asked for anything but by a command.
func plainServer(t *testing.T) (host string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "000 Success") }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestHTTPSComesFirstAndHTTPOnlyWhereAllowed(t *testing.T) {
	host, file, pin := secure(t)
	plain := plainServer(t)
	tests := []struct {
		name string
		cfg  FirmwareConfig
		want string // in the error; empty: it works
	}{
		{"its certificate is known", FirmwareConfig{Address: host, CAFile: file}, ""},
		{"its key is known", FirmwareConfig{Address: host, Pins: []transport.Pin{pin}}, ""},
		{"both", FirmwareConfig{Address: "https://" + host, CAFile: file, Pins: []transport.Pin{pin}}, ""},
		{"another key", FirmwareConfig{Address: host, Pins: []transport.Pin{{1}}, AllowHTTP: true}, "board.firmware.pins: [" + pin.String() + "]"},
		{"an unknown certificate", FirmwareConfig{Address: "https://" + host}, "board.firmware.pins: [" + pin.String() + "]"},
		{"an unknown certificate does not lead to HTTP", FirmwareConfig{Address: host, AllowHTTP: true}, "board.firmware.pins: [" + pin.String() + "]"},
		{"HTTP only, and not allowed", FirmwareConfig{Address: plain}, "set board.firmware.allow_http"},
		{"HTTP only, and allowed", FirmwareConfig{Address: plain, AllowHTTP: true}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.User, tt.cfg.Password = "admin", "hush"
			f := newFirmware(t, "plain", tt.cfg)
			a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set?a=$(a)", IsAuthRequired: true})
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.want == "" && (err != nil || !strings.HasPrefix(string(a.Body), "000 Success")) {
				t.Error(a, err)
			}
		})
	}
}

func TestHTTPSOnceFoundIsNotGivenUp(t *testing.T) {
	host, _, pin := secure(t)
	f := newFirmware(t, "plain", FirmwareConfig{Address: host, Pins: []transport.Pin{pin}, AllowHTTP: true, User: "admin", Password: "hush"})
	if _, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set", IsAuthRequired: true}); err != nil {
		t.Fatal(err)
	}
	if scheme, _, err := f.link.find(t.Context()); scheme != "https" || err != nil {
		t.Error(scheme, err)
	}
}

func TestTheFirmwaresConfigurationIsChecked(t *testing.T) {
	for in, want := range map[string]address{
		"192.168.1.10": {"", "192.168.1.10", ""}, "camera.lan:8080": {"", "camera.lan", "8080"}, "HTTP://camera": {"http", "camera", ""},
		"https://[fe80::1]:443/": {"https", "fe80::1", "443"}, "[::1]": {"", "::1", ""},
	} {
		if got, err := parseAddress(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"http://", "ftp://x", "http://admin:hush@x", "x/path", "x?y", "x:0", "x:99999", "a b", "http://x#y", ":80"} {
		if got, err := parseAddress(in); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	err := FirmwareConfig{Address: "ftp://x", Password: "hush", CAFile: "/nowhere"}.Validate()
	for _, key := range []string{"board.firmware.address: ", "board.firmware.user: ", "board.firmware.ca_file: "} {
		if err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v lacks %s", err, key)
		}
	}
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Basic realm="x, y=z", Digest realm="NC-336PW", nonce="n1==", opaque="o\"1", algorithm=MD5, qop="auth, auth-int", stale=true`)
	f.Add(`Digest realm=x nonce=`)
	f.Add(`Negotiate, ,=,"`)
	f.Fuzz(func(t *testing.T, field string) {
		offers := parseChallenges([]string{field})
		if len(offers) > len(field) {
			t.Errorf("%d challenges in %q", len(offers), field)
		}
		got, err := authorize(offers, "GET", "/", "admin", "hush")
		if err == nil && (strings.ContainsAny(got, "\r\n") && !strings.ContainsAny(field, "\r\n") || strings.Contains(got, "hush")) {
			t.Errorf("%q is answered by %q", field, got)
		}
	})
}
