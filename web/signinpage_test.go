package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestABrowserIsSentToTheFormAndBack(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	browse := func(method, target string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, nil)
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		w := httptest.NewRecorder()
		s.guard().ServeHTTP(w, r)
		return w
	}
	for path, want := range map[string]string{"/": "/signin", "/api/logs?after=3": "/signin?next=%2Fapi%2Flogs%3Fafter%3D3"} {
		for _, method := range []string{"GET", "HEAD"} {
			if w := browse(method, "http://cam"+path); w.Code != 303 || w.Header().Get("Location") != want {
				t.Errorf("%s %s: %d to %q", method, path, w.Code, w.Header().Get("Location"))
			}
		}
	}
	if w := browse("GET", "http://cam/signin?next=%2Fapi%2Flogs%3Fafter%3D3"); w.Code != 200 || !strings.Contains(w.Body.String(), `name="next" value="/api/logs?after=3"`) {
		t.Errorf("the form: %d %s", w.Code, w.Body)
	}
	w := send(s, elsewhere, "http://cam/signin", url.Values{"password": {secret}, "next": {"/api/logs?after=3"}})
	if w.Code != 303 || w.Header().Get("Location") != "/api/logs?after=3" {
		t.Errorf("after signing in: %d to %q", w.Code, w.Header().Get("Location"))
	}
	c := w.Result().Cookies()[0]
	r := httptest.NewRequest("GET", "http://cam/signin?next=/x", nil)
	r.AddCookie(c)
	w = httptest.NewRecorder()
	if s.guard().ServeHTTP(w, r); w.Code != 303 || w.Header().Get("Location") != "/x" {
		t.Errorf("the form when signed in: %d", w.Code)
	}
	if w := ask(s, elsewhere, "GET", "http://cam/", ""); w.Code != 401 {
		t.Errorf("a program: %d", w.Code)
	}
}

