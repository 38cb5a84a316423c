// Package relay keeps a camera's live view within reach of its cloud: a WebSocket (RFC 6455) that the camera dials, by which
// the cloud hands on viewers' WHEP exchanges (camio.LiveProtocol). A camera behind NAT needs no open port for it. By the same way
// the cloud hears that the camera was lost or found.
//
// Only signalling goes this way. Media flow between camera and viewer, so sessions outlive the socket that opened them, and
// end as live.Server ends them: when ICE finds the viewer gone.
//
// The cloud is not trusted: what it sends is bounded and checked, and the upload token, which is part of the address, stands in
// no error and no log line.
package relay

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/live"
)

// Viewers is the part of live.Server that the cloud reaches. Safe for concurrent use.
type Viewers interface {
	Open(ctx context.Context, camera, offer string, servers ...live.ICEServer) (live.Answer, error)
	Patch(ctx context.Context, camera, id, etag, fragment string) (live.Answer, error)
	End(camera, id string) error
	// Ready is nil when a viewer would get a picture now.
	Ready(camera string) error
}

// A Target is a cloud and the camera's place there. The zero value is none.
type Target struct {
	URL    *url.URL     // base of the cloud: http or https, as camio.ParseBase gives it
	Token  camio.Secret // the upload token
	Camera string       // the camera's name as in the path of uploads
}

func (t Target) none() bool { return t.URL == nil || t.Token == "" || t.Camera == "" }

func (t Target) equal(o Target) bool {
	return t.none() && o.none() ||
		!t.none() && !o.none() && *t.URL == *o.URL && t.Token == o.Token && t.Camera == o.Camera
}

// address is where the socket is; it holds the token.
func (t Target) address() string {
	return t.URL.Scheme + "://" + t.URL.Host + strings.TrimSuffix(t.URL.EscapedPath(), "/") +
		"/api/users/" + segment(t.Token.Reveal()) + "/cameras/" + segment(t.Camera) + "/live"
}

// segment escapes one element of a path, also one that a server would take for a step in the tree.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

// A Status is how things stand.
type Status struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`                // of the last change of Connected; zero before the first connection
	LastError string    `json:"last_error,omitempty"` // why there is no connection, or why the last one ended

	ReportsWaiting int `json:"reports_waiting"` // that the cloud has not acknowledged
	ReportsDropped int `json:"reports_dropped"` // because too many waited
}

// A Client is one camera's line to its cloud. Its methods are safe for concurrent use; Run is called once at a time.
type Client struct {
	name    string
	viewers Viewers
	http    *http.Client
	log     *zap.Logger
	reports *reports

	mu      sync.Mutex
	target  Target
	last    Target        // that reports are for, or were
	changed chan struct{} // closed when target is replaced
	status  Status
}

// New makes a client for the camera that viewers knows by this name. Proxies and certificates are those of httpClient;
// redirects are not followed, since the address is a secret. The log is the camera's. It stays disconnected until SetTarget.
func New(name string, viewers Viewers, httpClient *http.Client, log *zap.Logger) *Client {
	own := *httpClient
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		name: name, viewers: viewers, http: &own, changed: make(chan struct{}),
		log: log.Named("relay"), reports: newReports(),
	}
}

// SetTarget has the client connect there, at once and however long it was to wait; the zero Target disconnects it. What is
// set already changes nothing.
func (c *Client) SetTarget(t Target) {
	if t.URL != nil {
		u := *t.URL
		t.URL = &u
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.equal(c.target) {
		return
	}
	if t.URL != nil {
		c.reports.again(c.last.URL != nil && !t.equal(c.last))
		c.last = t
	}
	c.target = t
	c.status.LastError = ""
	close(c.changed)
	c.changed = make(chan struct{})
}

// Status tells how things stand.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.ReportsWaiting, s.ReportsDropped = c.reports.count()
	return s
}

func (c *Client) current() (Target, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target, c.changed
}

// Run keeps the connection until ctx ends. It leaves no goroutine behind.
func (c *Client) Run(ctx context.Context) error {
	var b backoff
	var last <-chan struct{} // of the target that b is about
	for ctx.Err() == nil {
		target, changed := c.current()
		if changed != last {
			b, last = backoff{}, changed
		}
		var pause <-chan time.Time // never, without a target
		if !target.none() {
			began := time.Now()
			err := c.connect(ctx, target, changed)
			wait := b.next(err, time.Since(began))
			c.failed(ctx, changed, err, wait)
			pause = time.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-pause:
		}
	}
	return context.Cause(ctx)
}

// connect holds one connection until it breaks, the target changes or ctx ends.
func (c *Client) connect(ctx context.Context, target Target, changed <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
		case <-changed:
			cancel()
		}
	})
	defer watch.Wait()
	defer cancel()
	l, err := c.dial(ctx, target)
	if err == nil {
		err = l.run(ctx)
		c.connected(false)
	}
	return scrub(err, target.Token)
}

func (c *Client) connected(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Connected, c.status.Since = yes, time.Now()
	if yes {
		c.status.LastError = ""
	}
}

// failed notes why there is no connection; a fault that repeats is logged once.
func (c *Client) failed(ctx context.Context, changed <-chan struct{}, err error, wait time.Duration) {
	select {
	case <-changed:
		return // it is about a target that is no more
	default:
	}
	if ctx.Err() != nil {
		return
	}
	text := err.Error()
	c.mu.Lock()
	news := c.status.LastError != text
	c.status.LastError = text
	c.mu.Unlock()
	if news {
		c.log.Warn("no live connection to the cloud", zap.String("error", text), zap.Duration("again_in", wait.Round(time.Second)))
	}
}

// statusError says that the cloud answered, but not with a WebSocket.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("the cloud answered %d %s", int(e), http.StatusText(int(e)))
}
