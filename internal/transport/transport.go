// Package transport sets up the connections that leave the device: whom they trust, through which proxy they go, and
// how soon each step of making one has to be done.
package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Direct as Config.Proxy means that no proxy is used, whatever the environment says.
const Direct = "none"

// Config says how far ends are reached. The zero value trusts the system's authorities and follows the environment.
type Config struct {
	CAFile string // PEM file of the only authorities to trust; empty: the system's
	Pins   []Pin  // one of these keys must be in the server's chain, beside all other checks; empty: any
	Proxy  string // http, https, socks5 or socks5h URL; empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY; or Direct
}

// Validate reports every fault at once, under ca_file and proxy. It reads CAFile. No error shows Proxy, which may hold a
// password.
func (c Config) Validate() error {
	_, err := c.TLS()
	_, perr := c.proxy()
	return errors.Join(err, perr)
}

// TLS is the configuration of TLS connections: version 1.2 at least.
func (c Config) TLS() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.Pins) > 0 {
		t.VerifyConnection = c.verifyPins
	}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", c.CAFile)
	}
	return t, nil
}

// HTTP returns a transport that keeps connections alive and bounds every step of setting one up: connect is for TCP
// and again for TLS, idle is how long a peer may leave sent bytes unacknowledged.
func (c Config) HTTP(connect, idle time.Duration) (*http.Transport, error) {
	config, err := c.TLS()
	if err != nil {
		return nil, err
	}
	proxy, err := c.proxy()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: connect, KeepAlive: idle / 2, Control: Control(idle)}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    connect,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: idle / 2, PingTimeout: idle / 2},
		ExpectContinueTimeout:  2 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        64 << 10, // fewer system calls for each clip than the 4 KiB default
	}, nil
}

func (c Config) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch c.Proxy {
	case "":
		return http.ProxyFromEnvironment, nil
	case Direct:
		return nil, nil
	}
	u, err := url.Parse(c.Proxy)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, errors.New("proxy: not like http://host:port or socks5://host:port, and not none")
	}
	return http.ProxyURL(u), nil
}

// verifyPins wants a pinned key anywhere in the verified chain (RFC 7469 2.6), so that an authority can be pinned
// as well as the server itself.
func (c Config) verifyPins(s tls.ConnectionState) error {
	for _, chain := range s.VerifiedChains {
		for _, cert := range chain {
			if slices.Contains(c.Pins, PinOf(cert)) {
				return nil
			}
		}
	}
	return fmt.Errorf("%s shows a certificate without a pinned key; its own is %s", s.ServerName, PinOf(s.PeerCertificates[0]))
}

// A Pin is the SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 2.4), so it outlives a renewal of the
// certificate with the same key. Written like sha256/BASE64; curl's sha256//BASE64 is read too.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate's key.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// String writes the pin as it is read.
func (p Pin) String() string { return "sha256/" + base64.StdEncoding.EncodeToString(p[:]) }

// MarshalText is String.
func (p Pin) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads "sha256/..." and "sha256//...".
func (p *Pin) UnmarshalText(text []byte) error {
	hash, ok := strings.CutPrefix(string(text), "sha256/")
	// "/" is of the alphabet, but 32 bytes make 44 characters: a 45th is curl's second slash.
	if len(hash) > base64.StdEncoding.EncodedLen(len(p)) {
		hash = strings.TrimPrefix(hash, "/")
	}
	b, err := base64.StdEncoding.DecodeString(hash)
	if !ok || err != nil || len(b) != len(p) {
		return fmt.Errorf("%q is not a pin like sha256/BASE64 of a key's SHA-256", text)
	}
	copy(p[:], b)
	return nil
}
