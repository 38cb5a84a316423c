package cloud_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

// runFTP runs the whole server with FTP over TLS beside HTTP, and returns it with its FTP address and certificate.
func runFTP(t *testing.T) (c *cloudtest.Cloud, addr, cert string) {
	t.Helper()
	cert, key := ftpCertificate(t)
	web, ftp := make(chan net.Addr, 1), make(chan net.Addr, 1)
	s, err := cloud.New(cloud.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", FTPListen: "127.0.0.1:0", FTPCert: cert, FTPKey: key, Log: zap.NewNop(),
		OnListen: func(a net.Addr) { web <- a }, OnListenFTP: func(a net.Addr) { ftp <- a }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	acc, err := s.AddUser(t.Context(), "test@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return &cloudtest.Cloud{URL: "http://" + (<-web).String(), Account: acc, Server: s}, (<-ftp).String(), cert
}

func ftpCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err1 := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	pk, err2 := x509.MarshalPKCS8PrivateKey(k)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	err3 := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	err4 := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}), 0o600)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// curlFTP uploads a body and returns curl's error.
func curlFTP(t *testing.T, addr, token, path string, body []byte, args ...string) error {
	t.Helper()
	cmd := exec.Command("curl", append([]string{"-sS", "--ftp-create-dirs", "-u", token + ":camio", "-T", "-", "ftp://" + addr + path}, args...)...)
	cmd.Stdin = bytes.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("curl: %w: %s", err, out)
	}
	return nil
}

