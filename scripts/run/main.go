// Command run is what `make run` starts: a cloud with embedded storage below ./var, a first account, and an agent
// that uploads to it, so that the whole product can be tried on one machine.
//
// CAMERA names a device or a recording; without it the first V4L2 camera is used, else the demo scene.
// PORT moves the cloud's address from 8080. Ctrl-C ends both; what was recorded stays in ./var.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const email = "you@localhost"

func main() {
	runtime.LockOSThread() // the children are ended with this thread, see start
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "make run:", err)
		os.Exit(1)
	}
}

// account is what is needed of what `camward-cloud user add --json` prints.
type account struct {
	UploadToken string `json:"upload_token"`
	SigninURL   string `json:"signin_url"`
}

func run(ctx context.Context) error {
	port, err := choosePort()
	if err != nil {
		return err
	}
	dir, err := filepath.Abs("var")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	data := filepath.Join(dir, "cloud")
	cloud, err := start("cloud", dir, "bin/camward-cloud", "serve", "--data", data, "--listen", addr)
	if err != nil {
		return err
	}
	defer cloud.stop()
	if err := cloud.answers(ctx, "http://"+addr+"/"); err != nil {
		return err
	}
	acc, err := openAccount(data, "http://"+addr)
	if err != nil {
		return err
	}
	source, what := chooseSource()
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10))
	password, err := keptPassword(filepath.Join(dir, "password"))
	if err != nil {
		return err
	}
	file, err := writeConfig(dir, "http://"+addr, acc.UploadToken, source, listen)
	if err != nil {
		return err
	}
	agent, err := start("camward", dir, "bin/camward", "run", "-c", file)
	if err != nil {
		return err
	}
	defer agent.stop()
	if err := agent.answers(ctx, "http://"+listen+"/healthz"); err != nil {
		return err
	}
	if err := claim(data, file); err != nil {
		fmt.Fprintln(os.Stderr, "make run: the camera is not claimed:", err)
	}
	fmt.Printf("\n  Pictures: %s\n  Logs:     %s\n\n  The cloud:           %s\n  The camera's page:   http://%s/  password %s\n\n  Ctrl-C ends it; recordings stay in ./var.\n\n",
		what, filepath.Join("var", "*.log"), acc.SigninURL, listen, password)
	select {
	case <-ctx.Done():
		fmt.Println("\nstopping; the clip being written is finished first")
		return nil
	case <-cloud.done:
		return cloud.died()
	case <-agent.done:
		return agent.died()
	}
}

func choosePort() (int, error) {
	s := os.Getenv("PORT")
	if s == "" {
		s = "8080"
	}
	port, err := strconv.Atoi(s)
	if err != nil || port < 1 || port > 65525 {
		return 0, fmt.Errorf("PORT=%s is not a port from 1 to 65525", s)
	}
	for _, p := range []int{port, port + 10} { // the cloud's and the agent's
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return 0, fmt.Errorf("port %d is not free: %w; choose another: make run PORT=9080", p, err)
		}
		ln.Close()
	}
	return port, nil
}

// chooseSource gives the agent's source and how to name it to a person.
func chooseSource() (source, what string) {
	if c := os.Getenv("CAMERA"); c != "" {
		if strings.HasPrefix(c, "/dev/") || strings.HasPrefix(c, "demo:") {
			return c, c
		}
		path, file := c, c
		if i := strings.IndexByte(path, '?'); i >= 0 {
			file = path[:i]
		}
		if abs, err := filepath.Abs(file); err == nil {
			path = abs + strings.TrimPrefix(path, file)
		}
		if !strings.Contains(path, "loop=") {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			path += sep + "loop=1"
		}
		return path, "the recording " + c + ", again and again"
	}
	var devices []struct{ Path, Card string }
	out, err := exec.Command("bin/camward", "devices", "--json").Output()
	if err == nil && json.Unmarshal(out, &devices) == nil && len(devices) > 0 {
		return devices[0].Path, devices[0].Card + " at " + devices[0].Path + " (CAMERA= chooses another)"
	}
	return "demo:", "a rendered demo scene, since no camera is plugged in; a person walks through after 8 s"
}

// writeConfig writes the agent's file, readable by its owner alone: it holds the upload token.
func writeConfig(dir, cloudURL, token, source, listen string) (string, error) {
	file := filepath.Join(dir, "camward.yml")
	text := fmt.Sprintf(`# Written by make run at each start.
cloud:
  url: %q
  upload_token: %q
cameras:
  - name: front
    source: %q
spool:
  dir: %q
state_dir: %q
listen: %q
first_password: %q
board:
  time: leave # a trial does not set the clock of the machine
`, cloudURL, token, source, filepath.Join(dir, "spool"), filepath.Join(dir, "state"), listen, filepath.Join(dir, "password"))
	os.Remove(file)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// keptPassword is that of the camera's page: the one of the last time, or a new one. Whoever reads ./var is who may use it.
func keptPassword(file string) (string, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		b = []byte(strings.ToLower(rand.Text()[:12]) + "\n")
		err = os.WriteFile(file, b, 0o600)
	}
	return strings.TrimSpace(string(b)), err
}

// openAccount gives a sign-in link for the account that is there from the last time, or makes the first one.
func openAccount(data, base string) (account, error) {
	flags := []string{email, "--json", "--data", data, "--base-url", base}
	out, err := output(exec.Command("bin/camward-cloud", append([]string{"user", "link"}, flags...)...))
	if err != nil {
		out, err = output(exec.Command("bin/camward-cloud", append([]string{"user", "add"}, flags...)...))
	}
	var acc account
	if err == nil {
		err = json.Unmarshal(out, &acc)
	}
	if err != nil {
		return acc, fmt.Errorf("make the first account: %w", err)
	}
	return acc, nil
}

// claim binds the camera's MAC to the account, so that the poll brings its commands.
func claim(data, file string) error {
	out, err := output(exec.Command("bin/camward", "status", "--json", "-c", file))
	if err != nil {
		return err
	}
	var status struct {
		Identity struct{ MAC string }
	}
	if err := json.Unmarshal(out, &status); err != nil {
		return err
	}
	_, err = output(exec.Command("bin/camward-cloud", "camera", "claim", status.Identity.MAC, "--user", email, "--name", "front", "--data", data))
	return err
}

// output runs a command; a failure tells what it printed.
func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// A child is one of the two servers. Its output goes to a log file.
type child struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{} // closed when it has ended
	err  error
}

// start begins a server in a process group of its own, so that Ctrl-C on the terminal reaches it only through
// stop; should this program be killed, the kernel ends the server.
func start(name, dir, program string, args ...string) (*child, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	c := &child{name: name, log: log, done: make(chan struct{})}
	c.cmd = exec.Command(program, args...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		log.Close()
		close(c.done)
	}()
	return c, nil
}

func (c *child) stop() {
	c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(20 * time.Second):
		c.cmd.Process.Kill()
		<-c.done
	}
}

// answers waits until the server answers at url.
func (c *child) answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("%s does not answer at %s; see %s", c.name, url, c.log.Name()))
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-c.done:
			return c.died()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// died tells how a server ended that should have gone on, with the end of its log.
func (c *child) died() error {
	text, _ := os.ReadFile(c.log.Name())
	tail := text[max(0, len(text)-2000):]
	return errors.Join(fmt.Errorf("%s ended: %v; the end of %s says", c.name, c.err, c.log.Name()), errors.New(strings.TrimSpace(string(tail))))
}
