package web

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// nonceLife is how long a nonce may be used; a client gets a new one then by itself (stale=true).
const nonceLife = 5 * time.Minute

// maxNonces bounds the nonces whose use is remembered. Only who has the password adds to them. One more
// makes the oldest, and all that were issued before it, stale.
const maxNonces = 512

// The digest algorithms, the stronger first as RFC 7616 3.7 has it: curl and wget take the first they know.
const (
	algSHA256 = "SHA-256"
	algMD5    = "MD5"
)

// A digester issues and checks nonces of HTTP digest authentication (RFC 7616, qop=auth). A nonce proves
// itself by its MAC, so none is kept before it is used with the right password; from then on its counts
// are, and each is good for one request. Safe for concurrent use.
type digester struct {
	started time.Time // nonces carry the time since then, which no clock setting changes
	key     [32]byte

	mu    sync.Mutex
	used  map[nonceID]*window
	floor time.Duration // nonces issued until then are stale
}

// A nonceID is what tells a nonce from all others: 8 bytes of time, big endian, in ns, and 8 random ones.
type nonceID [16]byte

func (id nonceID) issued() time.Duration { return time.Duration(binary.BigEndian.Uint64(id[:8])) }

// A window remembers the counts of a nonce: the highest and which of the 63 below it were used, since requests
// on several connections overtake one another.
type window struct {
	top  uint32
	seen uint64 // bit n: top-n was used
}

// use marks a count as used, and says whether it was not before.
func (w *window) use(nc uint32) bool {
	if nc > w.top {
		w.seen = w.seen<<min(nc-w.top, 64) | 1
		w.top = nc
		return true
	}
	bit := uint64(1) << min(w.top-nc, 64)
	if bit == 0 || w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	return true
}

func newDigester() *digester {
	d := &digester{started: time.Now(), used: map[nonceID]*window{}, floor: -1}
	rand.Read(d.key[:])
	return d
}

// challenges are the values of WWW-Authenticate, one nonce for all.
func (d *digester) challenges(stale bool) []string {
	var out []string
	nonce := d.nonce()
	for _, alg := range []string{algSHA256, algMD5} {
		c := `Digest realm="` + realm + `", qop="auth", algorithm=` + alg + `, nonce="` + nonce + `"`
		if stale {
			c += ", stale=true"
		}
		out = append(out, c)
	}
	return out
}

func (d *digester) nonce() string {
	var id nonceID
	binary.BigEndian.PutUint64(id[:8], uint64(time.Since(d.started)))
	rand.Read(id[8:])
	return base64.RawURLEncoding.EncodeToString(append(id[:], d.mac(id)...))
}

func (d *digester) mac(id nonceID) []byte {
	m := hmac.New(sha256.New, d.key[:])
	m.Write(id[:])
	return m.Sum(nil)[:16]
}

// spend takes one count of a nonce. It is false if the nonce is not ours, too old, or the count was used.
func (d *digester) spend(nonce string, nc uint32) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != 32 {
		return false
	}
	id := nonceID(b[:16])
	if !hmac.Equal(b[16:], d.mac(id)) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if id.issued() <= d.floor || time.Since(d.started)-id.issued() > nonceLife {
		return false
	}
	w := d.used[id]
	if w == nil {
		d.makeRoom()
		if id.issued() <= d.floor {
			return false
		}
		w = &window{}
		d.used[id] = w
	}
	return w.use(nc)
}

// makeRoom forgets the nonces that have expired, or else the oldest one, which the floor then keeps from coming back.
func (d *digester) makeRoom() {
	if len(d.used) < maxNonces {
		return
	}
	d.floor = max(d.floor, time.Since(d.started)-nonceLife)
	oldest := time.Duration(-1)
	for id := range d.used {
		if id.issued() <= d.floor {
			delete(d.used, id)
		} else if oldest < 0 || id.issued() < oldest {
			oldest = id.issued()
		}
	}
	if len(d.used) < maxNonces {
		return
	}
	d.floor = oldest
	for id := range d.used {
		if id.issued() <= d.floor {
			delete(d.used, id)
		}
	}
}

// A verdict on credentials.
type verdict int

const (
	wrong     verdict = iota // not the password
	granted                  //
	stale                    // the password, but with a nonce or count that is not good any more: a new one must be tried
	malformed                // not what RFC 7616 3.4 asks for, or for another request than this one
	untried                  // too many were tried already
)

// check judges a request's Digest credentials. The password is looked at first, so that stale says nothing to who
// doesn't have it.
func (d *digester) check(r *http.Request, p *Password) verdict {
	params, ok := parseDigest(r.Header.Get("Authorization"))
	nc, err := strconv.ParseUint(params["nc"], 16, 32)
	alg, ha1 := p.ha1(params["algorithm"])
	switch {
	case !ok, err != nil, len(params["nc"]) != 8, nc == 0, alg == "",
		params["qop"] != "auth", params["cnonce"] == "", params["nonce"] == "",
		params["realm"] != realm, params["uri"] != r.RequestURI, strings.EqualFold(params["userhash"], "true"):
		return malformed
	}
	ha2 := digestOf(alg, r.Method+":"+params["uri"])
	want := digestOf(alg, strings.Join([]string{ha1, params["nonce"], params["nc"], params["cnonce"], "auth", ha2}, ":"))
	right := subtle.ConstantTimeCompare([]byte(strings.ToLower(params["response"])), []byte(want))
	switch {
	case right&subtle.ConstantTimeCompare([]byte(params["username"]), []byte(User)) != 1:
		return wrong
	case !d.spend(params["nonce"], uint32(nc)):
		return stale
	}
	return granted
}

// digestOf is H of RFC 7616 3.3, in hex.
func digestOf(alg, text string) string {
	if alg == algMD5 {
		sum := md5.Sum([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Bounds of an Authorization header: its uri may be a query of 4 KiB.
const (
	maxCredentials = 8 << 10 // bytes
	maxAuthParams  = 16
)

// parseDigest reads Digest credentials: a comma-separated list of name=token or name="quoted" (RFC 7235 2.1). Names come in
// lower case; one that is given twice makes the header bad, as does anything after a value.
func parseDigest(header string) (map[string]string, bool) {
	const scheme = "digest "
	if len(header) < len(scheme) || len(header) > maxCredentials || !strings.EqualFold(header[:len(scheme)], scheme) {
		return nil, false
	}
	params := map[string]string{}
	rest := strings.TrimLeft(header[len(scheme):], " \t,")
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		if !ok || !isToken(name) || len(params) == maxAuthParams {
			return nil, false
		}
		if _, twice := params[name]; twice {
			return nil, false
		}
		value, after, ok := cutValue(strings.TrimLeft(after, " \t"))
		after = strings.TrimLeft(after, " \t")
		if !ok || after != "" && after[0] != ',' {
			return nil, false
		}
		params[name] = value
		rest = strings.TrimLeft(after, " \t,")
	}
	return params, true
}

// cutValue takes a token or a quoted string off the front of s.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], isToken(s[:end])
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false // no closing quote
}

// isToken holds s against RFC 7230 3.2.6.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && (c > '~' || !strings.ContainsRune("!#$%&'*+-.^_`|~", c))
	})
}
