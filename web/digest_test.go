package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/icholy/digest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A wire is a server beyond the loopback with one digest route, /form/, reached through real sockets. It keeps the
// requests as they came.
type wire struct {
	*Server
	url    string
	secret string

	mu    sync.Mutex
	seen  []*http.Request
	codes []int
	after func() // each request
}

type coder struct {
	http.ResponseWriter
	code int
}

func (c *coder) WriteHeader(code int) { c.code = code; c.ResponseWriter.WriteHeader(code) }

// newWire serves to clients that seem to be at from.
func newWire(t *testing.T, from string, h http.Handler) *wire {
	p, secret, err := LoadPassword(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Listen: ":0"}, p, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s.HandleDigest("/form/", h)
	s.HandleView("/whep", h)
	s.Handle("/page", text("page"))
	w := &wire{Server: s, secret: secret}
	guard := s.guard()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = from
		c := &coder{rw, 200}
		guard.ServeHTTP(c, r)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen, w.codes = append(w.seen, r), append(w.codes, c.code)
		if w.after != nil {
			w.after()
		}
	}))
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

// took gives the status codes since the last call.
func (w *wire) took() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := fmt.Sprint(w.codes)
	w.codes = nil
	return s
}

// last gives the Authorization header of the last request.
func (w *wire) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[len(w.seen)-1].Header.Get("Authorization")
}

// run runs a real client and gives what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("%s (install it with scripts/deps.sh): %v", name, err)
	}
	return string(out)
}

const elsewhere = "192.0.2.9:40000"

