package profile

import (
	"fmt"
	"slices"
	"strings"

	"camward/camio"
)

// A Merge is a read-modify-write: firmware that takes a command's silence on a setting for its default has to be asked first
// for what is set. GET Read, with the firmware's authentication, and hand the answer to Apply.
type Merge struct {
	Read string // path, with its query

	profile *Profile
	drop    []string
}

// maxAnswer bounds what is read of a firmware's settings.
const maxAnswer = 64 << 10

// Merge tells whether a command needs a read before it.
func (p *Profile) Merge(c camio.Command) (*Merge, bool) {
	e, _, err := p.endpoint(c.Method, c.Path)
	if err != nil || e.merge == nil {
		return nil, false
	}
	return &Merge{Read: e.merge.Read, profile: p, drop: e.merge.Drop}, true
}

// Apply completes a command with the settings that the firmware answered. In a query dialect those that the command doesn't set
// follow it as further parameters. A command with an XML body gets the answer as its body, with the command's own values put
// in. What the command says stays as it is; an answer that is no settings is an error.
func (m *Merge) Apply(c camio.Command, answer []byte) (camio.Command, error) {
	if len(answer) > maxAnswer {
		return c, fmt.Errorf("the settings of %s have %d bytes, at most %d", short(m.Read), len(answer), maxAnswer)
	}
	if m.profile.Failed(answer) {
		return c, fmt.Errorf("the firmware refuses to tell its settings at %s", short(m.Read))
	}
	read, err := parseXML(answer)
	if err != nil {
		return c, fmt.Errorf("the settings of %s: %w", short(m.Read), err)
	}
	if c.Body == "" {
		return m.appendParams(c, read)
	}
	own, err := parseXML([]byte(c.Body))
	if err != nil {
		return c, fmt.Errorf("command %s: %w", short(c.ID), err)
	}
	if own.local() != read.local() {
		return c, fmt.Errorf("the settings of %s are a %s, not a %s", short(m.Read), short(read.local()), short(own.local()))
	}
	read.overlay(own)
	c.Body = read.document()
	return c, nil
}

func (m *Merge) appendParams(c camio.Command, read *element) (camio.Command, error) {
	if len(read.children) == 0 {
		return c, fmt.Errorf("the settings of %s are empty", short(m.Read))
	}
	_, query, _ := strings.Cut(c.Path, "?")
	set := map[string]bool{}
	for piece := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(piece, "=")
		set[strings.ToLower(name)] = true
	}
	var b strings.Builder
	b.WriteString(c.Path)
	for _, f := range read.children {
		name := f.local()
		if slices.Contains(m.drop, name) || set[strings.ToLower(name)] {
			continue
		}
		if !paramName.MatchString(name) || len(f.children) > 0 {
			return c, fmt.Errorf("the settings of %s have an unexpected %s", short(m.Read), short(name))
		}
		set[strings.ToLower(name)] = true
		b.WriteString("&" + name + "=" + escapePath(f.text))
	}
	c.Path = b.String()
	return c, nil
}

func (l *loader) merge(key string, m *mergeYAML) {
	if m == nil {
		return
	}
	if _, _, err := splitPath(m.Read); err != nil {
		l.fault(key+".merge.read", "%v", err)
	}
}
