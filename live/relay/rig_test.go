package relay

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"camward/camio"
	"camward/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token    = camio.Secret("T0ken/of a camera?")
	path     = "/api/users/T0ken%2Fof%20a%20camera%3F/cameras/front%20door/live"
	patience = 20 * time.Second
)

var errStop = errors.New("asked to stop")

// viewers is a fake live.Server whose calls are as a test says.
type viewers struct {
	open  func(ctx context.Context, camera, offer string, servers ...live.ICEServer) (live.Answer, error)
	patch func(camera, id, etag, fragment string) (live.Answer, error)
	ready atomic.Pointer[error]
	mu    sync.Mutex
	ended []string
}

func (v *viewers) Open(ctx context.Context, camera, offer string, servers ...live.ICEServer) (live.Answer, error) {
	if v.open == nil {
		return live.Answer{Session: "s-" + offer, ETag: "e1", SDP: "answer to " + offer}, nil
	}
	return v.open(ctx, camera, offer, servers...)
}

func (v *viewers) Patch(_ context.Context, camera, id, etag, fragment string) (live.Answer, error) {
	if v.patch == nil {
		return live.Answer{Session: id, ETag: etag}, nil
	}
	return v.patch(camera, id, etag, fragment)
}

func (v *viewers) End(camera, id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ended = append(v.ended, camera+"/"+id)
	if id == "gone" {
		return live.ErrNoSession
	}
	return nil
}

func (v *viewers) Ready(string) error {
	if p := v.ready.Load(); p != nil {
		return *p
	}
	return nil
}

func (v *viewers) setReady(err error) { v.ready.Store(&err) }

// A cloud accepts sockets as the real one does, and has a test speak on them.
type cloud struct {
	t     testing.TB
	links chan *far      // accepted sockets
	times chan time.Time // of requests
	deny  atomic.Int32   // a status that is answered instead
}

// A far is the cloud's end of a socket.
type far struct {
	t    testing.TB
	conn *websocket.Conn
	path string
	in   chan []byte   // messages; closed with the connection
	done chan struct{} // closed by the test
}

func newCloud(t testing.TB) *cloud {
	return &cloud{t: t, links: make(chan *far, 16), times: make(chan time.Time, 4096)}
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.times <- time.Now()
	if s := int(c.deny.Load()); s != 0 {
		w.Header().Set("Location", "http://elsewhere.invalid"+r.URL.EscapedPath())
		http.Error(w, "no entry for "+r.URL.Path, s)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{camio.LiveProtocol}})
	if err != nil {
		return
	}
	conn.SetReadLimit(camio.MaxLiveMessage)
	f := &far{t: c.t, conn: conn, path: r.URL.EscapedPath(), in: make(chan []byte, 64), done: make(chan struct{})}
	go f.receive()
	c.links <- f
	<-f.done
	conn.CloseNow()
	for range f.in {
	}
}

// receive reads whatever comes, which also answers pings.
func (f *far) receive() {
	defer close(f.in)
	for {
		kind, data, err := f.conn.Read(context.Background())
		if err != nil {
			return
		}
		if kind != websocket.MessageText {
			f.t.Errorf("a message that is no text: %x", data)
		}
		f.in <- data
	}
}

func (c *cloud) next() *far {
	c.t.Helper()
	select {
	case f := <-c.links:
		return f
	case <-time.After(10 * time.Minute): // of a bubble; else the test's own limit comes first
		c.t.Fatal("no connection")
		return nil
	}
}

func (f *far) read() (m camio.LiveMessage) {
	f.t.Helper()
	select {
	case data, ok := <-f.in:
		if !ok {
			f.t.Fatal("the connection is closed")
		}
		if err := json.Unmarshal(data, &m); err != nil {
			f.t.Fatalf("%s: %v", data, err)
		}
	case <-time.After(patience):
		f.t.Fatal("no message")
	}
	return m
}

// gone waits for the end of the connection.
func (f *far) gone() {
	f.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case _, ok := <-f.in:
			if !ok {
				return
			}
		case <-limit:
			f.t.Fatal("the connection lives on")
		}
	}
}

func (f *far) write(m camio.LiveMessage) {
	f.t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		f.t.Fatal(err)
	}
	f.send(websocket.MessageText, data)
}

func (f *far) send(kind websocket.MessageType, data []byte) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.conn.Write(ctx, kind, data); err != nil {
		f.t.Fatalf("write: %v", err)
	}
}

func (f *far) ask(m camio.LiveMessage) camio.LiveMessage {
	f.t.Helper()
	f.write(m)
	return f.read()
}

func (f *far) close() { close(f.done) }

// run runs a client until the test ends, and shows what it logs.
func run(t *testing.T, v Viewers, h *http.Client) (*Client, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	c := New("front", v, h, zap.New(core))
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel(errStop)
		if err := <-ended; !errors.Is(err, errStop) {
			t.Errorf("Run returned %v, want the context's cause", err)
		}
	})
	return c, logs
}

// loopback runs a cloud on a real socket and a client that is connected to it; hello has been read.
func loopbackRig(t *testing.T, v Viewers) (*Client, *cloud, *far) {
	t.Helper()
	c := newCloud(t)
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	cl, _ := run(t, v, &http.Client{Transport: tr})
	cl.SetTarget(targetAt(t, srv.URL))
	f := c.next()
	t.Cleanup(f.close)
	if m := f.read(); m.Type != camio.LiveHello || !m.WebRTC {
		t.Fatalf("first message %+v, want a hello with web_rtc", m)
	}
	return cl, c, f
}

func targetAt(t testing.TB, base string) Target {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return Target{URL: u, Token: token, Camera: "front door"}
}

// A pipes listens in memory, for synctest: dialled connections can be cut without a word.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	lines  []*deadable // dialled
	refuse atomic.Bool
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if p.refuse.Load() {
		return nil, errors.New("connection refused by " + string(token))
	}
	near, farEnd := net.Pipe()
	select {
	case p.conns <- farEnd:
		d := &deadable{Conn: near}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lines = append(p.lines, d)
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// deadable is a connection on a line that can go dead: what is written vanishes, and nothing comes.
type deadable struct {
	net.Conn
	dead atomic.Bool
}

// cut makes all lines dead that have been dialled.
func (p *pipes) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.lines {
		d.dead.Store(true)
	}
}

func (d *deadable) Write(b []byte) (int, error) {
	if d.dead.Load() {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

// bubble runs a cloud in memory and a client; for use in synctest.
func bubble(t *testing.T, v Viewers) (*Client, *cloud, *pipes, *observer.ObservedLogs) {
	t.Helper()
	c, p := newCloud(t), newPipes()
	srv := &http.Server{Handler: c}
	go srv.Serve(p) //nolint:errcheck // closed below
	t.Cleanup(func() { srv.Close() })
	tr := &http.Transport{DialContext: p.dial}
	t.Cleanup(tr.CloseIdleConnections)
	cl, logs := run(t, v, &http.Client{Transport: tr})
	return cl, c, p, logs
}

// shown is all that could be read of a client.
func shown(c *Client, logs *observer.ObservedLogs) string {
	var b strings.Builder
	b.WriteString(c.Status().LastError)
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, e := range logs.All() {
		if line, err := enc.EncodeEntry(e.Entry, e.Context); err == nil {
			b.Write(line.Bytes())
		}
	}
	return b.String()
}
