package mdns

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/mdns/v2"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

var camera = Config{Host: "camward-a1b2c3", Services: []Service{{Type: "_http._tcp", Port: 8090, Text: []string{"path=/", "mac=02fc00a1b2c3", "model=Demo", "https=8443"}}}}

// tool runs one of Avahi's.
func (p place) tool(env []string, name string, args ...string) string {
	c := p.command(name, args...)
	c.Env = env
	out, _ := c.CombinedOutput()
	return string(out)
}

func TestAvahiFindsHostAndService(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	p[0].responder(camera)
	env := p[1].avahi("laptop")
	p[1].wait("the name", func() bool {
		return strings.Contains(p[1].tool(env, "avahi-resolve", "-4", "-n", "camward-a1b2c3.local"), "10.9.0.1")
	})
	if got := p[1].tool(env, "avahi-resolve", "-6", "-n", "camward-a1b2c3.local"); !strings.Contains(got, "fd09::1") {
		t.Errorf("AAAA: %s", got)
	}
	got := p[1].tool(env, "avahi-browse", "-tprk", "_http._tcp")
	for _, want := range []string{"camward-a1b2c3.local;10.9.0.1;8090", `"path=/"`, `"mac=02fc00a1b2c3"`, `"model=Demo"`, `"https=8443"`} {
		if !strings.Contains(got, want) {
			t.Errorf("browse lacks %s:\n%s", want, got)
		}
	}
	if got := p[1].tool(env, "avahi-browse", "-atpk"); !strings.Contains(got, "_http._tcp") {
		t.Errorf("all types: %s", got)
	}
}

func TestAvahiOnTheSameMachineIsLeftInPeace(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	env := p[0].avahi("pi")
	p[0].responder(camera)
	for _, seeker := range p {
		events := seeker.browse()
		if got := events.until(t, "add"); got.Port != 8090 || !slices.Equal(got.Addresses, []string{"10.9.0.1", "fd09::1"}) {
			t.Errorf("found %+v", got)
		}
	}
	if got := p[0].tool(env, "avahi-resolve", "-4", "-n", "pi.local"); !strings.Contains(got, "10.9.0.1") {
		t.Errorf("Avahi's own name: %s", got)
	}
	p[0].wait("the name by this machine's Avahi", func() bool {
		return strings.Contains(p[0].tool(env, "avahi-resolve", "-4", "-n", "camward-a1b2c3.local"), "10.9.0.1")
	})
}

// found is a line of testdata/browse.py.
type found struct {
	Event, Name, Server string
	Port                int
	Addresses           []string
	Text                map[string]string
}

type finds struct{ lines *bufio.Scanner }

// browse starts a zeroconf client that looks for web pages.
func (p place) browse() finds {
	p.t.Helper()
	c := p.command("/usr/bin/python3", filepath.Join("testdata", "browse.py"), "_http._tcp.local.") // Debian's own, which has its zeroconf
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return finds{bufio.NewScanner(out)}
}

// until gives the next find of that kind.
func (f finds) until(t *testing.T, event string) (got found) {
	t.Helper()
	for f.lines.Scan() {
		if err := json.Unmarshal(f.lines.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", f.lines.Text(), err)
		}
		if got.Event == event {
			return got
		}
	}
	t.Fatalf("zeroconf saw no %s", event)
	return found{}
}

func TestZeroconfSeesComingAndGoing(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	events := p[1].browse()
	_, stop := p[0].responder(camera)
	got := events.until(t, "add")
	if got.Name != "camward-a1b2c3._http._tcp.local." || got.Server != "camward-a1b2c3.local." || got.Port != 8090 ||
		!slices.Equal(got.Addresses, []string{"10.9.0.1", "fd09::1"}) || got.Text["mac"] != "02fc00a1b2c3" || got.Text["https"] != "8443" {
		t.Errorf("found %+v", got)
	}
	stop()
	if got := events.until(t, "remove"); got.Name != "camward-a1b2c3._http._tcp.local." {
		t.Errorf("gone %+v", got)
	}
}

func TestSecondDeviceOfANameTakesAnother(t *testing.T) {
	t.Parallel()
	p := places(t, 3)
	first, _ := p[0].responder(camera)
	time.Sleep(1200 * time.Millisecond) // it holds the name then
	second, _ := p[1].responder(camera)
	p[1].wait("the other name", func() bool { return second.Name() == "camward-a1b2c3-2.local" })
	events := p[2].browse()
	names := []string{events.until(t, "add").Server, events.until(t, "add").Server}
	slices.Sort(names)
	if want := []string{"camward-a1b2c3-2.local.", "camward-a1b2c3.local."}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if first.Name() != "camward-a1b2c3.local" {
		t.Errorf("the first is %s", first.Name())
	}
}

