package cgi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is parsed.
const (
	maxParams = 64
	maxURL    = 2 << 10 // bytes
	maxValue  = 1 << 10 // bytes, decoded
)

// input is what a set form was sent.
type input struct {
	values map[string]string // by key, decoded
	used   map[string]bool   // keys that the form asked for
	body   []byte            // of a form that takes no parameters
}

// unused lists the keys that the form never asked for.
func (in *input) unused() []string {
	var keys []string
	for k := range in.values {
		if !in.used[k] {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// read takes in a set form's query and body, within their bounds.
func read(w http.ResponseWriter, r *http.Request, form setForm) (*input, *fault) {
	in := &input{values: map[string]string{}, used: map[string]bool{}}
	if len(r.URL.RawQuery) > maxQuery {
		return nil, &fault{201, http.StatusRequestEntityTooLarge, "the query is longer than 4 KiB"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &fault{201, http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB"}
	case err != nil:
		return nil, unreadable("the body did not arrive: %v", err)
	}
	if form.raw {
		in.body = body
		return in, nil
	}
	if f := parse(in.values, r.URL.RawQuery, form.urlEnd); f != nil {
		return nil, f
	}
	if len(body) == 0 {
		return in, nil
	}
	// Anything but another declared type is taken as a form: senders are careless with this header.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && t != "application/x-www-form-urlencoded" {
		return nil, unreadable("the body is %s; this form reads application/x-www-form-urlencoded", printable(t))
	}
	return in, parse(in.values, strings.TrimRight(string(body), "\r\n"), form.urlEnd)
}

// parse adds the parameters of a raw query or form body to values. urlEnd finds where a raw URL value ends.
func parse(values map[string]string, raw string, urlEnd func(string) int) *fault {
	for raw != "" {
		pair, rest, _ := strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		isRaw := key == "URL" && !encoded(value)
		if isRaw {
			all := raw[len("URL"):]
			end := urlEnd(all)
			value, rest = strings.TrimPrefix(all[:end], "="), strings.TrimPrefix(all[end:], "&")
		}
		raw = rest
		if pair == "" {
			continue // "&&", or one at an end
		}
		if f := add(values, key, value, isRaw); f != nil {
			return f
		}
	}
	return nil
}

// encoded says whether a URL's value, up to the next '&', was percent-encoded as a whole.
func encoded(value string) bool {
	return !strings.Contains(value, "/") && strings.Contains(strings.ToLower(value), "%2f")
}

// add decodes a parameter, unless it is raw, and keeps it.
func add(values map[string]string, key, value string, isRaw bool) *fault {
	key, err := url.QueryUnescape(key)
	if err != nil || !plain(key) || len(key) > 64 || key == "" {
		return unreadable("a parameter's name is not plain text of at most 64 bytes")
	}
	if _, twice := values[key]; twice {
		return unreadable("%s: given twice", key)
	}
	if len(values) == maxParams {
		return unreadable("more than %d parameters", maxParams)
	}
	if !isRaw {
		if value, err = url.QueryUnescape(value); err != nil {
			return unreadable("%s: a %% must be followed by two hex digits; %%25 is a percent sign", key)
		}
	}
	limit := maxValue
	if key == "URL" {
		limit = maxURL
	}
	switch {
	case len(value) > limit:
		return unreadable("%s: longer than %d bytes", key, limit)
	case !plain(value):
		return unreadable("%s: has control characters, text direction marks, or is not UTF-8", key)
	case key == "URL" && !printableASCII(value):
		return unreadable("URL: has a space or a character beyond ASCII; percent-encode it")
	}
	values[key] = value
	return nil
}

// plain says whether s is UTF-8 without characters that change lines or the direction of text: what is shown
// to a person then is what is in force.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	})
}

func printableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// printable shortens a foreign text for an error line.
func printable(s string) string {
	if !plain(s) {
		return "a text that cannot be shown"
	}
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "..."
	}
	return s
}

// beforeAuth ends a poll address before the last parameter AUTH, since the address may hold one of that name itself.
func beforeAuth(s string) int {
	if i := strings.LastIndex(s, "&AUTH="); i >= 0 {
		return i
	}
	return len(s)
}

// beforeKnown ends an upload address, which has no query, before any other parameter of its form.
func beforeKnown(s string) int {
	end := len(s)
	for _, key := range []string{"&ENABLE=", "&MODE=", "&URL="} {
		if i := strings.Index(s, key); i >= 0 {
			end = min(end, i)
		}
	}
	return end
}

// toNext ends any value before the next parameter.
func toNext(s string) int {
	if i := strings.IndexByte(s, '&'); i >= 0 {
		return i
	}
	return len(s)
}
