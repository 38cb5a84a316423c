package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"camward/agent"
	"camward/uploader"
)

// A gateway stands before a real cloud and answers uploads in its stead when it is told to. Everything else passes: polls work all the while.
type gateway struct {
	cloud *httputil.ReverseProxy

	mu      sync.Mutex
	answer  http.HandlerFunc // of uploads; nil: the cloud's
	uploads []uploadSeen
}

// An uploadSeen is one upload request and what was answered.
type uploadSeen struct {
	name        string
	began, done time.Time
	spoilt      bool // not by the cloud
}

// startGateway gives the gateway and its address.
func startGateway(t *testing.T, cloud string) (*gateway, string) {
	t.Helper()
	g := &gateway{cloud: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: cloud})}
	g.cloud.ErrorLog = log.New(io.Discard, "", 0)
	s := httptest.NewUnstartedServer(g)
	s.Config.ErrorLog = g.cloud.ErrorLog
	s.Start()
	t.Cleanup(s.Close)
	return g, s.Listener.Addr().String()
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name, upload := strings.Cut(r.URL.Path, "/content/")
	if !upload || r.Method != http.MethodPut {
		g.cloud.ServeHTTP(w, r)
		return
	}
	began := time.Now()
	g.mu.Lock()
	answer := g.answer
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.uploads = append(g.uploads, uploadSeen{name, began, time.Now(), answer != nil})
	}()
	if answer == nil {
		g.cloud.ServeHTTP(w, r)
		return
	}
	answer(w, r)
}

func (g *gateway) set(answer http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}

func (g *gateway) seen() []uploadSeen {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]uploadSeen(nil), g.uploads...)
}

func (g *gateway) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uploads = nil
}

// answering is a road on which uploads get these answers.
func answering(answer func(g *gateway) http.HandlerFunc) func(*testing.T, string) *road {
	return func(t *testing.T, cloud string) *road {
		g, addr := startGateway(t, cloud)
		return &road{addr: addr, begin: func() { g.set(answer(g)) }, end: func() { g.set(nil) }}
	}
}

// status answers each upload with a code, a type and a text once it has read the body.
func status(code int, kind, text string, header ...string) func(*testing.T, string) *road {
	return answering(func(*gateway) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", kind)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			io.WriteString(w, text)
		}
	})
}

// cutAnswer ends the connection after some bytes of an answer. With stored, the cloud has really taken the item: only its word is lost.
func cutAnswer(stored bool, raw string) func(*testing.T, string) *road {
	return answering(func(g *gateway) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if stored {
				g.cloud.ServeHTTP(httptest.NewRecorder(), r)
			} else {
				io.Copy(io.Discard, r.Body)
			}
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			io.WriteString(c, raw)
			c.Close()
		}
	})
}

