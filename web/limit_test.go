package web

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func basic(secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+secret))
}

func TestTenWrongPasswordsPauseTheirAddressForAMinute(t *testing.T) {
	p, secret, err := LoadPassword(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	wrongs := map[string]func(*Server) string{
		"Basic":       func(*Server) string { return basic("guess") },
		"Basic, user": func(*Server) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("root:"+secret)) },
		"Digest":      func(s *Server) string { return credentials("guess", s.digest.nonce(), "00000001", "GET", "/form/a") },
	}
	for name, wrong := range wrongs {
		path := map[bool]string{true: "/form/a", false: "/page"}[name == "Digest"]
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := New(Config{Listen: ":0"}, p, zap.NewNop())
				s.HandleDigest("/form/", text("ok"))
				s.Handle("/page", text("ok"))
				for i := range maxFailures - 1 {
					if got := ask(s, elsewhere, "GET", path, wrong(s)); got.Code != 401 {
						t.Fatalf("failure %d: %d", i+1, got.Code)
					}
					ask(s, elsewhere, "GET", path, "") // asking without a password is no failure
				}
				if got := ask(s, elsewhere, "GET", path, wrong(s)); got.Code != 429 || got.Header().Get("Retry-After") != "60" {
					t.Errorf("failure 10: %d %v", got.Code, got.Header())
				}
				time.Sleep(pause - time.Second)
				if got := ask(s, "192.0.2.9:40001", "GET", "/page", basic(secret)); got.Code != 429 || got.Header().Get("Retry-After") != "1" {
					t.Errorf("the right one in the pause: %d %v", got.Code, got.Header())
				}
				if got := ask(s, "192.0.2.10:40000", "GET", "/page", basic(secret)); got.Code != 200 {
					t.Errorf("another address: %d", got.Code)
				}
				time.Sleep(time.Second)
				if got := ask(s, elsewhere, "GET", "/page", basic(secret)); got.Code != 200 {
					t.Errorf("after the pause: %d", got.Code)
				}
			})
		})
	}
}

func TestASuccessOrTenMinutesForgetFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		a := netip.MustParseAddr("192.0.2.1")
		fail := func(n int) {
			for range n {
				l.charge(a)
			}
		}
		fail(9)
		l.forget(a)
		fail(9)
		time.Sleep(forgetAfter + time.Second)
		fail(9)
		if l.wait(a) != 0 {
			t.Error("paused too early")
		}
		if fail(1); l.wait(a) != pause || l.charge(a) {
			t.Error("not paused")
		}
	})
}

func TestMemoryOfAddressesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		a := netip.MustParseAddr("10.0.0.0")
		first := a
		for range 2 * maxAddresses {
			l.charge(a)
			a = a.Next()
			time.Sleep(time.Millisecond)
		}
		if len(l.seen) != maxAddresses || l.seen[first] != nil {
			t.Errorf("%d addresses, the first among them: %v", len(l.seen), l.seen[first] != nil)
		}
	})
}

func TestFailuresAreCountedByNetworkAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:99": "192.0.2.1", "[::ffff:192.0.2.1]:99": "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:99": "2001:db8:1:2::", "[fe80::1%eth0]:99": "fe80::", "": "invalid IP",
	} {
		if got := clientAddress(&http.Request{RemoteAddr: remote}).String(); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}