func TestRealClientsSignInByDigest(t *testing.T) {
	w := newWire(t, elsewhere, text("000 Success\n"))
	path := w.url + "/form/setNtp?ENABLE=1&SERVER=a,b%22c=$(x)"
	login := "admin:" + w.secret
	tests := []struct {
		name string
		args []string
		alg  string
	}{
		{"curl", []string{"-s", "--digest", "-u", login, path}, "SHA-256"},
		{"curl", []string{"-s", "--anyauth", "-u", login, path}, "SHA-256"},
		{"curl", []string{"-s", "--digest", "-u", login, "-d", "ENABLE=1", w.url + "//form/setNtp/"}, "SHA-256"},
		{"wget", []string{"-q", "-O-", "--user=admin", "--password=" + w.secret, path}, "MD5"},
		{"wget", []string{"-q", "-O-", "--user=admin", "--password=" + w.secret, w.url + "/form/setNtp/?ENABLE=0"}, "MD5"},
	}
	for _, tt := range tests {
		got := run(t, tt.name, tt.args...)
		if got != "000 Success\n" {
			t.Errorf("%s %q: %q", tt.name, tt.args, got)
		}
		if codes := w.took(); codes != "[401 200]" {
			t.Errorf("%s %q: %s", tt.name, tt.args, codes)
		}
		if !strings.Contains(w.last(), tt.alg) || strings.Contains(w.last(), w.secret) {
			t.Errorf("%s: %s", tt.name, w.last())
		}
	}
	c := &http.Client{Transport: &digest.Transport{Username: "admin", Password: w.secret}}
	defer c.CloseIdleConnections()
	for range 3 { // the nonce is used again, with a higher count
		resp, err := c.Get(w.url + "/form/getNtp")
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	if got := w.took(); got != "[401 200 200 200]" {
		t.Errorf("a client that keeps its nonce: %s", got)
	}
}

func TestADigestRouteDoesNotTakeThePasswordInTheOpen(t *testing.T) {
	for from, want := range map[string]string{elsewhere: "sign in as admin", "127.0.0.1:40000": "000 Success"} {
		w := newWire(t, from, text("000 Success\n"))
		if got := run(t, "curl", "-s", "--basic", "-u", "admin:"+w.secret, w.url+"/form/setNtp"); !strings.HasPrefix(got, want) {
			t.Errorf("Basic from %s: %q", from, got)
		}
		offers := run(t, "curl", "-si", w.url+"/form/setNtp")
		if basic := strings.Contains(offers, "Basic realm"); basic != (from != elsewhere) {
			t.Errorf("offered to %s: %s", from, offers)
		}
		if sha, md := strings.Index(offers, "algorithm=SHA-256"), strings.Index(offers, "algorithm=MD5"); sha < 0 || md < sha {
			t.Errorf("offered to %s: %s", from, offers)
		}
	}
	w := newWire(t, elsewhere, text("000 Success\n"))
	for _, by := range []string{"--basic", "--digest"} {
		if got := run(t, "curl", "-s", by, "-u", "admin:"+w.secret, w.url+"/whep"); got != "000 Success\n" {
			t.Errorf("%s on a view route: %q", by, got)
		}
	}
	if got := run(t, "curl", "-s", "--basic", "-u", "admin:"+w.secret, w.url+"/page"); got != "page" {
		t.Errorf("Basic on another route: %q", got)
	}
	if got := run(t, "curl", "-s", "--digest", "-u", "admin:"+w.secret, w.url+"/page"); !strings.HasPrefix(got, "sign in") {
		t.Errorf("Digest on another route: %q", got)
	}
}

func TestACapturedHeaderIsRefusedASecondTime(t *testing.T) {
	w := newWire(t, elsewhere, text("000 Success\n"))
	run(t, "curl", "-s", "--digest", "-u", "admin:"+w.secret, w.url+"/form/setNtp?ENABLE=1")
	captured := w.last()
	w.took()
	for _, path := range []string{"/form/setNtp?ENABLE=1", "/form/setNtp?ENABLE=0"} {
		got := run(t, "curl", "-si", "-H", "Authorization: "+captured, w.url+path)
		if !strings.HasPrefix(got, "HTTP/1.1 401") || strings.Contains(got, "000 Success") {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := run(t, "curl", "-s", "-X", "POST", "-H", "Authorization: "+captured, w.url+"/form/setNtp?ENABLE=1"); strings.Contains(got, "000 Success") {
		t.Errorf("by POST: %s", got)
	}
	if got := w.took(); got != "[401 401 401]" {
		t.Error(got)
	}
}

func TestCurlRenewsAStaleNonceByItself(t *testing.T) {
	w := newWire(t, elsewhere, text("000 Success\n"))
	answered := 0
	w.mu.Lock()
	w.after = func() {
		if answered++; answered%2 == 1 {
			return // the challenge
		}
		w.digest.mu.Lock()
		w.digest.floor = time.Since(w.digest.started) // as if every nonce so far had expired
		w.digest.mu.Unlock()
	}
	w.mu.Unlock()
	got := run(t, "curl", "-s", "--digest", "-u", "admin:"+w.secret, w.url+"/form/a", w.url+"/form/b", w.url+"/form/c")
	if got != strings.Repeat("000 Success\n", 3) {
		t.Error(got)
	}
	if got := w.took(); got != "[401 200 401 200 401 200]" {
		t.Error(got)
	}
}

// ask is one request straight to the guard.
func ask(s *Server, from, method, target, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = from
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	s.guard().ServeHTTP(w, r)
	return w
}

// credentials makes a Digest header without any of the code under test but the hash.
func credentials(secret, nonce, nc, method, uri string) string {
	ha1 := digestOf(algMD5, "admin:camward:"+secret)
	resp := digestOf(algMD5, ha1+":"+nonce+":"+nc+":c0ffee:auth:"+digestOf(algMD5, method+":"+uri))
	return fmt.Sprintf(`Digest username="admin", realm="camward", nonce="%s", uri="%s", qop=auth, nc=%s, cnonce="c0ffee", response="%s", algorithm=MD5`, nonce, uri, nc, resp)
}

func TestANonceIsGoodForFiveMinutes(t *testing.T) {
	dir := t.TempDir()
	p, secret, err := LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s, _ := New(Config{Listen: ":0"}, p, zap.NewNop())
		s.HandleDigest("/form/", text("ok"))
		nonce := s.digest.nonce()
		time.Sleep(nonceLife)
		if got := ask(s, elsewhere, "GET", "/form/a", credentials(secret, nonce, "00000001", "GET", "/form/a")); got.Code != 200 {
			t.Errorf("after 5 min: %d", got.Code)
		}
		time.Sleep(time.Nanosecond)
		got := ask(s, elsewhere, "GET", "/form/a", credentials(secret, nonce, "00000002", "GET", "/form/a"))
		if got.Code != 401 || !strings.Contains(strings.Join(got.Header().Values("WWW-Authenticate"), ""), "stale=true") {
			t.Errorf("later: %d %v", got.Code, got.Header())
		}
		got = ask(s, elsewhere, "GET", "/form/a", credentials("guess", nonce, "00000002", "GET", "/form/a"))
		if got.Code != 401 || strings.Contains(strings.Join(got.Header().Values("WWW-Authenticate"), ""), "stale") {
			t.Errorf("with a wrong password: %d %v", got.Code, got.Header())
		}
		if got := ask(s, elsewhere, "GET", "/form/a", credentials(secret, "of another start", "00000001", "GET", "/form/a")); !strings.Contains(got.Header().Get("WWW-Authenticate"), "stale=true") {
			t.Errorf("with a nonce from before a restart: %d %v", got.Code, got.Header())
		}
	})
}

func TestEachCountOfANonceIsTakenOnceInAnyOrder(t *testing.T) {
	d := newDigester()
	nonce := d.nonce()
	for _, tt := range []struct {
		nc   uint32
		want bool
	}{{3, true}, {3, false}, {1, true}, {2, true}, {2, false}, {66, true}, {3, false}, {4, true}, {4, false}, {200, true}, {66, false}, {136, false}, {137, true}, {1 << 31, true}, {1<<31 - 63, true}, {1<<31 - 64, false}} {
		if got := d.spend(nonce, tt.nc); got != tt.want {
			t.Errorf("count %d: %v", tt.nc, got)
		}
	}
	if d.spend(nonce[:42]+"A", 1000) || d.spend("", 1) || newDigester().spend(nonce, 1) {
		t.Error("a nonce that was not issued is taken")
	}
}

func TestMemoryOfNoncesIsBoundedAndForgetsNoReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDigester()
		var nonces []string
		for range 3 * maxNonces {
			time.Sleep(time.Millisecond)
			n := d.nonce()
			nonces = append(nonces, n)
			if !d.spend(n, 1) {
				t.Fatal("a new nonce is refused")
			}
		}
		if len(d.used) > maxNonces {
			t.Errorf("%d nonces are kept", len(d.used))
		}
		for i, n := range nonces {
			if d.spend(n, 1) {
				t.Fatalf("nonce %d is taken again", i)
			}
		}
		time.Sleep(nonceLife)
		if d.spend(d.nonce(), 1); len(d.used) > 2 {
			t.Errorf("%d nonces are kept after they expired", len(d.used))
		}
	})
}

