package cloud

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap"
)

type signinData struct {
	layout
	Message string
	Address string // typed before
}

func (s *Server) signinPage(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := s.session(r); err == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return s.pages.render(w, http.StatusOK, "signin", signinData{layout: layout{Title: "Sign in"}})
}

// signinPassword opens a session for an address and its password. The answer does not tell which of the two was wrong.
func (s *Server) signinPassword(w http.ResponseWriter, r *http.Request) error {
	data := signinData{layout: layout{Title: "Sign in"}, Address: r.PostFormValue("email")}
	if err := limit(w, r, s.signinLimit); err != nil {
		data.Message = "Too many attempts. Please wait a minute."
		return s.pages.render(w, http.StatusTooManyRequests, "signin", data)
	}
	acc, err := s.store.accountByEmail(r.Context(), strings.TrimSpace(data.Address))
	if errors.Is(err, errNotFound) {
		acc, err = &account{}, nil
	}
	if err != nil {
		return err
	}
	if !s.tryPassword(acc.Password, r.PostFormValue("password")) {
		s.log.Warn("sign-in refused", zap.String("address", peer(r).String()))
		data.Message = "The address or the password is wrong."
		return s.pages.render(w, http.StatusUnauthorized, "signin", data)
	}
	session, err := s.store.newSession(r.Context(), acc.ID, s.now())
	if err != nil {
		return err
	}
	s.openCookie(w, r, session)
	return nil
}

// tryPassword lets few hashes run at once: each takes 19 MiB.
func (s *Server) tryPassword(stored, password string) bool {
	s.hashing <- struct{}{}
	defer func() { <-s.hashing }()
	return checkPassword(stored, password)
}

// linkPage shows a button. The link is used by pressing it, not by opening the page, so that a mail program's
// preview does not burn it.
func (s *Server) linkPage(w http.ResponseWriter, r *http.Request) error {
	valid, err := s.store.linkValid(r.Context(), pathVar(r, "link"), s.now())
	if err != nil {
		return err
	}
	if !valid {
		return s.linkInvalid(w)
	}
	return s.pages.render(w, http.StatusOK, "link", layout{Title: "Sign in"})
}

func (s *Server) signinLinkUse(w http.ResponseWriter, r *http.Request) error {
	session, err := s.store.useLink(r.Context(), pathVar(r, "link"), s.now())
	if errors.Is(err, errNotFound) {
		return s.linkInvalid(w)
	}
	if err != nil {
		return err
	}
	s.openCookie(w, r, session)
	return nil
}

func (s *Server) linkInvalid(w http.ResponseWriter) error {
	s.pages.problem(w, http.StatusGone, "This link was used before or has expired. If you have set a password, sign in with it; "+
		"otherwise ask whoever runs this server for a new link (camward-cloud user link).")
	return nil
}

// nextCookie remembers for a few minutes which page a visitor wanted before signing in, by password or by link: a
// claim page, opened from a camera's QR code.
const nextCookie = "camward_next"

// askToSignIn sends a visitor to the sign-in page, and from there back.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) {
	next, age := r.URL.EscapedPath(), 600
	if next == "/" || !localPath(next) {
		next, age = "", -1
	}
	http.SetCookie(w, s.cookie(r, nextCookie, next, age))
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}

// localPath accepts pages of this server only: what a browser takes for another host ("//host", "/\host") is none.
func localPath(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//") && len(p) < 500 &&
		!strings.ContainsFunc(p, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\\\";,", c) })
}

func (s *Server) openCookie(w http.ResponseWriter, r *http.Request, session string) {
	next := "/"
	if c, err := r.Cookie(nextCookie); err == nil {
		http.SetCookie(w, s.cookie(r, nextCookie, "", -1))
		if localPath(c.Value) {
			next = c.Value
		}
	}
	http.SetCookie(w, s.cookie(r, sessionCookie, session, int(sessionLife.Seconds())))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Server) cookie(r *http.Request, name, value string, age int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil || strings.HasPrefix(s.cfg.BaseURL, "https:")}
}

func (s *Server) signout(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := s.signedIn(r, ""); err != nil {
		return err
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return errUnauthorized
	}
	if err := s.store.endSession(r.Context(), c.Value); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, sessionCookie, "", -1))
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
	return nil
}

type accountData struct {
	layout
	UploadToken string
	Origin      string
	HasPassword bool
	Message     string
	Saved       bool
	Rotated     bool // the upload token is a new one
}

func (s *Server) accountPage(w http.ResponseWriter, r *http.Request) error {
	acc, l, err := s.signedIn(r, "Account")
	if err != nil {
		return err
	}
	return s.renderAccount(w, r, acc, accountData{layout: l, Saved: r.URL.Query().Has("saved"), Rotated: r.URL.Query().Has("rotated")}, http.StatusOK)
}

func (s *Server) renderAccount(w http.ResponseWriter, r *http.Request, acc *account, d accountData, status int) (err error) {
	d.Origin, d.HasPassword = s.origin(r), acc.Password != ""
	if d.UploadToken, err = s.secrets.openToken(acc.UploadSealed, acc.UserID); err != nil {
		return err
	}
	return s.pages.render(w, status, "account", d)
}

// Bounds of a password, in characters (NIST SP 800-63B 5.1.1: length counts, composition rules do not).
const (
	minPassword = 10
	maxPassword = 200
)

// changePassword sets the first password, or another one if the present one is given.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	acc, l, err := s.signedIn(r, "Account")
	if err != nil {
		return err
	}
	if err := limit(w, r, s.signinLimit); err != nil {
		return err
	}
	refused := func(message string) error {
		return s.renderAccount(w, r, acc, accountData{layout: l, Message: message}, http.StatusBadRequest)
	}
	if acc.Password != "" && !s.tryPassword(acc.Password, r.PostFormValue("present")) {
		return refused("The present password is wrong.")
	}
	password := r.PostFormValue("password")
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		return refused("The new password needs at least 10 characters.")
	case n > maxPassword:
		return refused("The new password may have at most 200 characters.")
	case password != r.PostFormValue("again"):
		return refused("The two new passwords differ.")
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return errUnauthorized
	}
	s.hashing <- struct{}{}
	hashed := hashPassword(password)
	<-s.hashing
	if err := s.store.setPassword(r.Context(), acc.ID, hashed, c.Value); err != nil {
		return err
	}
	http.Redirect(w, r, "/account?saved", http.StatusSeeOther)
	return nil
}

// rotateToken makes the present upload token worthless.
func (s *Server) rotateToken(w http.ResponseWriter, r *http.Request) error {
	acc, _, err := s.signedIn(r, "Account")
	if err != nil {
		return err
	}
	if err := limit(w, r, s.signinLimit); err != nil {
		return err
	}
	if _, err := s.rotate(r.Context(), acc); err != nil {
		return err
	}
	s.log.Info("upload token rotated", zap.String("user", acc.UserID))
	http.Redirect(w, r, "/account?rotated", http.StatusSeeOther)
	return nil
}
