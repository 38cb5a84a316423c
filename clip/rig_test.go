package clip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"camward/camio"
	"camward/video"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output runs an external tool, which must be there.
func output(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.Bytes())
	}
	return out
}

// scene is a moving pattern with a camera's noise, 15 pictures a second.
func scene(width, height int) string {
	return fmt.Sprintf("testsrc2=size=%dx%d:rate=15,noise=alls=6:allf=t", width, height)
}

var mjpegs sync.Map

// jpegs has ffmpeg make n pictures as a webcam does: 4:2:2.
func jpegs(t testing.TB, width, height, n int) [][]byte {
	t.Helper()
	id := [3]int{width, height, n}
	if l, ok := mjpegs.Load(id); ok {
		return l.([][]byte)
	}
	out := output(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene(width, height), "-frames:v", fmt.Sprint(n),
		"-pix_fmt", "yuvj422p", "-c:v", "mjpeg", "-q:v", "5", "-f", "image2pipe", "-")
	var l [][]byte
	for len(out) > 0 {
		end := bytes.Index(out, []byte{0xff, 0xd9, 0xff, 0xd8})
		if end < 0 {
			end = len(out) - 2
		}
		l = append(l, out[:end+2])
		out = out[end+2:]
	}
	if len(l) != n {
		t.Fatalf("ffmpeg made %d pictures, want %d", len(l), n)
	}
	mjpegs.Store(id, l)
	return l
}

// raw has ffmpeg make n pictures of a raw format.
func raw(t testing.TB, pixFmt string, width, height, size, n int) [][]byte {
	t.Helper()
	out := output(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene(width, height), "-frames:v", fmt.Sprint(n),
		"-pix_fmt", pixFmt, "-f", "rawvideo", "-")
	if len(out) != n*size {
		t.Fatalf("ffmpeg made %d bytes, want %d", len(out), n*size)
	}
	var l [][]byte
	for ; len(out) > 0; out = out[size:] {
		l = append(l, out[:size])
	}
	return l
}

// A dirSpool keeps recordings as files, and what is said of them.
type dirSpool struct {
	dir string

	mu     sync.Mutex
	done   []recorded
	open   int
	syncs  int
	create func(m camio.Media) error // fails Create
	write  func(m camio.Media) error // fails Write
	synced func(f *os.File)          // is told of each Sync
}

type recorded struct {
	camio.Media
	path string
}

