package capture

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// sourceKind is what a Config.Source names.
type sourceKind int

const (
	kindDevice sourceKind = iota
	kindDemo
	kindRecording
	kindHTTP
)

// A matching is how a device is told from others.
type matching int

const (
	byPath matching = iota
	byOrder
	byName
	bySerial
)

// source is a parsed Config.Source. Options that were not given are zero.
type source struct {
	kind         sourceKind
	by           matching
	text         string // to match
	path         string
	loop         bool
	rate         float64 // fps or rate
	size         Size
	first, every time.Duration
}

// shown is the source for logs and status: of an address, without what may be secret in it.
func (s *source) shown(configured string) string {
	if s.kind != kindHTTP {
		return configured
	}
	return showURL(s.path)
}

// parseSource reads Config.Source. It does not look whether what it names exists.
func parseSource(s string) (source, error) {
	path, query, _ := strings.Cut(s, "?")
	src := source{kind: kindRecording, path: path}
	var allowed string
	switch {
	case path == "":
		return src, errors.New("missing: give a device such as /dev/video0 or auto, demo:, a recording or a camera's http address")
	case path == "demo:" || path == "demo":
		src.kind, allowed = kindDemo, "rate size first every"
		src.first, src.every = 8*time.Second, 30*time.Second
	case strings.HasPrefix(path, "/dev/"):
		src.kind = kindDevice
	case s == "auto":
		src.kind, src.by = kindDevice, byOrder
		return src, nil
	case strings.HasPrefix(s, "name:"), strings.HasPrefix(s, "serial:"):
		return parseMatch(s)
	case isHTTP(s):
		src.kind, src.path = kindHTTP, s // all of it is the camera's
		_, err := parseHTTP(s)
		return src, err
	case strings.Contains(path, "://"):
		return src, fmt.Errorf("%s is a network address; only devices, recordings, demo:, http:// and https:// can be captured", redactURL(path))
	default:
		allowed = "loop fps"
	}
	return src, src.parseOptions(query, allowed)
}

// parseMatch reads "name:..." and "serial:...". All that follows belongs to the text.
func parseMatch(s string) (source, error) {
	src := source{kind: kindDevice, by: byName, path: s}
	what, text, _ := strings.Cut(s, ":")
	if what == "serial" {
		src.by = bySerial
	}
	if src.text = strings.TrimSpace(text); src.text == "" {
		return src, fmt.Errorf("%q names no camera", s)
	}
	return src, nil
}

// parseOptions reads "key=value&..."; allowed lists the keys, separated by blanks.
func (s *source) parseOptions(query, allowed string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("options %q: %w", query, err)
	}
	var errs []error
	for key := range values {
		v := values.Get(key)
		if !strings.Contains(" "+allowed+" ", " "+key+" ") {
			errs = append(errs, fmt.Errorf("unknown option %q (there are: %s)", key, strings.ReplaceAll(allowed, " ", ", ")))
			continue
		}
		if err := s.setOption(key, v); err != nil {
			errs = append(errs, fmt.Errorf("option %s=%s: %w", key, v, err))
		}
	}
	return errors.Join(errs...)
}

func (s *source) setOption(key, v string) (err error) {
	switch key {
	case "loop":
		s.loop, err = strconv.ParseBool(v)
	case "fps", "rate":
		s.rate, err = strconv.ParseFloat(v, 64)
		if err == nil && !(s.rate >= 0.1 && s.rate <= 240) {
			err = errors.New("outside 0.1..240 pictures per second")
		}
	case "size":
		if err = s.size.UnmarshalText([]byte(v)); err == nil {
			err = s.size.check()
		}
	case "first":
		s.first, err = positive(v)
	case "every":
		s.every, err = positive(v)
	}
	return err
}

func positive(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err == nil && d < 0 {
		err = errors.New("below zero")
	}
	return d, err
}

// redactURL hides the credentials an address may carry.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		u.User = url.User("***")
		return strings.ReplaceAll(u.String(), "%2A", "*")
	}
	return s
}
