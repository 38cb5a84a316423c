package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"camward/camio"
	"camward/internal/transport"
	"camward/live"
)

func TestRequestsReachTheViewersAndAreAnsweredByID(t *testing.T) {
	v := &viewers{}
	v.open = func(_ context.Context, camera, offer string, s ...live.ICEServer) (live.Answer, error) {
		if camera != "front" || len(s) != 1 || s[0].URLs[0] != "turn:192.0.2.1:3478" || s[0].User != "u" || s[0].Password.Reveal() != "p" {
			t.Errorf("Open(%q, %q, %+v)", camera, offer, s)
		}
		return live.Answer{Session: "s1", ETag: "e1", SDP: "answer to " + offer}, nil
	}
	v.patch = func(camera, id, etag, fragment string) (live.Answer, error) {
		if camera != "front" || id != "s1" || etag != "*" {
			t.Errorf("Patch(%q, %q, %q, %q)", camera, id, etag, fragment)
		}
		if fragment == "restart" {
			return live.Answer{Session: id, ETag: "e2", SDP: "own"}, nil
		}
		return live.Answer{Session: id, ETag: "e1"}, nil
	}
	_, _, f := loopbackRig(t, v)
	if f.path != path {
		t.Errorf("dialled %s, want %s", f.path, path)
	}
	ice := []camio.ICEServer{{URLs: []string{"turn:192.0.2.1:3478"}, Username: "u", Credential: "p"}}
	tests := []struct{ ask, want camio.LiveMessage }{
		{camio.LiveMessage{Type: camio.LiveOpen, ID: "1", SDP: "offer", ICEServers: ice}, camio.LiveMessage{Type: camio.LiveOpen, ID: "1", Session: "s1", ETag: "e1", SDP: "answer to offer"}},
		{camio.LiveMessage{Type: camio.LivePatch, ID: "2", Session: "s1", ETag: "*", SDP: "restart"}, camio.LiveMessage{Type: camio.LivePatch, ID: "2", ETag: "e2", SDP: "own"}},
		{camio.LiveMessage{Type: camio.LivePatch, ID: "3", Session: "s1", ETag: "*", SDP: "candidate"}, camio.LiveMessage{Type: camio.LivePatch, ID: "3", ETag: "e1"}},
		{camio.LiveMessage{Type: camio.LiveEnd, ID: "4", Session: "s1"}, camio.LiveMessage{Type: camio.LiveEnd, ID: "4"}},
		{camio.LiveMessage{Type: camio.LiveEnd, ID: "5", Session: "gone"}, camio.LiveMessage{Type: camio.LiveEnd, ID: "5", Error: &camio.LiveError{Status: 404, Text: "no such session"}}},
		{camio.LiveMessage{Type: "later", ID: "6"}, camio.LiveMessage{Type: "later", ID: "6", Error: &camio.LiveError{Status: 501, Text: "unknown type of message"}}},
		{camio.LiveMessage{Type: camio.LiveHello, ID: "7"}, camio.LiveMessage{Type: camio.LiveHello, ID: "7", Error: &camio.LiveError{Status: 501, Text: "unknown type of message"}}},
	}
	for _, tt := range tests {
		got := f.ask(tt.ask)
		if fmt.Sprintf("%+v %+v", flat(got), got.Error) != fmt.Sprintf("%+v %+v", flat(tt.want), tt.want.Error) {
			t.Errorf("%+v: got %+v %+v, want %+v %+v", tt.ask, got, got.Error, tt.want, tt.want.Error)
		}
	}
	// What answers nothing is not answered: the next answer is that to the next question.
	f.write(camio.LiveMessage{Type: camio.LiveOpen, ID: "8", Error: &camio.LiveError{Status: 500, Text: "x"}})
	if m := f.ask(camio.LiveMessage{Type: camio.LiveEnd, ID: "9", Session: "s1"}); m.ID != "9" {
		t.Errorf("an answer was answered: %+v", m)
	}
}

func flat(m camio.LiveMessage) camio.LiveMessage { m.Error = nil; return m }

