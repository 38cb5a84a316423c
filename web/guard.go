package web

import (
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
)

// policy is what a page of the camera's may do: load what the camera itself serves, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// refusedBody is how long the body of a request that was refused may take.
const refusedBody = 5 * time.Second

const noPassword = "the camera's page needs a password; make one on the device with: camward password --reset"

// guard stands before all routes.
func (s *Server) guard() http.Handler {
	loopback := s.cfg.Loopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.sayPanic(r)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer: with it browsers send "Origin: null" with forms, and over plain HTTP nothing else shows whose form it is.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		r = oneSlash(r)
		_, pattern := s.mux.Handler(r)
		if s.admits(w, r, s.access[pattern], loopback) {
			s.mux.ServeHTTP(w, r)
			return
		}
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusedBody)) //nolint:errcheck // the answer has been given
	})
}

// sayPanic logs a handler's panic, which net/http would tell the server's log among what any stranger can make it say there. Deferred.
func (s *Server) sayPanic(r *http.Request) {
	if reason := recover(); reason != nil {
		s.log.Error("a request failed", zap.String("path", r.URL.Path), zap.Any("panic", reason), zap.Stack("stack"))
		panic(http.ErrAbortHandler)
	}
}

// admits says whether the request may have its route; if not, it has been answered. What is no route wants the password as well,
// so that nobody can tell what there is.
func (s *Server) admits(w http.ResponseWriter, r *http.Request, access Access, loopback bool) bool {
	switch {
	case access == AccessOpen, access != AccessSignIn && s.hasKey(r):
		return true
	case access == AccessControl:
		http.Error(w, "this needs the key in the state directory; use camward's own verbs", http.StatusForbidden)
		return false
	case loopback && !loopbackHost(r.Host):
		http.Error(w, "ask for this device by 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
		return false
	}
	p, err := s.currentPassword()
	switch {
	case err != nil:
		s.log.Error("nobody can sign in", zap.Error(err))
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return false
	case p == nil && (access == AccessPage || access == AccessSignIn):
		http.Error(w, noPassword, http.StatusForbidden)
		return false
	case p == nil, access == AccessSignIn, s.inSession(r, p):
	case asksForPage(r, access):
		toSignIn(w, r)
		return false
	default:
		digest, ok := s.signedIn(w, r, p, access)
		if !ok || digest || access == AccessView {
			return ok
		}
	}
	if s.origin.Check(r) != nil {
		http.Error(w, "this request comes from another site's page", http.StatusForbidden)
		return false
	}
	return true
}

// currentPassword is the password as its file has it now, nil if there is none.
func (s *Server) currentPassword() (*Password, error) {
	if p := s.password.Load(); p != nil {
		p.read() //nolint:errcheck // the last good one stands
		return p, nil
	}
	if s.cfg.StateDir == "" || !HasPassword(s.cfg.StateDir) {
		return nil, nil
	}
	p := newPassword(s.cfg.StateDir)
	if err := p.read(); err != nil {
		return nil, err
	}
	s.password.CompareAndSwap(nil, p)
	return s.password.Load(), nil
}

// asksForPage tells a person's browser, to be shown a way to sign in, from programs.
func asksForPage(r *http.Request, access Access) bool {
	return (access == AccessPage || r.URL.Path == "/") && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// oneSlash takes one of two slashes off the front of the path, which firmware of some makers lets pass: the mux would
// redirect, and a redirect loses the body of a POST. RequestURI stays, since Digest covers it.
func oneSlash(r *http.Request) *http.Request {
	if !strings.HasPrefix(r.URL.Path, "//") {
		return r
	}
	r2, u := *r, *r.URL
	u.Path, u.RawPath = u.Path[1:], strings.TrimPrefix(u.RawPath, "/")
	r2.URL = &u
	return &r2
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
