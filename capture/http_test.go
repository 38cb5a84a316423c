package capture

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"camward/board/boardtest"
	"camward/camio"
	"camward/video"
)

// A netCamera is a camera on an http source, with what it logs.
type netCamera struct {
	*Camera
	sub  *Subscription
	logs *observer.ObservedLogs
}

func newNetCamera(t testing.TB, cfg Config) *netCamera {
	t.Helper()
	if cfg.Rate == 0 {
		cfg.Rate = 60
	}
	core, logs := observer.New(zapcore.DebugLevel)
	hub := NewHub()
	cam, err := New(cfg, hub, video.NewPool(16<<20), zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	cam.patience = patience{silence: 5 * time.Second, picture: 10 * time.Second} // on a busy machine too
	n := &netCamera{Camera: cam, sub: hub.Subscribe("test", 100), logs: logs}
	t.Cleanup(n.sub.Close)
	return n
}

// pictures runs the camera until want pictures came, or it failed.
func (n *netCamera) pictures(t testing.TB, want int) (frames []video.Frame, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.attempt(ctx) }()
	take := func(f *video.Frame) {
		if len(frames) < want {
			frames = append(frames, video.Frame{Format: f.Format, Seq: f.Seq, Mono: f.Mono, Data: append([]byte(nil), f.Data...)})
		}
		f.Release()
	}
	for len(frames) < want {
		select {
		case f := <-n.sub.Frames():
			take(f)
		case err := <-ended:
			for {
				select {
				case f := <-n.sub.Frames():
					take(f)
				default:
					return frames, err
				}
			}
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	return frames, nil
}

// serve serves h on loopback until the test ends.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// checkMarks wants the scene's pictures in order.
func checkMarks(t *testing.T, frames []video.Frame) {
	t.Helper()
	for i := range frames {
		f := &frames[i]
		if f.Format.FourCC != video.MJPEG || f.Format.Width != testWidth || f.Format.Height != testHeight || !f.Format.FullRange {
			t.Errorf("frame %d: %+v", i, f.Format)
		}
		if m := markOf(t, f); m != uint32(i) || f.Seq != uint64(i) {
			t.Errorf("frame %d: picture %d, Seq %d", i, m, f.Seq)
		}
		if i > 0 && f.Mono <= frames[i-1].Mono {
			t.Errorf("frame %d at %v, the one before at %v", i, f.Mono, frames[i-1].Mono)
		}
	}
}

func TestAStreamOfEveryMakerIsCaptured(t *testing.T) {
	for i, q := range quirks {
		t.Run(q.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", q.contentType)
				io.WriteString(w, written(i, pictures()[:testFrames]))
			})
			cam := newNetCamera(t, Config{Source: s.URL + "/video.mjpg"})
			frames, err := cam.pictures(t, testFrames+1)
			if err == nil || !strings.Contains(err.Error(), "ended the stream") {
				t.Errorf("got %v", err)
			}
			if len(frames) != testFrames {
				t.Fatalf("%d pictures, want %d", len(frames), testFrames)
			}
			checkMarks(t, frames)
			st := cam.Status()
			if st.Frames != testFrames || st.Drops != 0 || st.Errored != 0 || st.Card != "MJPEG stream" || st.Running {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// What ffmpeg itself sends as a stream of this kind.
func TestAStreamOfFFmpegIsCaptured(t *testing.T) {
	path := ffmpeg(t, "a.bin", append(mjpegArgs, "-f", "mpjpeg")...)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace;boundary=ffmpeg")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
	})
	// One more than there are, so that the end of the stream is what ends the run.
	frames, _ := newNetCamera(t, Config{Source: s.URL}).pictures(t, testFrames+1)
	if len(frames) != testFrames {
		t.Fatalf("%d pictures", len(frames))
	}
	checkMarks(t, frames)
}

func snapshots(delay time.Duration) (http.HandlerFunc, *atomic.Int32) {
	n := new(atomic.Int32)
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		w.Header().Set("Content-Type", "image/jpeg")
		io.WriteString(w, pictures()[int(n.Add(1)-1)%testFrames])
	}, n
}

func TestSnapshotsAreFetchedOneAfterTheOther(t *testing.T) {
	var busy atomic.Int32
	handler, _ := snapshots(10 * time.Millisecond)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if busy.Add(1) > 1 {
			t.Error("asked for again before it was there")
		}
		handler(w, r)
		busy.Add(-1)
	})
	cam := newNetCamera(t, Config{Source: s.URL + "/snapshot.jpg?channel=1&pwd=hush", Rate: 60})
	frames, err := cam.pictures(t, 10)
	if err != nil {
		t.Fatal(err)
	}
	checkMarks(t, frames)
	st := cam.Status()
	if st.Card != "snapshots" || st.Drops != 0 || st.Device != s.URL+"/snapshot.jpg?***" || st.Source != st.Device {
		t.Errorf("status %+v", st)
	}
}

