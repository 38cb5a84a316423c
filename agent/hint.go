package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"camward/camio"
	"camward/internal/transport"
)

// A Problem is why the cloud could not say whose upload token it is. Each is mended in another way, and by another person.
type Problem string

// The problems, in the order in which they are met on the way to the cloud.
const (
	NoNetwork     Problem = "no network"
	NoName        Problem = "name not found"
	NoServer      Problem = "no answer"
	WrongClock    Problem = "clock is wrong"
	NotTrusted    Problem = "certificate is not trusted"
	CaptivePortal Problem = "captive portal"
	WrongServer   Problem = "wrong server"
	ServerTrouble Problem = "server in trouble"
	WrongToken    Problem = "wrong token"
)

// A HintError says what is wrong and what to do about it. Err holds neither the token nor an address with it.
type HintError struct {
	Problem Problem
	Advice  string
	Err     error
}

func (e *HintError) Error() string { return fmt.Sprintf("%s: %v. %s", e.Problem, e.Err, e.Advice) }
func (e *HintError) Unwrap() error { return e.Err }

const hintLimit = 20 * time.Second // for the whole check: a person stands on a ladder meanwhile

// TokenHint asks the cloud whose account an upload token belongs to: "test@...". Every error is a *HintError.
func (c CloudConfig) TokenHint(ctx context.Context, token camio.Secret) (email string, err error) {
	ctx, cancel := context.WithTimeout(ctx, hintLimit)
	defer cancel()
	client, base, err := c.client()
	if err != nil {
		return "", &HintError{WrongServer, "Set cloud.url to the address of the cloud, for instance https://cloud.example.com.", err}
	}
	h, err := client.TokenHint(ctx, token)
	if err != nil {
		return "", c.explainHint(ctx, base, err)
	}
	return h.Email, nil
}

// client is one for the cloud's unauthenticated calls.
func (c CloudConfig) client() (*camio.Client, *url.URL, error) {
	base, err := camio.ParseBase(c.URL)
	if err != nil {
		return nil, nil, err
	}
	rt, err := c.transport().HTTP(pollConnect, pollIdle)
	if err != nil {
		return nil, nil, err
	}
	client, err := camio.NewClient(c.URL, rt)
	return client, base, err
}

// explainHint finds the problem behind an error. What came over TLS with a trusted certificate came from the server that
// cloud.url names; over plain HTTP, anything in between may have answered.
func (c CloudConfig) explainHint(ctx context.Context, base *url.URL, err error) *HintError {
	var status *camio.StatusError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	host := base.Hostname()
	secure := base.Scheme == "https"
	is := func(p Problem, advice string, args ...any) *HintError {
		return &HintError{p, fmt.Sprintf(advice, args...), err}
	}
	switch {
	case errors.As(err, &status):
		return explainStatus(status, secure, is)
	case errors.Is(err, camio.ErrNotCamio) && !secure:
		return is(CaptivePortal, "Something between here and %s answers in its place: sign in to this network in a browser, or use another one. If it is the right network, is cloud.url right?", host)
	case errors.Is(err, camio.ErrNotCamio):
		return is(WrongServer, "Is cloud.url right? %s answers, but it is no Camio server.", base)
	case errors.As(err, &dns) && dns.IsNotFound:
		return is(NoName, "Is the name in cloud.url spelt right? If so, the network's name server does not know it.")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.As(err, &dns) && dns.IsTemporary:
		return is(NoNetwork, "Check cable, Wi-Fi and router: this device does not reach its network's name server or the way out.")
	case errors.As(err, &certificate):
		return c.explainCertificate(ctx, certificate, is)
	case errors.Is(err, syscall.ECONNREFUSED):
		return is(NoServer, "Nothing listens there: is the port in cloud.url right, and is the server up?")
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return is(NoServer, "A firewall may drop the packets, or the address is one that nobody has. Is cloud.url right?")
	case secure && (errors.As(err, new(tls.RecordHeaderError)) || errors.Is(err, http.ErrSchemeMismatch)):
		return is(WrongServer, "The server speaks plain HTTP there: does cloud.url need http:// or another port?")
	case secure && errors.As(err, new(tls.AlertError)):
		return is(NotTrusted, "The server refuses to speak TLS with this device; it needs TLS 1.2 at least.")
	}
	return is(NoServer, "Is cloud.url right, and is the server up?")
}

func explainStatus(s *camio.StatusError, secure bool, is func(Problem, string, ...any) *HintError) *HintError {
	switch {
	case s.Status == http.StatusNetworkAuthenticationRequired || s.Status/100 == 3 && !secure:
		return is(CaptivePortal, "Sign in to this network in a browser, or use another one.")
	case s.Status == http.StatusTooManyRequests || s.Status/100 == 5:
		return is(ServerTrouble, "The address is right; try again in a minute.")
	case s.Status == http.StatusNotFound && s.Message != "", s.Status == http.StatusUnauthorized:
		return is(WrongToken, "The server is right, but knows no such upload token: copy it again from the account's page.")
	}
	return is(WrongServer, "Is cloud.url right? The server does not know the API's address.")
}

// explainCertificate tells a certificate that is not valid now from a clock that is not: the server's own clock is asked
// for, without the token and without trust.
func (c CloudConfig) explainCertificate(ctx context.Context, err *tls.CertificateVerificationError, is func(Problem, string, ...any) *HintError) *HintError {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		if date, ok := c.serverDate(ctx); ok && time.Since(date).Abs() > time.Hour {
			return is(WrongClock, "Here it is %s, there it is %s: set the clock, or let NTP do it.", time.Now().Format(time.DateTime), date.Local().Format(time.DateTime))
		}
		return is(NotTrusted, "The server's certificate is not valid at this time; its operator must renew it.")
	}
	if errors.As(err, new(x509.HostnameError)) {
		return is(NotTrusted, "The certificate is another server's: is the name in cloud.url right? A captive portal shows such a one too.")
	}
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		return is(NotTrusted, "For a server with a certificate of its own making set cloud.ca_file; else something between here and it, such as a captive portal, intercepts the connection.")
	}
	return is(NotTrusted, "See cloud.ca_file and cloud.pins.")
}

// serverDate asks the server's root for its clock. Nothing secret is sent and nothing that comes is believed further.
func (c CloudConfig) serverDate(ctx context.Context) (time.Time, bool) {
	rt, err := transport.Config{Proxy: c.Proxy.Reveal()}.HTTP(pollConnect, pollIdle)
	if err != nil {
		return time.Time{}, false
	}
	defer rt.CloseIdleConnections()
	rt.TLSClientConfig.InsecureSkipVerify = true
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.URL, nil)
	if err != nil {
		return time.Time{}, false
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return time.Time{}, false
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	return date, err == nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
