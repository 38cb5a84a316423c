// Package boardtest simulates the makers' camera firmware: its CGI, its authentication and its way of saying no, written from
// what is publicly known of each and not from camward's own profiles, so that the two can be held against each other.
//
// A simulator is stricter than a stub: a digest nonce expires and counts, a wrong realm is refused, settings that a command leaves out are
// reset where real firmware resets them, and an error may be an HTTP 200 with an error text. Sharx's error numbers are
// unknown; those here are invented.
package boardtest

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Request is one that arrived, with a right password or not.
type Request struct {
	Method        string
	Target        string // path and query as they stood in the request line
	ContentType   string
	Authorization string // the header
	Body          string
	Accepted      bool // the user was proved
}

// Settings are what the firmware has understood so far.
type Settings struct {
	NTP       bool // time is taken from NTPServer
	NTPServer string

	FTP         bool
	FTPServer   string
	FTPPort     int
	FTPUser     string
	FTPPassword string
	FTPPath     string // without slashes at its ends

	Poll       bool
	PollURL    string        // as it came, placeholders of the firmware included
	PollPeriod time.Duration //

	Upload    bool   // camward's upload over HTTP
	UploadURL string //
	Zones     string // camward's zones, JSON

	Motion bool
	All    map[string]string // every setting under the firmware's own name
}

// A Board is one camera's firmware. It may be used by several goroutines.
type Board struct {
	URL            string // of the server; empty for a Handler
	User, Password string

	auth auth
	mu   sync.Mutex
	fw   firmware
	seen []Request
	fail *failure
	gone bool
}

type failure struct {
	status int
	body   string
}

// firmware is one maker's CGI. It is called by one goroutine at a time, with an authenticated request.
type firmware interface {
	serve(*call) answer
	settings() Settings
}

// a call is a request as simple firmware reads it: the path is what stands before the first question mark.
type call struct {
	method, path, query, body string
}

type answer struct {
	status int
	kind   string // content type
	body   string
}

func text(body string) answer { return answer{http.StatusOK, "text/plain", body} }

var notFound = answer{http.StatusNotFound, "text/html", "<html><body>404 Not Found</body></html>\n"}

// An Option changes a board.
type Option func(*Board)

// Basic, Digest and Both choose what the 401 offers. The default is the maker's own. Foscam has neither.
func Basic() Option { return func(b *Board) { b.auth.basic, b.auth.digest = true, false } }

// Digest offers Digest only.
func Digest() Option { return func(b *Board) { b.auth.basic, b.auth.digest = false, true } }

// Both offers Basic and Digest, in this order.
func Both() Option { return func(b *Board) { b.auth.basic, b.auth.digest = true, true } }

// Login sets the user and password; the default is admin and a password that has characters worth escaping.
func Login(user, password string) Option {
	return func(b *Board) { b.User, b.Password = user, password }
}

// NonceLife sets after which time a nonce is stale; the default is a minute.
func NonceLife(d time.Duration) Option { return func(b *Board) { b.auth.life = d } }

// Clock sets the time by which nonces expire.
func Clock(now func() time.Time) Option { return func(b *Board) { b.auth.now = now } }

// FailWith makes the board answer every call so, once the user is proved.
func FailWith(status int, body string) Option {
	return func(b *Board) { b.fail = &failure{status, body} }
}

// Broken makes the board close every connection without an answer.
func Broken() Option { return func(b *Board) { b.gone = true } }

// makers gives each maker's firmware, and how it proves its user.
var makers = map[string]func() (firmware, auth){
	"sharx": func() (firmware, auth) {
		return newSharx(false), auth{realm: "NC-336PW-HD-1080P", basic: true, digest: true}
	},
	"camward":   func() (firmware, auth) { return newSharx(true), auth{realm: "camward", digest: true} },
	"axis":      func() (firmware, auth) { return newAxis(), auth{realm: "AXIS_ACCC8E123456", digest: true} },
	"hikvision": func() (firmware, auth) { return newHikvision(), auth{realm: "IP Camera(12345)", digest: true} },
	"dahua":     func() (firmware, auth) { return newDahua(), auth{realm: "Login to 2A0123456789", digest: true} },
	"foscam":    func() (firmware, auth) { return newFoscam(), auth{query: true} },
	"d-link":    func() (firmware, auth) { return newDLink(), auth{realm: "DCS-2332L", basic: true} },
}