func TestTheSignInPageHasNothingInlineAndNothingUnescaped(t *testing.T) {
	p, _ := somePassword(t)
	s := withRoutes(t, ":0", p)
	s.boundTLS.Store(&net.TCPAddr{Port: 8443})
	r := httptest.NewRequest("GET", `/signin?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E`, nil)
	r.Host = `"><script>alert(2)</script>:80`
	w := httptest.NewRecorder()
	s.guard().ServeHTTP(w, r)
	body := w.Body.String()
	if w.Code != 200 || regexp.MustCompile(`<script|<style|style=|\son\w+=|javascript:`).MatchString(body) {
		t.Errorf("%d %s", w.Code, body)
	}
	if !strings.Contains(body, "&#34;&gt;&lt;script&gt;alert(1)") {
		t.Errorf("next is not there: %s", body)
	}
	for _, m := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if !strings.HasPrefix(m[1], "/") && (!strings.HasPrefix(m[1], "https://") || !strings.HasSuffix(m[1], ":8443/signin")) {
			t.Errorf("leads to %q", m[1])
		}
	}
	for host, want := range map[string]string{"cam": "https://cam:8443/signin", "cam:8090": "https://cam:8443/signin", "[fd00::1]:80": "https://[fd00::1]:8443/signin", "[fd00::1]": "https://[fd00::1]:8443/signin"} {
		if got := httpsURL(host, 8443); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

var nexts = map[string]string{
	"": "/", "/": "/", "/api/logs": "/api/logs", "/?a=b&c=//x": "/?a=b&c=//x", "/a//b": "/a//b", "/%2f%2fevil.example": "/%2f%2fevil.example", "/.//evil.example": "/.//evil.example",
	"//evil.example": "/", "///evil.example": "/", `/\evil.example`: "/", `\/evil.example`: "/", "/\t/evil.example": "/", "/\n/evil.example": "/", "\t//evil.example": "/",
	"https://evil.example": "/", "https:evil.example": "/", "javascript:alert(1)": "/", "evil.example": "/", "/a b": "/", "/\x00": "/", "/\u2028": "/", "/a\r\nSet-Cookie: x=y": "/",
	"/signin": "/", "/signin?next=/signin": "/", "/signout": "/", "/signed": "/signed", "/" + strings.Repeat("a", maxNext): "/",
}

func TestWhereToGoAfterSigningInStaysOnThisHost(t *testing.T) {
	for next, want := range nexts {
		if got := localPath(next); got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}

// asBrowsersRead does to an address what WHATWG URL does with one of a special scheme before it looks for the host.
func asBrowsersRead(s string) string {
	s = strings.Trim(s, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	path, rest, _ := strings.Cut(s, "?")
	return strings.ReplaceAll(path, `\`, "/") + "?" + rest
}

func FuzzNext(f *testing.F) {
	for next := range nexts {
		f.Add(next)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := localPath(next)
		read := asBrowsersRead(got)
		if !strings.HasPrefix(read, "/") || strings.HasPrefix(read, "//") || strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q leads to %q", next, got)
		}
		base := &url.URL{Scheme: "http", Host: "cam:8090", Path: "/signin"}
		if u, err := url.Parse(got); err == nil && base.ResolveReference(u).Host != "cam:8090" {
			t.Errorf("%q leads to %s", next, base.ResolveReference(u))
		}
	})
}

func FuzzSignInForm(f *testing.F) {
	for _, body := range []string{"password=guess&next=%2F", "password=guess;next=/", "password=%zz", "&&&=", "password=" + strings.Repeat("a", maxForm), "next=//evil&next=/&password=x"} {
		f.Add("application/x-www-form-urlencoded", body)
	}
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nguess\r\n--x--\r\n")
	f.Add("text/plain", "password=guess")
	f.Add("", "")
	p, err := SetPassword(f.TempDir(), "a password that nothing finds")
	if err != nil {
		f.Fatal(err)
	}
	s, _ := New(Config{Listen: ":0"}, p, testLog)
	for range maxGuesses {
		s.limit.chargeGuess(address("192.0.2.1:1")) // no argon2id, which would be all that is measured
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest("POST", "/signin", strings.NewReader(body))
		r.Header["Content-Type"] = []string{kind}
		r.RemoteAddr = elsewhere
		w := httptest.NewRecorder()
		s.guard().ServeHTTP(w, r)
		if len(w.Header()["Set-Cookie"]) > 0 || w.Code < 400 {
			t.Errorf("%q %q: %d", kind, body, w.Code)
		}
	})
}

func TestAFormThatIsTooLargeIsRefused(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	if w := send(s, elsewhere, "http://cam/signin", url.Values{"password": {secret}, "x": {strings.Repeat("x", maxForm)}}); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", w.Code)
	}
	r := httptest.NewRequest("POST", "/signin", strings.NewReader("password=%zz"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	if s.guard().ServeHTTP(w, r); w.Code != http.StatusBadRequest {
		t.Errorf("damaged: %d", w.Code)
	}
}

// pipes is a listener without sockets, for synctest.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serving runs f with a server whose connections dial makes.
func serving(t *testing.T, s *Server, f func(dial func() net.Conn)) {
	ctx, cancel := context.WithCancel(t.Context())
	ln, done := make(pipes), make(chan error)
	go func() { done <- s.serve(ctx, ln) }()
	f(func() net.Conn {
		client, server := net.Pipe()
		ln <- server
		return client
	})
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
}

func TestABodyThatDoesNotComeHoldsNoConnection(t *testing.T) {
	p, _ := somePassword(t)
	for path, want := range map[string]time.Duration{"/signin": formTime, "/form/setNtp": refusedBody, "/nowhere": refusedBody} {
		synctest.Test(t, func(t *testing.T) {
			serving(t, withRoutes(t, ":0", p), func(dial func() net.Conn) {
				conn := dial()
				began := time.Now()
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: cam\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\npass", path)
				io.Copy(io.Discard, bufio.NewReader(conn))
				if took := time.Since(began); took > want+time.Second { // net/http lingers half a second
					t.Errorf("%s: closed after %v", path, took)
				}
				conn.Close()
			})
		})
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	p, _ := somePassword(t)
	synctest.Test(t, func(t *testing.T) {
		serving(t, withRoutes(t, ":0", p), func(dial func() net.Conn) {
			open := make([]net.Conn, maxConnectionsAddress)
			for i := range open {
				open[i] = dial()
			}
			synctest.Wait()
			beyond := dial()
			if _, err := beyond.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("one more: %v", err)
			}
			open[0].Close()
			synctest.Wait()
			again := dial()
			go fmt.Fprint(again, "GET /healthz HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n")
			if resp, err := http.ReadResponse(bufio.NewReader(again), nil); err != nil || resp.StatusCode != 200 {
				t.Errorf("after one has gone: %v", err)
			}
			for _, c := range append(open, beyond, again) {
				c.Close()
			}
		})
	})
}
