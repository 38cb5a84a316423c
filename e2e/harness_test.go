// Package e2e tests the product as its users have it: the real agent process, the real cloud process, real recordings.
// Nothing here is imported by anything.
package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"camward/agent"
	"camward/camio"
	"camward/internal/porttest"
)

// bin is where TestMain puts the binaries under test.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "camward-e2e")
	if err != nil {
		panic(err)
	}
	bin = dir
	os.Setenv("CAMWARD_BOARD_TIME", "leave") // tests must not set the clock of who runs them
	os.Setenv("CAMWARD_LIVE_UDP_PORT", "0")  // many agents run side by side
	os.Setenv("CAMWARD_LIVE_TCP_PORT", "0")
	code := 1
	if err := buildAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// buildAll builds what the tests run: both programs, and the agent as it is on boards without a C compiler.
func buildAll() error {
	for out, b := range map[string]struct{ pkg, cgo string }{
		"camward": {"camward/cmd/camward", "1"}, "camward-pure": {"camward/cmd/camward", "0"}, "camward-cloud": {"camward/cmd/camward-cloud", "0"},
	} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(bin, out), b.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+b.cgo)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", b.pkg, err, text)
		}
	}
	return nil
}

// A process is a program under test. Its output is kept and shown if the test fails.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// output is what a process printed so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func launch(t testing.TB, program string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, program), args...)
	return begin(t, program, cmd, cmd.Start)
}

// begin starts a program under test, which ends with the test; if that fails, it tells what the program printed.
func begin(t testing.TB, program string, cmd *exec.Cmd, start func() error) *process {
	t.Helper()
	p := &process{t: t, name: program, cmd: cmd, out: &output{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", program, p.out)
		}
	})
	return p
}

// stop ends the process as the init system does, and gives its exit code.
func (p *process) stop() int {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Errorf("%s did not end within 30 s of SIGTERM", p.name)
		p.cmd.Process.Kill()
		<-p.done
	}
	return p.cmd.ProcessState.ExitCode()
}

// eventually waits until ok gives no error, or fails with its last one.
func eventually(t testing.TB, limit time.Duration, ok func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %v", limit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A cloud is a running camward-cloud with one account.
type cloud struct {
	*process
	url, data, addr string
	flags           []string // of serve
	forAgent        string   // further keys of the agents' cloud section
	account         struct {
		Email       string `json:"email"`
		OAuthToken  string `json:"oauth_token"`
		UploadToken string `json:"upload_token"`
		APIKey      string `json:"api_key"`
		SigninURL   string `json:"signin_url"`
	}
}

// startCloud runs a cloud with further flags of serve, if any.
func startCloud(t testing.TB, flags ...string) *cloud {
	t.Helper()
	c := &cloud{data: t.TempDir(), addr: porttest.Address(t), flags: flags}
	c.url = "http://" + c.addr
	c.start(t)
	out := command(t, "camward-cloud", "user", "add", "someone@example.com", "--json", "--data", c.data, "--base-url", c.url)
	if err := json.Unmarshal(out, &c.account); err != nil {
		t.Fatalf("user add printed %s: %v", out, err)
	}
	return c
}

func (c *cloud) start(t testing.TB) {
	t.Helper()
	c.process = launch(t, "camward-cloud", append([]string{"serve", "--data", c.data, "--listen", c.addr}, c.flags...)...)
	eventually(t, 20*time.Second, func() error { return answers(c.url + "/") })
}

func answers(url string) error {
	resp, err := http.Get(url)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// command runs a program to its end and gives its standard output.
func command(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, program), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &stderr)
	}
	return out
}

func (c *cloud) get(t *testing.T, path string) []byte {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, c.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+c.account.OAuthToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %s, %v", path, resp.StatusCode, b, err)
	}
	return b
}

// events gives a camera's events, oldest first, heartbeats left out.
func (c *cloud) events(t *testing.T, camera string) []camio.Bucket {
	t.Helper()
	q := url.Values{"sources": {camera}, "num_results": {"100"}, "sort": {"asc"}, "date": {"2000-01-01T00:00:00Z"}}
	var r camio.SearchReply
	if err := json.Unmarshal(c.get(t, "/api/search?"+q.Encode()), &r); err != nil {
		t.Fatal(err)
	}
	return r.Result.Buckets
}

func (c *cloud) content(t *testing.T, camera, id string) []byte {
	t.Helper()
	return c.get(t, "/api/users/me/cameras/"+url.PathEscape(camera)+"/content/"+url.PathEscape(id))
}

// A device is a running agent.
type device struct {
	*process
	addr, dir, file string
}

// startDevice runs the agent with one camera for each source, named after the keys.
func startDevice(t *testing.T, program string, c *cloud, cameras string) *device {
	t.Helper()
	d := &device{dir: t.TempDir(), addr: porttest.Address(t)}
	d.file = filepath.Join(d.dir, "camward.yml")
	text := fmt.Sprintf("cloud: {url: %q, upload_token: %q, poll: {period: 2s}%s}\ncameras:\n%s\nspool: {dir: %q}\nstate_dir: %q\nlisten: %q\n",
		c.url, c.account.UploadToken, c.forAgent, cameras, filepath.Join(d.dir, "spool"), filepath.Join(d.dir, "state"), d.addr)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t, program)
	return d
}

func (d *device) start(t *testing.T, program string) {
	t.Helper()
	d.process = launch(t, program, "run", "-c", d.file)
	eventually(t, 20*time.Second, func() error { return answers("http://" + d.addr + "/healthz") })
}

func (d *device) status(t *testing.T) (s agent.Status) {
	t.Helper()
	resp, err := http.Get("http://" + d.addr + "/api/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}
