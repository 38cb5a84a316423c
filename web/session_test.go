package web

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// send posts a form as a browser at from would.
func send(s *Server, from, target string, form url.Values, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.guard().ServeHTTP(w, r)
	return w
}

// withCookies asks for a route with cookies, as the server set them.
func withCookies(s *Server, target string, cookies ...*http.Cookie) int {
	r := httptest.NewRequest("GET", target, nil)
	r.RemoteAddr = elsewhere
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.guard().ServeHTTP(w, r)
	return w.Code
}

func form(secret string) url.Values { return url.Values{"password": {secret}} }

// enter signs in and gives the cookie.
func enter(t *testing.T, s *Server, target, secret string, cookies ...*http.Cookie) *http.Cookie {
	t.Helper()
	w := send(s, elsewhere, target, form(secret), cookies...)
	got := w.Result().Cookies()
	if w.Code != 303 || len(got) != 1 {
		t.Fatalf("sign-in: %d %s %v", w.Code, w.Body, got)
	}
	return got[0]
}

func TestASessionOpensEveryRouteButTheControlOnes(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	c := enter(t, s, "http://192.0.2.7:8090/signin", secret)
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure || len(c.Value) < 26 {
		t.Errorf("cookie: %+v", c)
	}
	for _, route := range s.Routes() {
		method, path := example(route.Pattern)
		if route.Access == AccessSignIn {
			continue
		}
		r := httptest.NewRequest(method, "http://192.0.2.7:8090"+path, nil)
		r.AddCookie(c)
		w := httptest.NewRecorder()
		want := map[bool]int{true: 403, false: 200}[route.Access == AccessControl]
		if s.guard().ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d", route.Pattern, w.Code)
		}
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	c := enter(t, s, "http://cam/signin", secret)
	if got := withCookies(s, "http://cam/api/logs", c); got != 200 {
		t.Fatalf("signed in: %d", got)
	}
	w := send(s, elsewhere, "http://cam/signout", nil, c)
	gone := w.Result().Cookies()
	if w.Code != 303 || w.Header().Get("Location") != "/signin" || len(gone) != 1 || gone[0].MaxAge >= 0 || gone[0].Name != c.Name {
		t.Errorf("sign-out: %d %v", w.Code, gone)
	}
	if got := withCookies(s, "http://cam/api/logs", c); got != 401 {
		t.Errorf("afterwards: %d", got)
	}
	if w := send(s, elsewhere, "http://cam/signout", nil); w.Code != 303 {
		t.Errorf("without a session: %d", w.Code)
	}
}

func TestASignInAlwaysMakesANewToken(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	planted := &http.Cookie{Name: "camward", Value: "KNOWNTOTHEATTACKERABCDEFGHI"}
	first := enter(t, s, "http://cam/signin", secret, planted)
	second := enter(t, s, "http://cam/signin", secret, first)
	if first.Value == planted.Value || second.Value == first.Value {
		t.Error("a token was kept")
	}
	for c, want := range map[*http.Cookie]int{planted: 401, first: 401, second: 200} {
		if got := withCookies(s, "http://cam/api/logs", c); got != want {
			t.Errorf("%s: %d, want %d", c.Value, got, want)
		}
	}
	if got := withCookies(s, "http://cam/api/logs", planted, planted, second); got != 200 {
		t.Errorf("with one that a page at another port put before it: %d", got)
	}
	if got := withCookies(s, "http://cam/api/logs", &http.Cookie{Name: "camward", Value: ""}); got != 401 {
		t.Errorf("an empty one: %d", got)
	}
}

func TestAWrongPasswordOpensNoSession(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	for _, f := range []url.Values{form("guess"), form(""), nil, {"password": {"guess", secret}}, form(strings.Repeat("a", 300)), {"Password": {secret}}} {
		w := send(s, elsewhere, "http://cam/signin", f)
		if w.Code != 403 || len(w.Result().Cookies()) > 0 || !strings.Contains(w.Body.String(), "This is not the password.") {
			t.Errorf("%v: %d %s", f, w.Code, w.Body)
		}
	}
	if w := send(s, elsewhere, "http://cam/signin?password="+secret, nil); w.Code != 403 {
		t.Errorf("in the address, where logs and histories keep it: %d", w.Code)
	}
	if len(s.sessions.open) > 0 {
		t.Error("there are sessions")
	}
}

