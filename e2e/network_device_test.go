package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"camward/agent"
	"camward/camio"
	"camward/internal/porttest"
)

var faults = flag.String("faults", "quick", "quick: some of the faulty networks and servers, a short day offline; full: all of it")

// thorough skips a test that is part of the full run only.
func thorough(t *testing.T) {
	t.Helper()
	if *faults != "full" {
		t.Skip("not run: only with -faults full (make faults)")
	}
}

// The recordings that are shown to the device: a still scene with a sensor's noise, in which a box crosses once in each cycle.
const (
	cycle   = 6 // seconds; the box moves from the third on
	showFPS = 10
)

// crossings makes such a recording, that many seconds long. Every picture is unlike all others, so that what arrives is told apart by its
// bytes. More noise makes larger files.
func crossings(t *testing.T, seconds float64, size string, noise int) (source string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "crossings.mjpeg")
	cross(t, out, seconds, size, noise)
	return fmt.Sprintf("%s?fps=%d", out, showFPS)
}

func cross(t *testing.T, out string, seconds float64, size string, noise int) {
	t.Helper()
	n := int(seconds * showFPS)
	graph := strings.NewReplacer("SIZE", size, "RATE", fmt.Sprint(showFPS), "LAST", fmt.Sprint(n-1), "COUNT", fmt.Sprint(n), "NOISE", fmt.Sprint(noise), "SEED", fmt.Sprint(rand.Int32()), "CYCLE", fmt.Sprint(cycle)).Replace(
		"mandelbrot=s=SIZE:r=RATE,trim=end_frame=1,loop=loop=LAST:size=1,setpts=N/RATE/TB,noise=alls=NOISE:allf=t:all_seed=SEED[bg];color=c=gray:s=40x80:r=RATE[box];" +
			"[bg][box]overlay=x='if(between(mod(t,CYCLE),3,4.5),(mod(t,CYCLE)-3)*140,-100)':y=100,trim=end_frame=COUNT[out]")
	cmd := exec.Command("ffmpeg", "-v", "error", "-filter_complex", graph, "-map", "[out]", "-t", fmt.Sprint(seconds), "-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p", "-f", "mjpeg", "-y", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, text)
	}
}

// A subject is a device under trial: what it records, and what it says of itself all the while.
type subject struct {
	*device
	*ledger
	monitor *monitor
	cloud   *cloud
}

// startSubject starts a device that reaches the cloud by way of another address. spool holds keys of its section beside dir.
func startSubject(t *testing.T, c *cloud, via, source, clip, spool string) *subject {
	t.Helper()
	d := &device{dir: t.TempDir(), addr: porttest.Address(t)}
	return startSubjectIn(t, c, d, filepath.Join(d.dir, "spool"), via, source, clip, spool)
}

func startSubjectIn(t *testing.T, c *cloud, d *device, spoolDir, via, source, clip, spool string) *subject {
	t.Helper()
	d.file = filepath.Join(d.dir, "camward.yml")
	text := fmt.Sprintf("cloud: {url: %q, upload_token: %q, poll: {period: 1s}}\ncameras:\n  - {name: front, source: %q, clip: {%s}}\nspool: {dir: %q, %s}\nstate_dir: %q\nlisten: %q\nlog: {format: json}\n",
		"http://"+via, c.account.UploadToken, source, clip, spoolDir, spool, filepath.Join(d.dir, "state"), d.addr)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &subject{device: d, ledger: keepLedger(t, spoolDir), cloud: c}
	d.start(t, "camward")
	r.monitor = startMonitor(t, d)
	return r
}

// A monitor asks a device for its status all the time.
type monitor struct {
	stop, done chan struct{}
	once       sync.Once

	mu     sync.Mutex
	last   agent.Status
	seen   map[string]bool // everything that the status named: the uploader's last errors and reasons of pauses
	most   int64           // spool_bytes
	moved  time.Time       // when a picture was new
	faults []string
}

// still is how long a device that records may go without a new picture. Stated: 2 s; this is five times as much.
const still = 10 * time.Second

