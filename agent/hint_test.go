package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"camward/camio"
	"camward/cloud/cloudtest"
)

// certified is a TLS server whose certificate is for 127.0.0.1 from one time to another, and the file of its authority.
func certified(t *testing.T, h http.Handler, from, to time.Time) (*httptest.Server, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, ca
}

func answering(status int, header, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

func plainServer(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestWhatIsWrongWithATokenIsToldApart(t *testing.T) {
	t.Parallel()
	c := cloudtest.New(t)
	const portal = "<html>Welcome to our hotel</html>"
	now, day := time.Now(), 24*time.Hour
	good, goodCA := certified(t, answering(200, "", portal), now.Add(-day), now.Add(day))
	old, oldCA := certified(t, answering(200, "", "{}"), now.Add(-9*day), now.Add(-day))
	future, futureCA := certified(t, answering(200, "Date: "+now.Add(400*day).UTC().Format(http.TimeFormat), "{}"), now.Add(300*day), now.Add(500*day))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	const token = "51r6kndapc"
	tests := []struct {
		name, url, ca, token string
		want                 Problem
	}{
		{"good", c.URL, "", c.Account.UploadToken, ""},
		{"wrong token", c.URL, "", token, WrongToken},
		{"path of no API", c.URL + "/elsewhere", "", token, WrongServer},
		{"nothing listens", "http://" + closed.Addr().String(), "", token, NoServer},
		{"no such name", "https://no-such-host.invalid", "", token, NoName},
		{"no address", "camera cloud", "", token, WrongServer},
		{"portal's page", plainServer(t, answering(200, "Content-Type: text/html", portal)), "", token, CaptivePortal},
		{"portal's redirect", plainServer(t, answering(302, "Location: http://portal.example/", "")), "", token, CaptivePortal},
		{"portal that says so", plainServer(t, answering(511, "", "")), "", token, CaptivePortal},
		{"server of another kind", good.URL, goodCA, token, WrongServer},
		{"unknown authority", good.URL, "", token, NotTrusted},
		{"another server's certificate", strings.Replace(good.URL, "127.0.0.1", "localhost", 1), goodCA, token, NotTrusted},
		{"certificate that has expired", old.URL, oldCA, token, NotTrusted},
		{"clock that is late", future.URL, futureCA, token, WrongClock},
		{"plain HTTP where TLS was expected", strings.Replace(c.URL, "http:", "https:", 1), "", token, WrongServer},
		{"server in trouble", plainServer(t, answering(500, "", `{"message":"oh"}`)), "", token, ServerTrouble},
		{"too many requests", plainServer(t, answering(429, "Retry-After: 60", `{"message":"slow down"}`)), "", token, ServerTrouble},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			email, err := CloudConfig{URL: tt.url, CAFile: tt.ca}.TokenHint(t.Context(), camio.Secret(tt.token))
			if tt.want == "" {
				if err != nil || !strings.HasSuffix(email, "@...") {
					t.Errorf("%q, %v", email, err)
				}
				return
			}
			var he *HintError
			if errors.As(err, &he) && tt.want == NoName && he.Problem == NoNetwork {
				t.Skip("not run: no name server answers here")
			}
			if !errors.As(err, &he) || he.Problem != tt.want {
				t.Fatalf("%v; want %s", err, tt.want)
			}
			if text := err.Error(); strings.Contains(text, tt.token) || strings.Contains(text, "\n") || he.Advice == "" {
				t.Errorf("the error reads %q", text)
			} else {
				t.Log(text)
			}
		})
	}
}
