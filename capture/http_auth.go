package capture

import (
	"errors"
	"net/http"

	"camward/camio"
	"camward/internal/httpauth"
)

var (
	errNoLogin  = errors.New("the camera wants a password: set user and password of this camera")
	errPassword = errors.New("the camera refuses its password: set user and password of this camera")
	errNoScheme = errors.New("the camera offers no way to sign in that camward knows")
)

// A signIn proves the user to a camera by Digest (RFC 7616) or Basic (RFC 7617), as its 401 offers; Digest is
// preferred. A challenge is answered again with each further request, so that a snapshot costs one request and not two.
type signIn struct {
	user     string
	password camio.Secret
	offers   httpauth.Offers // of the last 401
	count    int             // of answers to the nonce
	once     bool            // the camera takes a nonce only once
	sent     sent
}

// sent is what the last request proved itself with.
type sent int

const (
	sentNothing sent = iota
	sentAgain        // a nonce that was used before
	sentFresh        // an answer to the challenge just given, or the password
)

// authorize sets or removes the Authorization field of a GET.
func (s *signIn) authorize(r *http.Request) error {
	s.sent = sentNothing
	r.Header.Del("Authorization")
	scheme := s.offers.Scheme()
	if scheme == httpauth.None || scheme == httpauth.Digest && s.count > 0 && s.once {
		return nil
	}
	s.count++
	field, err := s.offers.Answer(httpauth.Request{Method: r.Method, Target: r.URL.RequestURI(), User: s.user, Pass: s.password.Reveal(), Count: s.count})
	if err != nil {
		return errNoScheme // the error may quote what the camera sent
	}
	s.sent = sentFresh
	if scheme == httpauth.Digest && s.count > 1 {
		s.sent = sentAgain
	}
	r.Header.Set("Authorization", field)
	return nil
}

// refused takes a 401. Without an error the request is to be sent again.
func (s *signIn) refused(h http.Header) error {
	if s.user == "" {
		return errNoLogin
	}
	offers := httpauth.Parse(h.Values("WWW-Authenticate"))
	switch {
	case s.sent == sentFresh && !offers.Stale():
		return errPassword
	case s.sent == sentAgain && !offers.Stale():
		s.once = true
	}
	s.offers, s.count = offers, 0
	if offers.Scheme() == httpauth.None {
		return errNoScheme
	}
	return nil
}
