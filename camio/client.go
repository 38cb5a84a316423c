package camio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxReply bounds what the client reads of any answer, in bytes: the server is not trusted.
const maxReply = 256 << 10

// ErrNotCamio says that an answer came, but not from a Camio server: a captive portal's page, a router, the
// wrong address.
var ErrNotCamio = errors.New("the answer is not from a Camio server (a captive portal or the wrong address?)")

// A StatusError is an answer with an HTTP status other than 200.
type StatusError struct {
	Status     int
	Message    string        // the server's own words, at most 200 bytes, may be empty
	RetryAfter time.Duration // from the header of the same name; 0 if absent
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the cloud answered %d %s", e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// A Client speaks the unauthenticated calls that a camera makes. It may be used by several goroutines.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient returns a client for the server whose API lies at base + "/api", for instance
// "https://www.camio.com". The HTTP client's transport decides on proxies and certificates; redirects
// are not followed, since the poll's answer must come from the configured server.
func NewClient(base string, transport http.RoundTripper) (*Client, error) {
	u, err := ParseBase(base)
	if err != nil {
		return nil, err
	}
	return &Client{base: u, http: &http.Client{
		Transport:     transport,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// ParseBase checks a server address: http or https, a host, no user, query or fragment. A trailing slash
// or "/api" is dropped.
func ParseBase(base string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(base))
	switch {
	case err != nil:
		return nil, fmt.Errorf("address %q cannot be read; write it like https://cloud.example.com", base)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("address %q needs http:// or https:// and a host", base)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("address of %s must have no user, query or fragment", u.Host)
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api")
	return u, nil
}

// Poll asks /api/cameras/:mac for the camera's commands: by GET, or by POST if there are results to tell. A server that
// knows no such POST answers it with 400, 404 or 405. The second result is the server's Date header, zero
// if absent: a hint for a clock that is not set.
func (c *Client) Poll(ctx context.Context, p Poll) (*PollReply, time.Time, error) {
	q := url.Values{"maker": {p.Maker}, "model": {p.Model}}
	if p.LocalAddress != "" {
		q.Set("ip_address_local", p.LocalAddress)
	}
	var reply PollReply
	method, body := http.MethodGet, []byte(nil)
	if len(p.Results) > 0 {
		var err error
		if body, err = json.Marshal(Results{p.Results}); err != nil {
			return nil, time.Time{}, fmt.Errorf("poll %s: %w", c.base.Host, err)
		}
		method = http.MethodPost
	}
	date, err := c.call(ctx, method, "/api/cameras/"+url.PathEscape(p.MAC), q, body, &reply)
	if err != nil {
		return nil, date, fmt.Errorf("poll %s: %w", c.base.Host, err)
	}
	if reply.MACAddress == "" && reply.Commands == nil {
		return nil, date, fmt.Errorf("poll %s: %w", c.base.Host, ErrNotCamio)
	}
	return &reply, date, nil
}

// TokenHint asks whose account an upload token belongs to.
func (c *Client) TokenHint(ctx context.Context, token Secret) (Hint, error) {
	var h Hint
	_, err := c.call(ctx, http.MethodGet, "/api/tokens/"+url.PathEscape(token.Reveal())+"/hint", nil, nil, &h)
	if err == nil && h.Email == "" {
		err = ErrNotCamio
	}
	if err != nil {
		return Hint{}, fmt.Errorf("token hint from %s: %w", c.base.Host, err)
	}
	return h, nil
}

// call sends JSON, if any, and reads JSON.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, send []byte, into any) (time.Time, error) {
	target := c.base.String() + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(send))
	if err != nil {
		return time.Time{}, errors.New("the address cannot be used") // the error would repeat the path, which may hold a token
	}
	req.Header.Set("User-Agent", "camward")
	if send != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return time.Time{}, withoutURL(err)
	}
	defer resp.Body.Close()
	date, _ := http.ParseTime(resp.Header.Get("Date"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return date, fmt.Errorf("read the answer: %w", err)
	case resp.StatusCode != http.StatusOK:
		return date, statusError(resp, body)
	case len(body) > maxReply:
		return date, fmt.Errorf("the answer is longer than %d KiB", maxReply>>10)
	}
	if json.Unmarshal(body, into) != nil {
		return date, ErrNotCamio
	}
	return date, nil
}

// withoutURL drops the request's address from a transport error: its path may hold a token.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

func statusError(resp *http.Response, body []byte) error {
	e := &StatusError{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	var m Error
	if json.Unmarshal(bytes.TrimSpace(body), &m) == nil {
		e.Message = printable(m.Message, 200)
	}
	return e
}

// retryAfter reads the header's delay in seconds, at most an hour; the date form is rare and counts as absent.
func retryAfter(s string) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n), 3600) * time.Second
}

// printable keeps what is safe to show of a stranger's text: no control characters, at most n bytes.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}
