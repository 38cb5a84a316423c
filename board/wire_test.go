package board

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// A wire is a server that understands nothing of HTTP but where a request ends. It answers the n-th with answer(n, request) and
// hangs up.
type wire struct {
	address string
	mu      sync.Mutex
	got     []string
}

func newWire(t *testing.T, answer func(n int, request string) string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: ln.Addr().String()}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			w.serve(c, answer)
		}
	})
	t.Cleanup(func() { ln.Close(); done.Wait() })
	return w
}

func (w *wire) serve(c net.Conn, answer func(n int, request string) string) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
	}
	h, _ := textproto.NewReader(bufio.NewReader(strings.NewReader(head.String()[strings.Index(head.String(), "\n")+1:]))).ReadMIMEHeader()
	var n int64
	fmt.Sscan(h.Get("Content-Length"), &n)
	body, _ := io.ReadAll(io.LimitReader(r, n))
	w.mu.Lock()
	w.got = append(w.got, head.String()+string(body))
	text := answer(len(w.got), head.String()+string(body))
	w.mu.Unlock()
	io.WriteString(c, text)
}

func (w *wire) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got
}

const success = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n000 Success"

func always(text string) func(int, string) string { return func(int, string) string { return text } }

func unauthorized(challenges ...string) string {
	s := "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n"
	for _, c := range challenges {
		s += "WWW-Authenticate: " + c + "\r\n"
	}
	return s + "\r\n"
}
