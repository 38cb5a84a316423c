package board

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"camward/camio"
)

var errTarget = errors.New("the path cannot be sent byte for byte")

// wireURL is a URL for which net/http writes exactly target into the request line. net/url would decode and re-encode it, and
// firmware compares bytes: "$(hwaddr)" has to arrive as it is, and the "&" within URL= unescaped.
func wireURL(scheme, host, target string) (*url.URL, error) {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f {
			return nil, fmt.Errorf("%w: it holds a space or a control character (0x%02x), which HTTP has no place for", errTarget, c)
		}
	}
	before, query, found := strings.Cut(target, "?")
	if !strings.HasPrefix(before, "/") {
		return nil, fmt.Errorf("%w: it does not begin with a slash", errTarget)
	}
	u := &url.URL{Scheme: scheme, Host: host, RawQuery: query, ForceQuery: found}
	// Path is for a handler in the same process; on the wire Opaque wins.
	u.Path, u.RawPath = before, before
	if decoded, err := url.PathUnescape(before); err == nil {
		u.Path = decoded
	}
	if !strings.HasPrefix(before, "//") { // as Opaque it would mean a host
		u.Opaque = before
	}
	if u.RequestURI() != target {
		return nil, fmt.Errorf("%w: two slashes at the start and unusual characters", errTarget)
	}
	return u, nil
}

// request is c as it goes to host. authorization may be empty.
func request(ctx context.Context, scheme, host string, c camio.Command, authorization string) (*http.Request, error) {
	u, err := wireURL(scheme, host, c.Path)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, c.Method, "http://board/", bytes.NewReader([]byte(c.Body)))
	if err != nil {
		return nil, fmt.Errorf("method %q or body: %v", c.Method, err)
	}
	r.URL, r.Host = u, host
	r.Header.Set("User-Agent", "camward")
	if c.ContentType != "" {
		r.Header.Set("Content-Type", c.ContentType)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r, nil
}
