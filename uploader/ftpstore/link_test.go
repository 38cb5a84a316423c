package ftpstore

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A link is the network between store and server, for control connections that are not encrypted. It carries
// passive data connections as well, since it puts ports of its own into the server's answers.
type link struct {
	addr string

	cutAfter  atomic.Int64 // bytes of data to the server until everything is reset; 0 for never
	hangAfter atomic.Int64 // the same until nothing goes through any more
	noEPSV    atomic.Bool  // the server does not know it
	deadEPSV  atomic.Bool  // its ports are not let through
	carried   atomic.Int64 // bytes of data to the server
	logins    atomic.Int64 // control connections
	pasv      atomic.Int64 // answers to PASV

	server string
	hung   chan struct{} // closed when nothing goes through
	hang   func()
	wait   sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	socks  []net.Listener
}

func newLink(t *testing.T, server string) *link {
	l := &link{server: server, conns: map[net.Conn]struct{}{}, hung: make(chan struct{})}
	l.hang = sync.OnceFunc(func() { close(l.hung) })
	l.addr = l.listen(t, func(client net.Conn) {
		l.logins.Add(1)
		l.control(t, client)
	})
	t.Cleanup(func() {
		l.mu.Lock()
		for _, s := range l.socks {
			s.Close()
		}
		l.mu.Unlock()
		l.reset()
		l.wait.Wait()
	})
	return l
}

func (l *link) listen(t *testing.T, serve func(net.Conn)) string {
	sock, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return ""
	}
	l.mu.Lock()
	l.socks = append(l.socks, sock)
	l.mu.Unlock()
	l.wait.Go(func() {
		for {
			c, err := sock.Accept()
			if err != nil {
				return
			}
			l.wait.Go(func() {
				l.track(c)
				serve(c)
			})
		}
	})
	return sock.Addr().String()
}

func (l *link) track(c net.Conn) {
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
}

// reset breaks every connection.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clear(l.conns)
}

func (l *link) dial(addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil
	}
	l.track(c)
	return c
}

var passivePort = regexp.MustCompile(`^229 .*\|\|\|(\d+)\|`)
var passiveAddress = regexp.MustCompile(`^227 .*\(\d+,\d+,\d+,\d+,(\d+),(\d+)\)`)

func (l *link) control(t *testing.T, client net.Conn) {
	defer client.Close()
	server := l.dial(l.server)
	if server == nil {
		return
	}
	defer server.Close()
	l.wait.Go(func() {
		defer server.Close()
		r := bufio.NewReader(client)
		for {
			line, err := r.ReadString('\n')
			if err != nil || l.isHung() {
				return
			}
			if l.noEPSV.Load() && strings.HasPrefix(line, "EPSV") {
				io.WriteString(client, "500 Unknown command.\r\n")
				continue
			}
			io.WriteString(server, line)
		}
	})
	r := bufio.NewReader(server)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if l.isHung() {
			continue
		}
		io.WriteString(client, l.rewrite(t, line))
	}
}

// rewrite makes an answer name a port of the link, and to PASV an address that nobody can reach, as from behind NAT.
func (l *link) rewrite(t *testing.T, line string) string {
	if m := passivePort.FindStringSubmatch(line); m != nil {
		addr := l.listen(t, func(c net.Conn) { l.data(c, m[1]) })
		if l.deadEPSV.Load() {
			addr = "127.0.0.1:1"
		}
		_, port, _ := net.SplitHostPort(addr)
		return fmt.Sprintf("229 Entering Extended Passive Mode (|||%s|)\r\n", port)
	}
	if m := passiveAddress.FindStringSubmatch(line); m != nil {
		l.pasv.Add(1)
		hi, _ := strconv.Atoi(m[1])
		lo, _ := strconv.Atoi(m[2])
		addr := l.listen(t, func(c net.Conn) { l.data(c, strconv.Itoa(hi<<8|lo)) })
		_, port, _ := net.SplitHostPort(addr)
		p, _ := strconv.Atoi(port)
		return fmt.Sprintf("227 Entering Passive Mode (192,0,2,1,%d,%d).\r\n", p>>8, p&255)
	}
	return line
}

func (l *link) isHung() bool {
	select {
	case <-l.hung:
		return true
	default:
		return false
	}
}

func (l *link) data(client net.Conn, port string) {
	server := l.dial("127.0.0.1:" + port)
	if server == nil {
		client.Close()
		return
	}
	l.wait.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	buf := make([]byte, 8<<10)
	for {
		n, err := client.Read(buf)
		server.Write(buf[:n])
		sent := l.carried.Add(int64(n))
		if limit := l.cutAfter.Load(); limit > 0 && sent >= limit {
			l.reset()
			return
		}
		if limit := l.hangAfter.Load(); limit > 0 && sent >= limit {
			l.hang()
			return
		}
		if err != nil {
			server.(*net.TCPConn).CloseWrite()
			return
		}
	}
}
