//go:build cgo

package clip

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/video"
)

// A hand runs both halves of a recorder in turn on one goroutine, so that every allocation of a frame is seen. What it records goes to files.
type hand struct {
	t      *testing.T
	r      *Recorder
	w      worker
	spool  *dirSpool
	pool   *video.Pool
	format video.Format
	data   [][]byte
	mono   time.Duration
	i      int
}

func newHand(t *testing.T, format video.Format, data [][]byte) *hand {
	t.Helper()
	cfg := quiet()
	cfg.MaxLength = time.Hour
	h := &hand{t: t, spool: &dirSpool{dir: t.TempDir()}, pool: video.NewPool(64 << 20), format: format, data: data, mono: origin}
	var err error
	if h.r, err = New(cfg, "front", "", h.spool, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	h.r.running = true
	h.w = worker{r: h.r, codec: codec{newEncoder: h.r.newEncoder}}
	t.Cleanup(func() {
		h.r.close()
		h.work()
		h.w.codec.free()
		if h.w.file != nil || h.spool.open != 0 {
			t.Error("a clip was left open")
		}
	})
	return h
}

// feed gives one frame to the recorder and its detector, and lets the worker do what it brings.
func (h *hand) feed(moving bool) {
	data := h.data[h.i%len(h.data)]
	f := h.pool.Get(len(data))
	copy(f.Data, data)
	f.Format, f.Mono, f.Seq = h.format, h.mono, uint64(h.i)
	h.mono += step
	h.i++
	h.r.add(f)
	h.r.Observe(f, moving, 1)
	f.Release()
	h.work()
}

func (h *hand) work() {
	for {
		if t := h.r.nextTask(h.w.codec.used()); t.kind == taskNone || t.kind == taskEnd || !h.w.do(t) {
			return
		}
	}
}

// seconds feeds whole seconds.
func (h *hand) seconds(n int, moving bool) {
	for range n * 15 {
		h.feed(moving)
	}
}

// noAllocations fails on the first allocation in n seconds of pictures.
func (h *hand) noAllocations(n int, moving bool) {
	h.t.Helper()
	if got := testing.AllocsPerRun(1, func() { h.seconds(n, moving) }); got != 0 {
		h.t.Errorf("%v allocations in %d pictures, want none", got, n*15)
	}
}

// A source is what a camera gives, a whole number of seconds of it.
type source struct {
	format video.Format
	data   [][]byte
}

// cameras gives a source of each kind.
func cameras(t *testing.T) map[string]source {
	t.Helper()
	return camerasOf(t, 320, 240)
}

func camerasOf(t *testing.T, w, h int) map[string]source {
	t.Helper()
	of := func(c video.FourCC) video.Format { return video.Format{FourCC: c, Width: w, Height: h, Rate: 15} }
	return map[string]source{
		"MJPG": {mjpeg(w, h), jpegs(t, w, h, 60)},
		"YUYV": {of(video.YUYV), raw(t, "yuyv422", w, h, w*h*2, 60)},
		"H264": {of(video.H264), x264(t, w, h, 60, 15, "bframes=0")},
	}
}

func TestIdlingAllocatesNothing(t *testing.T) {
	for name, c := range cameras(t) {
		t.Run(name, func(t *testing.T) {
			h := newHand(t, c.format, c.data)
			h.seconds(30, false)
			h.noAllocations(20, false)
		})
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	for name, c := range cameras(t) {
		t.Run(name, func(t *testing.T) {
			h := newHand(t, c.format, c.data)
			h.seconds(10, false)
			h.seconds(40, true) // its snapshot is written after ten seconds
			before := h.spool.syncs
			h.noAllocations(20, true)
			if n := h.spool.syncs - before; n < 38 || n > 44 { // AllocsPerRun runs it twice
				t.Errorf("%d fragments in 40 s", n)
			}
		})
	}
}
