package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"camward/camio"
)

// livePattern is a camera's live address below /api.
const livePattern = "users/:token/cameras/:camera/live"

const (
	sdpType      = "application/sdp"
	fragmentType = "application/trickle-ice-sdpfrag"
)

// liveExposed are the headers that other sites' pages need to see.
const liveExposed = "Location, ETag, Link, Accept-Patch, Retry-After"

// liveViewer finds the camera that the request is about, for whoever may watch it, and on whose account media is relayed: those
// who were given a view token cannot use up its owner's relays.
func (s *Server) liveViewer(r *http.Request) (relayUser string, cam *camera, err error) {
	if tokens := r.URL.Query().Get("view_tokens"); tokens != "" {
		acc, cam, err := s.viewTokenCamera(r.Context(), splitList(tokens), pathVar(r, "camera"))
		if err != nil {
			return "", nil, err
		}
		return acc.UserID + " shared", cam, nil
	}
	acc, err := s.watcher(r)
	if err != nil {
		return "", nil, err
	}
	cam, err = s.store.camera(r.Context(), acc.ID, pathVar(r, "camera"))
	return acc.UserID, cam, err
}

// watcher authenticates a viewer by an OAuth token or the page's session. Whatever changes something by a session has to
// come from this site's own pages.
func (s *Server) watcher(r *http.Request) (*account, error) {
	if oauthToken(r) != "" {
		return s.user(r)
	}
	acc, _, err := s.session(r)
	if err != nil {
		return s.user(r)
	}
	var cross http.CrossOriginProtection
	if cross.Check(r) != nil {
		return nil, refuse(http.StatusForbidden, "This request was sent from another site")
	}
	if !acc.isNamed(pathVar(r, "token")) {
		return nil, errNotFound
	}
	return acc, s.host(r, acc)
}

// liveInfo tells a viewer whether the camera can be watched and which servers help to reach it.
func (s *Server) liveInfo(w http.ResponseWriter, r *http.Request) error {
	relayUser, cam, err := s.liveViewer(r)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, camio.LiveInfo{WebRTC: s.lives.ready(cam.ID), ICEServers: s.turn.iceServers(relayUser, viewerLife)})
	return nil
}

// liveOpen takes a viewer's offer to the camera: WHEP's POST.
func (s *Server) liveOpen(w http.ResponseWriter, r *http.Request) error {
	relayUser, cam, err := s.liveViewer(r)
	if err != nil {
		return err
	}
	if err := limit(w, r, s.watchLimit); err != nil {
		return err
	}
	offer, err := readTyped(w, r, sdpType)
	if err != nil {
		return err
	}
	a, err := s.askCamera(w, r, cam, camio.LiveMessage{Type: camio.LiveOpen, SDP: offer, ICEServers: s.turn.iceServers(relayUser, cameraLife)})
	if err != nil {
		return err
	}
	if a.Session == "" || a.ETag == "" || a.SDP == "" {
		return refuse(http.StatusBadGateway, "The camera's answer is incomplete")
	}
	h := w.Header()
	location := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath}
	location = *location.JoinPath(a.Session)
	if t := r.URL.Query().Get("view_tokens"); t != "" {
		location.RawQuery = url.Values{"view_tokens": {t}}.Encode()
	}
	h.Set("Location", location.String())
	h.Set("ETag", `"`+a.ETag+`"`)
	h.Set("Accept-Patch", fragmentType)
	for _, i := range s.turn.iceServers(relayUser, viewerLife) {
		for _, link := range iceLinks(i) {
			h.Add("Link", link)
		}
	}
	sendSDP(w, http.StatusCreated, sdpType, a.SDP)
	return nil
}

