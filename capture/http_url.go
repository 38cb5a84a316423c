package capture

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// isHTTP tells the sources that are fetched over the network.
func isHTTP(source string) bool { return hasScheme(source, "http") || hasScheme(source, "https") }

// hasScheme compares as RFC 3986 3.1 says, without case.
func hasScheme(source, scheme string) bool {
	s, _, ok := strings.Cut(source, "://")
	return ok && strings.EqualFold(s, scheme)
}

// parseHTTP reads the address of a network camera. No error shows its query or credentials.
func parseHTTP(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("not an address such as http://10.0.0.8/snapshot.jpg")
	case u.User != nil:
		return nil, errors.New("give user and password under their own keys, not in the address")
	case u.Hostname() == "":
		return nil, errors.New("the address names no host")
	case u.Fragment != "":
		return nil, errors.New("the address has a part behind #, which is not sent")
	}
	if _, err := net.LookupPort("tcp", u.Port()); u.Port() != "" && err != nil {
		return nil, errors.New("the address has no valid port")
	}
	return u, nil
}

// showURL is an address without credentials, and without its query, where some cameras want them.
func showURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "http://***"
	}
	shown := u.Scheme + "://" + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?***"
	}
	return shown
}
