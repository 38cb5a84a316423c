package camio

import (
	"fmt"
	"io"
)

// A Secret is a token or password. Whatever prints, logs or marshals it gets "***", or nothing
// if it is empty; only Reveal gives the text. It is read from YAML and JSON as a plain string.
type Secret string

const masked = "***"

// Reveal returns the text, for the one place that sends or checks it.
func (s Secret) Reveal() string { return string(s) }

// String returns "***", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return `camio.Secret("` + s.String() + `")` }

// Format hides the text from every verb, %x and %q included.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	io.WriteString(f, text) //nolint:errcheck // fmt reports the writer's errors itself
}

// MarshalText hides the text from JSON, YAML and loggers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
