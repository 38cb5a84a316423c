//go:build cgo

package live

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.uber.org/zap"

	"camward/capture"
	"camward/codec/jpeg"
	"camward/internal/browser"
	"camward/video"
)

var figures = flag.Bool("figures", false, "measure the live view and print its figures (make bench-live)")

// A figure that is so many times its limit fails the test; less is the machine's load, for a person to judge.
const wayOff = 5

// figuresPage is a viewer as the camera's page has it. A picture counts when its number has been read out of a canvas that
// all of it was painted on. Times are on the camera's clock: offset is found by the shortest of many round trips.
const figuresPage = `<!doctype html><meta charset=utf-8><link rel=icon href="data:,"><button id=go>go</button><div id=all></div><script>
let offset = 0, trip = Infinity, seen = [], first = 0, errors = [], pcs = [];
const now = () => performance.now() + offset;
async function sync() {
  for (let i = 0; i < 100; i++) {
    const a = performance.now(), t = Number(await (await fetch('/clock')).text()), b = performance.now();
    if (b - a < trip) { trip = b - a; offset = t - (a + b) / 2; }
  }
}
async function watch(measure, clicked) {
  const pc = new RTCPeerConnection(), v = document.createElement('video');
  pcs.push(pc);
  v.muted = v.autoplay = v.playsInline = true;
  v.width = 320;
  document.getElementById('all').append(v);
  const receiver = pc.addTransceiver('video', {direction: 'recvonly'}).receiver;
  receiver.jitterBufferTarget = 0;
  pc.ontrack = e => { v.srcObject = e.streams[0]; };
  const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const read = () => {
    const w = v.videoWidth, h = v.videoHeight;
    if (c.canvas.width != w) { c.canvas.width = w; c.canvas.height = h; }
    c.drawImage(v, 0, 0);
    const d = c.getImageData(8, (h - 16) & ~7, 256, 8).data;
    let n = 0;
    for (let i = 0; i < 24; i++) {
      let sum = 0;
      for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) sum += (y < 4 ? 1 : -1) * d[(y * 256 + 8 * i + x) * 4];
      n = n * 2 + (sum > 0 ? 1 : 0);
    }
    const at = now();
    if (clicked && !first) first = at - clicked;
    seen.push([n, at]);
    v.requestVideoFrameCallback(read);
  };
  const begin = () => { if (clicked && !first) first = now() - clicked; };
  v.requestVideoFrameCallback(measure ? read : begin);
  await pc.setLocalDescription();
  const r = await fetch('/cameras/front/whep', {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
  if (r.status != 201) throw new Error(await r.text());
  await pc.setRemoteDescription({type: 'answer', sdp: await r.text()});
}
const safely = (...a) => watch(...a).catch(e => errors.push(String(e)));
document.getElementById('go').onclick = () => { first = 0; safely(false, now()); };
function end() { for (const pc of pcs) pc.close(); pcs = []; document.getElementById('all').replaceChildren(); }
</script>`

// A reel is a camera that shows the same prerendered JPEGs over and over and notes when it showed which.
type reel struct {
	hub   *capture.Hub
	rate  float64
	w, h  int
	jpegs [][]byte

	mu    sync.Mutex
	shown []showing
}

type showing struct {
	n  uint32
	at time.Duration // video.Now
}

func (r *reel) Subscribe(depth int) (<-chan *video.Frame, func()) {
	sub := r.hub.Subscribe("live", depth)
	return sub.Frames(), sub.Close
}

func (r *reel) Format() (video.Format, bool) {
	return video.Format{FourCC: video.MJPEG, Width: r.w, Height: r.h, Rate: r.rate}, true
}

// newReel renders two seconds of a scene that gives an encoder something to do: texture, a sensor's noise, things that move.
func newReel(t *testing.T, w, h int, rate float64) *reel {
	t.Helper()
	r := &reel{hub: capture.NewHub(), rate: rate, w: w, h: h}
	random := rand.New(rand.NewPCG(1, 2))
	wall := make([]byte, w*h)
	for i := range wall {
		x, y := i%w, i/w
		wall[i] = byte(60 + x*90/w + (x/40+y/40)%2*30 + int(random.Uint32()%12))
	}
	var img video.I420
	img.Resize(w, h)
	img.FullRange = true
	for i := range img.U {
		img.U[i], img.V[i] = byte(120+i%16), byte(136-i%16)
	}
	frames := int(2 * rate)
	for n := range frames {
		for i, v := range wall {
			img.Y[i/w*img.YStride+i%w] = v + byte(random.Uint32()%5)
		}
		for k := range 4 { // things that go round
			x0 := (n*w/frames + k*w/4) % (w - w/8)
			for y := h/6 + k*h/6; y < h/6+k*h/6+h/9; y++ {
				for x := x0; x < x0+w/8; x++ {
					img.Y[y*img.YStride+x] = byte(200 - (x-x0)%64 - k*20)
				}
			}
		}
		x, y := video.MarkAt(w, h)
		video.DrawMark(&video.Plane{Pix: img.Y, Width: w, Height: h, Stride: img.YStride}, x, y, uint32(n))
		data, err := jpeg.Encode(nil, &img, 85)
		if err != nil {
			t.Fatal(err)
		}
		r.jpegs = append(r.jpegs, data)
	}
	return r
}

