package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// base is where the agent's own server listens.
const base = "http://127.0.0.1:8090"

// An agent is a camward process under test.
type agent struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []string // of its log, shortened
}

// start runs an agent with cameras, each given as the inside of a YAML flow mapping. It is told to record nothing but events. To the cloud each is another
// device, since its cameras have other names.
func (d *drill) start(cameras ...string) (*agent, error) {
	var list strings.Builder
	for _, c := range cameras {
		fmt.Fprintf(&list, "  - {%s}\n", c)
	}
	d.agents++
	config := fmt.Sprintf("cloud: {url: %q, upload_token: %q}\ncameras:\n%sspool: {dir: /tmp/spool-%d}\nstate_dir: /tmp/state-%[4]d\nboard: {mac: \"02005EED%04[4]X\"}\nlog: {format: json}\n",
		d.cloud, d.token, &list, d.agents)
	if err := os.WriteFile("/tmp/drill.yml", []byte(config), 0o600); err != nil {
		return nil, err
	}
	a := &agent{cmd: exec.Command("camward", "run", "-c", "/tmp/drill.yml"), done: make(chan struct{})}
	stderr, err := a.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(d.share, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	go a.read(stderr, log)
	return a, until(30*time.Second, "the agent answers", func() bool {
		_, err := get("/healthz")
		return err == nil
	})
}

// stop ends the agent, which must go in peace.
func (a *agent) stop() error {
	a.cmd.Process.Signal(syscall.SIGTERM)
	<-a.done
	if err := a.cmd.Wait(); err != nil {
		return fmt.Errorf("the agent ended badly: %w", err)
	}
	return nil
}

// read takes the log until its end.
func (a *agent) read(r io.Reader, log io.WriteCloser) {
	defer close(a.done)
	defer log.Close()
	for s := bufio.NewScanner(r); s.Scan(); {
		fmt.Fprintln(log, s.Text())
		if line := shorten(s.Bytes()); line != "" {
			a.mu.Lock()
			a.lines = append(a.lines, line)
			a.mu.Unlock()
		}
	}
}

// shorten makes of a line in JSON what a person needs of it. Lines that are not about a camera's pictures are left out.
func shorten(line []byte) string {
	var f struct {
		Level, Msg, Error, Component, Card, Format, Device, Reason string
		Camera                                                     string
	}
	if json.Unmarshal(line, &f) != nil || f.Camera == "" || strings.Contains(f.Msg, "cloud") {
		return ""
	}
	text := f.Level + ": " + f.Msg
	for _, more := range []string{f.Component, f.Device, f.Card, f.Format, f.Reason, f.Error} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

func (a *agent) logged() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.lines)
}

// linesSince gives the lines from the n-th on, each once.
func (a *agent) linesSince(n int) (lines []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lines[n:] {
		if !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	return lines
}

var client = http.Client{Timeout: 10 * time.Second}

func get(path string) ([]byte, error) {
	resp, err := client.Get(base + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return b, err
}

// cameraStatus is what /api/status says of a camera, as far as it matters here.
type cameraStatus struct {
	Capture struct {
		Device, Card, Reduced, Detect string
		Running                       bool
		Frames, Drops, Errored        uint64
		LastError                     string `json:"last_error"`
		Format                        struct {
			Format        string
			Width, Height int
			Rate          float64
		}
	}
	Motion struct{ Events, Unreadable uint64 }
	Clip   struct {
		Recording        bool
		Clips, Snapshots uint64
	}
}

// status asks for all cameras' states, in the order of the configuration; none if the agent does not answer.
func (a *agent) status() []cameraStatus {
	var all struct{ Cameras []cameraStatus }
	if b, err := get("/api/status"); err == nil {
		_ = json.Unmarshal(b, &all) // none then, too
	}
	return all.Cameras
}

// camera is the state of camera i; zero if it is not known.
func (a *agent) camera(i int) (s cameraStatus) {
	if all := a.status(); i < len(all) {
		s = all[i]
	}
	return s
}

// frames waits until camera i has given n more pictures than before, and says how long that took.
func (a *agent) frames(i int, n uint64, limit time.Duration) (time.Duration, error) {
	began, before := time.Now(), a.camera(i).Capture.Frames
	err := until(limit, fmt.Sprintf("%d more pictures of camera %d", n, i), func() bool { return a.camera(i).Capture.Frames >= before+n })
	return time.Since(began), err
}

// A footprint is what the process takes of the system.
type footprint struct{ descriptors, goroutines, memory float64 }

// footprint reads the agent's own metrics, and counts its descriptors.
func (a *agent) footprint() (f footprint) {
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid))
	f.descriptors = float64(len(open))
	b, _ := get("/metrics")
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		v, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_goroutines":
			f.goroutines = v
		case "process_resident_memory_bytes":
			f.memory = v
		}
	}
	return f
}

// idle waits until everything recorded has been sent.
func (a *agent) idle() error {
	return until(60*time.Second, "everything is sent", func() bool {
		b, err := get("/metrics")
		if err != nil {
			return false
		}
		text := string(b)
		return strings.Contains(text, "\ncamward_spool_items 0\n") && !slices.ContainsFunc(a.status(), func(s cameraStatus) bool { return s.Clip.Recording })
	})
}
