package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"camward/camio"
)

// reply sends v as JSON with status 200. Characters such as & stay as they are: firmware that cuts strings out of the
// poll's reply does not know \u0026.
func reply(w http.ResponseWriter, v any) { replyStatus(w, http.StatusOK, v) }

func replyStatus(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Errorf("encode %T: %w", v, err)) // our own types always encode
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone if this fails
}

// fail sends an error's body.
func fail(w http.ResponseWriter, status int, message string) {
	replyStatus(w, status, camio.Error{Message: message})
}

// refuse makes an error that reaches the client as it is.
func refuse(status int, format string, args ...any) error {
	return &camio.Error{Code: status, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return refuse(http.StatusBadRequest, format, args...)
}

// handle adapts a handler that returns errors: a *camio.Error is for the client, errNotFound is a 404, and everything else is
// ours: logged, and told without details.
func (s *Server) handle(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := f(w, r)
		var told *camio.Error
		switch {
		case err == nil:
		case errors.As(err, &told):
			if told.Code == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="camward"`)
			}
			fail(w, told.Code, told.Message)
		case errors.Is(err, errNotFound):
			fail(w, http.StatusNotFound, "Not found")
		case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
			// The client went away; nobody reads the answer.
		default:
			s.log.Error("request failed", zap.String("method", r.Method), zap.Error(err))
			fail(w, http.StatusInternalServerError, "Internal server error")
		}
	}
}

// bodyLimit bounds JSON bodies of requests.
const bodyLimit = 1 << 20

// readBody reads a small body whole.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "The body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, badRequest("The body ended early")
	}
	return b, nil
}

// readJSON decodes a body whatever its Content-Type claims: real clients send JSON as a form or as nothing.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := readBody(w, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return badRequest("The body is not the JSON expected: %v", err)
	}
	return nil
}
