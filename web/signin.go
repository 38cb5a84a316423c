package web

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// signedIn says whether the request carries the password; if not, it has been answered.
//
// A digest route takes Digest, and Basic only where nobody can read along: over TLS and from the device itself. The
// other routes take Basic.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, byDigest bool) bool {
	from := clientAddress(r)
	if wait := s.limit.wait(from); wait > 0 {
		tooMany(w, wait)
		return false
	}
	digest := byDigest && s.password.digests()
	basic := !digest || r.TLS != nil || fromDevice(r)
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := malformed
	tried := true
	switch {
	case digest && strings.EqualFold(scheme, "Digest"):
		if got = s.digest.check(r, s.password); got == wrong {
			s.limit.charge(from)
		}
	case basic && strings.EqualFold(scheme, "Basic"):
		got = s.password.allows(r, func() bool { return s.limit.charge(from) })
	default:
		tried = false
	}
	if got == granted {
		s.limit.forget(from)
		return true
	}
	if wait := s.limit.wait(from); wait > 0 {
		s.log.Warn("too many wrong passwords", zap.Stringer("from", from), zap.Duration("pause", wait.Round(time.Second)))
		tooMany(w, wait)
		return false
	}
	s.challenge(w, digest, basic, got)
	s.refuse(w, r, tried, got)
	return false
}

// challenge offers the ways to sign in, the strongest first.
func (s *Server) challenge(w http.ResponseWriter, digest, basic bool, got verdict) {
	h := w.Header()
	if digest {
		for _, c := range s.digest.challenges(got == stale) {
			h.Add("WWW-Authenticate", c)
		}
	}
	if basic {
		h.Add("WWW-Authenticate", `Basic realm="`+realm+`", charset="UTF-8"`)
	}
}

// refuse says what to do.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, tried bool, got verdict) {
	text := "sign in as " + User + " with the camera's password (camward password --reset makes a new one)"
	switch {
	case tried && got == malformed:
		s.log.Debug("credentials cannot be used", zap.String("path", r.URL.Path))
		text = "the credentials cannot be used for this request: digest by RFC 7616, qop=auth, MD5 or SHA-256"
	case got == stale:
		text = "the nonce is too old, or its count was used; repeat with the new one"
	}
	http.Error(w, text, http.StatusUnauthorized)
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", seconds)
	http.Error(w, "too many wrong passwords; try again in "+seconds+" s", http.StatusTooManyRequests)
}
