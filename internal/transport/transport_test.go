package transport

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// server is one over TLS, and the file of its authority.
func server(t *testing.T) (*httptest.Server, string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, file
}

func get(t *testing.T, c Config, url string) error {
	t.Helper()
	tr, err := c.HTTP(5*time.Second, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(url)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

func TestOnlyTrustedServersAreTalkedTo(t *testing.T) {
	s, ca := server(t)
	pin, other := PinOf(s.Certificate()), Pin{1}
	tests := []struct {
		name string
		cfg  Config
		want string // in the error; empty: none
	}{
		{"the system's authorities", Config{}, "unknown authority"},
		{"its own authority", Config{CAFile: ca}, ""},
		{"its pin", Config{CAFile: ca, Pins: []Pin{pin}}, ""},
		{"a spare pin beside its own", Config{CAFile: ca, Pins: []Pin{other, pin}}, ""},
		{"another pin", Config{CAFile: ca, Pins: []Pin{other}}, "without a pinned key; its own is " + pin.String()},
		{"a pin is no replacement for an authority", Config{Pins: []Pin{pin}}, "unknown authority"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := get(t, tt.cfg, s.URL)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAProxyIsTakenAsConfigured(t *testing.T) {
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.Host }))
	defer proxy.Close()
	if err := get(t, Config{Proxy: proxy.URL}, "http://cloud.example/"); err != nil || asked != "cloud.example" {
		t.Errorf("the proxy was asked for %q: %v", asked, err)
	}
	t.Setenv("HTTP_PROXY", proxy.URL) // net/http reads it once a process, so only the answer to "none" is sure
	asked = ""
	if err := get(t, Config{Proxy: Direct}, "http://cloud.invalid/"); err == nil || asked != "" {
		t.Errorf("without a proxy: asked for %q, %v", asked, err)
	}
}

func TestEveryFaultIsReportedAndNoPasswordShown(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{
		{CAFile: empty, Proxy: "http://user:hush@"},
		{CAFile: empty + ".none", Proxy: "ftp://user:hush@proxy:1"},
		{CAFile: empty, Proxy: "http://user:hush@[::1"},
	} {
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), "ca_file: ") || !strings.Contains(err.Error(), "proxy: ") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func FuzzPinIsReadAsItIsWritten(f *testing.F) {
	f.Add("sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	f.Add("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") // curl's form
	f.Add("sha256//7DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")  // a hash that begins with a slash
	f.Add("sha256//")
	f.Fuzz(func(t *testing.T, text string) {
		var p, again Pin
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p {
			t.Errorf("%q: %v became %v, %v", text, p, again, err)
		}
	})
}
