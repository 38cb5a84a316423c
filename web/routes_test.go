package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
)

const guarded = "what only who signed in may see"

// withRoutes is a server with one route of each kind, beyond the loopback or on it.
func withRoutes(t *testing.T, listen string, p *Password) *Server {
	t.Helper()
	s, err := New(Config{Listen: listen}, p, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s.HandleOpen("GET /page/", text("open"))
	s.HandleOpen("GET /healthz", text("open"))
	s.Handle("GET /api/status", text(guarded))
	s.HandleView("POST /whep", text(guarded))
	s.HandleDigest("/form/", text(guarded))
	s.HandleView("GET /cameras/{camera}/snapshot.jpg", text(guarded))
	s.HandlePage("GET /{$}", text(guarded))
	s.HandlePage("GET /api/logs", text(guarded))
	s.HandlePage("PUT /api/cameras/{camera}/controls", text(guarded))
	s.HandleControl("POST /api/control/x", text(guarded))
	return s
}

func somePassword(t *testing.T) (p *Password, secret string) {
	t.Helper()
	p, secret, err := LoadPassword(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return p, secret
}

// method and path that a pattern takes.
func example(pattern string) (method, path string) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "GET", pattern
	}
	return method, strings.NewReplacer("{$}", "", "{camera}", "front").Replace(path)
}

func TestSignInIsEnforcedOnEveryRoute(t *testing.T) {
	p, _ := somePassword(t)
	for _, listen := range []string{":0", "127.0.0.1:0"} {
		s := withRoutes(t, listen, p)
		want := map[Access][]int{
			AccessOpen: {200}, AccessPassword: {401}, AccessDigest: {401}, AccessView: {401}, AccessPage: {401, 303}, AccessControl: {403},
			AccessSignIn: {200, 403, 303},
		}
		if n := len(s.Routes()); n != 13 {
			t.Errorf("%d routes", n)
		}
		for _, route := range s.Routes() {
			method, path := example(route.Pattern)
			for _, accept := range []string{"*/*", "text/html"} {
				for _, method := range []string{method, "HEAD", "OPTIONS", "TRACE", "PROPFIND"} {
					r := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
					r.Header.Set("Accept", accept)
					r.Header.Set("Cookie", "camward=x; __Host-camward=x; camward-80=")
					w := httptest.NewRecorder()
					s.guard().ServeHTTP(w, r)
					unknown := []int{401, 403} // a method that the route does not have says nothing, either
					if !slices.Contains(append(want[route.Access], unknown...), w.Code) || strings.Contains(w.Body.String(), guarded) {
						t.Errorf("%s: %s %s (%s): %d %q", listen, method, path, route.Access, w.Code, w.Body)
					}
					if w.Code == 303 && path != "/signout" && w.Header().Get("Location") != "/signin" && !strings.HasPrefix(w.Header().Get("Location"), "/signin?next=%2Fapi%2F") {
						t.Errorf("%s: to %s", path, w.Header().Get("Location"))
					}
					for name, part := range map[string]string{
						"Content-Security-Policy": "default-src 'none'; script-src 'self'", "X-Frame-Options": "DENY",
						"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
					} {
						if !strings.HasPrefix(w.Header().Get(name), part) {
							t.Errorf("%s: %s: %q", path, name, w.Header().Get(name))
						}
					}
				}
			}
		}
	}
}

func TestWithoutAPasswordTheDeviceItselfMayAskForAllButThePage(t *testing.T) {
	s := withRoutes(t, "127.0.0.1:0", nil)
	for _, route := range s.Routes() {
		method, path := example(route.Pattern)
		w := ask(s, "127.0.0.1:1", method, "http://localhost:8090"+path, "")
		want := map[Access]int{AccessOpen: 200, AccessPassword: 200, AccessDigest: 200, AccessView: 200, AccessPage: 403, AccessControl: 403, AccessSignIn: 403}[route.Access]
		if w.Code != want {
			t.Errorf("%s: %d %s", route.Pattern, w.Code, w.Body)
		}
		if route.Access == AccessPage && !strings.Contains(w.Body.String(), "camward password --reset") {
			t.Errorf("%s: %s", route.Pattern, w.Body)
		}
		if w := ask(s, "127.0.0.1:1", method, "http://rebind.example"+path, ""); route.Access != AccessOpen && strings.Contains(w.Body.String(), guarded) {
			t.Errorf("%s by another name: %d", route.Pattern, w.Code)
		}
	}
}

func TestAPasswordMadeWhileTheServerRunsCountsAtOnce(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Config{Listen: "127.0.0.1:0", StateDir: dir}, nil, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s.HandlePage("GET /{$}", text(guarded))
	s.Handle("GET /api/status", text("{}"))
	if got := ask(s, "127.0.0.1:1", "GET", "http://localhost/api/status", "").Code; got != 200 {
		t.Errorf("before: %d", got)
	}
	if _, err := SetPassword(dir, "correct horse"); err != nil {
		t.Fatal(err)
	}
	for auth, want := range map[string]int{"": 401, basic("correct horse"): 200} {
		for _, path := range []string{"/api/status", "/"} {
			if got := ask(s, "127.0.0.1:1", "GET", "http://localhost"+path, auth).Code; got != want {
				t.Errorf("%s with %q: %d, want %d", path, auth, got, want)
			}
		}
	}
}

