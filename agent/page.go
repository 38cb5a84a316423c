package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// pages is what the page's routes are hung on: a server that asks every one of them for a session or the password.
type pages interface {
	HandlePage(pattern string, h http.Handler)
}

// maxPageBody bounds what the page may send, in bytes.
const maxPageBody = 64 << 10

// pageRoutes are the API of the camera's own page. All is JSON; an error is {"error": "one sentence"}. Bodies are strict: what is not
// known is refused.
func (a *Agent) pageRoutes(s pages) {
	a.detectionRoutes(s)
	a.controlsRoutes(s)
	a.privacyRoutes(s)
	a.cloudRoutes(s)
	ring := logRingOf(a.log)
	s.HandlePage("GET /api/logs", a.logs(ring))
	s.HandlePage("GET /api/support-bundle", a.supportBundle(ring))
}

// A pageError is an answer with a status of its own.
type pageError struct {
	status int
	text   string
}

func (e *pageError) Error() string { return e.text }

func refuse(status int, format string, args ...any) error {
	return &pageError{status, fmt.Sprintf(format, args...)}
}

// page answers with a value as JSON, or with the fault.
func page(get func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxPageBody)
		v, err := get(r)
		status := http.StatusOK
		if err != nil {
			status, v = http.StatusInternalServerError, map[string]string{"error": strings.ReplaceAll(err.Error(), "\n", "; ")}
			if fault := (*pageError)(nil); errors.As(err, &fault) {
				status = fault.status
			}
		}
		answerPage(w, status, v)
	})
}

func answerPage(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v) //nolint:errcheck // the page has gone
}

// readPage reads a body that is one JSON value, without members that v has not.
func readPage(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the value")
		}
	}
	var long *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &long):
		return refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", long.Limit)
	}
	return refuse(http.StatusBadRequest, "the body is not the JSON that is wanted here: %v", err)
}
