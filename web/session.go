package web

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"sync"
	"time"
)

// How long a session holds: until nothing was asked in it for sessionIdle, sessionLife at most, and not after the
// password has changed or the agent has started anew.
const (
	sessionIdle = 12 * time.Hour
	sessionLife = 7 * 24 * time.Hour
	maxSessions = 32 // one more ends the one that was used longest ago; only who has the password opens one
)

// sessions knows who has signed in by the form. Safe for concurrent use.
type sessions struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]*session // by the token's digest: finding one takes as long however much of a guess is right
}

type session struct {
	of         *kept // the password it was opened with
	tls        bool  // opened over HTTPS; a token that was read along on plain HTTP is of no use there, nor the other way round
	made, used time.Time
}

func newSessions() *sessions { return &sessions{open: map[[sha256.Size]byte]*session{}} }

func (s *session) ended(now time.Time) bool {
	return now.Sub(s.made) >= sessionLife || now.Sub(s.used) >= sessionIdle
}

// start opens a session and gives its token: 130 random bits, always new, whatever the browser had before.
func (s *sessions) start(of *kept, tls bool) (token string) {
	token = rand.Text()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, other := range s.open {
		if other.of != of || other.ended(now) {
			delete(s.open, id)
		}
	}
	if len(s.open) >= maxSessions {
		s.dropOldest()
	}
	s.open[sha256.Sum256([]byte(token))] = &session{of: of, tls: tls, made: now, used: now}
	return token
}

func (s *sessions) dropOldest() {
	var oldest [sha256.Size]byte
	for id, one := range s.open {
		if o := s.open[oldest]; o == nil || one.used.Before(o.used) {
			oldest = id
		}
	}
	delete(s.open, oldest)
}

// use says whether a token's session holds, and if so keeps it from going idle.
func (s *sessions) use(token string, of *kept, tls bool) bool {
	id := sha256.Sum256([]byte(token))
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.open[id]
	switch {
	case one == nil, one.tls != tls:
		return false
	case one.of != of, one.ended(now):
		delete(s.open, id)
		return false
	}
	one.used = now
	return true
}

// end ends a token's session, if it has one.
func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(token)))
}

// inSession says whether the request carries the cookie of a session that holds.
func (s *Server) inSession(r *http.Request, p *Password) bool {
	of := p.kept.Load()
	for _, c := range r.CookiesNamed(cookieName(r)) { // a page at another port of this host may have put one of its own before ours
		if s.sessions.use(c.Value, of, r.TLS != nil) {
			return true
		}
	}
	return false
}

func hasCookie(r *http.Request) bool { return len(r.CookiesNamed(cookieName(r))) > 0 }

// cookieName is the session cookie's. Cookies know neither port nor, without a prefix, scheme: cameras that share a host, behind a
// router's forwarded ports for instance, would overwrite each other's without the port that the browser asks for; and
// __Host- keeps what plain HTTP sets from counting over HTTPS (RFC 6265bis 4.1.3.2).
func cookieName(r *http.Request) string {
	name := "camward"
	if r.TLS != nil {
		name = "__Host-camward"
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil || port == "" || len(port) > 5 || !isToken(port) {
		return name
	}
	return name + "-" + port
}

// cookie is the session cookie with a token, or without one the order to forget it.
func cookie(r *http.Request, token string) *http.Cookie {
	c := &http.Cookie{
		Name: cookieName(r), Value: token, Path: "/", MaxAge: int(sessionLife / time.Second),
		Secure: r.TLS != nil, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}
