package cloud_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

// A dialer is what a camera needs to connect.
type dialer struct {
	url      string // of the server
	token    string
	camera   string
	protocol string // camio.LiveProtocol if empty
}

func (d dialer) dial(ctx context.Context) (*websocket.Conn, *http.Response, error) {
	protocol := d.protocol
	if protocol == "" {
		protocol = camio.LiveProtocol
	}
	c, res, err := websocket.Dial(ctx, d.url+"/api/users/"+url.PathEscape(d.token)+"/cameras/"+url.PathEscape(d.camera)+"/live",
		&websocket.DialOptions{Subprotocols: []string{protocol}})
	if c != nil {
		c.SetReadLimit(camio.MaxLiveMessage)
	}
	return c, res, err
}

// A fakeCamera speaks camio.LiveProtocol. answer makes the answer to a request; nil gives none.
type fakeCamera struct {
	t      testing.TB
	conn   *websocket.Conn
	done   chan struct{} // closed when the connection has ended
	err    error         // why, after done
	asked  chan camio.LiveMessage
	answer func(camio.LiveMessage) *camio.LiveMessage

	mu   sync.Mutex
	late []camio.LiveMessage // requests without an answer
}

// connect makes a camera that is connected and ready to be watched.
func connect(t testing.TB, d dialer, answer func(camio.LiveMessage) *camio.LiveMessage) *fakeCamera {
	t.Helper()
	conn, res, err := d.dial(t.Context())
	if err != nil {
		t.Fatal(err, res)
	}
	f := &fakeCamera{t: t, conn: conn, done: make(chan struct{}), asked: make(chan camio.LiveMessage, 100), answer: answer}
	go f.run()
	t.Cleanup(f.close)
	f.say(camio.LiveMessage{Type: camio.LiveHello, WebRTC: true})
	return f
}

func (f *fakeCamera) close() {
	f.conn.CloseNow()
	<-f.done
}

func (f *fakeCamera) run() {
	defer close(f.done)
	for {
		var m camio.LiveMessage
		_, data, err := f.conn.Read(context.Background())
		if err != nil {
			f.err = err
			return
		}
		if err := json.Unmarshal(data, &m); err != nil {
			f.t.Errorf("the cloud sent %s: %v", data, err)
		}
		f.asked <- m
		var a *camio.LiveMessage
		if f.answer != nil {
			a = f.answer(m)
		}
		if a == nil {
			f.mu.Lock()
			f.late = append(f.late, m)
			f.mu.Unlock()
			continue
		}
		a.Type, a.ID = m.Type, m.ID
		f.say(*a)
	}
}

func (f *fakeCamera) say(m camio.LiveMessage) {
	data, err := json.Marshal(m)
	if err != nil {
		f.t.Error(err)
	}
	_ = f.conn.Write(context.Background(), websocket.MessageText, data) // one that has gone is noticed by reading
}

// ended waits for the end of the connection and returns the cloud's code and reason.
func (f *fakeCamera) ended() (websocket.StatusCode, string) {
	f.t.Helper()
	select {
	case <-f.done:
	case <-time.After(patience):
		f.t.Fatal("the connection stays open")
	}
	var closed websocket.CloseError
	if errors.As(f.err, &closed) {
		return closed.Code, closed.Reason
	}
	return -1, f.err.Error()
}

// next is the next request.
func (f *fakeCamera) next() camio.LiveMessage {
	f.t.Helper()
	select {
	case m := <-f.asked:
		return m
	case <-time.After(patience):
		f.t.Fatal("no request comes")
		return camio.LiveMessage{}
	}
}

// agreeable answers every request as if it were WebRTC.
func agreeable(m camio.LiveMessage) *camio.LiveMessage {
	switch m.Type {
	case camio.LiveOpen:
		return &camio.LiveMessage{Session: "s-" + m.ID, ETag: "e-" + m.ID, SDP: "answer to " + m.SDP}
	case camio.LivePatch:
		if strings.Contains(m.SDP, "ufrag") {
			return &camio.LiveMessage{ETag: "restarted", SDP: "fragment of the camera"}
		}
	}
	return &camio.LiveMessage{}
}

// A liveRig is a server with a camera "front" of test@example.com.
type liveRig struct {
	*cloudtest.Cloud
	t testing.TB
	dialer
	cfg cloud.Config
}

func newLiveRig(t testing.TB, options ...cloudtest.Option) *liveRig {
	t.Helper()
	var cfg cloud.Config
	c := cloudtest.New(t, append(options, func(c *cloud.Config) { cfg = *c })...)
	put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 1))
	return &liveRig{c, t, dialer{url: c.URL, token: c.Account.UploadToken, camera: "front"}, cfg}
}

// connect makes the camera's connection and waits until it counts.
func (r *liveRig) connect(answer func(camio.LiveMessage) *camio.LiveMessage) *fakeCamera {
	r.t.Helper()
	f := connect(r.t, r.dialer, answer)
	r.waitReady(true)
	return f
}

func (r *liveRig) waitReady(want bool) {
	r.t.Helper()
	until(r.t, "web_rtc", func() bool { return (r.Server.Status().Ready > 0) == want })
}

// until polls for what gives no sign.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

const (
	livePath = "/api/users/me/cameras/front/live"
	sdp      = "Content-Type: application/sdp"
	sdpfrag  = "Content-Type: application/trickle-ice-sdpfrag"
)

// as sends a request with the account's OAuth token.
func (r *liveRig) as(method, path, body string, header ...string) call {
	r.t.Helper()
	return send(r.t, method, r.URL+path, body, append(header, "Authorization: token "+r.Account.OAuthToken)...)
}
