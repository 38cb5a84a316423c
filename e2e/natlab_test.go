package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A namespace is a network of its own: interfaces, routes, firewall. It vanishes when nothing uses it any more, so that
// a test that is killed leaves none behind.
type namespace struct {
	name string
	file *os.File
}

// inThread runs f on a thread that ends with it, since its namespace is not that of the others.
func inThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

func newNamespace(name string) (n *namespace, err error) {
	n = &namespace{name: name}
	err = inThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		n.file, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		return err
	})
	return n, err
}

// do runs f in the namespace: the sockets that it opens and the programs that it starts stay there.
func (n *namespace) do(f func() error) error {
	return inThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter %s: %w", n.name, err)
		}
		return f()
	})
}

// path is how other programs find the namespace.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// run runs a program to its end in the namespace.
func (n *namespace) run(input, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.do(cmd.Run); err != nil {
		return fmt.Errorf("%s: %s %s: %w\n%s%s", n.name, program, strings.Join(args, " "), err, input, &out)
	}
	return nil
}

func (n *namespace) ip(args string) error { return n.run("", "ip", strings.Fields(args)...) }

// set writes kernel settings below /proc/sys/net.
func (n *namespace) set(value string, names ...string) error {
	return n.do(func() error {
		for _, name := range names {
			err := os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 has nothing to switch off
				return err
			}
		}
		return nil
	})
}

// client is an HTTP client whose connections are of the namespace.
func (n *namespace) client(t testing.TB) *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = n.do(func() error {
			c, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return c, err
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// launch starts a program under test in the namespace. What the environment says of live view's ports is left out: here is room for the
// usual ones.
func (n *namespace) launch(t testing.TB, program string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, program), args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CAMWARD_LIVE_") })
	return begin(t, program, cmd, func() error { return n.do(cmd.Start) })
}

// Addresses of the lab. The server's is public; each router's wide side is 198.51.100.<4n+2>.
const (
	serverAddr = "203.0.113.10"
	cameraAddr = "192.168.1.2"
	movedAddr  = "192.168.77.2" // the camera's after a change of network
	viewerAddr = "10.20.0.2"
)

// A lab is a small internet: a server with a public address, a camera and a viewer, each behind a router of its own that
// gives every flow a random port (RFC 4787 4.1: address and port-dependent mapping, with filtering to match). No packet finds its
// way to camera or viewer that does not answer one of theirs, and none between the two is ever such an answer, so only a relay helps.
//
//	camera 192.168.1.2 -- r1 198.51.100.6 --+
//	(later .77.2) ------- r3 198.51.100.14 -+- server 203.0.113.10
//	viewer 10.20.0.2 ---- r2 198.51.100.10 -+
type lab struct {
	t                          testing.TB
	server, camera, viewer     *namespace
	cameraRouter, viewerRouter *namespace
	spareRouter                *namespace // of the network that the camera may move to
}

// newLab builds the lab, or skips the test where that is not possible.
func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not run: network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing (Debian: iproute2, nftables)", tool)
		}
	}
	l := &lab{t: t}
	for name, n := range map[string]**namespace{
		"server": &l.server, "camera": &l.camera, "viewer": &l.viewer, "camera's router": &l.cameraRouter, "viewer's router": &l.viewerRouter, "spare router": &l.spareRouter,
	} {
		made, err := newNamespace(name)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
			t.Skipf("not run: no network namespaces here: %v", err)
		}
		l.ok(err)
		*n = made
		t.Cleanup(func() { made.file.Close() })
		l.ok(made.set("1", "ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6"))
		l.ok(made.ip("link set lo up"))
	}
	l.ok(l.server.set("1", "ipv4/ip_forward"))
	l.ok(l.server.ip("addr add " + serverAddr + "/32 dev lo"))
	l.router(l.cameraRouter, 1, l.camera, "wan", cameraAddr)
	l.router(l.viewerRouter, 2, l.viewer, "wan", viewerAddr)
	l.router(l.spareRouter, 3, l.camera, "wan2", "")
	return l
}

