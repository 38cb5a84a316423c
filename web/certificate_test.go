package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// running is a server on the loopback with HTTPS beside HTTP.
func running(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != context.Canceled {
			t.Error(err)
		}
	})
	for s.Address() == nil || s.cfg.HTTPS != "" && s.HTTPSAddress() == nil {
		time.Sleep(time.Millisecond)
	}
}

func TestHTTPSWorksForIndependentClientsWithTheFingerprintThatIsTold(t *testing.T) {
	dir := t.TempDir()
	p, secret, err := LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Listen: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Names: []string{"camward-0a1b2c.local"}, StateDir: dir}, p, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s.HandlePage("GET /{$}", text(guarded))
	s.HandleDigest("GET /snapshot.jpg", text(guarded))
	running(t, s)
	at := s.HTTPSAddress().String()
	port := fmt.Sprint(s.HTTPSAddress().Port)
	crt := s.cert.path("crt")
	// curl checks the certificate against the name.
	curl := []string{"-s", "--cacert", crt, "-u", "admin:" + secret}
	if got := run(t, "curl", append(curl, "--digest", "https://"+at+"/snapshot.jpg")...); got != guarded {
		t.Errorf("curl by address: %q", got)
	}
	if got := run(t, "curl", append(curl, "--basic", "https://localhost:"+port+"/")...); got != guarded {
		t.Errorf("curl by localhost: %q", got)
	}
	byName := []string{"--resolve", "camward-0a1b2c.local:" + port + ":127.0.0.1", "-o", os.DevNull, "-w", "%{ssl_verify_result} %{http_version}", "https://camward-0a1b2c.local:" + port + "/"}
	if got := run(t, "curl", append(curl, byName...)...); got != "0 1.1" {
		t.Errorf("curl by mDNS name: %q", got)
	}
	if got := run(t, "curl", "-sS", "https://"+at+"/"); !strings.Contains(got, "self-signed") && !strings.Contains(got, "self signed") {
		t.Errorf("curl that has not been told to trust it: %q", got)
	}
	shown := run(t, "sh", "-c", "openssl s_client -connect "+at+" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256")
	if _, got, _ := strings.Cut(strings.TrimSpace(shown), "="); got != s.Fingerprint() || len(got) != 95 {
		t.Errorf("openssl sees %q, Fingerprint is %q", got, s.Fingerprint())
	}
	if got := run(t, "openssl", "verify", "-CAfile", crt, "-purpose", "sslserver", crt); !strings.HasSuffix(got, ": OK\n") {
		t.Errorf("openssl verify: %s", got)
	}
	if got := run(t, "curl", "-s", "http://"+at+"/"); !strings.Contains(got, "HTTP request to an HTTPS server") {
		t.Errorf("plain HTTP: %q", got)
	}
}