func (s *dirSpool) Create(m camio.Media) (Recording, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.create != nil {
		if err := s.create(m); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(s.dir, "part")
	if err != nil {
		return nil, err
	}
	s.open++
	return &recording{File: f, spool: s, media: m}, nil
}

func (s *dirSpool) of(k camio.Kind) (l []recorded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.done {
		if m.Kind == k {
			l = append(l, m)
		}
	}
	return l
}

type recording struct {
	*os.File
	spool *dirSpool
	media camio.Media
	over  bool
}

func (r *recording) Write(b []byte) (int, error) {
	if r.spool.write != nil {
		if err := r.spool.write(r.media); err != nil {
			return 0, err
		}
	}
	return r.File.Write(b)
}

func (r *recording) Sync() error {
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	r.spool.syncs++
	if r.spool.synced != nil {
		r.spool.synced(r.File)
	}
	return nil
}

func (r *recording) end() {
	if r.over {
		panic("recording ended twice")
	}
	r.over = true
	r.spool.open--
}

func (r *recording) Finish(length time.Duration) error {
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	r.end()
	r.media.Length = length
	path := filepath.Join(r.spool.dir, fmt.Sprintf("%04d%s", len(r.spool.done), r.media.Kind.Extension()))
	r.spool.done = append(r.spool.done, recorded{r.media, path})
	return errors.Join(r.File.Close(), os.Rename(r.Name(), path))
}

func (r *recording) Discard() error {
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	r.end()
	return errors.Join(r.File.Close(), os.Remove(r.Name()))
}

// A rig runs a recorder on synthetic time within a synctest bubble.
type rig struct {
	t      *testing.T
	r      *Recorder
	spool  *dirSpool
	frames chan *video.Frame
	format video.Format
	data   [][]byte

	stop func()         // ends Run
	fed  []*video.Frame // all; their Mono and Seq are read after release, Data is not
	mono time.Duration  // of the next frame
	seq  uint64
	now  atomic.Int64 // mono, for other goroutines
}

const (
	origin = 1000 * time.Second       // of the rig's clock
	step   = 66667 * time.Microsecond // 15 a second
)

// A shot is a number of frames that show motion or not.
type shot struct {
	frames int
	moving bool
}

// record runs a recorder in a bubble while play feeds it, and returns when all of it has ended.
func record(t *testing.T, cfg Config, format video.Format, data [][]byte, play func(g *rig)) *rig {
	t.Helper()
	return bubble(t, cfg, format, data, func(g *rig) { g.run(func() { play(g) }) })
}

// bubble makes a recorder in a bubble for use. Afterwards nothing may be left open or held.
func bubble(t *testing.T, cfg Config, format video.Format, data [][]byte, use func(g *rig)) *rig {
	t.Helper()
	g := &rig{
		t: t, spool: &dirSpool{dir: t.TempDir()}, format: format, data: data, mono: origin,
	}
	synctest.Test(t, func(t *testing.T) {
		g.frames = make(chan *video.Frame)
		r, err := New(cfg, "front", "00AA11BB22CC", g.spool, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		g.r = r
		use(g)
	})
	if g.spool.open != 0 {
		t.Errorf("%d recordings are neither finished nor discarded", g.spool.open)
	}
	for _, f := range g.fed {
		if err := released(f); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// run runs the recorder as long as play lasts.
func (g *rig) run(play func()) {
	cause := errors.New("the test ends")
	ctx, cancel := context.WithCancelCause(context.Background())
	g.stop = func() { cancel(cause) }
	done := make(chan error)
	go func() { done <- g.r.Run(ctx, g.frames) }()
	defer func() { // even if play fails
		g.stop()
		if err := <-done; !errors.Is(err, cause) {
			g.t.Errorf("Run returned %v, want the context's cause", err)
		}
	}()
	synctest.Wait()
	play()
}

// released reports a frame that somebody still holds.
func released(f *video.Frame) (err error) {
	defer func() {
		if recover() == nil {
			err = fmt.Errorf("frame %d has not been released", f.Seq)
		} else {
			err = nil
		}
	}()
	f.Retain() // panics if nobody holds the frame
	return nil
}

// frame makes the next frame. Pools of their own keep frames from being used again.
func (g *rig) frame() *video.Frame {
	data := g.data[int(g.seq)%len(g.data)]
	f := video.NewPool(0).Get(len(data))
	copy(f.Data, data)
	f.Format, f.Mono, f.Seq = g.format, g.mono, g.seq
	g.seq++
	g.mono += step
	g.now.Store(int64(g.mono))
	g.fed = append(g.fed, f)
	return f
}

// feed gives a frame to the recorder, then to its detector.
func (g *rig) feed(f *video.Frame, moving bool, score float64) {
	f.Retain()
	g.frames <- f
	g.r.Observe(f, moving, score)
	f.Release()
}

// play feeds shots in turn and waits until the recorder rests.
func (g *rig) play(shots ...shot) {
	for _, s := range shots {
		for range s.frames {
			g.feed(g.frame(), s.moving, 1)
		}
	}
	synctest.Wait()
}

func mjpeg(width, height int) video.Format {
	return video.Format{FourCC: video.MJPEG, Width: width, Height: height, Rate: 15, FullRange: true}
}

// quiet is a configuration without heartbeats.
func quiet() Config {
	c := Default()
	c.Heartbeat = 0
	return c
}