func TestNoWayOfWritingAPathGetsAroundTheGuard(t *testing.T) {
	p, _ := somePassword(t)
	s := withRoutes(t, ":0", p)
	srv := httptest.NewServer(s.guard())
	defer srv.Close()
	for _, path := range []string{
		"//api/status", "///api/status", "/page/../api/status", "/page/..%2fapi/status", "/page/%2e%2e/api/status", "/healthz/../api/status",
		"/./api/status", "/api//status", "/%61pi/status", "/api%2fstatus", "/api/status/", "/API/STATUS", "/page//../../api/status", "/page/..;/api/status",
		"/cameras/..%2f..%2fpage%2f/snapshot.jpg", "/cameras//snapshot.jpg", "/page/\\..\\api\\status", "/form/../page/../form/x", "//form/x", "/form",
		"http://localhost/api/status", "http://x/page/../api/status", "*", "/?/page/", "//", "/signin/../", "/page/?/../api/status", "/%00", "/page/%00/../../api/status",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT", "get"} {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: camera\r\nAccept: text/html\r\nConnection: close\r\n\r\n", method, path)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			body, _ := io.ReadAll(resp.Body)
			conn.Close()
			to := resp.Header.Get("Location")
			if strings.Contains(string(body), guarded) || resp.StatusCode == 200 && method != "OPTIONS" && !strings.Contains(string(body), "open") && method != "HEAD" || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "http") {
				t.Errorf("%s %s: %d to %q %q", method, path, resp.StatusCode, to, body)
			}
		}
	}
}

func TestPagesOfOtherOriginsChangeNothing(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	token := s.sessions.start(p.kept.Load(), false)
	nonces := 0
	tests := []struct {
		method, path, by string
		headers          []string
		want             int
	}{
		{"PUT", "/api/cameras/front/controls", "cookie", nil, 200}, // a program
		{"PUT", "/api/cameras/front/controls", "cookie", []string{"Origin", "http://192.0.2.7:8090"}, 200},
		{"PUT", "/api/cameras/front/controls", "cookie", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"PUT", "/api/cameras/front/controls", "cookie", []string{"Origin", "http://192.0.2.7:9999"}, 403}, // cookies know no ports
		{"PUT", "/api/cameras/front/controls", "cookie", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"PUT", "/api/cameras/front/controls", "cookie", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"PUT", "/api/cameras/front/controls", "cookie", []string{"Origin", "null"}, 403},
		{"PUT", "/api/cameras/front/controls", "cookie", []string{"Origin", "https://evil.example"}, 403},
		{"PUT", "/api/cameras/front/controls", "basic", nil, 200},
		{"PUT", "/api/cameras/front/controls", "basic", []string{"Origin", "http://evil.example"}, 403},
		{"GET", "/api/logs", "cookie", []string{"Sec-Fetch-Site", "cross-site"}, 200}, // changes nothing, and cannot be read
		{"POST", "/whep", "cookie", []string{"Origin", "http://192.0.2.7:9999"}, 403},
		{"POST", "/whep", "cookie", []string{"Origin", "http://192.0.2.7:8090"}, 200},
		{"POST", "/whep", "digest", []string{"Origin", "https://player.example"}, 200}, // it was given the password; live decides whose pages may watch
		{"POST", "/whep", "digest", nil, 200},
		{"POST", "/form/setNtp", "cookie", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"POST", "/signout", "cookie", []string{"Origin", "http://evil.example"}, 403},
		{"POST", "/signin", "", []string{"Origin", "http://evil.example"}, 403},
		{"POST", "/signin", "", []string{"Sec-Fetch-Site", "same-site"}, 403},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, "http://192.0.2.7:8090"+tt.path, nil)
		r.RequestURI = tt.path
		for i := 0; i < len(tt.headers); i += 2 {
			r.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		switch tt.by {
		case "cookie":
			r.AddCookie(&http.Cookie{Name: "camward-8090", Value: token})
		case "basic":
			r.SetBasicAuth(User, secret)
		case "digest":
			nonces++
			r.Header.Set("Authorization", credentials(secret, s.digest.nonce(), "00000001", tt.method, tt.path))
		}
		w := httptest.NewRecorder()
		if s.guard().ServeHTTP(w, r); w.Code != tt.want {
			t.Errorf("%s %s by %q with %v: %d %s", tt.method, tt.path, tt.by, tt.headers, w.Code, w.Body)
		}
	}
	local := withRoutes(t, "127.0.0.1:0", nil)
	r := httptest.NewRequest("POST", "http://127.0.0.1:8090/form/setNtp", nil)
	r.Header.Set("Origin", "http://evil.example")
	w := httptest.NewRecorder()
	if local.guard().ServeHTTP(w, r); w.Code != 403 {
		t.Errorf("without a password: %d", w.Code)
	}
}

func TestTheOwnPageIsSentToTheFormWithoutADialogue(t *testing.T) {
	p, _ := somePassword(t)
	s := withRoutes(t, ":0", p)
	for referer, want := range map[string]string{
		"http://camera:8090/": "Cookie", "": "Basic", "http://elsewhere.example/": "Basic", "http://camera:80/": "Basic",
	} {
		r := httptest.NewRequest(http.MethodGet, "http://camera:8090/api/logs", nil)
		if referer != "" {
			r.Header.Set("Referer", referer)
		}
		w := httptest.NewRecorder()
		s.guard().ServeHTTP(w, r)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || !strings.HasPrefix(got, want) {
			t.Errorf("from %q: %d, %q, want %s", referer, w.Code, got, want)
		}
	}
}
