package live

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

const (
	sdpType      = "application/sdp"
	fragmentType = "application/trickle-ice-sdpfrag"
	// retryAfter seconds is when a viewer that was refused for the moment may try again.
	retryAfter = "5"
)

// Handler serves WHEP:
//
//	POST, OPTIONS   /cameras/{camera}/whep             an offer; 201 with the answer
//	PATCH, DELETE   /cameras/{camera}/whep/{session}   candidates and ICE restart; the end
//
// and the same without /cameras/{camera} for the first camera. Location is a path below the one asked for. Who may watch
// is decided before Handler, which lets everyone in; OPTIONS asks for nothing that is secret and comes without credentials.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, base := range []string{"/whep", "/cameras/{camera}/whep"} {
		mux.HandleFunc("POST "+base, s.post)
		mux.HandleFunc("PATCH "+base+"/{session}", s.patch)
		mux.HandleFunc("DELETE "+base+"/{session}", s.delete)
		mux.HandleFunc("OPTIONS "+base, s.options("OPTIONS, POST"))
		mux.HandleFunc("OPTIONS "+base+"/{session}", s.options("OPTIONS, PATCH, DELETE"))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.crossOrigin(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// crossOrigin lets other sites' pages watch, as far as that is allowed.
func (s *Server) crossOrigin(h http.Header) {
	if s.cfg.AllowOrigin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", s.cfg.AllowOrigin)
	if s.cfg.AllowOrigin != "*" {
		h.Set("Vary", "Origin")
	}
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch, Retry-After")
}

// linkServers tells a viewer of the configured servers (RFC 9725 4.6). Those with a password are told only to who may watch.
func (s *Server) linkServers(h http.Header, passwords bool) {
	for _, i := range s.cfg.ICEServers {
		if i.Password != "" && !passwords {
			continue
		}
		credentials := ""
		if i.Password != "" {
			credentials = fmt.Sprintf(`; username=%s; credential=%s; credential-type="password"`, quoted(i.User), quoted(i.Password.Reveal()))
		}
		for _, u := range i.URLs {
			h.Add("Link", fmt.Sprintf(`<%s>; rel="ice-server"%s`, u, credentials))
		}
	}
}

// quoted makes a quoted-string (RFC 9110 5.6.4).
func quoted(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

func (s *Server) options(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		s.linkServers(h, false)
		h.Set("Allow", methods)
		h.Set("Accept-Post", sdpType)
		h.Set("Accept-Patch", fragmentType)
		if h.Get("Access-Control-Allow-Origin") != "" {
			h.Set("Access-Control-Allow-Methods", methods)
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
			h.Set("Access-Control-Max-Age", "3600")
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	offer, ok := s.body(w, r, sdpType)
	if !ok {
		return
	}
	a, err := s.Open(r.Context(), r.PathValue("camera"), offer)
	if err != nil {
		s.refuse(w, err)
		return
	}
	h := w.Header()
	h.Set("Location", r.URL.EscapedPath()+"/"+a.Session)
	h.Set("ETag", `"`+a.ETag+`"`)
	h.Set("Accept-Patch", fragmentType)
	s.linkServers(h, true)
	reply(w, http.StatusCreated, sdpType, a.SDP)
}

func (s *Server) patch(w http.ResponseWriter, r *http.Request) {
	text, ok := s.body(w, r, fragmentType)
	if !ok {
		return
	}
	etag := strings.Trim(r.Header.Get("If-Match"), `"`)
	if etag == "" {
		http.Error(w, "If-Match is missing", http.StatusPreconditionRequired)
		return
	}
	a, err := s.Patch(r.Context(), r.PathValue("camera"), r.PathValue("session"), etag, text)
	switch {
	case err != nil:
		s.refuse(w, err)
	case a.SDP == "":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("ETag", `"`+a.ETag+`"`)
		reply(w, http.StatusOK, fragmentType, a.SDP)
	}
}

func (s *Server) delete(w http.ResponseWriter, r *http.Request) {
	if err := s.End(r.PathValue("camera"), r.PathValue("session")); err != nil {
		s.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// body reads what was sent, of that type; it has answered if not ok.
func (s *Server) body(w http.ResponseWriter, r *http.Request, want string) (text string, ok bool) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		w.Header().Set("Accept-Post", sdpType)
		w.Header().Set("Accept-Patch", fragmentType)
		http.Error(w, "want "+want, http.StatusUnsupportedMediaType)
		return "", false
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSDP))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, "the request cannot be read", http.StatusBadRequest)
	}
	return string(data), err == nil
}

// reply sends a description, which holds a session's credentials.
func reply(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text) //nolint:errcheck // a client that has gone is noticed by ICE
}

// StatusOf is the HTTP status that tells an error of Open, Patch, End or Ready: 500 for one that is not of this package. With 409 and
// 503 it is worth trying again.
func StatusOf(err error) int {
	for _, known := range []struct {
		err    error
		status int
	}{
		{ErrNoCamera, http.StatusNotFound},
		{ErrNoSession, http.StatusNotFound},
		{ErrNoEncoder, http.StatusNotImplemented},
		{ErrNoPicture, http.StatusConflict},
		{ErrBusy, http.StatusServiceUnavailable},
		{ErrNotRunning, http.StatusServiceUnavailable},
		{ErrNoVideo, http.StatusNotAcceptable},
		{ErrOffer, http.StatusBadRequest},
		{ErrPrecondition, http.StatusPreconditionFailed},
	} {
		if errors.Is(err, known.err) {
			return known.status
		}
	}
	return http.StatusInternalServerError
}

// refuse tells a viewer of an error.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	status, text := StatusOf(err), err.Error()
	switch status {
	case http.StatusServiceUnavailable, http.StatusConflict:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusInternalServerError:
		s.log.Warn("live view request", zap.Error(err))
		text = "live view cannot be set up"
	}
	http.Error(w, text, status)
}
