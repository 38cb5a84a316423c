package httpstore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"camward/camio"
	"camward/uploader"
	"camward/uploader/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token    = "51r6/kn dapc%"
	clipName = "2026-11-23T13:05:07.123-0000.mp4"
)

// A server is the upload part of the API, strict in what it takes.
type server struct {
	t      *testing.T
	mu     sync.Mutex
	files  map[string][]byte
	refuse error
	conns  map[string]bool // client addresses seen
	proto  string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.conns[r.RemoteAddr], s.proto = true, r.Proto
	refuse := s.refuse
	s.mu.Unlock()
	switch refuse {
	case uploader.ErrPermanent:
		http.Error(w, `{"message":"not a picture"}`, http.StatusBadRequest)
		return
	case uploader.ErrUnauthorized:
		http.Error(w, `{"message":"API key is invalid"}`, http.StatusUnauthorized)
		return
	case storetest.ErrBusy:
		http.Error(w, `{"message":"busy"}`, http.StatusInternalServerError)
		return
	}
	parts := strings.Split(r.URL.EscapedPath(), "/")
	if r.Method != http.MethodPut || len(parts) != 8 || parts[1] != "api" || parts[2] != "users" || parts[4] != "cameras" || parts[6] != "content" {
		s.t.Errorf("request %s %s", r.Method, r.URL.EscapedPath())
	}
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	if parts[3] != token {
		s.t.Errorf("token %q, want %q", parts[3], token)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // a cut body is no upload
	}
	sum := sha256.Sum256(body)
	if got, want := r.Header.Get("Repr-Digest"), "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"; got != want {
		s.t.Errorf("Repr-Digest %q, want %q", got, want)
	}
	if int64(len(body)) != r.ContentLength || r.Header.Get("Content-Type") != "video/mp4" {
		s.t.Errorf("%d bytes with Content-Length %d, type %q", len(body), r.ContentLength, r.Header.Get("Content-Type"))
	}
	if got, want := r.URL.RawQuery, "camera_id=00A0B1C2D3E4&img_type=m&upload_mode=video&video_length=12.500"; got != want {
		s.t.Errorf("query %q, want %q", got, want)
	}
	if got, want := r.Header.Get("Expect") != "", len(body) > 1<<20; got != want && r.ProtoMajor == 1 {
		s.t.Errorf("Expect sent: %v for %d bytes", got, len(body))
	}
	s.mu.Lock()
	s.files[parts[5]+"/"+parts[7]] = body
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"id":"1"}`)
}

func newServer(t *testing.T, start func(http.Handler) *httptest.Server) (*server, *httptest.Server) {
	s := &server{t: t, files: map[string][]byte{}, conns: map[string]bool{}}
	ts := start(s)
	t.Cleanup(ts.Close)
	return s, ts
}

func config(base string) Config {
	c := Default()
	c.BaseURL, c.Token = base, token
	return c
}

func newStore(t *testing.T, c Config) *Store {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestHTTPIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Target {
		s, ts := newServer(t, httptest.NewServer)
		return target(s, newStore(t, config(ts.URL)))
	})
}

func TestHTTP2OverTLSIsAStore(t *testing.T) {
	start := func(h http.Handler) *httptest.Server {
		ts := httptest.NewUnstartedServer(h)
		ts.EnableHTTP2 = true
		ts.StartTLS()
		return ts
	}
	storetest.Run(t, func(t *testing.T) storetest.Target {
		s, ts := newServer(t, start)
		c := config(ts.URL)
		c.Transport.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw})
		if err := os.WriteFile(c.Transport.CAFile, ca, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if s.proto != "HTTP/2.0" {
				t.Errorf("spoke %s, want HTTP/2.0", s.proto)
			}
		})
		return target(s, newStore(t, c))
	})
}

func target(s *server, store *Store) storetest.Target {
	return storetest.Target{
		Store: store,
		Files: func() map[string][]byte {
			s.mu.Lock()
			defer s.mu.Unlock()
			return maps.Clone(s.files)
		},
		Refuse: func(kind error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refuse = kind
		},
	}
}

func TestConnectionsAreKept(t *testing.T) {
	s, ts := newServer(t, httptest.NewServer)
	store := newStore(t, config(ts.URL))
	for i := range 5 {
		if err := store.Put(t.Context(), storetest.Item("front", clipName, storetest.Body(2_000_000, uint64(i)))); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.conns) != 1 {
		t.Errorf("%d connections for 5 uploads, want 1", len(s.conns))
	}
}

func TestAnswersAreClassified(t *testing.T) {
	const date = "Mon, 23 Nov 2026 13:00:00 GMT"
	tests := []struct {
		code   int
		header map[string]string
		body   string
		want   error // nil: any other fault
		after  time.Duration
		ok     bool
		says   string
	}{
		{code: 200, body: `{"id":"1"}`, ok: true},
		{code: 201, ok: true},
		{code: 204, ok: true},
		{code: 200, header: map[string]string{"Content-Type": "text/html; charset=utf-8"}, body: "<h1>Hotel Wi-Fi</h1>", says: "web page"},
		{code: 202, says: "202"},
		{code: 400, body: `{"message":"empty body"}`, want: uploader.ErrPermanent, says: `"empty body"`},
		{code: 404, body: `{"message":"no such user"}`, want: uploader.ErrPermanent},
		{code: 404, body: "404 page not found", says: "cloud.url"},
		{code: 413, want: uploader.ErrPermanent},
		{code: 415, want: uploader.ErrPermanent},
		{code: 422, want: uploader.ErrPermanent},
		{code: 401, want: uploader.ErrUnauthorized},
		{code: 403, want: uploader.ErrUnauthorized},
		{code: 429, header: map[string]string{"Retry-After": "7"}, after: 7 * time.Second},
		{code: 429, header: map[string]string{"Retry-After": "Mon, 23 Nov 2026 13:01:30 GMT", "Date": date}, after: 90 * time.Second},
		{code: 503, header: map[string]string{"Retry-After": "120"}, after: 2 * time.Minute},
		{code: 429, header: map[string]string{"Retry-After": "soon"}},
		{code: 429},
		{code: 500},
		{code: 502, body: strings.Repeat("x", 200_000)},
		{code: 507},
		{code: 301, header: map[string]string{"Location": "https://other.example/api/users/51r6%2Fkn%20dapc%25/x"}, says: "https://other.example"},
		{code: 307, header: map[string]string{"Location": "/elsewhere"}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.code, tt.header), func(t *testing.T) {
			requests := 0
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				io.Copy(io.Discard, r.Body)
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.code)
				io.WriteString(w, tt.body)
			}))
			defer ts.Close()
			err := newStore(t, config(ts.URL)).Put(t.Context(), storetest.Item("front", clipName, []byte("body")))
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			for _, kind := range []error{uploader.ErrPermanent, uploader.ErrUnauthorized} {
				if errors.Is(err, kind) != (tt.want == kind) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			}
			var wish *uploader.RetryAfterError
			if errors.As(err, &wish) != (tt.after > 0) || wish != nil && wish.After != tt.after {
				t.Errorf("got %v, want a pause of %v", err, tt.after)
			}
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q, want it to say %q", err, tt.says)
			}
			if requests != 1 {
				t.Errorf("%d requests, want 1", requests)
			}
			hidesToken(t, err)
		})
	}
}

func readHead(c net.Conn) *bufio.Reader {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return r
		}
	}
}

func TestBrokenServersAreTemporaryFaults(t *testing.T) {
	type done = <-chan struct{}
	tests := []struct {
		name  string
		serve func(net.Conn, done)
		want  error
	}{
		{"Reset", func(c net.Conn, ended done) {
			readHead(c)
			c.(*net.TCPConn).SetLinger(0)
		}, nil},
		{"ClosedAtOnce", func(net.Conn, done) {}, nil},
		{"Silent", func(_ net.Conn, ended done) { <-ended }, errResponse},
		{"StopsTakingTheBody", func(c net.Conn, ended done) {
			c.(*net.TCPConn).SetReadBuffer(4096)
			readHead(c)
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			<-ended
		}, errIdle},
		{"CutAnswer", func(c net.Conn, ended done) {
			r := readHead(c)
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.CopyN(io.Discard, r, 20_000_000)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 721\r\n\r\n{\"id\"")
		}, io.ErrUnexpectedEOF},
		{"AnswerStalls", func(c net.Conn, ended done) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 721\r\n\r\n{\"id\"")
			<-ended
		}, errResponse},
		{"NotHTTP", func(c net.Conn, ended done) {
			readHead(c)
			io.WriteString(c, "220 ftp.example.com ready\r\n")
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			size := 20_000_000
			if tt.want == errResponse {
				size = 1000
			}
			c := config("http://" + storetest.RawServer(t, tt.serve))
			c.Idle, c.Response = 300*time.Millisecond, 300*time.Millisecond
			err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, storetest.Body(size, 1)))
			if err == nil || errors.Is(err, uploader.ErrPermanent) || errors.Is(err, uploader.ErrUnauthorized) {
				t.Fatalf("got %v, want a temporary fault", err)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			hidesToken(t, err)
		})
	}
}

func TestASlowTransferIsNotIdle(t *testing.T) {
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 8 { // drains faster than Idle, the whole takes longer
			if n, _ := io.CopyN(io.Discard, r.Body, 2_500_000); n == 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		io.Copy(io.Discard, r.Body)
	}))
	defer ts.Close()
	c := config(ts.URL)
	c.Idle, c.Response = 600*time.Millisecond, 600*time.Millisecond
	if err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, storetest.Body(20_000_000, 1))); err != nil {
		t.Error(err)
	}
}

// TestASlowLinkBehindBuffersIsWaitedFor has something on the way that takes the body at once and passes it on slowly.
func TestASlowLinkBehindBuffersIsWaitedFor(t *testing.T) {
	s := newStore(t, config("http://127.0.0.1:9"))
	for _, size := range []int64{1, 100_000, 1_600_000, 4 << 20} {
		if got, want := s.drain(size), time.Duration(size)*time.Second/10_000; got < want {
			t.Errorf("%d bytes: waits %v, a link of 10 kB a second takes %v", size, got, want)
		}
	}
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(800 * time.Millisecond):
		case <-r.Context().Done():
		}
	}))
	defer ts.Close()
	c := config(ts.URL)
	c.Response = 100 * time.Millisecond
	s = newStore(t, c)
	for try := 1; ; try++ { // waits 0.35, 0.6, 1.1 and 2.1 s
		err := s.Put(t.Context(), storetest.Item("front", clipName, storetest.Body(2048, 1)))
		if err == nil && try == 1 || try > 4 {
			t.Fatalf("try %d: %v", try, err)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, errResponse) || strings.Count(err.Error(), errResponse.Error()) != 1 {
			t.Fatalf("try %d: got %v, want %v, said once", try, err, errResponse)
		}
	}
}

func TestTheWholeAttemptHasADeadline(t *testing.T) {
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // until then the server does not notice that the client leaves
		<-r.Context().Done()
	}))
	defer ts.Close()
	c := config(ts.URL)
	c.Total = 200 * time.Millisecond
	err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, []byte("x")))
	if !errors.Is(err, errTotal) {
		t.Errorf("got %v, want %v", err, errTotal)
	}
}

func TestACancelledPutReportsTheCallersCause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := newStore(t, config("http://127.0.0.1:9")).Put(ctx, storetest.Item("front", clipName, []byte("x")))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnUnreachableServerIsNamedWithoutTheToken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	err = newStore(t, config("http://"+l.Addr().String())).Put(t.Context(), storetest.Item("front", clipName, []byte("x")))
	if err == nil || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v", err)
	}
	hidesToken(t, err)
}

func TestAServerThatEchoesTheTokenDoesNotGetItIntoErrors(t *testing.T) {
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(429)
		fmt.Fprintf(w, `{"message":%q}`, "too many for "+r.URL.Path+" and "+r.URL.EscapedPath())
	}))
	defer ts.Close()
	err := newStore(t, config(ts.URL)).Put(t.Context(), storetest.Item("front", clipName, []byte("x")))
	var wish *uploader.RetryAfterError
	if !errors.As(err, &wish) || wish.After != 9*time.Second {
		t.Errorf("got %v, want the server's wish", err)
	}
	hidesToken(t, err)
}

// hidesToken fails if err or anything it wraps shows the token.
func hidesToken(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			for _, shape := range []string{token, url.PathEscape(token), url.QueryEscape(token)} {
				if strings.Contains(text, shape) {
					t.Errorf("the token shows in %q", text)
				}
			}
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				hidesToken(t, e)
			}
		}
	}
}

func TestWithoutATokenNothingIsSent(t *testing.T) {
	s, ts := newServer(t, httptest.NewServer)
	c := config(ts.URL)
	c.Token = ""
	store := newStore(t, c)
	if err := store.Put(t.Context(), storetest.Item("front", clipName, []byte("x"))); !errors.Is(err, uploader.ErrNoToken) {
		t.Errorf("got %v, want ErrNoToken", err)
	}
	if len(s.conns) != 0 {
		t.Error("the server was bothered")
	}
	store.SetToken(token)
	if err := store.Put(t.Context(), storetest.Item("front", clipName, []byte("x"))); err != nil {
		t.Errorf("with a token: %v", err)
	}
}

func TestTheDateHeaderIsPassedOn(t *testing.T) {
	_, ts := newServer(t, httptest.NewServer)
	c := config(ts.URL)
	var got time.Time
	c.Date = func(at time.Time) { got = at }
	if err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if time.Since(got).Abs() > time.Minute {
		t.Errorf("got %v, want about now", got)
	}
}

func TestEveryFaultOfTheConfigurationIsReported(t *testing.T) {
	c := Default()
	c.BaseURL, c.Transport.Proxy, c.Idle = "www.example.com", "http://user:hush@", 0
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{"cloud.url", "proxy", "idle"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("the proxy's password shows in %q", err)
	}
	c = config("https://example.com")
	c.Transport.CAFile = filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(c.Transport.CAFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("a CA file without certificates: %v", err)
	}
}

func TestAProxyIsUsed(t *testing.T) {
	seen := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.URL.Host
		io.Copy(io.Discard, r.Body)
	}))
	defer proxy.Close()
	c := config("http://cloud.example")
	c.Transport.Proxy = proxy.URL
	if err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, bytes.Repeat([]byte("x"), 100))); err != nil {
		t.Fatal(err)
	}
	if seen != "cloud.example" {
		t.Errorf("the proxy was asked for %q", seen)
	}
}

func FuzzRetryAfterIsNeverNegative(f *testing.F) {
	f.Add("120", "")
	f.Add("Mon, 23 Nov 2026 13:01:30 GMT", "Mon, 23 Nov 2026 13:00:00 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		if d, ok := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}); d < 0 || !ok && d != 0 {
			t.Errorf("retryAfter(%q, %q) = %v, %v", after, date, d, ok)
		}
	})
}

func FuzzAPIMessage(f *testing.F) {
	f.Add([]byte(`{"message":"API key is invalid"}`))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, ok := apiMessage(text); ok != (m != "") || len(m) > 1000 {
			t.Errorf("apiMessage(%q) = %q, %v", text, m, ok)
		}
	})
}

func TestAServerThatStoredOtherBytesIsNotBelieved(t *testing.T) {
	body := []byte("a clip")
	sum := sha256.Sum256(body)
	right := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for answer, ok := range map[string]bool{
		"":                           true, // most servers say nothing
		right:                        true,
		"md5=:AAAA:, " + right:       true,
		"md5=:AAAA:":                 true,
		right[:9] + "A" + right[10:]: false,
		"sha-256=abc":                false,
	} {
		ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Repr-Digest", answer)
		}))
		it := storetest.Item("front", clipName, body)
		err := newStore(t, config(ts.URL)).Put(t.Context(), it)
		ts.Close()
		if (err == nil) != ok || errors.Is(err, uploader.ErrPermanent) {
			t.Errorf("answer %q: %v; wanted taken %v, and a refusal to be temporary", answer, err, ok)
		}
	}
}

func TestWhatMovedTravelsInAHeaderOfItsOwn(t *testing.T) {
	var got []string
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got = append(got, r.URL.RawQuery+" "+r.Header.Get("Camward-Motion"))
		fmt.Fprint(w, `{"id":"1"}`)
	}))
	defer ts.Close()
	store := newStore(t, config(ts.URL))
	it := storetest.Item("front", clipName, []byte("body"))
	for _, track := range []*camio.Track{nil, {Area: 3.5, Labels: []string{"approaching"}, Boxes: []camio.TrackBox{{500, 1, 2, 3, 4}}}} {
		it.Track = track
		if err := store.Put(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
	query := it.Query()
	if want := query.Encode(); len(got) != 2 || got[0] != want+" " || got[1] != want+` {"area":3.5,"labels":["approaching"],"boxes":[[500,1,2,3,4]]}` {
		t.Errorf("got %q", got)
	}
}