func TestDevicesThatStartTogetherAgree(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	a, _ := p[0].responder(camera)
	b, _ := p[1].responder(camera)
	p[0].wait("two names", func() bool { return a.Name() != b.Name() })
	time.Sleep(3 * time.Second)
	got := []string{a.Name(), b.Name()}
	slices.Sort(got)
	if want := []string{"camward-a1b2c3-2.local", "camward-a1b2c3.local"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTwoInterfacesOnOneNetworkKeepTheName(t *testing.T) {
	t.Parallel()
	p := places(t, 1)[0]
	p.ip("link add one type veth peer name two")
	for i, name := range []string{"one", "two"} {
		p.ip(fmt.Sprintf("addr add 10.8.0.%d/24 dev %s", i+1, name))
		p.ip(fmt.Sprintf("addr add fd08::%d/64 dev %s nodad", i+1, name))
		p.ip("link set " + name + " up")
	}
	for _, name := range []string{"one", "two"} { // packets to the group come from the link-local address once there is one
		p.wait("a link-local address", func() bool {
			out, _ := p.command("ip", "-6", "addr", "show", "dev", name, "scope", "link", "-tentative").CombinedOutput()
			return strings.Contains(string(out), "fe80:")
		})
	}
	r, _ := p.responder(camera)
	time.Sleep(3 * time.Second) // three probes and two announcements, on both
	if r.Name() != "camward-a1b2c3.local" {
		t.Errorf("the device took %s, in conflict with itself", r.Name())
	}
}

func TestNameThatAvahiHoldsIsGivenUp(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	p[1].avahi("camward-a1b2c3")
	r, _ := p[0].responder(camera)
	p[0].wait("another name", func() bool { return r.Name() == "camward-a1b2c3-2.local" })
}

func TestAddressesAndInterfacesAreFollowed(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	p[0].ip("link set lan down")
	p[0].responder(camera) // with no interface at all
	time.Sleep(300 * time.Millisecond)
	p[0].ip("link set lan up")
	p[0].ip("addr replace fd09::1/64 dev lan nodad") // was lost with the link
	env := p[1].avahi("laptop")
	address := func(want string) func() bool {
		return func() bool {
			return strings.Contains(p[1].tool(env, "avahi-resolve", "-4", "-n", "camward-a1b2c3.local"), want)
		}
	}
	p[1].wait("the name", address("10.9.0.1\n"))
	p[0].ip("addr add 10.9.0.77/24 dev lan")
	p[0].ip("addr del 10.9.0.1/24 dev lan")
	p[0].ip("addr add 10.9.0.77/24 dev lan") // went with the first, whose secondary it was
	p[1].wait("the new address", address("10.9.0.77"))
}

func TestResolverOfTheLiveViewWorksBeside(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	p[0].responder(camera)
	for i, seeker := range p {
		<-seeker.inside(func() {
			l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 0), Port: 5353}) // as pion/ice does it
			if err != nil {
				t.Error(err)
				return
			}
			conn, err := pion.NewServer(ipv4.NewPacketConn(l), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			if _, a, err := conn.QueryAddr(ctx, "camward-a1b2c3.local"); err != nil || a.String() != "10.9.0.1" {
				t.Errorf("from %d: %v, %v", i, a, err)
			}
		})
	}
}

func TestPlainDNSClientIsAnswered(t *testing.T) {
	t.Parallel()
	p := places(t, 2)
	p[0].responder(camera)
	var c *net.UDPConn
	var err error
	<-p[1].inside(func() { c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 9, 0, 2)}) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: 4711}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("CamWard-A1B2C3.local."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var got dnsmessage.Message
	buf := make([]byte, 1500)
	p[1].wait("an answer", func() bool {
		c.WriteToUDP(b, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: port})
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, from, err := c.ReadFromUDP(buf)
		return err == nil && got.Unpack(buf[:n]) == nil && from.Port == port
	})
	if got.ID != 4711 || len(got.Questions) != 1 || got.Questions[0] != query.Questions[0] || len(got.Answers) == 0 {
		t.Fatalf("got %+v", got)
	}
	a := got.Answers[0]
	if body := a.Body.(*dnsmessage.AResource); body.A != [4]byte{10, 9, 0, 1} || a.Header.TTL > 10 || a.Header.Class != dnsmessage.ClassINET {
		t.Errorf("got %+v", a)
	}
}