func TestTheRateShownIsTheOneReached(t *testing.T) {
	const delay = 100 * time.Millisecond
	handler, _ := snapshots(delay)
	s := serve(t, handler)
	cam := newNetCamera(t, Config{Source: s.URL, Rate: 60})
	if _, err := cam.pictures(t, 8); err != nil {
		t.Fatal(err)
	}
	if rate := cam.Status().Format.Rate; !(rate > 0 && rate <= 10.1) {
		t.Errorf("%v pictures per second from a camera that needs %v for each", rate, delay)
	}
}

func TestNoMoreSnapshotsAreFetchedThanAskedFor(t *testing.T) {
	handler, asked := snapshots(0)
	s := serve(t, handler)
	cam := newNetCamera(t, Config{Source: s.URL, Rate: 20})
	began := time.Now()
	if _, err := cam.pictures(t, 8); err != nil {
		t.Fatal(err)
	}
	if most := time.Since(began).Seconds()*20 + 2; float64(asked.Load()) > most {
		t.Errorf("%d requests, want at most %.0f", asked.Load(), most)
	}
}

func TestPace(t *testing.T) {
	var p pace
	if r := p.add(time.Second); r != 0 {
		t.Errorf("first: %v", r)
	}
	for i := range 100 {
		after := time.Duration(i+1) * 80 * time.Millisecond
		want := 12.5
		if after < paceAfter {
			want = 0
		}
		if r := p.add(time.Second + after); r != want {
			t.Fatalf("picture %d: %v, want %v", i+2, r, want)
		}
	}
	var r float64
	for i := range 32 {
		r = p.add(9*time.Second + time.Duration(i+1)*time.Second)
	}
	if r != 1 {
		t.Errorf("the rate of long ago counts: %v", r)
	}
}

func TestTheNominalRateFollowsSlowly(t *testing.T) {
	n := nominalRate{rate: 15}
	steps := []struct {
		t             time.Duration
		reached, want float64
	}{
		{1 * time.Second, 30, 15}, // too early to tell
		{5 * time.Second, 0, 15},
		{5 * time.Second, 12, 15}, // near enough
		{9 * time.Second, 30, 15},
		{10 * time.Second, 30, 30},
		{11 * time.Second, 2, 30},
		{15 * time.Second, 2, 2},
		{20 * time.Second, 2.5, 2},
	}
	for _, s := range steps {
		if got := n.follow(s.t, s.reached); got != s.want {
			t.Errorf("at %v, %v reached: %v, want %v", s.t, s.reached, got, s.want)
		}
	}
}

// paths are where the simulated makers give a snapshot.
var paths = map[string]string{"sharx": "/snapshot.jpg", "axis": "/axis-cgi/jpg/image.cgi", "hikvision": "/ISAPI/Streaming/channels/101/picture",
	"dahua": "/cgi-bin/snapshot.cgi", "d-link": "/image/jpeg.cgi", "camward": "/snapshot.jpg"}

func TestSignInAsEachMakerAsksForIt(t *testing.T) {
	for maker, path := range paths {
		for name, opts := range map[string][]boardtest.Option{
			"its own": nil, "basic": {boardtest.Basic()}, "digest": {boardtest.Digest()}, "both": {boardtest.Both()},
			"stale nonces": {boardtest.Digest(), boardtest.NonceLife(30 * time.Millisecond)},
		} {
			t.Run(maker+"/"+name, func(t *testing.T) {
				b := boardtest.New(t, maker, opts...)
				cam := newNetCamera(t, Config{Source: b.URL + path, User: b.User, Password: camio.Secret(b.Password)})
				if _, err := cam.pictures(t, 5); err != nil {
					t.Fatal(err)
				}
				refused := 0
				for _, r := range b.Requests() {
					if !r.Accepted {
						refused++
					}
				}
				if name != "stale nonces" && refused != 1 {
					t.Errorf("%d requests were refused, want only the first, which was without a password", refused)
				}
			})
		}
	}
}

