package httpstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"camward/camio"
	"camward/uploader"
)

// maxAnswer bounds what is read of an answer; a longer one is cut, not refused.
const maxAnswer = 64 << 10

// judge turns an answer into what the uploader decides on. The answer is read to its end, so
// that one which was cut does not count and the connection can be used again.
func (s *Store) judge(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("answer %s is cut: %w", resp.Status, err)
	}
	message, ours := apiMessage(text)
	fault := fmt.Errorf("the server answers %s%s", resp.Status, message)
	switch code := resp.StatusCode; code {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return s.believable(resp)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %w", uploader.ErrUnauthorized, fault)
	case http.StatusNotFound:
		if !ours {
			return fmt.Errorf("%w, which is not the API's own: is cloud.url right?", fault)
		}
		return fmt.Errorf("%w: %w", uploader.ErrPermanent, fault)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", uploader.ErrPermanent, fault)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if after, ok := retryAfter(resp.Header); ok {
			return &uploader.RetryAfterError{After: after, Err: fault}
		}
	}
	if resp.StatusCode/100 == 3 {
		return fmt.Errorf("%w to %s: set cloud.url to where the API is", fault, host(resp))
	}
	return fault
}

// believable refuses what a sign-in page of some network answers in the server's stead: the item
// would be deleted on its word.
func (s *Store) believable(resp *http.Response) error {
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" {
		return fmt.Errorf("%s with a web page is not the API's answer: does something between intercept it?", resp.Status)
	}
	return nil
}

// checkDigest compares what the server says it has stored with what was sent, where it says so. Its word that it took
// the item is not believed against its own evidence: the item stays and is sent again.
func checkDigest(h http.Header, sent []byte) error {
	stored, err := camio.Digest(h)
	if err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	if stored != nil && len(sent) > 0 && !bytes.Equal(stored, sent) {
		return errors.New("the server stored other bytes than were sent (its Repr-Digest differs)")
	}
	return nil
}

// apiMessage finds the message of an API error, and reports whether the answer is one.
func apiMessage(text []byte) (string, bool) {
	var e camio.Error
	if json.Unmarshal(text, &e) != nil || e.Message == "" {
		return "", false
	}
	const longest = 200
	if len(e.Message) > longest {
		e.Message = e.Message[:longest] + "..."
	}
	return fmt.Sprintf(": %q", e.Message), true
}

// retryAfter reads Retry-After (RFC 9110 10.2.3). A date is taken relative to the server's own
// clock, since that of a camera may be anything.
func retryAfter(h http.Header) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(v, 10, 32); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(at.Sub(now), 0), true
}

// host is where a redirect leads, without its path, which may hold the token.
func host(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	return u.Scheme + "://" + u.Host
}

// withoutURL takes off what net/http puts around an error: method and URL.
func withoutURL(err error) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// scrub makes sure that neither err nor what it wraps shows the token.
func (s *Store) scrub(err error, token camio.Secret) error {
	err = withoutURL(err)
	text := err.Error()
	clean := text
	for _, shape := range []string{token.Reveal(), url.PathEscape(token.Reveal()), url.QueryEscape(token.Reveal())} {
		clean = strings.ReplaceAll(clean, shape, "***")
	}
	if clean == text {
		return err
	}
	// Only what callers decide on survives; the rest might print itself.
	scrubbed := &scrubbedError{text: clean}
	for _, is := range []error{uploader.ErrPermanent, uploader.ErrUnauthorized} {
		if errors.Is(err, is) {
			scrubbed.is = is
		}
	}
	if wish := (*uploader.RetryAfterError)(nil); errors.As(err, &wish) {
		return &uploader.RetryAfterError{After: wish.After, Err: scrubbed}
	}
	return scrubbed
}

type scrubbedError struct {
	text string
	is   error
}

func (e *scrubbedError) Error() string { return e.text }
func (e *scrubbedError) Unwrap() error { return e.is }
