package httpstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"camward/internal/usertimeout"
)

// newTransport keeps connections alive between uploads and bounds every step of setting one up.
func newTransport(cfg Config) (*http.Transport, error) {
	roots, err := loadRoots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	proxy := http.ProxyFromEnvironment
	if cfg.Proxy != "" {
		u, err := url.Parse(cfg.Proxy)
		if err != nil {
			return nil, fmt.Errorf("cloud.proxy: not a URL") // its text may hold a password
		}
		proxy = http.ProxyURL(u)
	}
	dialer := &net.Dialer{Timeout: cfg.Connect, KeepAlive: cfg.Idle / 2, Control: usertimeout.Control(cfg.Idle)}
	return &http.Transport{
		Proxy: proxy,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addr)
		},
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    cfg.Connect,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: cfg.Idle / 2, PingTimeout: cfg.Idle / 2},
		ExpectContinueTimeout:  2 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        64 << 10, // fewer system calls for each clip than the 4 KiB default
	}, nil
}

// loadRoots reads the authorities to trust; nil means the system's.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cloud.ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cloud.ca_file: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}