func TestAWrongPasswordIsToldAndNotTriedAgainAtOnce(t *testing.T) {
	for name, opt := range map[string]boardtest.Option{"basic": boardtest.Basic(), "digest": boardtest.Digest()} {
		t.Run(name, func(t *testing.T) {
			b := boardtest.New(t, "axis", opt)
			cam := newNetCamera(t, Config{Source: b.URL + paths["axis"], User: b.User, Password: "hush-hush"})
			for range 3 {
				_, err := cam.pictures(t, 1)
				if !errors.Is(err, errPassword) {
					t.Errorf("got %v, want %v", err, errPassword)
				}
			}
			if n := len(b.Requests()); n != 2 {
				t.Errorf("%d requests, want 2: one without and one with the password", n)
			}
			cam.showsNot(t, "hush-hush")
			cam.lockout.until = 0
			cam.cfg.Password = camio.Secret(b.Password)
			if _, err := cam.pictures(t, 1); err != nil || cam.lockout != (lockout{}) {
				t.Errorf("with the right one: %v, %+v", err, cam.lockout)
			}
		})
	}
}

// showsNot looks for a secret in all that the camera shows.
func (n *netCamera) showsNot(t *testing.T, secret string) {
	t.Helper()
	all := fmt.Sprintf("%+v %+v", n.Status(), n.cfg.Password)
	for _, e := range n.logs.All() {
		all += fmt.Sprintf("\n%s %+v", e.Message, e.ContextMap())
	}
	if strings.Contains(all, secret) {
		t.Errorf("the secret is shown: %s", all)
	}
}

func TestTheLockoutGrows(t *testing.T) {
	var l lockout
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 16 * time.Minute} {
		if l.refused(); l.pause != want {
			t.Errorf("pause %v, want %v", l.pause, want)
		}
	}
}

func TestACameraThatWantsAPasswordSaysSo(t *testing.T) {
	b := boardtest.New(t, "axis")
	_, err := newNetCamera(t, Config{Source: b.URL + paths["axis"]}).pictures(t, 1)
	if !errors.Is(err, errNoLogin) {
		t.Errorf("got %v", err)
	}
}