func TestFaultsBecomeStatuses(t *testing.T) {
	tests := []struct {
		err    error
		status int
		text   string
	}{
		{live.ErrBusy, 503, live.ErrBusy.Error()},
		{live.ErrNoPicture, 409, live.ErrNoPicture.Error()},
		{live.ErrNoEncoder, 501, live.ErrNoEncoder.Error()},
		{live.ErrNotRunning, 503, live.ErrNotRunning.Error()},
		{fmt.Errorf("%w: line\r\n\x1b[31m", live.ErrOffer), 400, live.ErrOffer.Error() + ": line   [31m"},
		{live.ErrNoVideo, 406, live.ErrNoVideo.Error()},
		{errors.New("open /dev/urandom: too many open files"), 500, "live view cannot be set up"},
	}
	v := &viewers{}
	var err error
	v.open = func(context.Context, string, string, ...live.ICEServer) (live.Answer, error) {
		return live.Answer{}, err
	}
	_, _, f := loopbackRig(t, v)
	for _, tt := range tests {
		err = tt.err
		m := f.ask(camio.LiveMessage{Type: camio.LiveOpen, ID: "1", SDP: "offer"})
		if m.Error == nil || m.Error.Status != tt.status || m.Error.Text != tt.text || m.Session != "" {
			t.Errorf("%v: %+v %+v, want %d %q", tt.err, m, m.Error, tt.status, tt.text)
		}
	}
}

func TestFourRequestsAreWorkedOnAndTwelveWait(t *testing.T) {
	v := &viewers{}
	var at, most atomic.Int32
	goOn := make(chan struct{})
	v.open = func(ctx context.Context, _, offer string, _ ...live.ICEServer) (live.Answer, error) {
		n := at.Add(1)
		defer at.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-goOn
		return live.Answer{Session: offer}, nil
	}
	_, _, f := loopbackRig(t, v)
	for i := range 20 {
		f.write(camio.LiveMessage{Type: camio.LiveOpen, ID: fmt.Sprint(i), SDP: "offer"})
	}
	for range 4 { // those that found no place are answered first
		if m := f.read(); m.Error == nil || m.Error.Status != 503 {
			t.Errorf("%+v, want 503", m)
		}
	}
	close(goOn)
	seen := map[string]bool{}
	for range 16 {
		m := f.read()
		if m.Error != nil || seen[m.ID] {
			t.Errorf("%+v %+v", m, m.Error)
		}
		seen[m.ID] = true
	}
	if most.Load() != maxRunning {
		t.Errorf("%d at a time, want %d", most.Load(), maxRunning)
	}
}

func TestHelloComesFirstAndWheneverThePictureComesOrGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &viewers{}
		v.setReady(live.ErrNoPicture)
		c, cl, _, _ := bubble(t, v)
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		defer f.close()
		if m := f.read(); m.Type != camio.LiveHello || m.WebRTC {
			t.Fatalf("%+v, want a hello without web_rtc", m)
		}
		for _, err := range []error{nil, live.ErrNoPicture, nil} {
			time.Sleep(10 * time.Second) // silence: nothing has changed
			v.setReady(err)
			began := time.Now()
			if m := f.read(); m.Type != camio.LiveHello || m.WebRTC != (err == nil) {
				t.Errorf("%+v after Ready became %v", m, err)
			}
			if d := time.Since(began); d > lookEvery {
				t.Errorf("said %v late", d)
			}
		}
	})
}

func TestADeadLinkIsNoticedWithin20SecondsAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, p, _ := bubble(t, &viewers{})
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		f.read()
		time.Sleep(5 * time.Minute)
		if s := c.Status(); !s.Connected || s.LastError != "" || time.Since(s.Since) < 4*time.Minute {
			t.Fatalf("%+v, want one long connection", s)
		}
		p.cut()
		cut := time.Now()
		for c.Status().Connected {
			time.Sleep(time.Millisecond)
		}
		s := c.Status()
		if d := s.Since.Sub(cut); d > 20*time.Second || d < pongTime {
			t.Errorf("noticed after %v", d)
		}
		synctest.Wait()
		if got := c.Status().LastError; got != errSilent.Error() {
			t.Errorf("last error %q", got)
		}
		f.close()
		again := cl.next()
		defer again.close()
		if d := time.Since(s.Since); d < minPause || d > minPause+4*time.Second {
			t.Errorf("came back after %v", d)
		}
		again.read()
		synctest.Wait()
		if s := c.Status(); !s.Connected || s.LastError != "" {
			t.Errorf("%+v after it came back", s)
		}
	})
}

