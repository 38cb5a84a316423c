//go:build cgo

package page_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/capture"
	"camward/codec/jpeg"
	"camward/live"
	"camward/video"
)

// A scene is a camera that shows numbered pictures of a moving slope, and says what its detector is told to see. It is a
// live.Source, Teller and Narrator.
type scene struct {
	w, h   int
	hub    *capture.Hub
	number atomic.Uint32 // of the last picture
	gone   atomic.Bool   // delivers nothing

	mu       sync.Mutex
	listen   map[chan []byte]bool
	detector string // the message that is said 10 times a second
	picture  string // and the one that is said twice
}

func (s *scene) Subscribe(depth int) (<-chan *video.Frame, func()) {
	sub := s.hub.Subscribe("live", depth)
	return sub.Frames(), sub.Close
}

func (s *scene) Format() (video.Format, bool) {
	return video.Format{FourCC: video.MJPEG, Width: s.w, Height: s.h, Rate: 15}, !s.gone.Load()
}

func (s *scene) Narrate(depth int) (<-chan []byte, func()) {
	c := make(chan []byte, depth)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listen[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listen, c)
	}
}

// says changes what the detector says.
func (s *scene) says(detector, picture string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detector, s.picture = detector, picture
}

func (s *scene) say(m string) {
	for c := range s.listen {
		select {
		case c <- []byte(m):
		default:
		}
	}
}

// newScene begins to publish pictures.
func newScene(t testing.TB, w, h int) *scene {
	s := &scene{w: w, h: h, hub: capture.NewHub(), listen: map[chan []byte]bool{}}
	run(t, s.play)
	return s
}

// run has f run until the end of the test.
func run(t testing.TB, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

func (s *scene) play(ctx context.Context) error {
	pool := video.NewPool(16 << 20)
	tick := time.NewTicker(time.Second / 15)
	defer tick.Stop()
	var img video.I420
	img.Resize(s.w, s.h)
	img.FullRange = true
	for n := uint32(1); ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		s.draw(&img, n)
		data, err := jpeg.Encode(nil, &img, 85)
		if err != nil {
			return err
		}
		f := pool.Get(len(data))
		copy(f.Data, data)
		f.Format, _ = s.Format()
		f.Seq, f.Mono = uint64(n), video.Now()
		s.number.Store(n)
		if !s.gone.Load() {
			s.hub.Publish(f)
		}
		f.Release()
		s.mu.Lock()
		if s.detector != "" && n%2 == 0 {
			s.say(s.detector)
		}
		if s.picture != "" && n%8 == 0 {
			s.say(s.picture)
		}
		s.mu.Unlock()
	}
}

// draw makes a yard with a person who walks, and the number n below.
func (s *scene) draw(img *video.I420, n uint32) {
	at := int(n*4) % s.w
	for y := range s.h {
		for x := range s.w {
			v := 70 + 70*y/s.h + 20*((x/40+y/40)%2)
			if dx, dy := x-at, y-s.h/2; dx*dx*9+dy*dy < s.h*s.h/20 {
				v = 220
			}
			img.Y[y*img.YStride+x] = byte(v)
		}
	}
	for i := range img.U {
		img.U[i], img.V[i] = 120, 134
	}
	x, y := video.MarkAt(s.w, s.h)
	video.DrawMark(&video.Plane{Pix: img.Y, Width: s.w, Height: s.h, Stride: img.YStride}, x, y, n)
}

// stream is what /cameras/NAME/stream.mjpeg gives.
func (s *scene) stream(w http.ResponseWriter, r *http.Request) {
	sub := s.hub.Subscribe("view", 1)
	defer sub.Close()
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=x")
	for {
		select {
		case <-r.Context().Done():
			return
		case f := <-sub.Frames():
			_, err := fmt.Fprintf(w, "--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", len(f.Data))
			if err == nil {
				_, err = io.Copy(w, bytes.NewReader(append(bytes.Clone(f.Data), "\r\n"...)))
			}
			f.Release()
			if err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	}
}

// newLive serves scenes by name.
func newLive(t testing.TB, names []string, scenes map[string]*scene) *live.Server {
	t.Helper()
	cfg := live.Default()
	cfg.UDPPort, cfg.TCPPort, cfg.Loopback = 0, 0, true
	s, err := live.New(cfg, t.TempDir(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s.AddCamera(name, scenes[name])
	}
	run(t, s.Run)
	for end := time.Now().Add(patience); !s.Status().Running; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("live view does not run")
		}
	}
	return s
}

// seen is a detector's message with a box and the cells within it.
func seen(moving bool, x0, y0, x1, y1 float64) string {
	const cols, rows = 64, 48
	bits := make([]byte, cols*rows/8)
	for y := int(y0 * rows); y < int(y1*rows); y++ {
		for x := int(x0 * cols); x < int(x1*cols); x++ {
			if (x+y)%5 > 0 {
				bits[(y*cols+x)/8] |= 0x80 >> ((y*cols + x) % 8)
			}
		}
	}
	return fmt.Sprintf(`{"type":"detector","moving":%v,"score":%g,"min_area":0.001,"contrast":6.3,"gain":1.01,"learning":false,"scene_change":false,"grid":[%d,%d],"cells":%q,"boxes":[[%g,%g,%g,%g]]}`,
		moving, (x1-x0)*(y1-y0), cols, rows, base64.StdEncoding.EncodeToString(bits), x0, y0, x1, y1)
}

// looks is a picture's message.
func looks(focus, mean, dark, bright float64) string {
	shares := make([]string, 32)
	for i := range shares {
		shares[i] = fmt.Sprintf("%.4f", 0.1/(1+math.Abs(float64(i)-mean*32)))
	}
	return fmt.Sprintf(`{"type":"picture","focus":%g,"mean":%g,"dark":%g,"bright":%g,"histogram":[%s]}`, focus, mean, dark, bright, strings.Join(shares, ","))
}