func TestABrowserLikeClientSignsInOverHTTPSAndPlainHTTP(t *testing.T) {
	dir := t.TempDir()
	p, secret, err := LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := New(Config{Listen: ":0", HTTPS: ":0", StateDir: dir}, p, zap.NewNop())
	s.HandlePage("GET /{$}", text(guarded))
	running(t, s)
	roots := x509.NewCertPool()
	cert, _ := s.cert.get()
	roots.AddCert(cert.Leaf)
	jar, _ := cookiejar.New(nil)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: tr}
	for _, base := range []string{fmt.Sprintf("https://127.0.0.1:%d", s.HTTPSAddress().Port), fmt.Sprintf("http://127.0.0.1:%d", s.Address().Port)} {
		for _, step := range []struct {
			ask  func() (*http.Response, error)
			want string
		}{
			{func() (*http.Response, error) { return client.Get(base + "/") }, "sign in as admin"}, // the jar's cookie of the other scheme is none here
			{func() (*http.Response, error) {
				return client.PostForm(base+"/signin", url.Values{"password": {secret}})
			}, guarded},
			{func() (*http.Response, error) { return client.Get(base + "/") }, guarded},
		} {
			resp, err := step.ask()
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.HasPrefix(string(body), step.want) {
				t.Errorf("%s: %d %s, want %s", base, resp.StatusCode, body, step.want)
			}
			if resp.TLS != nil && (resp.TLS.Version != tls.VersionTLS13 || resp.ProtoMajor != 1) {
				t.Errorf("%x, %s", resp.TLS.Version, resp.Proto)
			}
		}
	}
	if _, err := tls.Dial("tcp", s.HTTPSAddress().String(), &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestTheCertificateIsKeptAndMadeAnewOnlyWhenItMustBe(t *testing.T) {
	dir := t.TempDir()
	fresh := func() *certificate {
		return &certificate{dir: dir, names: []string{"cam.local", "cam\xff", ""}, log: testLog}
	}
	c := fresh()
	first := c.fingerprint()
	leaf := c.made.Leaf
	if first == "" || leaf.IsCA || !slices.Contains(leaf.DNSNames, "cam.local") || slices.Contains(leaf.DNSNames, "cam\xff") || len(leaf.IPAddresses) == 0 ||
		leaf.NotAfter.Sub(leaf.NotBefore) > 825*24*time.Hour || time.Until(leaf.NotBefore) > -time.Hour {
		t.Errorf("%s %v %v", first, leaf.DNSNames, leaf.NotAfter)
	}
	for _, ext := range []string{"key", "crt"} {
		if fi, err := os.Stat(c.path(ext)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", ext, fi, err)
		}
	}
	if got := fresh().fingerprint(); got != first {
		t.Errorf("after a restart: %s, before %s", got, first)
	}
	for name, damage := range map[string]func(){
		"a damaged key":         func() { os.WriteFile(c.path("key"), []byte("x"), 0o600) },
		"a cut certificate":     func() { os.Truncate(c.path("crt"), 100) },
		"a key that is missing": func() { os.Remove(c.path("key")) },
		"a key of another certificate": func() {
			other := &certificate{dir: t.TempDir(), log: testLog}
			other.get()
			b, _ := os.ReadFile(other.path("key"))
			os.WriteFile(c.path("key"), b, 0o600)
		},
	} {
		before := fresh().fingerprint()
		damage()
		after := fresh().fingerprint()
		if after == before || after == "" || fresh().fingerprint() != after {
			t.Errorf("%s: %s, before %s", name, after, before)
		}
	}
	if got := (&certificate{dir: "/proc/nowhere", log: testLog}).fingerprint(); got == "" {
		t.Error("a disk that cannot be written leaves no HTTPS")
	}
}

func TestTheCertificateIsMadeAnewAMonthBeforeItsEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { // it begins in the year 2000, before the clock is set
		c := &certificate{dir: dir, log: testLog}
		first := c.fingerprint()
		if end := c.made.Leaf.NotAfter; end.Before(clockFloor) {
			t.Errorf("made before the clock was set, it ends in %v", end)
		}
		time.Sleep(time.Until(c.made.Leaf.NotAfter) - certificateRenew)
		if c.fingerprint() != first {
			t.Error("made anew too early")
		}
		time.Sleep(time.Second)
		second := c.fingerprint()
		if second == first || (&certificate{dir: dir, log: testLog}).fingerprint() != second {
			t.Error("not made anew")
		}
	})
}

func TestAnOwnersCertificateIsNeverReplaced(t *testing.T) {
	c := &certificate{dir: t.TempDir(), log: testLog}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	soon := time.Now().Add(time.Hour)
	authority := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, NotAfter: soon}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cam"}, NotAfter: soon, IPAddresses: []net.IP{{127, 0, 0, 1}}}, authority, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key)
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := c.keep(crt, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})); err != nil {
		t.Fatal(err)
	}
	if got, err := c.get(); err != nil || !bytes.Equal(got.Certificate[0], der) {
		t.Errorf("replaced: %v", err)
	}
	if b, _ := os.ReadFile(c.path("crt")); !bytes.Equal(b, crt) {
		t.Error("its file is replaced")
	}
}

func TestAnHTTPSAddressThatIsTakenLeavesHTTP(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := New(Config{Listen: "127.0.0.1:0", HTTPS: taken.Addr().String()}, nil, zap.NewNop())
	s.HandleOpen("GET /healthz", text("ok"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for s.Address() == nil {
		time.Sleep(time.Millisecond)
	}
	if got := run(t, "curl", "-s", "http://"+s.Address().String()+"/healthz"); got != "ok" {
		t.Errorf("%q", got)
	}
	taken.Close()
	for s.HTTPSAddress() == nil { // once the address is free
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-done
}

func TestWhereHTTPSListensDecidesOnThePasswordToo(t *testing.T) {
	p, _ := somePassword(t)
	for _, tt := range []struct {
		listen, https string
		loopback      bool
	}{{"127.0.0.1:1", "", true}, {"127.0.0.1:1", "[::1]:2", true}, {"127.0.0.1:1", ":2", false}, {":1", "127.0.0.1:2", false}} {
		cfg := Config{Listen: tt.listen, HTTPS: tt.https}
		if cfg.Loopback() != tt.loopback {
			t.Errorf("%+v: loopback %v", cfg, !tt.loopback)
		}
		if _, err := New(cfg, nil, testLog); (err == nil) != tt.loopback {
			t.Errorf("%+v without a password: %v", cfg, err)
		}
		if s, err := New(cfg, p, testLog); err != nil || (s.Fingerprint() != "") != (tt.https != "") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if err := (Config{Listen: ":1", HTTPS: "8443"}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "https: ") {
		t.Error(err)
	}
}