const (
	halfAnswer  = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{\"id\":\"a\","
	halfHeaders = "HTTP/1.1 200 OK\r\nContent-Ty"
	signInPage  = "<!DOCTYPE html><html><title>Welcome to our Wi-Fi</title><p>Please accept the terms.</html>"
	askedPause  = 8 * time.Second
)

var serverTrials = []trial{
	{name: "500", seconds: 36, want: "500", build: status(500, "application/json", `{"message":"out of order"}`)},
	{name: "502 from a proxy", seconds: 36, want: "502", build: status(502, "text/html", "<html>Bad Gateway</html>")},
	{name: "429 with Retry-After", quick: true, seconds: 36, lasts: 20 * time.Second, want: "429.*retry after 8s", build: tooMany(func() string { return "8" }, askedPause)},
	{name: "429 until a date", seconds: 36, lasts: 20 * time.Second, want: "429.*retry after", build: tooMany(func() string {
		return time.Now().Add(askedPause).UTC().Format(http.TimeFormat)
	}, askedPause-2*time.Second)}, // both dates have whole seconds
	{name: "503 with Retry-After", seconds: 36, lasts: 20 * time.Second, want: "503.*retry after 8s", build: status(503, "text/plain", "maintenance", "Retry-After", "8")},
	{name: "401", seconds: 36, want: "token refused", build: status(401, "application/json", `{"message":"Unauthorized"}`)},
	{name: "200 with a web page", seconds: 36, want: "web page", build: status(200, "text/html; charset=utf-8", signInPage)},
	{name: "302 to a web page", seconds: 36, want: "302.*sign-in.invalid", build: status(302, "text/html", signInPage, "Location", "http://sign-in.invalid/")},
	{name: "an answer that is cut", seconds: 36, want: "cut|EOF", build: cutAnswer(false, halfAnswer)},
	{name: "an answer that ends in its headers", seconds: 36, want: "malformed|EOF", build: cutAnswer(false, halfHeaders)},
	{name: "no answer but the end of the connection", seconds: 36, want: "EOF|reset", build: cutAnswer(false, "")},
	{name: "stored, the answer is cut", quick: true, seconds: 30, want: "cut|EOF", build: cutAnswer(true, halfAnswer)},
	{name: "stored, the answer ends in its headers", seconds: 36, want: "malformed|EOF", build: cutAnswer(true, halfHeaders)},
	{name: "stored, no answer", seconds: 36, want: "EOF|reset", build: cutAnswer(true, "")},
}

// TestServer has the real cloud behind a gateway that answers uploads as broken servers, busy ones and other people's networks do.
func TestServer(t *testing.T) {
	t.Parallel()
	trials(t, serverTrials)
}

// tooMany answers 429, and checks that no upload comes sooner after such an answer than it says.
func tooMany(wish func() string, least time.Duration) func(*testing.T, string) *road {
	return func(t *testing.T, cloud string) *road {
		g, addr := startGateway(t, cloud)
		answer := func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Retry-After", wish())
			http.Error(w, "slow down", http.StatusTooManyRequests)
		}
		return &road{addr: addr, begin: func() { g.set(answer) }, end: func() { g.set(nil) }, check: func(t *testing.T, r *subject) {
			if got := r.monitor.named("asked for a pause"); got == "" {
				t.Errorf("the status has not said why it pauses; it said\n\t%s", r.monitor.all())
			}
			var pauses []string
			list := g.seen()
			for i := 1; i < len(list); i++ {
				if !list[i-1].spoilt {
					continue
				}
				pause := list[i].began.Sub(list[i-1].done)
				pauses = append(pauses, fmt.Sprintf("%.2f", pause.Seconds()))
				if pause < least-50*time.Millisecond { // the gateway notes the end a little after the device has the answer
					t.Errorf("the next upload came %v after an answer that asked for %v", pause, least)
				}
			}
			t.Logf("pauses after 429: %s s, asked for %v", strings.Join(pauses, " "), least)
			if len(pauses) == 0 {
				t.Error("no upload was answered 429")
			}
		}}
	}
}

// TestServerRefusesLargeBodies has a gateway that answers 413 to every clip. They are put aside and said; when the limit is gone a person sends
// them by camward spool --retry.
func TestServerRefusesLargeBodies(t *testing.T) {
	t.Parallel()
	const limit = 50_000
	c := startCloud(t)
	g, addr := startGateway(t, c.addr)
	g.set(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < limit {
			g.cloud.ServeHTTP(w, r)
			return
		}
		io.Copy(io.Discard, r.Body)
		http.Error(w, "<html>413 Request Entity Too Large</html>", http.StatusRequestEntityTooLarge)
	})
	r := startSubject(t, c, addr, crossings(t, 14, "320x240", 4), small, "max_bytes: 64MiB")
	r.drained(t, 2*time.Minute)
	s := r.status(t).Uploader
	clips := r.status(t).Cameras[0].Clip.Clips
	if clips < 2 || s.Quarantined != int(clips) || s.Refused != clips {
		t.Errorf("%d clips, %d in quarantine, %d refused", clips, s.Quarantined, s.Refused)
	}
	if log := r.out.String(); !strings.Contains(log, "item quarantined") || !strings.Contains(log, "413") {
		t.Error("the log does not name the refusal")
	}
	var list []agent.SpoolItem
	if err := json.Unmarshal(command(t, "camward", "spool", "-c", r.file, "--json"), &list); err != nil {
		t.Fatal(err)
	}
	for _, it := range list {
		if it.State != uploader.StateQuarantined || it.Kind != "clip" || !strings.Contains(it.LastError, strconv.Itoa(http.StatusRequestEntityTooLarge)) {
			t.Errorf("camward spool says %+v", it)
		}
	}
	tries := len(g.seen())
	time.Sleep(3 * time.Second)
	if n := len(g.seen()); n != tries {
		t.Errorf("%d more uploads while everything left is in quarantine", n-tries)
	}
	g.set(nil)
	command(t, "camward", "spool", "-c", r.file, "--retry")
	eventually(t, time.Minute, func() error {
		if s := r.status(t).Uploader; s.Quarantined+s.Queued > 0 {
			return fmt.Errorf("%d in quarantine, %d queued, %q", s.Quarantined, s.Queued, s.LastError)
		}
		return nil
	})
	r.spoolEmpty(t)
	compare(t, r.made(), c, "front")
}