// Firmware that takes a nonce once, writes both challenges into one field and puts blanks into the list of qop.
func TestANonceThatServesOnceIsAskedForEachTime(t *testing.T) {
	handler, _ := snapshots(0)
	var nonces, served atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if want := fmt.Sprintf(`nonce="n%d"`, nonces.Load()); strings.Contains(r.Header.Get("Authorization"), want) {
			nonces.Add(1)
			served.Add(1)
			handler(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="caf%c, Basic 1", qop="auth , auth-int", nonce="n%d", algorithm=MD5, Basic realm="c"`, 0xe9, nonces.Load()))
		w.WriteHeader(http.StatusUnauthorized)
	})
	if _, err := newNetCamera(t, Config{Source: s.URL, User: "u", Password: "p"}).pictures(t, 4); err != nil || served.Load() < 4 {
		t.Errorf("%d served, %v", served.Load(), err)
	}
}

func FuzzSignIn(f *testing.F) {
	f.Add(`Digest realm="x", nonce="1", qop="auth, auth-int"`, "/a?b")
	f.Add(`Basic realm="x", Digest realm=x, nonce=3, algorithm=SHA-256`, "/")
	f.Fuzz(func(t *testing.T, field, target string) {
		s := signIn{user: "u", password: "p"}
		if s.refused(http.Header{"Www-Authenticate": {field}}) != nil {
			return
		}
		r := &http.Request{Method: "GET", URL: &url.URL{Path: target}, Header: http.Header{}}
		if err := s.authorize(r); err == nil && r.Header.Get("Authorization") == "" {
			t.Error("nothing is sent")
		}
	})
}

func TestFaultsOfACameraAreTold(t *testing.T) {
	pic := pictures()[0]
	hang := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	part := fmt.Sprintf("--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", len(pic))
	const silent, useless = "nothing came for 1s", "no picture came for 1.5s"
	multi := func(w http.ResponseWriter) { w.Header().Set("Content-Type", mixed+";boundary=b") }
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		frames  int
		errored uint64
		want    string // in the error
	}{
		{"a page", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>sign in") }, 0, 0, `"text/html", not with a JPEG`},
		{"a PNG", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			io.WriteString(w, "\x89PNG")
		}, 0, 0, `"image/png" that is not a JPEG`},
		{"not there", http.NotFound, 0, 0, "status 404 Not Found"},
		{"no answer", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, 0, silent},
		{"stalls within the header", hang, 0, 0, silent},
		{"stalls after a picture", func(w http.ResponseWriter, r *http.Request) {
			multi(w)
			io.WriteString(w, part+pic+"\r\n")
			hang(w, r)
		}, 1, 0, silent},
		{"stalls within a picture", func(w http.ResponseWriter, r *http.Request) {
			multi(w)
			io.WriteString(w, part+pic+"\r\n"+part+pic[:len(pic)/2])
			hang(w, r)
		}, 1, 0, silent},
		{"a byte now and then", func(w http.ResponseWriter, r *http.Request) {
			multi(w)
			io.WriteString(w, part+pic+"\r\n"+part)
			for n := 0; n < len(pic) && r.Context().Err() == nil; n++ {
				io.WriteString(w, pic[n:n+1])
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		}, 1, 0, useless},
		{"cut within a picture", func(w http.ResponseWriter, r *http.Request) {
			multi(w)
			io.WriteString(w, part+pic+"\r\n"+part+pic[:len(pic)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, 1, 0, "ended within a picture"},
		{"a picture without end", func(w http.ResponseWriter, r *http.Request) {
			multi(w)
			io.WriteString(w, part+pic+"\r\n--b\r\n\r\n"+pic[:len(pic)-2])
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, 1, 0, "larger than 8 MiB"},
		{"a snapshot without end", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, 0, 0, "larger than 8 MiB"},
		{"a snapshot stated to be huge", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "99999999999")
			io.WriteString(w, pic)
		}, 0, 0, "larger than 8 MiB"},
		{"a picture that is none between others", func(w http.ResponseWriter, r *http.Request) {
			multi(w)
			io.WriteString(w, part+pic+"\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xd9\r\n--b\r\nContent-Type: image/jpeg\r\n\r\nbusy\r\n"+part+pic+"\r\n")
		}, 2, 2, "ended the stream"},
		{"a header without end", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("a", 2*maxAnswerHead))
		}, 0, 0, "header"},
		{"redirects without end", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, 0, 0, "8 redirects"},
		{"redirects elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://user:hush@elsewhere.example/x?hush", http.StatusFound)
		}, 0, 0, `"http://elsewhere.example", which is not`},
		{"a challenge of another kind", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", "Negotiate")
			w.WriteHeader(http.StatusUnauthorized)
		}, 0, 0, "no way to sign in"},
		{"challenges without end", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Digest realm="x", nonce="1", stale=true`)
			w.WriteHeader(http.StatusUnauthorized)
		}, 0, 0, "challenges"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.answer)
			cam := newNetCamera(t, Config{Source: s.URL + "/x?pwd=hush", User: "u", Password: "hush"})
			switch tt.want {
			case silent:
				cam.patience.silence = time.Second
			case useless:
				cam.patience.picture = 1500 * time.Millisecond
			}
			frames, err := cam.pictures(t, 100)
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(frames) != tt.frames {
				t.Errorf("%d pictures and %v; want %d and %q", len(frames), err, tt.frames, tt.want)
			}
			st := cam.Status()
			if st.Running || st.Errored != tt.errored || st.Drops != 0 || st.LastError != err.Error() {
				t.Errorf("status %+v", st)
			}
			cam.showsNot(t, "hush")
		})
	}
}

func TestAnotherRunFindsTheCameraAgain(t *testing.T) {
	var runs atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", mixed+";boundary=x-1")
		io.WriteString(w, written(0, pictures()[:2]))
		if runs.Add(1); runs.Load() == 1 {
			io.WriteString(w, "--x-1\r\n\r\n"+pictures()[2][:100])
		}
	})
	cam := newNetCamera(t, Config{Source: s.URL})
	for range 2 {
		if frames, err := cam.pictures(t, 3); len(frames) != 2 || err == nil {
			t.Fatalf("%d pictures, %v", len(frames), err)
		}
	}
	if st := cam.Status(); st.Frames != 4 || st.Drops != 0 {
		t.Errorf("status %+v", st)
	}
}