// livePatch takes a viewer's candidates or ICE restart (RFC 8840) to the camera.
func (s *Server) livePatch(w http.ResponseWriter, r *http.Request) error {
	_, cam, err := s.liveViewer(r)
	if err != nil {
		return err
	}
	if err := limit(w, r, s.signalLimit); err != nil {
		return err
	}
	fragment, err := readTyped(w, r, fragmentType)
	if err != nil {
		return err
	}
	tag, session := strings.Trim(r.Header.Get("If-Match"), `"`), pathVar(r, "session")
	switch {
	case tag == "":
		return refuse(http.StatusPreconditionRequired, "If-Match is missing")
	case tag != "*" && !isLiveTag(tag):
		return refuse(http.StatusPreconditionFailed, "If-Match names no ICE session")
	case !isLiveTag(session):
		return errNotFound
	}
	a, err := s.askCamera(w, r, cam, camio.LiveMessage{Type: camio.LivePatch, Session: session, ETag: tag, SDP: fragment})
	if err != nil {
		return err
	}
	if a.SDP == "" {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("ETag", `"`+a.ETag+`"`)
	sendSDP(w, http.StatusOK, fragmentType, a.SDP)
	return nil
}

// liveEnd ends a viewer's session.
func (s *Server) liveEnd(w http.ResponseWriter, r *http.Request) error {
	_, cam, err := s.liveViewer(r)
	if err != nil {
		return err
	}
	if err := limit(w, r, s.signalLimit); err != nil {
		return err
	}
	session := pathVar(r, "session")
	if !isLiveTag(session) {
		return errNotFound
	}
	if _, err := s.askCamera(w, r, cam, camio.LiveMessage{Type: camio.LiveEnd, Session: session}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// askCamera sends a request to the camera and words for the viewer what went wrong.
func (s *Server) askCamera(w http.ResponseWriter, r *http.Request, cam *camera, m camio.LiveMessage) (camio.LiveMessage, error) {
	err := errLiveGone
	if sock := s.lives.socket(cam.ID); sock != nil {
		m, err = sock.call(r.Context(), m)
	}
	switch {
	case err == nil && m.Error == nil:
		s.liveCalls.answered.Add(1)
		return m, nil
	case err == nil:
		err = cameraRefusal(m.Error)
	case errors.Is(err, errLiveGone):
		err = refuse(http.StatusServiceUnavailable, "The camera is not connected for live view at the moment")
	case errors.Is(err, errLiveBusy):
		err = refuse(http.StatusServiceUnavailable, "Too many requests wait for this camera")
	case errors.Is(err, errLiveTimeout):
		err = refuse(http.StatusGatewayTimeout, "The camera did not answer in time")
	case errors.Is(err, errLiveLarge):
		err = refuse(http.StatusRequestEntityTooLarge, "The description is too large")
	case r.Context().Err() != nil:
		err = context.Canceled
	}
	s.liveCalls.failed.Add(1)
	var told *camio.Error
	if errors.As(err, &told) && (told.Code == http.StatusServiceUnavailable || told.Code == http.StatusConflict) {
		w.Header().Set("Retry-After", "5")
	}
	return m, err
}

// cameraRefusal is for the viewer, except that its credentials are no business of the camera.
func cameraRefusal(e *camio.LiveError) error {
	status := e.Status
	if status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired {
		status = http.StatusBadGateway
	}
	return refuse(status, "%s", or(e.Text, "The camera refused"))
}

// readTyped reads a description of the type wanted.
func readTyped(w http.ResponseWriter, r *http.Request, want string) (string, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		w.Header().Set("Accept-Post", sdpType)
		w.Header().Set("Accept-Patch", fragmentType)
		return "", refuse(http.StatusUnsupportedMediaType, "The body is to be %s", want)
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLiveSDP))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return "", refuse(http.StatusRequestEntityTooLarge, "The body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return "", badRequest("The body ended early")
	}
	return string(b), nil
}

// sendSDP sends a description, which holds a session's credentials.
func sendSDP(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// iceLinks are the Link headers of a server (RFC 9725 4.6).
func iceLinks(s camio.ICEServer) []string {
	var links []string
	for _, u := range s.URLs {
		l := fmt.Sprintf(`<%s>; rel="ice-server"`, u)
		if s.Username != "" {
			l += fmt.Sprintf(`; username="%s"; credential="%s"; credential-type="password"`, s.Username, s.Credential)
		}
		links = append(links, l)
	}
	return links
}
