package ftpstore

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	"github.com/jlaffaye/ftp"

	"camward/uploader"
)

// A replyError is a refusal of which the library hands on only the text.
type replyError struct {
	code int
	text string
}

func (e *replyError) Error() string { return fmt.Sprintf("%03d %s", e.code, e.text) }

// code finds the server's reply in an error; 0 if there was none, as for a fault of the network.
func code(err error) int {
	var re *replyError
	if errors.As(err, &re) {
		return re.code
	}
	var te *textproto.Error
	if errors.As(err, &te) {
		return te.Code
	}
	return 0
}

// unauthorized marks a refused or forgotten login (RFC 959 5.4); any other error stays as it is.
func unauthorized(err error) error {
	switch code(err) {
	case ftp.StatusNotLoggedIn, ftp.StatusInvalidCredentials:
		return fmt.Errorf("%w: %w", uploader.ErrUnauthorized, err)
	}
	return err
}

// namesItem reports whether a reply may be about the item itself and not about the server's state (RFC 959
// 4.2 and 5.4). 552 is not among them: servers send it for a full quota, which ends, much as 452, and an
// item that waits costs less than one that is lost.
func namesItem(err error) bool {
	switch code(err) {
	case ftp.StatusBadArguments, ftp.StatusFileUnavailable, ftp.StatusBadFileName:
		return true
	}
	return false
}

// refusesPart reports whether a reply to REST, or to the STOR after it (RFC 3659 5), may mean that the server takes
// whole files only. By default proftpd does and answers 451.
func refusesPart(err error) bool {
	switch c := code(err); c {
	case ftp.StatusFileActionIgnored, ftp.StatusActionAborted:
		return true
	case ftp.StatusExceededStorage, ftp.StatusNotLoggedIn: // starting anew would only throw away what is there
		return false
	default:
		return c >= 500
	}
}

// unsupported reports whether the server does not know a command at all.
func unsupported(err error) bool {
	switch code(err) {
	case ftp.StatusBadCommand, ftp.StatusCommandNotImplemented, ftp.StatusNotImplemented, ftp.StatusNotImplementedParameter:
		return true
	}
	return false
}

// A codeWatch remembers the code of the last reply that passes, and nothing of its text.
type codeWatch struct {
	line [4]byte
	n    int // bytes of the line so far
	last int
}

// Write takes what is said on the control connection.
func (w *codeWatch) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' {
			w.n = 0
			continue
		}
		if w.n < len(w.line) {
			w.line[w.n] = b
		}
		w.n++
		if w.n == len(w.line) {
			w.note()
		}
	}
	return len(p), nil
}

// note takes the line's code; "xyz-" begins a reply of several lines, which ends in "xyz ".
func (w *codeWatch) note() {
	n := 0
	for _, b := range w.line[:3] {
		if b < '0' || b > '9' {
			return
		}
		n = n*10 + int(b-'0')
	}
	if w.line[3] == ' ' {
		w.last = n
	}
}

// scrub makes sure that neither err nor what it wraps shows the secrets.
func scrub(err error, secrets ...string) error {
	text := err.Error()
	clean := text
	for _, s := range secrets {
		if s != "" && s != defaultPassword {
			clean = strings.ReplaceAll(clean, s, "***")
		}
	}
	if clean == text {
		return err
	}
	// Only what callers decide on survives; the rest might print itself.
	scrubbed := &scrubbedError{text: clean}
	for _, is := range []error{uploader.ErrPermanent, uploader.ErrUnauthorized} {
		if errors.Is(err, is) {
			scrubbed.is = is
		}
	}
	return scrubbed
}

type scrubbedError struct {
	text string
	is   error
}

func (e *scrubbedError) Error() string { return e.text }
func (e *scrubbedError) Unwrap() error { return e.is }
