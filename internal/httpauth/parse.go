package httpauth

import "strings"

// A challenge is one of those that a 401 offers (RFC 9110 11.3).
type challenge struct {
	scheme string            // in lower case
	params map[string]string // by lower-case name; the first of a name counts
}

// challenges takes fields apart. Firmware writes several challenges into one field or into many, leaves quotes out and puts commas where
// none belong.
func challenges(fields []string) []challenge {
	var out []challenge
	for _, f := range fields {
		if len(f) > maxField {
			continue
		}
		p := fieldParser{rest: f}
		for p.rest != "" {
			name, value, isParam := p.next()
			switch {
			case name == "":
			case !isParam && len(out) == maxChallenges:
				return out
			case !isParam:
				out = append(out, challenge{scheme: strings.ToLower(name), params: map[string]string{}})
			case len(out) > 0:
				last := out[len(out)-1].params
				if key := strings.ToLower(name); last[key] == "" {
					last[key] = value
				}
			}
		}
	}
	return out
}

// fieldParser reads tokens and parameters off the front of a field. Every step takes at least one byte.
type fieldParser struct{ rest string }

// next gives a parameter's name and value, or the name of a scheme; neither for a byte that belongs nowhere.
func (p *fieldParser) next() (name, value string, isParam bool) {
	p.rest = strings.TrimLeft(p.rest, " \t,")
	name = p.until(" \t,=\"")
	if name == "" {
		if p.rest != "" {
			p.rest = p.rest[1:]
		}
		return "", "", false
	}
	after := strings.TrimLeft(p.rest, " \t")
	if !strings.HasPrefix(after, "=") {
		return name, "", false
	}
	p.rest = strings.TrimLeft(after[1:], " \t")
	if strings.HasPrefix(p.rest, `"`) {
		return name, p.quoted(), true
	}
	return name, p.until(" \t,"), true
}

func (p *fieldParser) until(stop string) string {
	n := strings.IndexAny(p.rest, stop)
	if n < 0 {
		n = len(p.rest)
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

// quoted reads a quoted-string (RFC 9110 5.6.4); one that never ends, to the end.
func (p *fieldParser) quoted() string {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	p.rest = ""
	return b.String()
}
