package cloud

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"os"

	"camward/camio"
)

// getContent sends the original bytes of an item, with ranges for video.
func (s *Server) getContent(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.viewer(r)
	if err != nil {
		return err
	}
	c, err := s.store.camera(r.Context(), acc.ID, pathVar(r, "camera"))
	if err != nil {
		return err
	}
	it, err := s.store.itemByID(r.Context(), acc.ID, pathVar(r, "name"))
	if err != nil {
		return err
	}
	if it.Camera != c.ID {
		return errNotFound
	}
	return s.serveItem(w, r, it)
}

// serveItem streams a stored file. Its bytes never change, so caches may keep it.
func (s *Server) serveItem(w http.ResponseWriter, r *http.Request, it *item) error {
	f, err := os.Open(s.contentPath(it.File))
	if errors.Is(err, fs.ErrNotExist) {
		return errNotFound // deleted since the look-up
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", it.ContentType)
	h.Set("ETag", `"`+hex.EncodeToString(it.SHA256)+`"`)
	h.Set("Cache-Control", "private, max-age=86400")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox") // it came from outside: nothing in it may run here
	http.ServeContent(w, r, "", it.Received, f)
	return nil
}

// contentRequest is one entry of POST /api/content.
type contentRequest struct {
	ID          string `json:"id"`
	AccessToken string `json:"access_token"`
}

// contentReply answers one entry; either the bytes or the error is there. The document leaves the shape open.
type contentReply struct {
	ID          string        `json:"id"`
	ContentType string        `json:"content_type,omitempty"`
	DateCreated *camio.Time   `json:"date_created,omitempty"`
	ImageBytes  []byte        `json:"image_bytes,omitempty"`
	Error       *contentError `json:"error,omitempty"`
}

type contentError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// maxContent bounds how many items and how many bytes one call returns.
const (
	maxContent      = 100
	maxContentBytes = 64 << 20
)

// postContent returns items to whoever holds their access tokens.
func (s *Server) postContent(w http.ResponseWriter, r *http.Request) error {
	size, err := parseScale(r, 150, 112)
	if err != nil {
		return err
	}
	resize, err := boolParam(r, "resize")
	if err != nil {
		return err
	}
	if !resize {
		size = scale{}
	}
	var reqs []contentRequest
	if err := readJSON(w, r, &reqs); err != nil {
		return err
	}
	if len(reqs) == 0 || len(reqs) > maxContent {
		return badRequest("The body is not an array of 1 to %d items", maxContent)
	}
	out := make([]contentReply, len(reqs))
	served, budget := 0, int64(maxContentBytes)
	for i, q := range reqs {
		if out[i], err = s.oneContent(r, q, size, &budget); err != nil {
			return err
		}
		if out[i].Error == nil || out[i].Error.Code != http.StatusUnauthorized {
			served++
		}
	}
	if served == 0 {
		return errUnauthorized
	}
	reply(w, out)
	return nil
}

func (s *Server) oneContent(r *http.Request, q contentRequest, size scale, budget *int64) (contentReply, error) {
	refused := func(code int, message string) (contentReply, error) {
		return contentReply{ID: q.ID, Error: &contentError{code, message}}, nil
	}
	if !s.secrets.checkAccess(q.ID, q.AccessToken, s.now()) {
		return refused(http.StatusUnauthorized, "The access_token is invalid or has expired")
	}
	it, err := s.store.anyItem(r.Context(), q.ID)
	if errors.Is(err, errNotFound) {
		return refused(http.StatusNotFound, "Not found")
	}
	if err != nil {
		return contentReply{}, err
	}
	if it.Size > *budget {
		return refused(http.StatusRequestEntityTooLarge, "The reply would be too large: ask for fewer items")
	}
	*budget -= it.Size
	b, err := s.picture(it, size)
	if err != nil {
		return contentReply{}, err
	}
	return contentReply{ID: it.ID, ContentType: it.ContentType, DateCreated: &camio.Time{Time: it.Taken}, ImageBytes: b}, nil
}

// liveCamera finds the camera whose newest picture is asked for, by who is signed in or by a view token that covers it.
func (s *Server) liveCamera(r *http.Request) (*camera, error) {
	if tokens := r.URL.Query().Get("view_tokens"); tokens != "" {
		_, c, err := s.viewTokenCamera(r.Context(), splitList(tokens), pathVar(r, "camera"))
		return c, err
	}
	acc, err := s.viewer(r)
	if err != nil {
		return nil, err
	}
	if err := s.host(r, acc); err != nil {
		return nil, err
	}
	return s.store.camera(r.Context(), acc.ID, pathVar(r, "camera"))
}

// live answers with the newest picture of a camera.
func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	c, err := s.liveCamera(r)
	if err != nil {
		return err
	}
	size, err := parseScale(r, 0, 0)
	if err != nil {
		return err
	}
	output := or(r.URL.Query().Get("output"), "json")
	if output != "json" && output != "jpeg" {
		return badRequest("output=%s is neither json nor jpeg", output)
	}
	it, err := s.store.latestImage(r.Context(), c.ID)
	if errors.Is(err, errNotFound) {
		return refuse(http.StatusNotFound, "The camera has sent no picture yet")
	}
	if err != nil {
		return err
	}
	b, err := s.picture(it, size)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	if output == "jpeg" {
		w.Header().Set("Content-Type", http.DetectContentType(b))
		_, _ = w.Write(b)
		return nil
	}
	out := wireItem(it, c.Name, levelOf(it))
	out.ImageBytes = b
	reply(w, out)
	return nil
}
