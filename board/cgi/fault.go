package cgi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"camward/camio"
)

// A fault is an answer other than success. Its numbers are listed in the package's comment.
type fault struct {
	number int
	status int // HTTP
	text   string
}

func unreadable(format string, a ...any) *fault {
	return &fault{201, http.StatusBadRequest, fmt.Sprintf(format, a...)}
}

// maxAnswer bounds an error line, in bytes; the sender keeps 200 of them at most.
const maxAnswer = 500

// answer writes the fault as one line. A text that holds the word senders look for, because a value
// or the device's error had it, is not shown.
func answer(w http.ResponseWriter, f *fault) {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, f.text)
	if len(text) > maxAnswer {
		text = strings.ToValidUTF8(text[:maxAnswer], "") + "..."
	}
	if strings.Contains(strings.ToLower(text), "success") {
		text = "a value that cannot be shown here is wrong"
		if f.number >= 300 {
			text = "the device could not apply it; its log says why"
		}
	}
	w.WriteHeader(f.status)
	io.WriteString(w, fmt.Sprintf("%03d %s\n", f.number, text)) //nolint:errcheck // the client has gone
}

// applyFault tells of a setting that the device did not take.
func applyFault(err error, s Setting) *fault {
	text := err.Error()
	for _, secret := range secrets(s) {
		if secret == "" {
			continue
		}
		for _, form := range []string{secret.Reveal(), url.PathEscape(secret.Reveal()), url.QueryEscape(secret.Reveal())} {
			text = strings.ReplaceAll(text, form, secret.String())
		}
	}
	if errors.Is(err, ErrValue) {
		return &fault{203, http.StatusBadRequest, text}
	}
	return &fault{301, http.StatusInternalServerError, text + "; the setting before is in force"}
}

// secrets are the texts that an error about s must not show.
func secrets(s Setting) []camio.Secret {
	switch s := s.(type) {
	case Period:
		return []camio.Secret{s.Password}
	case FTPAlarm:
		return []camio.Secret{s.User, s.Password}
	case HTTPAlarm:
		return []camio.Secret{s.Token}
	}
	return nil
}
