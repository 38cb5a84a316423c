package web

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/internal/markup"
)

// Bounds of what is sent to /signin.
const (
	maxForm  = 4 << 10 // bytes
	formTime = 10 * time.Second
	maxNext  = 512 // bytes
)

// showSignIn shows the form, or leads on who has signed in already.
func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	if p := s.password.Load(); p != nil && s.inSession(r, p) {
		seeOther(w, next)
		return
	}
	text := ""
	if wait := s.limit.wait(clientAddress(r)); wait > 0 {
		text = retryIn(w, wait)
	}
	s.writeSignIn(w, r, http.StatusOK, next, text)
}

// signIn takes the form.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(formTime)) //nolint:errcheck // only tests' writers can't
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	var tooLarge *http.MaxBytesError
	switch err := r.ParseForm(); {
	case errors.As(err, &tooLarge):
		http.Error(w, "the form is too large", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	p := s.password.Load()
	of := p.kept.Load()
	from := clientAddress(r)
	next := localPath(r.PostForm.Get("next"))
	wait, got := s.limit.wait(from), untried
	if wait == 0 {
		got = p.check(r.PostForm.Get("password"), func() bool { return s.limit.chargeGuess(from) })
		wait = s.failed(from, got)
	}
	switch {
	case wait > 0:
		s.writeSignIn(w, r, http.StatusTooManyRequests, next, retryIn(w, wait))
		return
	case got != granted:
		s.writeSignIn(w, r, http.StatusForbidden, next, "this is not the password")
		return
	}
	s.endSessions(r)
	http.SetCookie(w, cookie(r, s.sessions.start(of, r.TLS != nil)))
	s.log.Info("signed in", zap.Stringer("from", from), zap.Bool("https", r.TLS != nil))
	seeOther(w, next)
}

// signOut ends the session.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	s.endSessions(r)
	http.SetCookie(w, cookie(r, ""))
	seeOther(w, "/signin")
}

func (s *Server) endSessions(r *http.Request) {
	for _, c := range r.CookiesNamed(cookieName(r)) {
		s.sessions.end(c.Value)
	}
}

// toSignIn sends a browser to the form, which leads back.
func toSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/signin"
	if next := r.URL.RequestURI(); next != "/" {
		to += "?next=" + url.QueryEscape(next)
	}
	seeOther(w, to)
}

func seeOther(w http.ResponseWriter, path string) {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
}

// localPath is where to go after signing in: what was asked for if that is a path on this host and nothing that a browser may read
// otherwise, else "/". A browser takes two slashes, or a backslash for one, as the beginning of another host, and
// passes over tabs and line ends (WHATWG URL 4.4).
func localPath(next string) string {
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }
	path, _, _ := strings.Cut(next, "?")
	if len(next) > maxNext || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsFunc(next, odd) ||
		path == "/signin" || path == "/signout" {
		return "/"
	}
	return next
}

// writeSignIn writes the page. Its looks are the camera's page's.
func (s *Server) writeSignIn(w http.ResponseWriter, r *http.Request, status int, next, fault string) {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in - camward</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/page/style.css">
</head>
<body>
<main class="card signin">
<h1>camward</h1>
<form method="post" action="/signin">
<input type="hidden" name="next" value="` + markup.Escape(next) + `">
<input type="text" name="username" value="` + User + `" autocomplete="username" hidden>
<label for="password">The camera's password</label>
<input id="password" type="password" name="password" autocomplete="current-password" maxlength="` + strconv.Itoa(maxPassword) + `" required autofocus>
`)
	if fault != "" {
		b.WriteString(`<p class="error" role="alert">` + markup.Escape(strings.ToUpper(fault[:1])+fault[1:]) + ".</p>\n")
	}
	b.WriteString("<p><button>Sign in</button></p>\n</form>\n")
	if at := s.HTTPSAddress(); at != nil && r.TLS == nil {
		b.WriteString(`<p>This connection is not encrypted. <a href="` + markup.Escape(httpsURL(r.Host, at.Port)) + `">Use HTTPS</a></p>` + "\n")
	}
	b.WriteString("<p>Forgotten? <code>camward password --reset</code>, run on the camera, makes a new one.</p>\n</main>\n</body>\n</html>\n")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, b.String()) //nolint:errcheck // the browser has gone
}

// httpsURL is the sign-in page over HTTPS, by the name that the browser uses for this host.
func httpsURL(hostport string, port int) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: "/signin"}
	return u.String()
}
