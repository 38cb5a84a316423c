package web

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/internal/atomicfile"
)

// How long a certificate holds, and how long before its end it is made anew. 825 days is the most that Apple's systems take from
// one that a person has made them trust.
const (
	certificateLife  = 825 * 24 * time.Hour
	certificateRenew = 30 * 24 * time.Hour
)

// clockFloor: a clock that shows an earlier time has not been set yet.
var clockFloor = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A certificate is the one for HTTPS, self-made and kept in the state directory as https.key and https.crt: who has seen its
// fingerprint once knows the camera again. It isn't made anew when the camera's addresses change for that reason.
// An owner may put another key and certificate there, which is never replaced. Safe for concurrent use.
type certificate struct {
	dir   string // "": kept nowhere
	names []string
	log   *zap.Logger

	mu   sync.Mutex
	made *tls.Certificate
}

// get gives the certificate, and makes one if there is none or its end is near.
func (c *certificate) get() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil && c.dir != "" {
		if kept, err := tls.LoadX509KeyPair(c.path("crt"), c.path("key")); err == nil {
			c.made = &kept
		}
	}
	if c.made != nil && (time.Until(c.made.Leaf.NotAfter) >= certificateRenew || !bytes.Equal(c.made.Leaf.RawIssuer, c.made.Leaf.RawSubject)) {
		return c.made, nil
	}
	crt, key, err := c.make()
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	made, err := tls.X509KeyPair(crt, key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if err := c.keep(crt, key); err != nil {
		c.log.Warn("the certificate for HTTPS is not kept: the next start makes another", zap.Error(err))
	}
	c.made = &made
	return c.made, nil
}

func (c *certificate) path(ext string) string { return filepath.Join(c.dir, "https."+ext) }

func (c *certificate) keep(crt, key []byte) error {
	if c.dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(c.path("key"), key, 0o600); err != nil {
		return err
	}
	return atomicfile.Write(c.path("crt"), crt, 0o600)
}

// make makes a new key and certificate, both PEM.
func (c *certificate) make() (crt, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	from := time.Now()
	if from.Before(clockFloor) {
		from = clockFloor
	}
	from = from.Add(-24 * time.Hour) // the viewer's clock may be behind
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "camward"},
		NotBefore: from, NotAfter: from.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // and no authority: who trusts it trusts this camera alone
		IPAddresses:           ownAddresses(),
	}
	host, _ := os.Hostname()
	for _, name := range append([]string{"localhost", host}, c.names...) {
		if isToken(name) && !slices.Contains(t.DNSNames, name) {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// ownAddresses are those by which the device can be asked for, 16 at most.
func ownAddresses() []net.IP {
	var out []net.IP
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() && len(out) < 16 {
			out = append(out, n.IP)
		}
	}
	return out
}

// fingerprint is the certificate's SHA-256, "" if there is none.
func (c *certificate) fingerprint() string {
	cert, err := c.get()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(cert.Certificate[0])
	out := make([]byte, 0, 3*len(sum))
	for _, b := range sum {
		out = fmt.Appendf(out, ":%02X", b)
	}
	return string(out[1:])
}
