package servers

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// certificate is one self-signed certificate with its key for all servers of a process: proftpd wants RSA, which
// takes its time to make.
var certificate = sync.OnceValues(func() (pair [2][]byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return pair, err
	}
	text := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "camward test"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              []string{"localhost"},
	}
	cert, err := x509.CreateCertificate(rand.Reader, &text, &text, &key.PublicKey, key)
	if err != nil {
		return pair, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair, err
	}
	pair[0] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	pair[1] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return pair, nil
})

// writeCertificate writes the authority for clients, and key and certificate for servers.
func writeCertificate(ca, key string) error {
	pair, err := certificate()
	if err != nil {
		return err
	}
	if err := os.WriteFile(ca, pair[0], 0o644); err != nil {
		return err
	}
	return os.WriteFile(key, bytes.Join(pair[:], nil), 0o600)
}

// hash makes a password for a users file, by the system's own crypt(3).
func hash(password string) (string, error) {
	out, err := exec.Command("perl", "-e", `print crypt($ARGV[0], '$6$camward$')`, password).Output()
	if err != nil {
		return "", fmt.Errorf("crypt: %w", err)
	}
	return string(out), nil
}
