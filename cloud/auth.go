package cloud

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

var errUnauthorized = refuse(http.StatusUnauthorized, "API key is invalid")

const sessionCookie = "camward_session"

// oauthToken takes the credential out of a request. The query's access_token counts only where nothing is changed, and only
// if there is no header.
func oauthToken(r *http.Request) string {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if strings.EqualFold(scheme, "token") || strings.EqualFold(scheme, "bearer") {
			return strings.TrimSpace(token)
		}
		return ""
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL.Query().Get("access_token")
	}
	return ""
}

// oauth returns the account of the request's OAuth token.
func (s *Server) oauth(r *http.Request) (*account, error) {
	token := oauthToken(r)
	if token == "" {
		return nil, errUnauthorized
	}
	acc, err := s.store.accountByOAuth(r.Context(), token)
	if errors.Is(err, errNotFound) {
		return nil, errUnauthorized
	}
	return acc, err
}

// user authenticates a route below /api/users/:token: an OAuth token, and "me", the caller's own id or address in the
// path. An upload token in the path is no key to anything but uploads.
func (s *Server) user(r *http.Request) (*account, error) {
	acc, err := s.oauth(r)
	if err != nil {
		return nil, err
	}
	token := pathVar(r, "token")
	if token != "" && !acc.isNamed(token) {
		if _, err := s.uploader(r.Context(), token); err == nil {
			return nil, errUnauthorized
		}
		return nil, errNotFound
	}
	return acc, s.host(r, acc)
}

// isNamed tells whether a path segment means this account.
func (a *account) isNamed(s string) bool {
	return s == "me" || s == a.UserID || strings.EqualFold(s, a.Email)
}

// host checks the user parameter: the address of an account that shares with the caller. Nothing is shared yet, so
// only the caller's own is known.
func (s *Server) host(r *http.Request, acc *account) error {
	if u := r.URL.Query().Get("user"); u != "" && !strings.EqualFold(u, acc.Email) {
		return errNotFound
	}
	return nil
}

// uploader returns the account that an upload token belongs to, or errNotFound.
func (s *Server) uploader(ctx context.Context, token string) (*account, error) {
	return s.store.accountByLookup(ctx, sign(s.secrets.lookup, token))
}

// uploadAccount authenticates an upload: an upload token in the path, or "me" with an OAuth token.
func (s *Server) uploadAccount(r *http.Request) (*account, error) {
	token := pathVar(r, "token")
	if token != "me" {
		acc, err := s.uploader(r.Context(), token)
		if !errors.Is(err, errNotFound) {
			return acc, err
		}
	}
	acc, err := s.oauth(r)
	if err != nil {
		return nil, err
	}
	if !acc.isNamed(token) {
		return nil, errUnauthorized
	}
	return acc, nil
}

// session returns the account that is signed in on the pages, and the session's token.
func (s *Server) session(r *http.Request) (*account, string, error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil, "", errUnauthorized
	}
	acc, err := s.store.accountBySession(r.Context(), c.Value, s.now())
	if errors.Is(err, errNotFound) {
		return nil, "", errUnauthorized
	}
	return acc, c.Value, err
}

// viewer authenticates content that the pages show too: an OAuth token, or on GET the page's session. Other
// sites' pages cannot use the session: the cookie is SameSite=Lax and CORS replies carry no credentials.
func (s *Server) viewer(r *http.Request) (*account, error) {
	if oauthToken(r) == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if acc, _, err := s.session(r); err == nil {
			if t := pathVar(r, "token"); t != "" && !acc.isNamed(t) {
				return nil, errNotFound
			}
			return acc, nil
		}
	}
	return s.user(r)
}
