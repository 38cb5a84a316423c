package live

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/zap"
)

func TestEveryFaultOfTheConfigurationIsReportedAtOnce(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	c := Config{UDPPort: -1, TCPPort: 65536, MinBitrate: 1, MaxBitrate: highest + 1, MaxRate: 200, ICEServers: []ICEServer{
		{}, {URLs: []string{"http://example.com"}}, {URLs: []string{"turn:turn.example.com"}}, {URLs: []string{"stun:stun.example.com:3478"}},
	}}
	err := c.Validate()
	for _, key := range []string{"udp_port", "tcp_port", "max_viewers", "min_bitrate", "max_bitrate", "min_rate", "max_rate",
		"ice_servers[0].urls", "ice_servers[1].urls", "ice_servers[2]"} {
		if err == nil || !strings.Contains(err.Error(), "live."+key+":") {
			t.Errorf("%s is missing in %v", key, err)
		}
	}
	if strings.Contains(err.Error(), "ice_servers[3]") {
		t.Errorf("a good server is reported: %v", err)
	}
}

func TestServersAreReadAndTheirPasswordNeverPrints(t *testing.T) {
	c := Default()
	text := "ice_servers:\n- urls: [turn:turn.example.com:3478?transport=tcp]\n  user: cam\n  password: s3cretword\n"
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil || c.ICEServers[0].Password.Reveal() != "s3cretword" {
		t.Errorf("got %+v, %v", c, err)
	}
	if strings.Contains(fmt.Sprintf("%+v", c), "s3cret") {
		t.Error("the password prints")
	}
}

func TestTheCertificateIsMadeOnceAndKeptPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	path := filepath.Join(dir, certificateFile)
	first, err := certificate(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	second, err := certificate(dir, zap.NewNop())
	if err != nil || !first.Equals(second) {
		t.Errorf("another certificate the second time (%v)", err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v, %v", st.Mode(), err)
	}
	if first.Expires().Year() < 2100 {
		t.Errorf("it expires in %v", first.Expires())
	}
	if err := os.WriteFile(path, []byte("cut sho"), 0o600); err != nil {
		t.Fatal(err)
	}
	if third, err := certificate(dir, zap.NewNop()); err != nil || third.Equals(first) {
		t.Errorf("a damaged one is not replaced: %v", err)
	}
}

func TestACertificateThatCannotBeKeptIsUsedAllTheSame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := certificate(filepath.Join(file, "state"), zap.NewNop()); err != nil || c.Expires().IsZero() {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestATakenPortIsReported(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		c := Default()
		c.UDPPort, c.TCPPort, c.Loopback = 0, 0, true
		if network == "udp" {
			l, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c.UDPPort = l.LocalAddr().(*net.UDPAddr).Port
		} else {
			l, err := net.Listen("tcp", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c.TCPPort = l.Addr().(*net.TCPAddr).Port
		}
		s, err := New(c, t.TempDir(), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("%s: Run ended with %v", network, err)
		}
	}
}

func TestTCPConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(inner, 1)
	defer l.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	refused := dial()
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("a connection beyond the limit is served")
	}
	first.Close()
	first.Close() // gives back its place once
	dial()
	c := <-accepted
	c.Close()
}