func startMonitor(t *testing.T, d *device) *monitor {
	w := &monitor{stop: make(chan struct{}), done: make(chan struct{}), seen: map[string]bool{}, moved: time.Now()}
	w.note(d.status(t))
	go func() {
		defer close(w.done)
		for {
			select {
			case <-w.stop:
				return
			case <-time.After(150 * time.Millisecond):
			}
			if s, err := d.tryStatus(); err != nil {
				w.fault("the status page: %v", err)
			} else {
				w.note(s)
			}
		}
	}()
	t.Cleanup(func() { w.end(t) })
	return w
}

// end stops the watching, for instance because the device is to be restarted, and reports what was wrong.
func (w *monitor) end(t *testing.T) {
	w.once.Do(func() {
		close(w.stop)
		<-w.done
		for _, f := range w.faults {
			t.Error(f)
		}
	})
}

func (d *device) tryStatus() (s agent.Status, err error) {
	resp, err := http.Get("http://" + d.addr + "/api/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

func (w *monitor) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text := fmt.Sprintf(format, args...); len(w.faults) < 5 {
		w.faults = append(w.faults, text)
	}
}

// note checks what must hold at any time, whatever the network does: the quota, and that recording goes on.
func (w *monitor) note(s agent.Status) {
	u, now := s.Uploader, time.Now()
	if u.SpoolBytes > u.SpoolMaxBytes {
		w.fault("the spool holds %d bytes, more than its %d", u.SpoolBytes, u.SpoolMaxBytes)
	}
	w.mu.Lock()
	stuck := len(w.last.Cameras) > 0 && s.Cameras[0].Capture.Running && s.Cameras[0].Capture.Frames == w.last.Cameras[0].Capture.Frames
	if !stuck {
		w.moved = now
	}
	stuck = now.Sub(w.moved) > still
	w.last, w.most = s, max(w.most, u.SpoolBytes)
	w.seen[u.LastError], w.seen[u.Paused] = true, true
	w.mu.Unlock()
	if stuck {
		w.fault("no new picture for %v", still)
	}
}

// now is the last status.
func (w *monitor) now() agent.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// forget makes named begin anew.
func (w *monitor) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.seen)
}

// named finds what the status has said, by a pattern.
func (w *monitor) named(pattern string) string {
	re := regexp.MustCompile(pattern)
	w.mu.Lock()
	defer w.mu.Unlock()
	for text := range w.seen {
		if text != "" && re.MatchString(text) {
			return text
		}
	}
	return ""
}

// all is everything that the status has said, for a failure's message.
func (w *monitor) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(w.seen)), "\n\t")
}

// complete waits until the recording has been shown to its end and everything of it is in the cloud, and compares: nothing was
// dropped, refused or lost, nothing is left.
func (r *subject) complete(t *testing.T, limit time.Duration) {
	t.Helper()
	r.drained(t, limit)
	r.spoolEmpty(t)
	eventually(t, 10*time.Second, func() error { // counted after the files have gone
		if sent, total := r.status(t).Uploader.Sent, len(r.made()); int(sent) != total {
			return fmt.Errorf("sent %d of %d", sent, total)
		}
		return nil
	})
	s := r.status(t)
	clips, stills := r.count(camio.KindClip), r.count(camio.KindSnapshot)
	rec, u := s.Cameras[0].Clip, s.Uploader
	if int(rec.Clips) != clips || int(rec.Snapshots) != stills || rec.Failures > 0 || clips == 0 {
		t.Errorf("the device counts %d clips, %d snapshots and %d failures; %d clips and %d snapshots were seen", rec.Clips, rec.Snapshots, rec.Failures, clips, stills)
	}
	if u.Refused > 0 || u.Quarantined > 0 || len(u.Dropped) > 0 {
		t.Errorf("refused %d, in quarantine %d, dropped %v", u.Refused, u.Quarantined, u.Dropped)
	}
	if u.SpoolBytes != 0 || u.LastError != "" || u.Paused != "" {
		t.Errorf("in the end %d bytes in the spool, last error %q, paused %q", u.SpoolBytes, u.LastError, u.Paused)
	}
	compare(t, r.made(), r.cloud, "front")
}

// spoolEmpty wants no item in the spool's directory: the last one's files go a moment after the queue is empty.
func (r *subject) spoolEmpty(t *testing.T) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		left, err := filepath.Glob(filepath.Join(r.ledger.dir, "[0-9]*"))
		if len(left) > 0 {
			return fmt.Errorf("left in the spool: %v", left)
		}
		return err
	})
}
