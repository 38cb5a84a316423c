//go:build cgo

package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"camward/capture"
	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/internal/porttest"
	"camward/video"
)

// patience bounds every wait; what is waited for comes much sooner.
const patience = 20 * time.Second

// A scene is a camera that shows numbered pictures. It is a Source by way of the hub that the agent uses.
type scene struct {
	hub    *capture.Hub
	subs   atomic.Int32  // subscriptions at the moment
	gone   atomic.Bool   // delivers nothing
	number atomic.Uint32 // of the last picture
	fourcc video.FourCC
	w, h   int
	rate   float64
	units  [][]byte     // what a camera with an encoder of its own gives, in a circle
	asked  atomic.Int32 // key pictures, of a camera that encodes
	key    atomic.Bool  // the next is one
}

// RequestKey implements KeyRequester.
func (s *scene) RequestKey() {
	s.asked.Add(1)
	s.key.Store(true)
}

func (s *scene) Subscribe(depth int) (<-chan *video.Frame, func()) {
	sub := s.hub.Subscribe("live", depth)
	s.subs.Add(1)
	return sub.Frames(), func() {
		s.subs.Add(-1)
		sub.Close()
	}
}

func (s *scene) Format() (video.Format, bool) {
	return video.Format{FourCC: s.fourcc, Width: s.w, Height: s.h, Rate: s.rate}, !s.gone.Load()
}

func noLeaks(t testing.TB) {
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil {
			t.Error(err)
		}
	})
}

// newScene begins to publish pictures. It is the first that a test makes: all goroutines must have ended with the test.
func newScene(t testing.TB, fourcc video.FourCC, w, h int, rate float64) *scene {
	noLeaks(t)
	return startScene(t, &scene{hub: capture.NewHub(), fourcc: fourcc, w: w, h: h, rate: rate})
}

func startScene(t testing.TB, s *scene) *scene {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.play(ctx, t) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return s
}

func (s *scene) play(ctx context.Context, t testing.TB) {
	pool := video.NewPool(16 << 20)
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.rate))
	defer tick.Stop()
	var enc *h264.Encoder
	if s.fourcc == video.H264 && s.units == nil {
		var err error
		if enc, err = h264.NewEncoder(h264.Config{Width: s.w, Height: s.h, Rate: s.rate, Bitrate: 1_000_000}); err != nil {
			t.Error(err)
			return
		}
		defer enc.Close()
	}
	for n := uint32(1); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		data, err := s.picture(n, enc)
		if err != nil {
			t.Error(err)
			return
		}
		f := pool.Get(len(data))
		copy(f.Data, data)
		f.Format = video.Format{FourCC: s.fourcc, Width: s.w, Height: s.h, Rate: s.rate}
		f.Seq, f.Mono = uint64(n), video.Now()
		s.number.Store(n)
		s.hub.Publish(f)
		f.Release()
	}
}

// picture draws a moving slope with the number n in it.
func (s *scene) picture(n uint32, enc *h264.Encoder) ([]byte, error) {
	if s.units != nil {
		return s.units[int(n-1)%len(s.units)], nil
	}
	img := s.draw(n)
	switch s.fourcc {
	case video.MJPEG:
		return jpeg.Encode(nil, img, 85)
	case video.H264:
		p, err := enc.Encode(img, time.Duration(n)*time.Second/time.Duration(s.rate), uint64(n), s.key.Swap(false))
		return p.Data, err
	}
	return append(append(img.Y, img.U...), img.V...), nil
}

func (s *scene) draw(n uint32) *video.I420 {
	img := &video.I420{}
	img.Resize(s.w, s.h)
	img.FullRange = s.fourcc == video.MJPEG
	for y := range s.h {
		for x := range s.w {
			img.Y[y*img.YStride+x] = byte(64 + (x+y+int(n)*3)%128)
		}
	}
	for i := range img.U {
		img.U[i], img.V[i] = 128, 128
	}
	x, y := video.MarkAt(s.w, s.h)
	video.DrawMark(&video.Plane{Pix: img.Y, Width: s.w, Height: s.h, Stride: img.YStride}, x, y, n)
	return img
}

// newX264Scene is a camera that encodes as cameras do and as the encoder here does not: High profile, CABAC, several slices a
// picture, access unit delimiters, a key picture each second.
func newX264Scene(t testing.TB, w, h int) *scene {
	t.Helper()
	noLeaks(t)
	s := &scene{hub: capture.NewHub(), fourcc: video.H264, w: w, h: h, rate: 15}
	var pictures []byte
	for n := range uint32(600) { // longer than a test takes
		img := s.draw(n + 1)
		pictures = append(append(append(pictures, img.Y...), img.U...), img.V...)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "rawvideo", "-s", fmt.Sprintf("%dx%d", w, h), "-r", "15", "-pix_fmt", "yuv420p", "-i", "-",
		"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-x264-params", "keyint=15:bframes=0:aud=1:slices=3", "-f", "h264", "-")
	cmd.Stdin = bytes.NewReader(pictures)
	stream, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	for nal := range h264.NALs(stream) {
		if nal[0]&0x1f == 9 {
			s.units = append(s.units, nil)
		}
		last := len(s.units) - 1
		s.units[last] = append(append(s.units[last], 0, 0, 0, 1), nal...)
	}
	if len(s.units) != 600 {
		t.Fatalf("ffmpeg made %d pictures", len(s.units))
	}
	return startScene(t, s)
}

// A rig is a running server with its HTTP side.
type rig struct {
	t    testing.TB
	s    *Server
	url  string
	made atomic.Int32 // encoders made
	open atomic.Int32 // encoders not closed
	stop func()
	hide ice.MulticastDNSMode // of the watchers

	mu       sync.Mutex
	watchers map[*watcher]bool // not closed; a watcher that is closed is not kept, lest it be taken for a leak
}

type countedEncoder struct {
	encoder
	open *atomic.Int32
}

func (e countedEncoder) Close() {
	e.open.Add(-1)
	e.encoder.Close()
}

// newRig runs a server with one camera named "front"; change may adjust it before.
func newRig(t testing.TB, src Source, change func(*Server)) *rig {
	t.Helper()
	port := porttest.Free(t)
	cfg := Default()
	cfg.UDPPort, cfg.TCPPort, cfg.Loopback = port, port, true
	log := zap.NewNop()
	if testing.Verbose() && !*figures {
		log = zaptest.NewLogger(t)
	}
	s, err := New(cfg, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, s: s, hide: ice.MulticastDNSModeDisabled, watchers: make(map[*watcher]bool)}
	s.newEnc = func(c h264.Config) (encoder, error) {
		e, err := newEncoder(c)
		if err != nil {
			return nil, err
		}
		r.made.Add(1)
		r.open.Add(1)
		return countedEncoder{e, &r.open}, nil
	}
	if change != nil {
		change(s)
	}
	if src != nil {
		s.AddCamera("front", src)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	r.url = web.URL
	r.run()
	t.Cleanup(func() {
		for w := range r.watchers {
			w.close()
		}
	})
	return r
}

// run has the server run until stop or the end of the test.
func (r *rig) run() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.s.Run(ctx); !errors.Is(err, context.Canceled) {
			r.t.Errorf("Run ended with %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	r.t.Cleanup(r.stop)
	r.wait("the server runs", func() bool { return r.s.Status().Running })
}

// wait polls until something holds.
func (r *rig) wait(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // what is waited for gives no sign
	}
}

// do sends a request and returns the answer with its body.
func (r *rig) do(method, path, kind, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(text)
}
