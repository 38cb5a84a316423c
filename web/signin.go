package web

import (
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// signedIn says whether the request carries the password, and whether it proves it by Digest; if not, it has been answered.
//
// A digest route takes Digest, and Basic only where nobody can read along: over TLS and from the device itself. A view route takes both.
// The other routes take Basic.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, p *Password, access Access) (digest, ok bool) {
	from := clientAddress(r)
	if wait := s.limit.wait(from); wait > 0 {
		tooMany(w, wait)
		return false, false
	}
	digest = (access == AccessDigest || access == AccessView) && p.digests()
	basic := !digest || access == AccessView || r.TLS != nil || fromDevice(r)
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, tried := malformed, true
	switch {
	case digest && strings.EqualFold(scheme, "Digest"):
		if got = s.digest.check(r, p); got == wrong {
			s.limit.charge(from)
		}
	case basic && strings.EqualFold(scheme, "Basic"):
		got = p.allows(r, func() bool { return s.limit.chargeGuess(from) })
	default:
		tried = false
	}
	switch wait := s.failed(from, got); {
	case got == granted:
		return strings.EqualFold(scheme, "Digest"), true
	case wait > 0:
		tooMany(w, wait)
	default:
		s.challenge(w, r, digest, basic, got)
		s.refuse(w, r, tried, got)
	}
	return false, false
}

// failed says how long an address that was not granted has to wait before it may try again.
func (s *Server) failed(from netip.Addr, got verdict) time.Duration {
	if got == granted {
		s.limit.forget(from)
		return 0
	}
	wait := s.limit.wait(from)
	if got == untried {
		wait = max(wait, s.limit.waitGuess())
	}
	if wait > 0 {
		s.log.Warn("too many wrong passwords", zap.Stringer("from", from), zap.Duration("pause", wait.Round(time.Second)))
	}
	return wait
}

// challenge offers the ways to sign in, the strongest first. A browser with a session's cookie that holds no longer, and the camera's
// own page after it was signed out elsewhere, are told of /signin alone (the Cookie scheme of draft-broyer-http-cookie-auth), since
// for the others a browser would open a dialogue of its own over the page.
func (s *Server) challenge(w http.ResponseWriter, r *http.Request, digest, basic bool, got verdict) {
	h := w.Header()
	if hasCookie(r) || fromOwnPage(r) {
		h.Set("WWW-Authenticate", `Cookie realm="`+realm+`", form-action="/signin"`)
		return
	}
	if digest {
		for _, c := range s.digest.challenges(got == stale) {
			h.Add("WWW-Authenticate", c)
		}
	}
	if basic {
		h.Add("WWW-Authenticate", `Basic realm="`+realm+`", charset="UTF-8"`)
	}
}

// fromOwnPage says whether a page of this server asks: browsers name it (Referrer-Policy: same-origin), programs name none.
func fromOwnPage(r *http.Request) bool {
	u, err := url.Parse(r.Referer())
	return err == nil && u.Host != "" && u.Host == r.Host
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
	http.Error(w, retryIn(w, wait), http.StatusTooManyRequests)
}

// retryIn sets Retry-After and says the same in words.
func retryIn(w http.ResponseWriter, wait time.Duration) string {
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", seconds)
	return "too many wrong passwords; try again in " + seconds + " s"
}
