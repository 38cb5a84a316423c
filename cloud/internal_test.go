package cloud

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func TestNewNamesEveryFaultAtOnce(t *testing.T) {
	_, err := New(Config{BaseURL: "cam.example.org", MaxUpload: -1})
	for _, want := range []string{"data:", "log:", "max upload:", "base URL:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestRunServesUntilItsContextEnds(t *testing.T) {
	asked := errors.New("asked to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	addr := make(chan net.Addr, 1)
	s, err := New(Config{Data: t.TempDir(), Log: zap.NewNop(), Listen: "127.0.0.1:0", OnListen: func(a net.Addr) { addr <- a }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	res, err := http.Get("http://" + (<-addr).String() + "/healthz")
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	cancel(asked)
	if err := <-done; !errors.Is(err, asked) {
		t.Errorf("Run returned %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestDataSurvivesARestartAndAForeignKeyDoesNot(t *testing.T) {
	cfg := Config{Data: t.TempDir(), Log: zap.NewNop()}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	acc, err := s.AddUser(t.Context(), "test@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddUser(t.Context(), "TEST@example.com"); !errors.Is(err, ErrExists) {
		t.Errorf("second account of one address: %v", err)
	}
	// A second process on the same data, as the command line's verbs are.
	second, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := second.SigninLink(t.Context(), "test@example.com"); err != nil || again.UploadToken != acc.UploadToken {
		t.Errorf("beside a running server: %+v, %v", again, err)
	}
	if err := errors.Join(second.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(cfg.Data, "secret.key")
	if err := os.WriteFile(key, make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.SigninLink(t.Context(), "test@example.com"); err == nil || !strings.Contains(err.Error(), "key file") {
		t.Errorf("with another key: %v", err)
	}
	if err := foreign.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "0 bytes") {
		t.Errorf("with an empty key file: %v", err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?.db")
	st, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.w.Exec(`PRAGMA user_version = 99`); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := openStore(path); err == nil {
		st.Close()
		t.Error("opened")
	}
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	s, err := New(Config{Data: t.TempDir(), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	old := time.Now().Add(-time.Hour)
	for _, p := range []string{"tmp/upload-1", "content/1/2026-05-01/A.jpg", "content/1/2026-05-01/YOUNG.jpg"} {
		p = filepath.Join(s.cfg.Data, p)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o700), os.WriteFile(p, nil, 0o600), os.Chtimes(p, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(s.contentPath("1/2026-05-01/YOUNG.jpg"), time.Time{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(s.cfg.Data, "*/*/*/*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], "YOUNG.jpg") {
		t.Errorf("left: %v, %v", left, err)
	}
	if left, _ := os.ReadDir(filepath.Join(s.cfg.Data, "tmp")); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestLimiterRefillsAndCountsIPv6ByNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(0.5, 2, time.Now)
		a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		if l.take(a) != 0 || l.take(b) != 0 {
			t.Fatal("refused within the burst")
		}
		if w := l.take(a); w != 2*time.Second {
			t.Errorf("wait %v, want 2 s", w)
		}
		if l.take(netip.MustParseAddr("192.0.2.1")) != 0 {
			t.Error("another address was refused")
		}
		time.Sleep(2 * time.Second)
		if l.take(b) != 0 || l.take(b) == 0 {
			t.Error("two seconds did not refill exactly one")
		}
	})
}

func TestPasswords(t *testing.T) {
	h := hashPassword("correct horse")
	if !checkPassword(h, "correct horse") || checkPassword(h, "wrong") || checkPassword("", "") || checkPassword("$argon2id$x", "x") {
		t.Error("wrong verdict")
	}
	if hashPassword("correct horse") == h {
		t.Error("two hashes of one password are equal")
	}
}

func TestRouterDecodesSegmentsOnce(t *testing.T) {
	rt := &router{wrap: func(_ *route, h http.Handler) http.Handler { return h }, absent: http.NotFoundHandler()}
	rt.add("a/:x/b/?y", map[string]http.HandlerFunc{"GET": func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(pathVar(r, "x") + "|" + pathVar(r, "y")))
	}})
	rt.finish()
	for path, want := range map[string]string{"/a/x/b": "x|", "//a//x///b/": "x|", "/a/x%2Fy/b/c%20d": "x/y|c d", "/a/%252F/b": "%2F|", "/a/+/b": "+|",
		"/a/x:y/b/../": "x:y|..", "/a/x": "404 page not found\n", "/a/x/b/c/d": "404 page not found\n", "/": "404 page not found\n"} {
		r, err := http.NewRequest("GET", "http://h"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := &recorder{h: http.Header{}}
		rt.ServeHTTP(w, r)
		if got := w.b.String(); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// recorder keeps a response's body.
type recorder struct {
	h http.Header
	b strings.Builder
}

func (r *recorder) Header() http.Header         { return r.h }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.b.Write(b) }