func TestAnUploadOverFTPAppearsInSearch(t *testing.T) {
	c, addr, cert := runFTP(t)
	token := c.Account.UploadToken
	jpeg, mp4 := picture(t, 320, 240, 1), movie(t, 2)
	for _, err := range []error{
		curlFTP(t, addr, token, "/front/"+url.PathEscape(stamp(0, ".jpg")), jpeg),
		curlFTP(t, addr, token, "/front/2026/05/01/"+url.PathEscape(stamp(1, ".mp4")), mp4, "--ssl-reqd", "--cacert", cert),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := search(t, c, "text="+url.QueryEscape("front"))
	if b := r.Result.Buckets; len(b) != 1 || len(b[0].Images) != 1 || len(b[0].Videos) != 1 || b[0].Source != "front" {
		t.Fatalf("buckets: %+v, want the two files in one event", b)
	}
	// The same file by HTTP is the same item.
	again := put(t, c, "front", stamp(0, ".jpg"), "camera_id=00E04CC27CC5", jpeg)
	got := get(t, c, "/api/users/me/cameras/front/content/"+again.ID)
	if got.Status != 200 || got.Body != string(jpeg) || !again.DateCreated.Equal(noon) {
		t.Errorf("content: %d, %d bytes of %v; want the %d bytes uploaded at %v", got.Status, len(got.Body), again.DateCreated, len(jpeg), noon)
	}
	if n := count(t, c); n != 1 {
		t.Errorf("%d cameras, want one", n)
	}
}

func count(t *testing.T, c *cloudtest.Cloud) int {
	t.Helper()
	return len(decode[[]camio.Camera](t, get(t, c, "/api/users/me/cameras/").Body))
}

func TestAnFTPDirectoryNamesTheCamera(t *testing.T) {
	c, addr, _ := runFTP(t)
	token := c.Account.UploadToken
	if err := c.Server.Claim(t.Context(), "00:E0:4C:C2:7C:C5", "test@example.com", "porch"); err != nil {
		t.Fatal(err)
	}
	put(t, c, "yard", stamp(0, ".jpg"), "camera_id=00E04C000001.0", picture(t, 64, 48, 9))
	tests := []struct{ dir, camera string }{
		{"00E04CC27CC5", "porch"},
		{"00-e0-4c-c2-7c-c5", "porch"},
		{"PORCH", "porch"},
		{"00:e0:4c:00:00:01", "yard"},
		{"00E04C000002", "00E04C000002"},
		{"Garage Nord", "Garage Nord"},
	}
	for i, tt := range tests {
		jpeg := picture(t, 64, 48, i+1)
		name := stamp(float64(100*i+100), ".jpg")
		if err := curlFTP(t, addr, token, "/"+url.PathEscape(tt.dir)+"/"+url.PathEscape(name), jpeg); err != nil {
			t.Fatal(err)
		}
		r := get(t, c, "/api/content/live/"+url.PathEscape(tt.camera)+"/?output=jpeg")
		if r.Status != 200 || r.Body != string(jpeg) {
			t.Errorf("%s: the last picture of %s is another: %d", tt.dir, tt.camera, r.Status)
		}
	}
	if n := count(t, c); n != 4 {
		t.Errorf("%d cameras, want 4", n)
	}
}

func TestFTPRefusesWhatHTTPRefuses(t *testing.T) {
	c, addr, _ := runFTP(t)
	token := c.Account.UploadToken
	tests := []struct {
		name, token, path string
		body              []byte
		want              string
	}{
		{"token", "wrong", "/front/a.jpg", picture(t, 64, 48, 1), "530"},
		{"OAuth token", c.Account.OAuthToken, "/front/a.jpg", picture(t, 64, 48, 1), "530"},
		{"neither picture nor video", token, "/front/a.jpg", []byte("text"), "553"},
		{"empty", token, "/front/a.jpg", nil, "553"},
		{"no camera", token, "/a.jpg", picture(t, 64, 48, 1), "553"},
		{"camera name", token, "/" + strings.Repeat("x", 101) + "/a.jpg", picture(t, 64, 48, 1), "553"},
	}
	for _, tt := range tests {
		if err := curlFTP(t, addr, tt.token, tt.path, tt.body, "-v"); err == nil || !strings.Contains(err.Error(), "< "+tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	if n := count(t, c); n != 0 {
		t.Errorf("%d cameras, want none", n)
	}
}

func TestFTPKeepsNothingWhileRecordingIsOff(t *testing.T) {
	c, addr, _ := runFTP(t)
	if status, body := c.Do(t, "POST", "/api/users/me/settings", `{"recording_enabled":false}`); status != 200 {
		t.Fatalf("settings: %d %s", status, body)
	}
	if err := curlFTP(t, addr, c.Account.UploadToken, "/front/"+url.PathEscape(stamp(0, ".jpg")), picture(t, 64, 48, 1)); err != nil {
		t.Fatal(err)
	}
	if r := search(t, c, "text=front"); len(r.Result.Buckets) != 0 || count(t, c) != 1 {
		t.Errorf("%d buckets and %d cameras, want the camera only", len(r.Result.Buckets), count(t, c))
	}
}

func TestTheFTPCertificateIsRenewedInPlace(t *testing.T) {
	c, addr, cert := runFTP(t)
	fresh, key := ftpCertificate(t)
	stored := filepath.Join(filepath.Dir(cert), "key.pem")
	b1, err1 := os.ReadFile(fresh)
	b2, err2 := os.ReadFile(key)
	later := time.Now().Add(time.Minute)
	if err := errors.Join(err1, err2, os.WriteFile(stored, b2, 0o600), os.WriteFile(cert, b1, 0o600), os.Chtimes(cert, later, later)); err != nil {
		t.Fatal(err)
	}
	if err := curlFTP(t, addr, c.Account.UploadToken, "/front/a.jpg", picture(t, 64, 48, 1), "--ssl-reqd", "--cacert", fresh); err != nil {
		t.Error(err)
	}
}

func TestFTPNeedsAWholeCertificate(t *testing.T) {
	_, err := cloud.New(cloud.Config{Data: t.TempDir(), FTPListen: ":0", FTPCert: "cert.pem", Log: zap.NewNop()})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate without a key: %v", err)
	}
	_, err = cloud.New(cloud.Config{Data: t.TempDir(), FTPListen: ":0", FTPCert: "absent.pem", FTPKey: "absent.pem", Log: zap.NewNop()})
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent certificate: %v", err)
	}
}