func TestCredentialsForSomethingElseAreRefused(t *testing.T) {
	p, secret, err := LoadPassword(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := New(Config{Listen: ":0"}, p, zap.NewNop())
	s.HandleDigest("/form/", text("ok"))
	good := credentials(secret, s.digest.nonce(), "00000001", "GET", "/form/a")
	for _, change := range [][2]string{
		{`uri="/form/a"`, `uri="/form/b"`}, {`username="admin"`, `username="root"`}, {`realm="camward"`, `realm="other"`},
		{"qop=auth", "qop=auth-int"}, {"qop=auth, ", ""}, {"nc=00000001", "nc=1"}, {"nc=00000001", "nc=00000000"}, {"nc=00000001", "nc=0000000g"},
		{"algorithm=MD5", "algorithm=MD5-sess"}, {"algorithm=MD5", "algorithm=SHA-256"}, {"c0ffee", ""}, {`response="`, `response="0`},
		{"algorithm=MD5", "algorithm=MD5, userhash=true"}, {"algorithm=MD5", `algorithm=MD5, nc=00000001`}, {"algorithm=MD5", `algorithm="MD5`},
		{"algorithm=MD5", "algorithm=MD5; x=y"}, {"Digest ", "Digest"}, {"Digest ", "Bearer "}, {"algorithm=MD5", "algorithm=MD5, a b=c"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if got := ask(s, elsewhere, "GET", "/form/a", bad); got.Code != 401 {
			t.Errorf("%s for %s: %d", change[1], change[0], got.Code)
		}
		s.limit.forget(clientAddress(&http.Request{RemoteAddr: elsewhere}))
	}
	if got := ask(s, elsewhere, "POST", "/form/a", good); got.Code != 401 {
		t.Errorf("another method: %d", got.Code)
	}
	if got := ask(s, elsewhere, "GET", "/form/a", good); got.Code != 200 {
		t.Errorf("unchanged: %d", got.Code)
	}
}

func TestOnLoopbackARouteWantsThePasswordIfThereIsOne(t *testing.T) {
	p, secret, err := LoadPassword(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*Password{"with": p, "without": nil} {
		s, err := New(Config{Listen: "127.0.0.1:0"}, p, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		s.HandleDigest("/form/", text("ok"))
		s.Handle("/page", text("page"))
		want := map[string]int{"with": 401, "without": 200}[name]
		const host = "http://127.0.0.1:8090"
		if got := ask(s, "127.0.0.1:1", "GET", host+"/form/a", "").Code; got != want {
			t.Errorf("%s a password: %d", name, got)
		}
		if got := ask(s, "127.0.0.1:1", "GET", host+"/page", "").Code; got != want {
			t.Errorf("%s a password, another route: %d", name, got)
		}
		if got := ask(s, "127.0.0.1:1", "GET", "http://rebind.example/form/a", "").Code; got != 421 {
			t.Errorf("%s a password, foreign host: %d", name, got)
		}
		r := httptest.NewRequest("GET", host+"/form/a", nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.SetBasicAuth("admin", secret)
		w := httptest.NewRecorder()
		if s.guard().ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%s a password, Basic: %d", name, w.Code)
		}
	}
}

func TestAPasswordFileWithoutDigestsLeavesBasicAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	_, secret, err := LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(passwordFile(dir))
	lines := slices.DeleteFunc(bytes.Split(b, []byte("\n")), func(l []byte) bool { return bytes.Contains(l, []byte("ha1_")) })
	os.WriteFile(passwordFile(dir), bytes.Join(lines, []byte("\n")), 0o600)
	p, _, err := LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	s, _ := New(Config{Listen: ":0"}, p, zap.New(core))
	s.HandleDigest("/form/", text("ok"))
	s.HandleDigest("/other/", text("ok"))
	if logs.Len() != 1 || !strings.Contains(logs.All()[0].Message, "no digests") {
		t.Errorf("log: %v", logs.All())
	}
	if got := ask(s, elsewhere, "GET", "/form/a", "").Header().Values("WWW-Authenticate"); len(got) != 1 || !strings.HasPrefix(got[0], "Basic") {
		t.Errorf("offered: %q", got)
	}
	r := httptest.NewRequest("GET", "/form/a", nil)
	r.SetBasicAuth("admin", secret)
	w := httptest.NewRecorder()
	if s.guard().ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("Basic: %d", w.Code)
	}
}

func FuzzDigestCredentials(f *testing.F) {
	// From curl 7.88.1, wget 1.21.3 and RFC 7616 3.9.1.
	f.Add(`Digest username="admin", realm="camward", nonce="abc", uri="/a", cnonce="ODU0OWE1YTNmYzM3MDk0Njg5MDNhN2VhYmIyNzRmNjI=", nc=00000001, qop=auth, response="f56d473721c627fddf05416da65825882c222273d0e4785f4164caf4b21d581b", algorithm=SHA-256`)
	f.Add(`Digest username="admin", realm="camward", nonce="abc", uri="/a", response="182b158df74fadac3881e6f71298f4cd", qop=auth, nc=00000001, cnonce="0b9441fe", algorithm="MD5"`)
	f.Add(`Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
	for _, odd := range []string{`digest a="\"\\", , b = c ,`, `Digest a=b, A=b`, `Digest a="b`, `Digest a="b"c`, "Digest a=\"\x00\"", `Digest =b`, `Digest a`, `Digest a=`, `Basic YTpi`,
		"Digest " + strings.Repeat("a", maxCredentials), "Digest a=b" + strings.Repeat(",", 20) + "c=d, e=f, g=h, i=j, k=l, m=n, o=p, q=r, s=t, u=v, w=x, y=z, aa=b, ab=c, ac=d, ad=e"} {
		f.Add(odd)
	}
	p := newPassword(f.TempDir())
	d := newDigester()
	f.Fuzz(func(t *testing.T, header string) {
		params, ok := parseDigest(header)
		if ok && (len(params) > maxAuthParams || len(header) > maxCredentials) {
			t.Error("beyond the bounds")
		}
		for name, value := range params {
			if name != strings.ToLower(name) || !isToken(name) || strings.ContainsAny(value, "\r\n") && !strings.Contains(header, "\\") {
				t.Errorf("%q = %q", name, value)
			}
		}
		r := httptest.NewRequest("GET", "/a", nil)
		r.Header["Authorization"] = []string{header}
		if got := d.check(r, p); got == granted || got == stale {
			t.Errorf("%q signs in", header)
		}
	})
}