func TestABusyCameraIsAskedAgain(t *testing.T) {
	handler, _ := snapshots(0)
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 2 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		handler(w, r)
	})
	cam := newNetCamera(t, Config{Source: s.URL})
	if _, err := cam.pictures(t, 3); err != nil {
		t.Fatal(err)
	}
	if st := cam.Status(); st.Errored != 1 || st.Drops != 0 {
		t.Errorf("status %+v", st)
	}
}

func TestRedirectsWithinTheHostAreFollowedAndHTTPSIsTrustedAsConfigured(t *testing.T) {
	handler, _ := snapshots(0)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/new/x.jpg" {
			http.Redirect(w, r, "/new/x.jpg", http.StatusMovedPermanently)
			return
		}
		handler(w, r)
	}))
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cam := newNetCamera(t, Config{Source: secure.URL + "/old", CAFile: ca})
	if _, err := cam.pictures(t, 2); err != nil {
		t.Error(err)
	}
	if st := cam.Status(); st.Device != secure.URL+"/new/x.jpg" {
		t.Errorf("status %+v", st)
	}
	if _, err := newNetCamera(t, Config{Source: secure.URL + "/old"}).pictures(t, 1); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
}

func TestFollowKeepsToTheServer(t *testing.T) {
	tests := []struct {
		from, to string
		ok       bool
	}{
		{"http://cam/a", "/b", true},
		{"http://cam/a", "http://CAM/b?c", true},
		{"http://cam:8080/a", "https://cam/b", true},
		{"http://cam/a", "https://cam:8443/b", true},
		{"https://cam/a", "http://cam/b", false},
		{"http://cam/a", "http://cam:81/b", false},
		{"http://cam/a", "//other/b", false},
		{"http://cam/a", "ftp://cam/b", false},
		{"http://cam/a", "", false},
		{"http://cam/a", "http://[", false},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.from)
		if err != nil {
			t.Fatal(err)
		}
		h := &httpSource{req: &http.Request{URL: u}}
		if err := h.follow(tt.to); (err == nil) != tt.ok {
			t.Errorf("%s to %s: %v", tt.from, tt.to, err)
		}
	}
}

// What net/http does for each request is not counted here, but that is all there is.
func TestNothingIsAllocatedForAPicture(t *testing.T) {
	cam := newNetCamera(t, Config{Source: "http://cam/"})
	h := &httpSource{c: cam.Camera, req: &http.Request{URL: &url.URL{Scheme: "http", Host: "cam"}}}
	h.watch = newWatch(cam.patience, func(error) {})
	defer h.watch.stop()
	for i, q := range quirks {
		text := written(i, pictures()[:1])
		if q.before != "" || q.name == "no line end before the delimiter" {
			continue
		}
		p := newPartReader(&watched{&repeat{text}, h.watch}, boundaryOf(q.contentType))
		one := func() {
			b, err := p.next()
			if err == nil {
				err = h.picture(b, "")
			}
			if err != nil {
				t.Fatal(err)
			}
			(<-cam.sub.Frames()).Release()
		}
		for range 20 {
			one()
		}
		if n := testing.AllocsPerRun(100, one); n != 0 {
			t.Errorf("%s: %v allocations", q.name, n)
		}
	}
}

