// Package httpauth answers the challenge of an HTTP server that wants a password: Digest (RFC 7616, RFC 2069) where it is offered in a
// form that is understood, else Basic (RFC 7617). It is made for firmware, which writes challenges as it likes.
package httpauth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/icholy/digest"
)

// Bounds of what a 401 may hold in WWW-Authenticate fields. What is beyond is passed over.
const (
	maxField      = 8 << 10 // bytes of one field
	maxChallenges = 32      // of all fields
	maxNames      = 4       // that an error quotes
	maxName       = 40      // bytes of each
)

// ErrNone is for a server that offers neither Digest nor Basic in a form that can be answered.
var ErrNone = errors.New("it offers no way to sign in that camward knows")

// A Scheme is a way to prove a user.
type Scheme int

// The schemes that can be answered.
const (
	None Scheme = iota
	Basic
	Digest
)

// Offers are what a 401 offers. The zero value is nothing. They are not changed by being used.
type Offers struct {
	digest *digest.Challenge // the first that can be answered, as RFC 7616 3.7 wants it
	basic  bool
	stale  bool
	other  []string // schemes that cannot be answered
}

// Parse reads a 401's WWW-Authenticate fields. Whatever cannot be understood is passed over.
func Parse(fields []string) Offers {
	var o Offers
	for _, c := range challenges(fields) {
		d := c.digest()
		switch {
		case c.scheme == "basic":
			o.basic = true
			continue
		case c.scheme != "digest" || d.Nonce == "" || !digest.CanDigest(d):
			if name := strings.TrimSuffix(c.scheme+" "+c.params["algorithm"], " "); len(o.other) < maxNames {
				o.other = append(o.other, name[:min(len(name), maxName)])
			}
		case o.digest == nil:
			o.digest = d
		}
		o.stale = o.stale || c.scheme == "digest" && strings.EqualFold(c.params["stale"], "true")
	}
	return o
}

// digest is the challenge in the form that the library computes with. Its qop list may have spaces ("auth, auth-int"), which the
// library's own reader keeps.
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

// Scheme is the way that Answer takes.
func (o Offers) Scheme() Scheme {
	switch {
	case o.digest != nil:
		return Digest
	case o.basic:
		return Basic
	}
	return None
}

// Stale tells that the password was right and only the nonce too old (RFC 7616 3.3).
func (o Offers) Stale() bool { return o.stale }

// A Request is what is to be proved.
type Request struct {
	Method string
	Target string // as it stands in the request's first line
	Body   string // needed where a server wants it protected (auth-int)
	User   string
	Pass   string
	Count  int // of answers to the same nonce, this one included; 0 counts as 1
}

// Answer gives the Authorization field for one request. Of its errors, which may quote the server and never the password, only ErrNone
// is likely.
func (o Offers) Answer(r Request) (string, error) { return o.answer(r, "") }

// answer lets tests choose the client's nonce.
func (o Offers) answer(r Request, cnonce string) (string, error) {
	switch o.Scheme() {
	case Digest:
		c, err := digest.Digest(o.digest, digest.Options{
			Method: r.Method, URI: r.Target, Username: r.User, Password: r.Pass, Count: max(1, r.Count), Cnonce: cnonce,
			GetBody: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(r.Body)), nil },
		})
		if err != nil {
			return "", fmt.Errorf("answer the challenge: %w", err)
		}
		return c.String(), nil
	case Basic:
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(r.User+":"+r.Pass)), nil
	}
	if len(o.other) > 0 {
		return "", fmt.Errorf("%w, only %q", ErrNone, o.other)
	}
	return "", ErrNone
}
