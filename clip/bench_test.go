//go:build cgo

package clip

import (
	"io"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"camward/camio"
	"camward/video"
)

// A nullSpool forgets.
type nullSpool struct{}

func (nullSpool) Create(camio.Media) (Recording, error) { return nullRecording{io.Discard}, nil }

type nullRecording struct{ io.Writer }

func (nullRecording) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (nullRecording) Sync() error                            { return nil }
func (nullRecording) Finish(time.Duration) error             { return nil }
func (nullRecording) Discard() error                         { return nil }

// A benchRig runs a recorder's two halves in turn on one goroutine, so that a frame's whole cost is seen.
type benchRig struct {
	r    *Recorder
	w    worker
	pool *video.Pool
	data [][]byte
	mono time.Duration
	i    int
}

func newBenchRig(b *testing.B) *benchRig {
	cfg := quiet()
	r, err := New(cfg, "front", "", nullSpool{}, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	r.running = true
	g := &benchRig{r: r, pool: video.NewPool(64 << 20), data: jpegs(b, 640, 480, 60), mono: origin}
	g.w = worker{r: r, codec: codec{newEncoder: r.newEncoder}}
	b.Cleanup(g.w.codec.free)
	return g
}

// measured sets what a benchmark of one frame counts.
func (g *benchRig) measured(b *testing.B) {
	n := 0
	for _, d := range g.data {
		n += len(d)
	}
	b.SetBytes(int64(n / len(g.data)))
	b.ReportAllocs()
}

func (g *benchRig) frame() *video.Frame {
	data := g.data[g.i%len(g.data)]
	f := g.pool.Get(len(data))
	copy(f.Data, data)
	f.Format, f.Mono, f.Seq = mjpeg(640, 480), g.mono, uint64(g.i)
	g.mono += step
	g.i++
	return f
}

func (g *benchRig) feed(moving bool) {
	f := g.frame()
	g.r.add(f)
	g.r.Observe(f, moving, 1)
	f.Release()
}

// work does what the worker has to do until it would wait.
func (g *benchRig) work() {
	for {
		if t := g.r.nextTask(g.w.codec.used()); t.kind == taskNone || !g.w.do(t) {
			return
		}
	}
}

// BenchmarkFrame compares what a 640x480 JPEG costs idle and recorded with what it cannot cost less
// than: to be copied, and to be decoded and encoded.
func BenchmarkFrame(b *testing.B) {
	b.Run("copied", func(b *testing.B) {
		g := newBenchRig(b)
		g.measured(b)
		for b.Loop() {
			g.frame().Release()
		}
	})
	b.Run("idle", func(b *testing.B) {
		g := newBenchRig(b)
		for range 300 { // until the ring is full
			g.feed(false)
		}
		g.measured(b)
		for b.Loop() {
			g.feed(false)
			g.work()
		}
	})
	b.Run("transcoded", func(b *testing.B) {
		g := newBenchRig(b)
		g.measured(b)
		for b.Loop() {
			f := g.frame()
			if _, err := g.w.codec.encode(f, false); err != nil {
				b.Fatal(err)
			}
			f.Release()
		}
	})
	b.Run("recorded", func(b *testing.B) {
		g := newBenchRig(b)
		for range 100 {
			g.feed(false)
		}
		g.feed(true)
		g.work()
		g.measured(b)
		for b.Loop() {
			g.feed(true)
			g.work()
		}
		g.r.cameraLost()
		g.work()
	})
}

// cpuTime is what this process has used, in all threads.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPreRollBurst encodes the five seconds before an event; cpu-ms is the CPU time that takes.
func BenchmarkPreRollBurst(b *testing.B) {
	g := newBenchRig(b)
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		for range 80 {
			g.feed(false)
		}
		g.feed(true)
		before := cpuTime()
		b.StartTimer()
		g.work()
		b.StopTimer()
		cpu += cpuTime() - before
		g.r.cameraLost()
		g.work()
		b.StartTimer()
	}
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}