func TestAttemptsAreSpreadAndRareWhereTheCameraIsNotWanted(t *testing.T) {
	tests := []struct {
		status   int
		min, max time.Duration
	}{
		{500, minPause, maxPause}, {503, minPause, maxPause}, {429, minPause, maxPause},
		{401, 4 * time.Minute, slowPause}, {403, 4 * time.Minute, slowPause}, {404, 4 * time.Minute, slowPause},
		{200, 4 * time.Minute, slowPause}, {302, 4 * time.Minute, slowPause},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, cl, _, logs := bubble(t, &viewers{})
				cl.deny.Store(int32(tt.status))
				c.SetTarget(targetAt(t, "http://cloud.example.com"))
				last, longest := <-cl.times, time.Duration(0)
				for range 20 {
					at := <-cl.times
					if d := at.Sub(last); d < tt.min || d > tt.max {
						t.Errorf("came back after %v, want %v to %v", d, tt.min, tt.max)
					}
					longest = max(longest, at.Sub(last))
					last = at
				}
				if longest < tt.max/2 {
					t.Errorf("never waited more than %v", longest)
				}
				synctest.Wait()
				if want := fmt.Sprintf("the cloud answered %d", tt.status); !strings.HasPrefix(c.Status().LastError, want) {
					t.Errorf("last error %q", c.Status().LastError)
				}
				if n := logs.FilterMessage("no live connection to the cloud").Len(); n != 1 {
					t.Errorf("the same fault was logged %d times", n)
				}
				if strings.Contains(shown(c, logs), "T0ken") {
					t.Errorf("the token shows in:\n%s", shown(c, logs))
				}
			})
		})
	}
}

func TestANewTargetIsDialledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, _ := bubble(t, &viewers{})
		cl.deny.Store(401)
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		<-cl.times
		synctest.Wait()

		cl.deny.Store(0)
		same := time.Now()
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		<-cl.times // the refused question is not asked again sooner
		if d := time.Since(same); d < 4*time.Minute {
			t.Errorf("the same target again was dialled after %v", d)
		}
		first := cl.next()
		first.read()

		other := targetAt(t, "http://cloud.example.com")
		other.Camera = "back"
		began := time.Now()
		c.SetTarget(other)
		second := cl.next()
		second.read()
		if time.Since(began) != 0 || !strings.HasSuffix(second.path, "/cameras/back/live") {
			t.Errorf("%s was dialled after %v", second.path, time.Since(began))
		}
		first.gone()
		first.close()

		c.SetTarget(Target{})
		second.gone()
		second.close()
		time.Sleep(time.Hour)
		if s := c.Status(); s.Connected || s.LastError != "" || len(cl.links) > 0 {
			t.Errorf("%+v without a target", s)
		}
	})
}

func TestTheTokenStandsInNoErrorAndNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, p, logs := bubble(t, &viewers{})
		p.refuse.Store(true)
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		synctest.Wait()
		if !strings.Contains(c.Status().LastError, "connect to cloud.example.com: connection refused by ***") {
			t.Errorf("last error %q", c.Status().LastError)
		}
		p.refuse.Store(false)
		f := cl.next()
		f.read()
		go f.conn.Close(websocket.StatusPolicyViolation, "not you, "+string(token)+" or "+url.PathEscape(string(token)))
		time.Sleep(500 * time.Millisecond)
		if want := "the cloud closed the connection (1008): not you, *** or ***"; c.Status().LastError != want {
			t.Errorf("last error %q, want %q", c.Status().LastError, want)
		}
		f.close()
		if text := shown(c, logs); strings.Contains(text, "T0ken") {
			t.Errorf("the token shows in:\n%s", text)
		}
	})
}

