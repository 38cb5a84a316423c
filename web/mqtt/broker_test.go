package mqtt

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"camward/internal/porttest"
	"camward/internal/supervise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A broker is a real Mosquitto (Debian's mosquitto and mosquitto-clients) on a port of its own.
type broker struct {
	t    *testing.T
	dir  string
	port int
	args []string // of its clients
	cmd  *exec.Cmd
}

// newBroker starts one with further lines of configuration, in which DIR is its directory. Files are made there before.
func newBroker(t *testing.T, conf string, files map[string]string) *broker {
	t.Helper()
	b := &broker{t: t, dir: t.TempDir(), port: porttest.Free(t)}
	for name, text := range files {
		b.file(name, text)
	}
	if conf == "" {
		conf = "allow_anonymous true"
	}
	b.file("mosquitto.conf", fmt.Sprintf("user root\nlistener %d 127.0.0.1\n%s\n", b.port, strings.ReplaceAll(conf, "DIR", b.dir)))
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *broker) file(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) start() {
	b.t.Helper()
	log, err := os.OpenFile(filepath.Join(b.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	defer log.Close()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
	}
	b.cmd = exec.Command(path, "-v", "-c", filepath.Join(b.dir, "mosquitto.conf"))
	b.cmd.Stdout, b.cmd.Stderr = log, log
	if err := b.cmd.Start(); err != nil {
		b.t.Fatalf("Debian's mosquitto is needed: %v", err)
	}
	wait(b.t, "the broker", func() bool {
		c, err := net.Dial("tcp", b.address())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (b *broker) stop() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
	if log, _ := os.ReadFile(filepath.Join(b.dir, "log")); b.t.Failed() {
		b.t.Logf("broker:\n%s", log)
	}
}

func (b *broker) address() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// A message is what mosquitto_sub saw.
type message struct {
	retained bool
	topic    string
	payload  string
}

// A listener sees all messages, the retained ones first.
type listener struct {
	t   *testing.T
	all chan message
}

func (b *broker) listen() listener {
	b.t.Helper()
	c := exec.Command("mosquitto_sub", append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(b.port), "-t", "#", "-F", "%r %t %x"}, b.args...)...)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		b.t.Fatalf("Debian's mosquitto-clients is needed: %v", err)
	}
	l := listener{b.t, make(chan message, 1000)}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 4*maxImage)
		for lines.Scan() {
			part := strings.SplitN(lines.Text(), " ", 3)
			payload, err := hex.DecodeString(part[2])
			if err != nil {
				b.t.Errorf("mosquitto_sub says %q", lines.Text())
			}
			l.all <- message{part[0] == "1", part[1], string(payload)}
		}
	})
	b.t.Cleanup(func() { c.Process.Kill(); reading.Wait(); c.Wait() })
	return l
}

// until gives the next message whose topic ends so, and skips the others.
func (l listener) until(topic string) message {
	l.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case m := <-l.all:
			if strings.HasSuffix(m.topic, topic) {
				return m
			}
		case <-late:
			l.t.Fatalf("no message at %s", topic)
		}
	}
}

func (l listener) want(topic, payload string) {
	l.t.Helper()
	for {
		if m := l.until(topic); m.payload == payload {
			return
		}
	}
}

func (b *broker) publish(topic, payload string) {
	b.t.Helper()
	args := append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(b.port), "-t", topic, "-m", payload}, b.args...)
	if out, err := exec.Command("mosquitto_pub", args...).CombinedOutput(); err != nil {
		b.t.Fatalf("mosquitto_pub: %v\n%s", err, out)
	}
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// A yard is a camera whose motion and picture a test sets.
type yard struct {
	mu     sync.Mutex
	motion Motion
	queue  Queue
	jpeg   []byte
}

func (y *yard) set(f func()) {
	y.mu.Lock()
	defer y.mu.Unlock()
	f()
}

func (y *yard) camera(name string) Camera {
	return Camera{
		Name:   name,
		Motion: func() Motion { y.mu.Lock(); defer y.mu.Unlock(); return y.motion },
		Snapshot: func(context.Context) ([]byte, error) {
			y.mu.Lock()
			defer y.mu.Unlock()
			return y.jpeg, nil
		},
	}
}

var device1 = Info{MAC: "02FC00A1B2C3", Name: "camward-a1b2c3", Maker: "Example", Model: "Yard 1", Version: "1.2", PageURL: "http://camward-a1b2c3.local:8090/"}

// start runs a client as the agent does; stop waits for its end.
func start(t *testing.T, cfg Config, y *yard) (c *Client, stop func()) {
	t.Helper()
	c, err := New(cfg, device1, []Camera{y.camera("Front door")}, func() (Queue, error) { y.mu.Lock(); defer y.mu.Unlock(); return y.queue, nil }, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { supervise.Keep(ctx, zaptest.NewLogger(t), "mqtt", c.Run) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return c, stop
}

func config(b *broker) Config {
	cfg := Default()
	cfg.URL = "mqtt://" + b.address()
	return cfg
}