func (l *lab) ok(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// router puts host behind a router, by an interface of that name.
func (l *lab) router(r *namespace, number int, host *namespace, dev, addr string) {
	l.t.Helper()
	near, far := fmt.Sprintf("198.51.100.%d", 4*number+1), fmt.Sprintf("198.51.100.%d", 4*number+2)
	l.ok(r.set("1", "ipv4/ip_forward"))
	l.ok(r.ip(fmt.Sprintf("link add wan type veth peer name r%d netns %s", number, l.server.path())))
	l.ok(r.ip("addr add " + far + "/30 dev wan"))
	l.ok(r.ip("link set wan up"))
	l.ok(l.server.ip(fmt.Sprintf("addr add %s/30 dev r%d", near, number)))
	l.ok(l.server.ip(fmt.Sprintf("link set r%d up", number)))
	l.ok(r.ip("route add default via " + near))
	l.ok(r.ip(fmt.Sprintf("link add lan type veth peer name %s netns %s", dev, host.path())))
	l.ok(r.ip("link set lan up"))
	inside := addr
	if inside == "" {
		inside = movedAddr
	}
	l.ok(r.ip("addr add " + routerOf(inside) + "/24 dev lan"))
	l.ok(r.run(randomNAT, "nft", "-f", "-"))
	if addr != "" {
		l.join(host, dev, addr)
	}
}

// routerOf is the router's address in a host's network.
func routerOf(addr string) string { return strings.TrimSuffix(addr, "2") + "1" }

// join gives a host an address and the way out.
func (l *lab) join(host *namespace, dev, addr string) {
	l.t.Helper()
	l.ok(host.ip("link set " + dev + " up"))
	l.ok(host.ip("addr add " + addr + "/24 dev " + dev))
	l.ok(host.ip("route add default via " + routerOf(addr)))
}

// move takes the camera from one network to another, as when a cable is pulled and a radio takes over.
func (l *lab) move() {
	l.t.Helper()
	l.ok(l.camera.ip("addr flush dev wan"))
	l.ok(l.camera.ip("link set wan down"))
	l.join(l.camera, "wan2", movedAddr)
}

// renumber gives the camera's router another public address, as some providers do every night.
func (l *lab) renumber() {
	l.t.Helper()
	l.ok(l.server.ip("addr flush dev r1"))
	l.ok(l.server.ip("addr add 198.51.100.33/30 dev r1"))
	l.ok(l.cameraRouter.ip("addr flush dev wan"))
	l.ok(l.cameraRouter.ip("addr add 198.51.100.34/30 dev wan"))
	l.ok(l.cameraRouter.ip("route add default via 198.51.100.33"))
}

// randomNAT makes a router. A chain's rules end with lines, and not with its brace.
const randomNAT = `
table ip nat {
	chain out {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" masquerade fully-random
	}
}
table ip firewall {
	chain through {
		type filter hook forward priority filter; policy drop;
		iifname "lan" accept
		ct state established,related accept
	}
}
`

// trouble replaces what a router does to packets in both directions, such as "meta l4proto udp drop"; without rules it does nothing.
func (l *lab) trouble(r *namespace, rules ...string) {
	l.t.Helper()
	table := "table ip trouble {\n}\ndelete table ip trouble\ntable ip trouble {\n\tchain through {\n\t\ttype filter hook forward priority -10; policy accept;\n\t\t" +
		strings.Join(rules, "\n\t\t") + "\n\t}\n}\n"
	l.ok(r.run(table, "nft", "-f", "-"))
}

// lost tells how many packets the rules of trouble with a counter have dropped.
func (l *lab) lost(r *namespace) (packets int) {
	l.t.Helper()
	cmd := exec.Command("nft", "list", "table", "ip", "trouble")
	var out []byte
	l.ok(r.do(func() (err error) { out, err = cmd.Output(); return err }))
	for line := range strings.Lines(string(out)) {
		if _, rest, ok := strings.Cut(line, "counter packets "); ok {
			n := 0
			fmt.Sscanf(rest, "%d", &n)
			packets += n
		}
	}
	return packets
}

// TestNATLabIsWhatItSays holds the lab against its description: two flows of one socket get unrelated ports, what answers
// passes, and what does not stays outside.
func TestNATLabIsWhatItSays(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	listen := func(n *namespace, addr string) (c *net.UDPConn) {
		l.ok(n.do(func() error {
			a, err := net.ResolveUDPAddr("udp4", addr)
			if err == nil {
				c, err = net.ListenUDP("udp4", a)
			}
			return err
		}))
		t.Cleanup(func() { c.Close() })
		return c
	}
	take := func(c *net.UDPConn, limit time.Duration) (string, *net.UDPAddr) {
		b := make([]byte, 100)
		c.SetReadDeadline(time.Now().Add(limit))
		n, from, err := c.ReadFromUDP(b)
		if err != nil {
			return "", nil
		}
		return string(b[:n]), from
	}
	camera := listen(l.camera, cameraAddr+":5000")
	servers := []*net.UDPConn{listen(l.server, serverAddr+":6000"), listen(l.server, serverAddr+":6001")}
	var seen []*net.UDPAddr
	for _, s := range servers {
		camera.WriteTo([]byte("hello"), s.LocalAddr())
		text, from := take(s, 5*time.Second)
		if text != "hello" || from.IP.String() != "198.51.100.6" {
			t.Fatalf("the server got %q from %v", text, from)
		}
		seen = append(seen, from)
	}
	if seen[0].Port == seen[1].Port || seen[0].Port == 5000 || seen[1].Port == 5000 {
		t.Errorf("ports %d and %d: the mapping is not random", seen[0].Port, seen[1].Port)
	}
	servers[0].WriteTo([]byte("answer"), seen[0])
	if text, _ := take(camera, 5*time.Second); text != "answer" {
		t.Errorf("the camera got %q", text)
	}
	viewer := listen(l.viewer, viewerAddr+":5000")
	servers[1].WriteTo([]byte("stranger"), seen[0]) // to a flow that is another's
	viewer.WriteTo([]byte("stranger"), seen[0])
	servers[0].WriteTo([]byte("stranger"), &net.UDPAddr{IP: seen[0].IP, Port: 5000})
	if text, from := take(camera, 300*time.Millisecond); text != "" {
		t.Errorf("%q came through from %v", text, from)
	}
	l.trouble(l.cameraRouter, "meta l4proto udp numgen random mod 100 < 50 counter drop")
	for range 200 {
		camera.WriteTo([]byte("x"), servers[0].LocalAddr())
	}
	came := 0
	for text, _ := take(servers[0], 300*time.Millisecond); text != ""; text, _ = take(servers[0], 300*time.Millisecond) {
		came++
	}
	if lost := l.lost(l.cameraRouter); came+lost != 200 || came < 50 || came > 150 {
		t.Errorf("%d of 200 packets came through and %d were dropped, want about half of each", came, lost)
	}
}