// Makers lists the makers there are, in lower case.
func Makers() []string { return slices.Sorted(maps.Keys(makers)) }

// Handler returns a maker's firmware to be served by the caller.
func Handler(maker string, opts ...Option) (*Board, error) {
	create, ok := makers[strings.ToLower(maker)]
	if !ok {
		return nil, fmt.Errorf("maker %q is none of %s", maker, strings.Join(Makers(), ", "))
	}
	b := &Board{User: "admin", Password: "pass+word 1"}
	b.fw, b.auth = create()
	b.auth.life, b.auth.now, b.auth.nonces = time.Minute, time.Now, map[string]*nonce{}
	for _, o := range opts {
		o(b)
	}
	if b.auth.query {
		b.auth.basic, b.auth.digest = false, false
	}
	return b, nil
}

// New serves a maker's firmware on loopback until the test ends.
func New(t testing.TB, maker string, opts ...Option) *Board {
	t.Helper()
	b, err := Handler(maker, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	b.URL = s.URL
	return b
}

// FailWith changes the answer to every call from now on; status 0 makes the board work again.
func (b *Board) FailWith(status int, body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail = nil; status != 0 {
		b.fail = &failure{status, body}
	}
}

// Break makes the board close connections without an answer, or work again.
func (b *Board) Break(broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = broken
}

// Requests lists what arrived so far.
func (b *Board) Requests() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// Settings tells what the firmware has understood so far.
func (b *Board) Settings() Settings {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.fw.settings()
	s.All = maps.Clone(s.All)
	return s
}

// maxBody bounds a request's body, as small firmware does.
const maxBody = 64 << 10

// ServeHTTP is the firmware's web server.
func (b *Board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		panic(http.ErrAbortHandler)
	}
	req := Request{Method: r.Method, Target: r.RequestURI, ContentType: r.Header.Get("Content-Type"),
		Authorization: r.Header.Get("Authorization"), Body: string(body)}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	var proved answer
	proved, req.Accepted = b.auth.check(w.Header(), r, query, b.User, b.Password)
	b.seen = append(b.seen, req)
	switch {
	case err != nil:
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			proved = answer{http.StatusRequestEntityTooLarge, "text/html", "too long\n"}
		} else {
			proved = answer{http.StatusBadRequest, "text/html", "bad request\n"}
		}
	case !req.Accepted:
	case b.fail != nil:
		proved = answer{b.fail.status, "text/plain", b.fail.body}
	default:
		proved = b.fw.serve(&call{r.Method, path, query, string(body)})
	}
	w.Header().Set("Content-Type", proved.kind)
	w.WriteHeader(proved.status)
	_, _ = io.WriteString(w, proved.body) // a client that has gone is its own affair
}

// fields cuts a query as firmware does: at every ampersand, the first of two values wins.
func fields(query string) map[string]string {
	m := map[string]string{}
	for piece := range strings.SplitSeq(query, "&") {
		name, value, ok := strings.Cut(piece, "=")
		if _, there := m[unescape(name)]; ok && !there {
			m[unescape(name)] = unescape(value)
		}
	}
	return m
}

// unescape takes percent-encoding off; what is broken stays as it is.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var c byte
		if s[i] == '%' && i+2 < len(s) {
			if n, _ := fmt.Sscanf(s[i+1:i+3], "%02x", &c); n == 1 {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// snapshot is a small JPEG.
var snapshot = sync.OnceValue(func() answer {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		panic(err)
	}
	return answer{http.StatusOK, "image/jpeg", b.String()}
})
