package boardtest

import (
	"crypto/md5" //nolint:gosec // what the firmware of cameras uses
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// auth is how a firmware proves its user: Basic (RFC 7617), Digest with MD5 and qop=auth (RFC 7616), or parameters of the query.
type auth struct {
	realm         string
	basic, digest bool
	query         bool
	life          time.Duration
	now           func() time.Time
	nonces        map[string]*nonce
}

type nonce struct {
	made  time.Time
	count uint64 // the last nc accepted
}

// maxNonces bounds the memory that strangers can take; firmware forgets the oldest.
const maxNonces = 1000

// check tells whether the request proves the user, and else what to answer; the challenge goes into h.
func (a *auth) check(h http.Header, r *http.Request, query, user, password string) (answer, bool) {
	if a.query {
		f := fields(query)
		if f["usr"] == user && f["pwd"] == password {
			return answer{}, true
		}
		return foscamResult(-2), false // HTTP 200, as the real one
	}
	stale := false
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case a.basic && strings.EqualFold(scheme, "Basic"):
		if u, p, ok := r.BasicAuth(); ok && same(u, user) && same(p, password) {
			return answer{}, true
		}
	case a.digest && strings.EqualFold(scheme, "Digest"):
		var ok bool
		if ok, stale = a.proves(directives(rest), r, user, password); ok {
			return answer{}, true
		}
	}
	a.challenge(h, stale)
	return answer{http.StatusUnauthorized, "text/html", "<html><body>401 Unauthorized</body></html>\n"}, false
}

func (a *auth) challenge(h http.Header, stale bool) {
	if a.basic {
		h.Add("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", a.realm))
	}
	if !a.digest {
		return
	}
	for n, v := range a.nonces {
		if len(a.nonces) < maxNonces && a.now().Sub(v.made) <= 10*a.life {
			continue
		}
		delete(a.nonces, n)
	}
	fresh := strings.ToLower(rand.Text())
	a.nonces[fresh] = &nonce{made: a.now()}
	h.Add("WWW-Authenticate", fmt.Sprintf(`Digest realm=%q, qop="auth", nonce=%q, opaque="5ccc069c", algorithm=MD5, stale=%t`, a.realm, fresh, stale))
}

// proves checks a response (RFC 7616 3.4). A right one to a nonce that has expired makes the next challenge say stale.
func (a *auth) proves(d map[string]string, r *http.Request, user, password string) (ok, stale bool) {
	n := a.nonces[d["nonce"]]
	count, err := strconv.ParseUint(d["nc"], 16, 32)
	if n == nil || err != nil || len(d["nc"]) != 8 || d["cnonce"] == "" || d["qop"] != "auth" || d["realm"] != a.realm ||
		d["username"] != user || d["uri"] != r.RequestURI || d["opaque"] != "5ccc069c" || d["algorithm"] != "" && !strings.EqualFold(d["algorithm"], "MD5") {
		return false, false
	}
	ha1 := hash(user + ":" + a.realm + ":" + password)
	ha2 := hash(r.Method + ":" + r.RequestURI)
	if !same(d["response"], hash(strings.Join([]string{ha1, d["nonce"], d["nc"], d["cnonce"], d["qop"], ha2}, ":"))) {
		return false, false
	}
	if a.now().Sub(n.made) > a.life {
		return false, true
	}
	if count <= n.count { // used before: somebody repeats what he has heard
		return false, false
	}
	n.count = count
	return true, false
}

func hash(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// directives reads name=value and name="value", separated by commas.
func directives(s string) map[string]string {
	m := map[string]string{}
	for s = strings.TrimSpace(s); s != ""; {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return m
		}
		var value strings.Builder
		if strings.HasPrefix(rest, `"`) {
			i := 1
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' && i+1 < len(rest) {
					i++
				}
				value.WriteByte(rest[i])
			}
			rest = rest[min(i+1, len(rest)):]
		} else {
			plain := rest
			if i := strings.IndexByte(rest, ','); i >= 0 {
				plain = rest[:i]
			}
			value.WriteString(strings.TrimSpace(plain))
			rest = rest[len(plain):]
		}
		m[strings.ToLower(strings.TrimSpace(name))] = value.String()
		s = strings.TrimLeft(rest, ", \t")
	}
	return m
}