func TestASessionIsGoodForItsSchemeAlone(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	plain := enter(t, s, "http://cam:8090/signin", secret)
	safe := enter(t, s, "https://cam:8443/signin", secret)
	if plain.Name != "camward-8090" || safe.Name != "__Host-camward-8443" || !safe.Secure || safe.Path != "/" || safe.Domain != "" {
		t.Errorf("%+v, %+v", plain, safe)
	}
	renamed := func(c *http.Cookie, name string) *http.Cookie { return &http.Cookie{Name: name, Value: c.Value} }
	for _, tt := range []struct {
		target string
		cookie *http.Cookie
		want   int
	}{
		{"http://cam:8090/api/logs", plain, 200}, {"https://cam:8443/api/logs", safe, 200},
		{"https://cam:8443/api/logs", plain, 401}, {"http://cam:8090/api/logs", safe, 401},
		{"https://cam:8443/api/logs", renamed(plain, safe.Name), 401}, {"http://cam:8090/api/logs", renamed(safe, plain.Name), 401},
		{"https://cam:8443/api/logs", renamed(safe, "camward-8443"), 401}, // as plain HTTP could have set it
		{"https://cam:8444/api/logs", safe, 401},                          // another camera at the same name
	} {
		if got := withCookies(s, tt.target, tt.cookie); got != tt.want {
			t.Errorf("%s with %s: %d, want %d", tt.target, tt.cookie.Name, got, tt.want)
		}
	}
}

func TestASessionEndsWhenIdleOrOld(t *testing.T) {
	p, _ := somePassword(t)
	of := p.kept.Load()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		idle, busy := s.start(of, false), s.start(of, false)
		began := time.Now()
		time.Sleep(sessionIdle - time.Second)
		if !s.use(busy, of, false) {
			t.Fatal("ended early")
		}
		time.Sleep(time.Second)
		if s.use(idle, of, false) {
			t.Error("an idle one holds")
		}
		for time.Since(began) < sessionLife-time.Hour {
			if !s.use(busy, of, false) {
				t.Fatalf("a used one ended after %v", time.Since(began))
			}
			time.Sleep(time.Hour)
		}
		time.Sleep(time.Hour)
		if s.use(busy, of, false) || len(s.open) != 0 {
			t.Error("an old one holds")
		}
	})
}

func TestAChangedPasswordEndsAllSessions(t *testing.T) {
	dir := t.TempDir()
	p, secret, err := LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s := withRoutes(t, ":0", p)
	c := enter(t, s, "http://cam/signin", secret)
	if _, err := SetPassword(dir, "another password"); err != nil {
		t.Fatal(err)
	}
	if got := withCookies(s, "http://cam/api/logs", c); got != 401 {
		t.Errorf("the session: %d", got)
	}
	for text, want := range map[string]int{secret: 401, "another password": 200} {
		if got := ask(s, elsewhere, "GET", "http://cam/api/logs", basic(text)).Code; got != want {
			t.Errorf("Basic with %s: %d, want %d", text, got, want)
		}
		if got := ask(s, elsewhere, "GET", "/form/a", credentials(text, s.digest.nonce(), "00000001", "GET", "/form/a")).Code; got != want {
			t.Errorf("Digest with %s: %d, want %d", text, got, want)
		}
	}
	if got := withCookies(s, "http://cam/api/logs", enter(t, s, "http://cam/signin", "another password")); got != 200 {
		t.Errorf("a new session: %d", got)
	}
}

func TestSessionsAreBoundedAndTheOneInUseStays(t *testing.T) {
	p, _ := somePassword(t)
	of := p.kept.Load()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		mine := s.start(of, true)
		for range 10 * maxSessions {
			time.Sleep(time.Second)
			s.start(of, true)
			if !s.use(mine, of, true) {
				t.Fatal("the session in use was dropped")
			}
		}
		if len(s.open) != maxSessions {
			t.Errorf("%d sessions", len(s.open))
		}
	})
}