// play shows the reel until done is closed.
func (r *reel) play(done <-chan struct{}) {
	pool := video.NewPool(32 << 20)
	tick := time.NewTicker(time.Duration(float64(time.Second) / r.rate))
	defer tick.Stop()
	for i := uint64(0); ; i++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		n := uint32(i % uint64(len(r.jpegs)))
		at := video.Now()
		f := pool.Get(len(r.jpegs[n]))
		copy(f.Data, r.jpegs[n])
		f.Format, _ = r.Format()
		f.Seq, f.Mono = i, at
		r.mu.Lock()
		r.shown = append(r.shown, showing{n, at})
		r.mu.Unlock()
		r.hub.Publish(f)
		f.Release()
	}
}

// latencies are the times from showing to seeing, in order of size; missed counts what was shown meanwhile and never seen.
func (r *reel) latencies(seen [][2]float64) (ms []float64, missed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, to := -1, -1
	for _, s := range seen {
		for i := len(r.shown) - 1; i >= 0; i-- {
			if at := millis(r.shown[i].at); r.shown[i].n == uint32(s[0]) && at <= s[1] {
				ms = append(ms, s[1]-at)
				if from < 0 {
					from = i
				}
				to = i
				break
			}
		}
	}
	slices.Sort(ms)
	return ms, to - from + 1 - len(ms)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// usage is the CPU time that the process has used.
func usage(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the process's memory, without garbage, in MiB.
func resident(t *testing.T) float64 {
	t.Helper()
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(data))[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// busy is the share of a core that the process uses over a while, in percent, and its memory then.
func busy(t *testing.T, over time.Duration) (percent, memory float64) {
	t.Helper()
	before, begin := usage(t), time.Now()
	time.Sleep(over) // what is measured is what happens meanwhile
	percent = 100 * float64(usage(t)-before) / float64(time.Since(begin))
	return percent, resident(t)
}

// A sheet prints figures beside their limits.
type sheet struct{ t *testing.T }

// limit prints a figure that must not be above a limit.
func (s sheet) limit(what string, got, limit float64, unit string) {
	verdict := "ok"
	switch {
	case got > limit*wayOff:
		verdict = "WAY OFF"
		s.t.Errorf("%s: %.2f %s, the limit is %g", what, got, unit, limit)
	case got > limit:
		verdict = "MISSED"
	}
	fmt.Printf("  %-36s %8.2f %-9s limit %g  %s\n", what, got, unit, limit, verdict)
}

func (s sheet) plain(what string, got float64, unit string) {
	fmt.Printf("  %-36s %8.2f %s\n", what, got, unit)
}

// A measured setting and its limits.
type setting struct {
	w, h              int
	rate              float64
	p50, p95          float64 // ms
	one, each         float64 // percent of a core; 0 for no limit
	watched, measured time.Duration
}

func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("not run: -figures is not given")
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Printf("live view of MJPEG in headless Chromium on this machine: %d CPUs, load before %s\n", runtime.NumCPU(), strings.Fields(string(load))[0])
	}
	for _, s := range []setting{
		{w: 640, h: 480, rate: 15, p50: 30, p95: 40, one: 6, each: 0.5, watched: 20 * time.Second, measured: 20 * time.Second},
		{w: 1280, h: 720, rate: 30, p50: 45, p95: 60, watched: 15 * time.Second, measured: 10 * time.Second},
	} {
		t.Run(fmt.Sprintf("%dx%dx%g", s.w, s.h, s.rate), func(t *testing.T) { measure(t, s) })
	}
}

// TestFiguresOfComingAndGoing counts what is left behind, and there the limit is the limit.
func TestFiguresOfComingAndGoing(t *testing.T) {
	if !*figures {
		t.Skip("not run: -figures is not given")
	}
	begin := time.Now()
	left := comeAndGo(t, 50, 450)
	fmt.Printf("500 viewers come and go, one after the other, in %v; the last 450 leave behind\n", time.Since(begin).Round(time.Second))
	out := sheet{t}
	out.limit("goroutines", float64(left.goroutines), 0, "")
	out.limit("descriptors", float64(left.descriptors), 0, "")
	out.limit("heap", float64(left.heap)/(1<<20), 1, "MiB")
	if left.heap > 1<<20 {
		t.Error("too much heap is left")
	}
}

func measure(t *testing.T, s setting) {
	fmt.Printf("%dx%d, %g pictures a second\n", s.w, s.h, s.rate)
	out := sheet{t}
	src := newReel(t, s.w, s.h, s.rate)
	done := make(chan struct{})
	var playing sync.WaitGroup
	playing.Go(func() { src.play(done) })
	t.Cleanup(func() {
		close(done)
		playing.Wait()
	})
	r := newRig(t, src, func(s *Server) {
		s.log, s.cfg.MaxViewers, s.timing.free = zap.NewNop(), 16, 100*time.Millisecond
	})
	mux := http.NewServeMux()
	mux.Handle("/cameras/", r.s.Handler())
	mux.HandleFunc("/clock", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%.3f", millis(video.Now())) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(figuresPage)) })
	page := httptest.NewServer(mux)
	t.Cleanup(page.Close)
	tab := browser.Open(t, 1000, 800, "")
	tab.Do(chromedp.Navigate(page.URL))
	tab.Eval("void sync()")
	tab.Wait("the clocks are compared", "trip < 5", patience)
	none := func() bool { return len(r.s.Status().Viewers) == 0 && r.open.Load() == 0 } // the next one finds no encoder

	out.firstPicture(r, tab, none)
	latency(out, src, r, tab, s)
	idle, base := busy(t, 3*time.Second)
	tab.Eval("void safely(false)")
	one, first := load(r, 1, s.measured)
	tab.Eval("void (safely(false), safely(false), safely(false), safely(false))")
	five, most := load(r, 5, s.measured)
	tab.Eval("end()")
	r.wait("the viewers have gone", none)
	out.plain("CPU without a viewer", idle, "% of a core (the camera of this test)")
	report := func(what string, got, limit float64) {
		if limit > 0 {
			out.limit(what, got, limit, "% core")
		} else {
			out.plain(what, got, "% core")
		}
	}
	report("CPU with one viewer, beside that", one-idle, s.one)
	report("CPU of each further viewer", (five-one)/4, s.each)
	out.plain("memory with one viewer", first-base, "MiB more than without")
	out.plain("memory of each further viewer", (most-first)/4, "MiB")
	if e := tab.Eval("errors.join()"); e != "" {
		t.Error(e)
	}
}

// firstPicture clicks, waits for the first picture, and ends, many times.
func (s sheet) firstPicture(r *rig, tab *browser.Tab, none func() bool) {
	var all []float64
	for range 12 {
		tab.Eval("document.getElementById('go').click()")
		tab.Wait("the first picture", "first > 0 || errors.length", patience)
		ms, err := strconv.ParseFloat(tab.Eval("first"), 64)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, ms)
		tab.Eval("end()")
		r.wait("the viewer has gone", none)
	}
	s.plain("first picture ever, after the click", all[0], "ms")
	slices.Sort(all)
	s.limit("first picture after the click, p50", all[len(all)/2], 150, "ms")
	s.limit("first picture after the click, max", all[len(all)-1], 150, "ms")
}

func latency(out sheet, src *reel, r *rig, tab *browser.Tab, s setting) {
	tab.Eval("void safely(true)")
	tab.Wait("pictures", "seen.length > 15", patience)
	time.Sleep(2 * time.Second) // the jitter buffer settles
	tab.Eval("void (seen = [])")
	time.Sleep(s.watched) // what is measured is what happens meanwhile
	var seen [][2]float64
	if err := json.Unmarshal([]byte(tab.Eval("JSON.stringify(seen)")), &seen); err != nil {
		out.t.Fatal(err)
	}
	st := r.s.Status()
	tab.Eval("end()")
	ms, missed := src.latencies(seen)
	if len(ms) < int(s.rate) {
		out.t.Fatalf("%d pictures seen in %v", len(ms), s.watched)
	}
	out.limit("paint to canvas, p50", ms[len(ms)/2], s.p50, "ms")
	out.limit("paint to canvas, p95", ms[len(ms)*95/100], s.p95, "ms")
	out.plain("paint to canvas, max", ms[len(ms)-1], "ms")
	out.plain("pictures seen", float64(len(ms)), fmt.Sprintf("(%d missed)", missed))
	out.plain("bit rate", float64(st.Cameras[0].Bitrate)/1e6, "Mbit/s")
	r.wait("the viewer has gone", func() bool { return len(r.s.Status().Viewers) == 0 })
}

// load is what the process takes with so many viewers.
func load(r *rig, viewers int, over time.Duration) (percent, memory float64) {
	r.wait("the viewers are connected", func() bool { return r.s.Status().Cameras[0].Viewers == viewers })
	time.Sleep(2 * time.Second) // estimates and rate control settle
	return busy(r.t.(*testing.T), over)
}
