package board

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/icholy/digest"

	"camward/camio"
)

// maxChallenge bounds what a 401 may hold in WWW-Authenticate fields.
const maxChallenge = 8 << 10

// A challenge is one of those that a 401 offers (RFC 9110 11.3).
type challenge struct {
	scheme string            // in lower case
	params map[string]string // by lower-case name; the first of a name counts
}

// parseChallenges takes a 401's WWW-Authenticate fields apart. Firmware writes several challenges into one field or into
// many, leaves quotes out and puts commas where none belong, so whatever cannot be understood is passed over.
func parseChallenges(fields []string) []challenge {
	var out []challenge
	for _, f := range fields {
		if len(f) > maxChallenge {
			continue
		}
		p := fieldParser{rest: f}
		for p.rest != "" {
			name, value, isParam := p.next()
			switch {
			case name == "" && !isParam:
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

// digest is the challenge in the form that the library computes with. Its qop list may have spaces
// ("auth, auth-int"), which the library's own reader keeps.
func (c challenge) digest() *digest.Challenge {
	d := &digest.Challenge{
		Realm: c.params["realm"], Nonce: c.params["nonce"], Opaque: c.params["opaque"], Algorithm: c.params["algorithm"],
		Userhash: strings.EqualFold(c.params["userhash"], "true"),
	}
	for q := range strings.SplitSeq(c.params["qop"], ",") {
		if q = strings.ToLower(strings.TrimSpace(q)); q != "" {
			d.QOP = append(d.QOP, q)
		}
	}
	return d
}

// usable tells a Digest challenge that can be answered: with a nonce, an algorithm and a qop that are known.
func (c challenge) usable() bool {
	return c.scheme == "digest" && c.params["nonce"] != "" && digest.CanDigest(c.digest())
}

// stale tells that the credentials were right and only the nonce too old (RFC 7616 3.3).
func stale(offers []challenge) bool {
	for _, c := range offers {
		if c.scheme == "digest" && strings.EqualFold(c.params["stale"], "true") {
			return true
		}
	}
	return false
}

// errNoScheme is for a 401 that asks for neither Digest nor Basic in a form that can be answered.
var errNoScheme = errors.New("it offers no way to sign in that camward knows")

// authorize gives the Authorization field for one request: Digest where it is offered, the first such challenge that is
// understood as RFC 7616 3.7 wants it, else Basic. A nonce is used once, since firmware exists that takes none twice.
func authorize(offers []challenge, method, target string, user string, password camio.Secret) (string, error) {
	var names []string
	for _, c := range offers {
		if !c.usable() {
			names = append(names, c.scheme+strings.TrimSuffix(" "+c.params["algorithm"], " "))
			continue
		}
		cred, err := digest.Digest(c.digest(), digest.Options{Method: method, URI: target, Username: user, Password: password.Reveal(), Count: 1})
		if err != nil {
			return "", fmt.Errorf("answer the challenge: %w", err)
		}
		return cred.String(), nil
	}
	for _, c := range offers {
		if c.scheme == "basic" {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password.Reveal())), nil
		}
	}
	if len(names) > 0 {
		return "", fmt.Errorf("%w, only %q", errNoScheme, names)
	}
	return "", errNoScheme
}