func TestTheFormIsLockedAfterTenWrongPasswordsHoweverTheyCome(t *testing.T) {
	p, secret := somePassword(t)
	s := withRoutes(t, ":0", p)
	mine := enter(t, s, "http://cam/signin", secret)
	other := newPassword(t.TempDir()) // forgets what was right: all but the cookie has to be tried
	other.kept.Store(p.kept.Load())
	s.password.Store(other)
	before := s.limit.guesses
	const attacker = "[2001:db8::1]:1"
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range 60 {
		wg.Go(func() {
			w := send(s, attacker, "http://cam/signin", form("guess"))
			mu.Lock()
			defer mu.Unlock()
			codes[w.Code]++
		})
	}
	wg.Wait()
	if s.limit.guesses-before != maxFailures || codes[403] > maxFailures-1 || codes[403]+codes[429] != 60 {
		t.Errorf("%d were tried; %v", s.limit.guesses-before, codes)
	}
	for from, want := range map[string]int{"[2001:db8::ffff:1:2:3]:9": 429, "[2001:db8:0:1::1]:9": 303} {
		w := send(s, from, "http://cam/signin", form(secret))
		if w.Code != want || want == 429 && (w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Too many wrong passwords; try again in ")) {
			t.Errorf("the right one from %s: %d %s", from, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest("GET", "http://cam/api/logs", nil)
	r.RemoteAddr = attacker
	r.AddCookie(mine)
	w := httptest.NewRecorder()
	if s.guard().ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("a session from the attacker's network: %d", w.Code)
	}
	if w := ask(s, attacker, "GET", "http://cam/signin", ""); !strings.Contains(w.Body.String(), "try again in") {
		t.Errorf("the page does not say how long: %s", w.Body)
	}
}

func TestGuessesFromManyAddressesAreFewAMinuteInAll(t *testing.T) {
	p, secret := somePassword(t)
	synctest.Test(t, func(t *testing.T) {
		s := withRoutes(t, ":0", p)
		if w := send(s, "198.51.100.1:1", "http://cam/signin", form(secret)); w.Code != 303 {
			t.Fatal(w.Code)
		}
		tried := 0
		for i := range 3 * maxGuesses {
			w := send(s, "192.0.2."+string(rune('0'+i%10))+":1", "http://cam/signin", form("guess"))
			if w.Code == 403 {
				tried++
			}
		}
		if s.limit.guesses != maxGuesses || tried > maxGuesses {
			t.Errorf("%d, %d", s.limit.guesses, tried)
		}
		if w := send(s, "198.51.100.2:1", "http://cam/signin", form("other guess")); w.Code != 429 || w.Header().Get("Retry-After") == "" {
			t.Errorf("a guess from elsewhere: %d %v", w.Code, w.Header())
		}
		if w := send(s, "198.51.100.3:1", "http://cam/signin", form(secret)); w.Code != 303 {
			t.Errorf("the right one, which was right before: %d", w.Code)
		}
		time.Sleep(pause)
		if w := send(s, "198.51.100.2:1", "http://cam/signin", form("other guess")); w.Code != 403 {
			t.Errorf("a minute later: %d", w.Code)
		}
	})
}

func TestABrowserWhoseSessionEndedSeesNoDialogueOfItsOwn(t *testing.T) {
	p, _ := somePassword(t)
	s := withRoutes(t, ":0", p)
	for _, path := range []string{"/api/logs", "/cameras/front/snapshot.jpg", "/api/status"} {
		for cookie, want := range map[string]string{"camward=ENDED": "Cookie ", "": ""} {
			r := httptest.NewRequest("GET", "http://cam"+path, nil)
			r.RemoteAddr = elsewhere
			if cookie != "" {
				r.Header.Set("Cookie", cookie)
			}
			w := httptest.NewRecorder()
			s.guard().ServeHTTP(w, r)
			got := strings.Join(w.Header().Values("WWW-Authenticate"), "; ")
			if w.Code != 401 || want != "" && (!strings.HasPrefix(got, want) || strings.Contains(got, "Basic") || strings.Contains(got, "Digest")) || want == "" && strings.Contains(got, "Cookie") {
				t.Errorf("%s with %q: %d %s", path, cookie, w.Code, got)
			}
		}
	}
}

func TestTheCookiesNameFollowsThePort(t *testing.T) {
	for host, want := range map[string]string{
		"cam": "camward", "cam:8090": "camward-8090", "[::1]:80": "camward-80", "[::1]": "camward", "cam:": "camward", "cam:a b": "camward", "cam:123456": "camward", "": "camward", "a:b:c": "camward",
		"cam:1;x": "camward",
	} {
		if got := cookieName(&http.Request{Host: host}); got != want {
			t.Errorf("%q: %s, want %s", host, got, want)
		}
		if got := cookieName(&http.Request{Host: host, TLS: &tls.ConnectionState{}}); got != "__Host-"+want {
			t.Errorf("%q: %s", host, got)
		}
	}
}
