package board

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"camward/internal/transport"
)

// connectTimeout is for TCP and again for TLS: three of these fit into a call.
const connectTimeout = 4 * time.Second

// A link is the way to the board's own HTTP server: whom it trusts, and by which scheme it goes.
type link struct {
	address   address
	httpPort  int // the profile's
	allowHTTP bool
	tls       *tls.Config
	transport *http.Transport

	mu     sync.Mutex
	scheme string // found by trying; HTTPS once found is never given up again
}

func newLink(cfg FirmwareConfig, port int) (*link, error) {
	a, err := parseAddress(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("board.firmware.address: %w", err)
	}
	l := &link{address: a, httpPort: port, allowHTTP: cfg.AllowHTTP, scheme: a.scheme}
	if l.httpPort == 0 {
		l.httpPort = 80
	}
	trust := transport.Config{CAFile: cfg.CAFile, Proxy: transport.Direct}
	if cfg.CAFile != "" {
		trust.Pins = cfg.Pins
	}
	if l.transport, err = trust.HTTP(connectTimeout, callTimeout); err != nil {
		return nil, err
	}
	if cfg.CAFile == "" && len(cfg.Pins) > 0 {
		pinOnly(l.transport.TLSClientConfig, cfg.Pins)
	}
	l.tls = l.transport.TLSClientConfig.Clone()
	l.tls.ServerName = a.host
	// Cameras speak HTTP/1.1, and compressed answers only confuse the search for a pattern.
	l.transport.ForceAttemptHTTP2, l.transport.HTTP2, l.transport.Protocols = false, nil, new(http.Protocols)
	l.transport.Protocols.SetHTTP1(true)
	l.transport.DisableCompression = true
	return l, nil
}

// pinOnly makes the key of the certificate that the board shows the whole of the trust, as SSH does.
func pinOnly(c *tls.Config, pins []transport.Pin) {
	c.InsecureSkipVerify = true //nolint:gosec // VerifyConnection is called for every handshake, resumed ones too
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if pin := transport.PinOf(s.PeerCertificates[0]); !slices.Contains(pins, pin) {
			return &untrustedError{pin: pin, reason: "its key is not one of board.firmware.pins"}
		}
		return nil
	}
}

// An untrustedError tells what to put into the configuration if the certificate is the board's own.
type untrustedError struct {
	pin    transport.Pin
	reason string
}

func (e *untrustedError) Error() string {
	return fmt.Sprintf("the board's certificate is not trusted (%s): if it is the board's own, set board.firmware.pins: [%s]", e.reason, e.pin)
}

// find gives scheme and host:port of the board. An address without a scheme is tried by HTTPS; where nothing speaks TLS there and
// HTTP is allowed, it is HTTP. A certificate that isn't trusted never leads to HTTP.
func (l *link) find(ctx context.Context) (scheme, host string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.scheme == "" {
		if err := l.shakeHands(ctx); err == nil {
			l.scheme = "https"
		} else if u := (*untrustedError)(nil); errors.As(err, &u) || ctx.Err() != nil {
			return "", "", err
		} else if !l.allowHTTP {
			return "", "", fmt.Errorf("%w; for a board that has only HTTP set board.firmware.allow_http", err)
		} else {
			return "http", l.address.hostPort(l.httpPort), nil // found anew each time
		}
	}
	if l.scheme == "https" {
		return "https", l.address.hostPort(443), nil
	}
	return "http", l.address.hostPort(l.httpPort), nil
}

// shakeHands tries TLS and hangs up.
func (l *link) shakeHands(ctx context.Context) error {
	host := l.address.hostPort(443)
	try, cancel := context.WithTimeoutCause(ctx, connectTimeout, fmt.Errorf("no answer within %v", connectTimeout))
	defer cancel()
	d := tls.Dialer{Config: l.tls}
	c, err := d.DialContext(try, "tcp", host)
	if err != nil {
		return explain(try, host, err)
	}
	return c.Close()
}

// explain says what is wrong in the words of who installs the board. It shows nothing that was sent.
func explain(ctx context.Context, host string, err error) error {
	var (
		cert     *tls.CertificateVerificationError
		known    *untrustedError
		noTLS    tls.RecordHeaderError
		dns      *net.DNSError
		deadline net.Error
	)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("board %s: %w", host, context.Cause(ctx))
	case errors.As(err, &known):
		return fmt.Errorf("board %s: %w", host, known)
	case errors.As(err, &cert):
		return fmt.Errorf("board %s: %w", host, &untrustedError{transport.PinOf(cert.UnverifiedCertificates[0]), cert.Err.Error()})
	case errors.As(err, &noTLS), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Errorf("board %s: it does not speak HTTPS", host)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("board %s: there is no such name", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("board %s: %w: nothing listens there, see board.firmware.address", host, syscall.ECONNREFUSED)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("board %s: there is no way to this address", host)
	case errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("board %s: %w", host, syscall.ECONNRESET)
	case errors.As(err, &deadline) && deadline.Timeout():
		return fmt.Errorf("board %s: it does not answer", host)
	case strings.Contains(err.Error(), "malformed"):
		return fmt.Errorf("board %s: its answer is not HTTP", host) // net/http would quote it
	case strings.Contains(err.Error(), "EOF"):
		return fmt.Errorf("board %s: it hangs up without an answer", host)
	}
	return fmt.Errorf("board %s: %w", host, err)
}