func BenchmarkStreamPicture(b *testing.B) {
	for _, i := range []int{0, 3} {
		b.Run(strings.ReplaceAll(quirks[i].name, " ", "_"), func(b *testing.B) {
			pic := pictures()[0]
			p := newPartReader(&repeat{written(i, []string{pic})}, boundaryOf(quirks[i].contentType))
			b.SetBytes(int64(len(pic)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("yardstick_copy", func(b *testing.B) {
		pic := []byte(pictures()[0])
		to := make([]byte, len(pic))
		b.SetBytes(int64(len(pic)))
		for b.Loop() {
			copy(to, pic)
		}
	})
}

// A whole request over loopback. The server allocates nothing, so that what is counted is the client's: net/http's own.
func BenchmarkSnapshot(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	pic := pictures()[0]
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s", len(pic), pic)
		request := make([]byte, 4096)
		for {
			if _, err := conn.Read(request); err != nil { // small enough to come in one piece
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}()
	cam := newNetCamera(b, Config{Source: "http://" + ln.Addr().String()})
	h, err := newHTTPSource(cam.Camera)
	if err != nil {
		b.Fatal(err)
	}
	defer h.rt.CloseIdleConnections()
	h.watch = newWatch(cam.patience, func(error) {})
	defer h.watch.stop()
	b.SetBytes(int64(len(pic)))
	b.ReportAllocs()
	for b.Loop() {
		resp, err := h.get()
		if err == nil {
			err = h.snapshot(resp)
		}
		if err != nil {
			b.Fatal(err)
		}
		(<-cam.sub.Frames()).Release()
	}
}

func TestANetworkCameraThatFailsIsAskedAgain(t *testing.T) {
	var runs atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := runs.Add(1); n == 2 || n == 3 {
			http.Error(w, "not now", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", mixed+";boundary=x-1")
		io.WriteString(w, written(0, pictures()[:2]))
	})
	cam := newNetCamera(t, Config{Source: s.URL + "/?pwd=hush"})
	changes := make(chan Change, 10)
	cam.OnChange(func(c Change) { changes <- c })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- cam.Run(ctx) }()
	for i, found := range []bool{true, false, true} {
		select {
		case c := <-changes:
			if c.Found != found || c.Found && (c.Card != "MJPEG stream" || c.Format.Width != testWidth) || !c.Found && c.Err == nil {
				t.Errorf("change %d: %+v", i, c)
			}
			if c.Err != nil && strings.Contains(c.Err.Error(), "hush") {
				t.Error("it tells a secret")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was told")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for len(cam.sub.Frames()) > 0 {
		(<-cam.sub.Frames()).Release()
	}
	cam.showsNot(t, "hush")
}

func TestACameraThatResetsItsConnectionsIsLoggedOnce(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	cam := newNetCamera(t, Config{Source: s.URL})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // three attempts
	defer cancel()
	cam.Run(ctx)
	if said := cam.logs.FilterMessage("camera failed").All(); len(said) != 1 {
		t.Errorf("log %v", said)
	}
}

func TestTwoFaultsInTurnAreLoggedOnceEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newNetCamera(t, Config{Source: "http://127.0.0.1"})
		say := func(fault string, after time.Duration) int {
			time.Sleep(after)
			cam.say(errors.New(fault), faultOther, false, time.Second)
			return cam.logs.FilterMessage("camera failed").Len()
		}
		for i, step := range []struct {
			fault string
			after time.Duration
			lines int
		}{
			{"a", 0, 1}, {"b", 5, 2}, {"a", 5, 2}, {"b", 5, 2}, {"b", 5, 2}, {"a", 5, 2}, {"c", 5, 3}, {"b", 5, 4},
			{"b", 300, 4}, {"c", 5, 5}, // c was long ago
		} {
			if got := say(step.fault, step.after*time.Second); got != step.lines {
				t.Errorf("step %d, %s: %d lines, want %d", i, step.fault, got, step.lines)
			}
		}
	})
}

func TestAStreamFasterThanWantedIsThinnedWithoutCountingDrops(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace;boundary=b")
		for i := 0; r.Context().Err() == nil; i++ {
			fmt.Fprintf(w, "--b\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n", pictures()[i%testFrames])
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	cam := newNetCamera(t, Config{Source: s.URL, Rate: 5})
	frames, err := cam.pictures(t, 70) // those of the first half second, while the rate is not known, are up to fifty
	if err != nil {
		t.Fatal(err)
	}
	last := frames[len(frames)-6:]
	if span := last[5].Mono - last[0].Mono; span < 700*time.Millisecond {
		t.Errorf("six pictures within %v", span)
	}
	if st := cam.Status(); st.Drops != 0 || st.Errored != 0 || frames[69].Seq != 69 {
		t.Errorf("status %+v", st)
	}
}

func TestARefusedPasswordIsNotSentAgainAndAgain(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	cam := newNetCamera(t, Config{Source: s.URL, User: "u", Password: "wrong"})
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // five attempts at the usual pace
	defer cancel()
	if err := cam.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("%d requests, want one without and one with the password", n)
	}
	if said := cam.logs.FilterMessage("camera failed").All(); len(said) != 1 || said[0].ContextMap()["retry_in"].(time.Duration) < 50*time.Second {
		t.Errorf("log %v", said)
	}
}
