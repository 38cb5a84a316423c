package mdns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"golang.org/x/sys/unix"
)

// These tests need root, for network namespaces, and Debian's iproute2, avahi-daemon, avahi-utils, dbus-daemon and python3-zeroconf.

var spaces atomic.Int32

// A place is a network namespace.
type place struct {
	t    *testing.T
	name string
}

// possible says why network namespaces cannot be used, if so: without the rights, or where / is no mount point (a plain chroot).
var possible = sync.OnceValue(func() error {
	name := fmt.Sprintf("cwmdns-%d-0", os.Getpid())
	defer exec.Command("ip", "netns", "del", name).Run()
	for _, args := range [][]string{{"netns", "add", name}, {"-n", name, "link", "set", "lo", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			if errors.Is(err, exec.ErrNotFound) {
				return nil // a missing tool is a failure, not a reason
			}
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
	}
	return nil
})

// places makes n namespaces on one bridged link, 10.9.0.1 and fd09::1 upwards. The interface is called lan.
func places(t *testing.T, n int) []place {
	t.Helper()
	if err := possible(); err != nil {
		t.Skipf("not run: no network namespaces here: %v", err)
	}
	space := func() place {
		p := place{t, fmt.Sprintf("cwmdns-%d-%d", os.Getpid(), spaces.Add(1))}
		run(t, "ip", "netns", "add", p.name)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", p.name).Run() })
		p.ip("link set lo up")
		return p
	}
	hub := space()
	hub.ip("link add hub type bridge mcast_snooping 0")
	hub.ip("link set hub up")
	var out []place
	for i := range n {
		p := space()
		run(t, "ip", "-n", hub.name, "link", "add", fmt.Sprint("port", i), "type", "veth", "peer", "name", "lan", "netns", p.name)
		hub.ip(fmt.Sprintf("link set port%d master hub up", i))
		p.ip(fmt.Sprintf("addr add 10.9.0.%d/24 dev lan", i+1))
		p.ip(fmt.Sprintf("addr add fd09::%d/64 dev lan nodad", i+1))
		p.ip("link set lan up")
		out = append(out, p)
	}
	return out
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (p place) ip(line string) {
	p.t.Helper()
	run(p.t, "ip", append([]string{"-n", p.name}, strings.Fields(line)...)...)
}

// inside runs f on a thread that is in the namespace; sockets that f opens stay there.
func (p place) inside(f func()) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ns, err := os.Open(filepath.Join("/run/netns", p.name))
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		if err != nil {
			p.t.Errorf("enter namespace: %v", err)
			return
		}
		f()
	}()
	return done
}

// responder runs one in the namespace; stop waits for its end.
func (p place) responder(cfg Config) (r *Responder, stop func()) {
	p.t.Helper()
	r, err := New(cfg, zaptest.NewLogger(p.t, zaptest.Level(zap.InfoLevel)))
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := p.inside(func() { r.Run(ctx) })
	stop = func() { cancel(); <-done }
	p.t.Cleanup(stop)
	return r, stop
}

func (p place) command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", p.name, name}, args...)...)
}

// avahi starts Avahi's daemon under that host name and gives the environment in which its tools find it.
func (p place) avahi(host string) (env []string) {
	p.t.Helper()
	dir := p.t.TempDir()
	bus := "unix:path=" + filepath.Join(dir, "bus")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			p.t.Fatal(err)
		}
		return path
	}
	busConf := write("bus.conf", `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>`+bus+`</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`)
	conf := write("avahi.conf", "[server]\nhost-name="+host+"\nuse-ipv4=yes\nuse-ipv6=yes\nallow-interfaces=lan\n[publish]\npublish-workstation=no\npublish-hinfo=no\n")
	env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+bus)
	start := func(c *exec.Cmd) {
		log, err := os.Create(filepath.Join(dir, filepath.Base(c.Args[len(c.Args)-1])+".log"))
		if err != nil {
			p.t.Fatal(err)
		}
		defer log.Close()
		c.Env, c.Stdout, c.Stderr = env, log, log
		if err := c.Start(); err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() {
			c.Process.Kill()
			c.Wait()
			if text, _ := os.ReadFile(log.Name()); p.t.Failed() {
				p.t.Logf("%s:\n%s", filepath.Base(log.Name()), text)
			}
		})
	}
	start(p.command("dbus-daemon", "--nofork", "--config-file="+busConf))
	p.wait("the bus", func() bool { _, err := os.Stat(filepath.Join(dir, "bus")); return err == nil })
	// A /run of its own: the daemon allows one of it per /run.
	start(p.command("unshare", "-m", "--kill-child", "sh", "-c",
		`mount -t tmpfs run /run && mkdir /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --debug -f "$0"`, conf))
	p.wait("Avahi", func() bool {
		c := p.command("avahi-resolve", "-n", host+".local")
		c.Env = env
		out, _ := c.CombinedOutput()
		return strings.Contains(string(out), "fd09::") || strings.Contains(string(out), "10.9.0.")
	})
	return env
}

func (p place) wait(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited for %s in vain", what)
		}
	}
}