func TestACloudThatBreaksTheRulesIsLeft(t *testing.T) {
	big := make([]byte, camio.MaxLiveMessage+100)
	tests := []struct {
		name string
		kind websocket.MessageType
		data []byte
		want string
	}{
		{"too long", websocket.MessageText, big, "the cloud sent a message of more than 131072 bytes"},
		{"binary", websocket.MessageBinary, []byte("{}"), errNoMessage.Error()},
		{"no JSON", websocket.MessageText, []byte("hello"), errNoMessage.Error()},
		{"a list", websocket.MessageText, []byte("[]"), errNoMessage.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _, f := loopbackRig(t, &viewers{})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			f.conn.Write(ctx, tt.kind, tt.data) //nolint:errcheck // it may be cut short
			f.gone()
			for c.Status().Connected || c.Status().LastError == "" {
				if ctx.Err() != nil {
					t.Fatalf("%+v", c.Status())
				}
				time.Sleep(time.Millisecond)
			}
			if got := c.Status().LastError; got != tt.want {
				t.Errorf("last error %q, want %q", got, tt.want)
			}
		})
	}
}

func TestASessionWhoseAnswerCannotBeSentIsEnded(t *testing.T) {
	v := &viewers{}
	var f *far
	v.open = func(ctx context.Context, _, _ string, _ ...live.ICEServer) (live.Answer, error) {
		f.conn.CloseNow()
		<-ctx.Done() // the connection is known to be gone
		return live.Answer{Session: "orphan"}, nil
	}
	_, _, f = loopbackRig(t, v)
	f.write(camio.LiveMessage{Type: camio.LiveOpen, ID: "1", SDP: "offer"})
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		v.mu.Lock()
		n := len(v.ended)
		v.mu.Unlock()
		if n == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the session lives on")
		}
	}
	if v.ended[0] != "front/orphan" {
		t.Errorf("ended %v", v.ended)
	}
}

// The agent's transport speaks HTTP/2 wherever it can; a WebSocket needs HTTP/1.1.
func TestConnectsOverTLSToAServerThatPrefersHTTP2(t *testing.T) {
	c := newCloud(t)
	srv := httptest.NewUnstartedServer(c)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	tr, err := transport.Config{Proxy: transport.Direct}.HTTP(10*time.Second, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	tr.TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	t.Cleanup(tr.CloseIdleConnections)
	cl, _ := run(t, &viewers{}, &http.Client{Transport: tr, Timeout: time.Minute})
	cl.SetTarget(targetAt(t, srv.URL+"/"))
	f := c.next()
	defer f.close()
	if m := f.read(); m.Type != camio.LiveHello || f.path != path {
		t.Errorf("%+v on %s", m, f.path)
	}
}

// A server that is no camward cloud may accept WebSockets of any kind.
func TestAServerWithoutTheSubProtocolIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, times := newPipes(), make(chan time.Time, 10)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			times <- time.Now()
			if conn, err := websocket.Accept(w, r, nil); err == nil {
				conn.CloseRead(context.Background())
			}
		})}
		go srv.Serve(p) //nolint:errcheck // closed below
		defer srv.Close()
		tr := &http.Transport{DialContext: p.dial}
		c, _ := run(t, &viewers{}, &http.Client{Transport: tr})
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		first := <-times
		if d := (<-times).Sub(first); d < 4*time.Minute || c.Status().LastError != errProtocol.Error() {
			t.Errorf("came back after %v with %q", d, c.Status().LastError)
		}
	})
}

func TestAnAddressThatIsNoMoreIsNoticed(t *testing.T) {
	tests := []struct {
		local net.Addr
		want  bool
	}{
		{nil, false},
		{&net.UnixAddr{Name: "pipe"}, false},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5}, false},
		{&net.TCPAddr{IP: net.ParseIP("192.0.2.77"), Port: 5}, true},
	}
	for _, tt := range tests {
		if got := moved(tt.local); got != tt.want {
			t.Errorf("moved(%v) is %v", tt.local, got)
		}
	}
}
