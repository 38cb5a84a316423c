package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testLog = zap.NewNop()

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) })
}

func TestBeyondLoopbackEveryRouteButHealthWantsThePassword(t *testing.T) {
	p, secret, err := LoadPassword(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Listen: ":0"}, p, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s.HandleOpen("GET /healthz", text("ok"))
	s.Handle("GET /api/status", text("{}"))
	tests := []struct {
		path, user, pass string
		want             int
	}{
		{"/healthz", "", "", 200},
		{"/api/status", "", "", 401},
		{"/api/status", "admin", "wrong", 401},
		{"/api/status", "root", secret, 401},
		{"/api/status", "admin", secret, 200},
		{"/api/status", "admin", secret, 200}, // from memory
		{"/nowhere", "", "", 401},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "http://192.0.2.7"+tt.path, nil)
		if tt.user != "" {
			r.SetBasicAuth(tt.user, tt.pass)
		}
		w := httptest.NewRecorder()
		s.guard().ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s as %q: %d, want %d", tt.path, tt.user, w.Code, tt.want)
		}
	}
}

func TestAnAddressBeyondLoopbackIsRefusedWithoutAPassword(t *testing.T) {
	for _, addr := range []string{":8090", "0.0.0.0:8090", "192.0.2.1:80", "[::]:80"} {
		if _, err := New(Config{Listen: addr}, nil, zap.NewNop()); err == nil {
			t.Errorf("%s: no error", addr)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "localhost:0"} {
		if _, err := New(Config{Listen: addr}, nil, zap.NewNop()); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestOnLoopbackAForeignHostNameIsRefused(t *testing.T) {
	s, _ := New(Config{Listen: "127.0.0.1:0"}, nil, zap.NewNop())
	s.Handle("GET /api/status", text("{}"))
	for host, want := range map[string]int{"127.0.0.1:8090": 200, "localhost:8090": 200, "[::1]:8090": 200, "rebind.example:8090": 421} {
		r := httptest.NewRequest("GET", "http://"+host+"/api/status", nil)
		w := httptest.NewRecorder()
		s.guard().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %s: %d, want %d", host, w.Code, want)
		}
	}
}

func TestThePasswordSurvivesARestartAndIsNotStored(t *testing.T) {
	dir := t.TempDir()
	_, secret, err := LoadPassword(dir, "")
	if err != nil || secret == "" {
		t.Fatal(secret, err)
	}
	p, again, err := LoadPassword(dir, "")
	if err != nil || again != "" || !p.Check(secret) || p.Check(secret+"x") {
		t.Fatalf("after a restart: %q, %v", again, err)
	}
	b, _ := os.ReadFile(passwordFile(dir))
	if strings.Contains(string(b), secret) {
		t.Fatal("the password's text is in the file")
	}
	if fi, _ := os.Stat(passwordFile(dir)); fi.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", fi.Mode())
	}
	if _, fresh, err := ResetPassword(dir); err != nil || fresh == secret {
		t.Fatal("reset gave the same password")
	}
}

func TestADamagedPasswordFileSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(passwordFile(dir), []byte("{"), 0o600)
	if _, _, err := LoadPassword(dir, ""); err == nil || !strings.Contains(err.Error(), "camward password --reset") {
		t.Fatal(err)
	}
}

func TestRunServesUntilStoppedAndNamesATakenAddress(t *testing.T) {
	s, _ := New(Config{Listen: "127.0.0.1:0"}, nil, zap.NewNop())
	s.HandleOpen("GET /healthz", text("ok"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for s.Address() == nil {
		time.Sleep(time.Millisecond)
	}
	resp, err := http.Get("http://" + s.Address().String() + "/healthz")
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	other, _ := New(Config{Listen: s.Address().String()}, nil, zap.NewNop())
	if err := other.Run(ctx); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("taken address: %v", err)
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWhatChangesSomethingNeedsTheKeyOfTheStateDirectory(t *testing.T) {
	dir := t.TempDir()
	p, secret, err := LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, listen := range map[string]string{"loopback": "127.0.0.1:0", "everywhere": ":0"} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			if _, err := FindControl(state); !errors.Is(err, ErrNotRunning) {
				t.Fatalf("before the start: %v", err)
			}
			s, err := New(Config{Listen: listen, StateDir: state}, p, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			s.HandleControl("POST /api/change", text("changed"))
			s.Handle("GET /api/status", text("{}"))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			var c *Control
			for c == nil {
				time.Sleep(time.Millisecond)
				c, _ = FindControl(state)
			}
			if fi, err := os.Stat(controlFile(state)); err != nil || fi.Mode().Perm() != 0o600 {
				t.Error(fi.Mode(), err)
			}
			for _, path := range []string{"/api/change", "/api/status"} {
				resp, err := c.Do(map[string]string{"/api/change": "POST", "/api/status": "GET"}[path], path)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			r := httptest.NewRequest("POST", "http://"+c.Address+"/api/change", nil)
			r.SetBasicAuth("admin", secret)
			w := httptest.NewRecorder()
			if s.guard().ServeHTTP(w, r); w.Code != http.StatusForbidden {
				t.Errorf("without the key: %d", w.Code)
			}
			cancel()
			<-done
			if _, err := c.Do("POST", "/api/change"); !errors.Is(err, ErrNotRunning) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}
