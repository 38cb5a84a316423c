package capture

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/icholy/digest"

	"camward/camio"
)

var (
	errNoLogin  = errors.New("the camera wants a password: set user and password of this camera")
	errPassword = errors.New("the camera refuses its password: set user and password of this camera")
	errNoScheme = errors.New("the camera offers no way to sign in that camward knows")
)

// A signIn proves the user to a camera by Digest (RFC 7616) or Basic (RFC 7617), as its 401 offers; Digest is
// preferred. A challenge is answered again with each further request, so that a snapshot costs one request and not two.
type signIn struct {
	user      string
	password  camio.Secret
	challenge *digest.Challenge // nil: none, or basic
	basic     string            // field value; empty: not offered
	count     int               // of the challenge's answers
	fresh     bool              // the challenge has not been answered yet
	once      bool              // the camera takes a nonce only once
	sent      sent
}

// sent is what the last request proved itself with.
type sent int

const (
	sentNothing sent = iota
	sentAgain        // a nonce that was used before
	sentFresh        // an answer to the challenge just given
)

// authorize sets or removes the Authorization field of a GET.
func (s *signIn) authorize(r *http.Request) error {
	s.sent = sentNothing
	r.Header.Del("Authorization")
	switch {
	case s.basic != "":
		s.sent = sentFresh
		r.Header.Set("Authorization", s.basic)
	case s.challenge != nil && (s.fresh || !s.once):
		s.count++
		c, err := digest.Digest(s.challenge, digest.Options{Method: r.Method, URI: r.URL.RequestURI(), Username: s.user, Password: s.password.Reveal(), Count: s.count})
		if err != nil {
			return errNoScheme // the error may quote what the camera sent
		}
		s.sent = sentAgain
		if s.fresh {
			s.sent, s.fresh = sentFresh, false
		}
		r.Header.Set("Authorization", c.String())
	}
	return nil
}

// refused takes a 401. Without an error the request is to be sent again.
func (s *signIn) refused(h http.Header) error {
	if s.user == "" {
		return errNoLogin
	}
	c, basic := offers(h.Values("WWW-Authenticate"))
	stale := c != nil && c.Stale
	switch {
	case s.sent == sentFresh && !stale:
		return errPassword
	case s.sent == sentAgain && !stale:
		s.once = true
	}
	s.challenge, s.count, s.fresh, s.basic = c, 0, true, ""
	switch {
	case c != nil:
	case basic:
		s.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(s.user+":"+s.password.Reveal()))
	default:
		return errNoScheme
	}
	return nil
}

// offers gives the first Digest challenge of a 401 that can be answered, and whether Basic is offered. Firmware writes several
// challenges into one field, and blanks into the list of qop.
func offers(fields []string) (c *digest.Challenge, basic bool) {
	for _, field := range fields {
		for _, text := range challenges(field) {
			if strings.EqualFold(text[:5], "basic") {
				basic = true
				continue
			}
			d, err := digest.ParseChallenge(strings.TrimRight(text, ", \t"))
			if c != nil || err != nil || d.Nonce == "" {
				continue
			}
			for i, q := range d.QOP {
				d.QOP[i] = strings.ToLower(strings.TrimSpace(q))
			}
			if digest.CanDigest(d) {
				c = d
			}
		}
	}
	return c, basic
}

// challenges cuts a WWW-Authenticate field before each "Digest" and "Basic" that is not quoted. What stands before the first is
// dropped.
func challenges(field string) (out []string) {
	begin, quoted := -1, false
	for i := 0; i < len(field); i++ {
		switch {
		case field[i] == '\\' && quoted:
			i++
		case field[i] == '"':
			quoted = !quoted
		case quoted || i > 0 && field[i-1] != ' ' && field[i-1] != ',' || !isScheme(field[i:]):
		default:
			if begin >= 0 {
				out = append(out, field[begin:i])
			}
			begin = i
		}
	}
	if begin >= 0 {
		out = append(out, field[begin:])
	}
	return out
}

// isScheme tells whether s begins with the name of a scheme that is known. Digest without parameters is none.
func isScheme(s string) bool {
	if digest.IsDigest(s) {
		return true
	}
	return len(s) >= 5 && strings.EqualFold(s[:5], "basic") && (len(s) == 5 || s[5] == ' ' || s[5] == ',')
}
