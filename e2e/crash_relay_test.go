package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A relay stands between the agent and the cloud and passes bytes on as they are. It reads along, so that it can be told
// afterwards how far an upload had come when its sender was killed.
type relay struct {
	ln     net.Listener
	target string
	began  chan struct{} // a token for each upload that begins, as far as there is room

	mu    sync.Mutex
	away  bool          // connections are reset: the network is down
	delay time.Duration // how long an answer to an upload is held back
	open  int           // connections that the agent has not closed
	puts  []*put        // since the last reset
	whole map[string]int
}

// A put is one attempt to upload an item.
type put struct {
	name     string
	left     int64 // bytes of the body that have not come
	answered bool  // the answer was on its way back
}

func startRelay(t *testing.T, target string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{ln: ln, target: target, began: make(chan struct{}, 64), whole: map[string]int{}}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go r.serve(conn.(*net.TCPConn))
		}
	}()
	return r
}

// reset sets the weather for the next run.
func (r *relay) reset(away bool, delay time.Duration) {
	r.mu.Lock()
	r.away, r.delay, r.puts = away, delay, nil
	r.mu.Unlock()
	for {
		select {
		case <-r.began:
		default:
			return
		}
	}
}

// hold holds back the answers from now on.
func (r *relay) hold(delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = delay
}

// settle waits until all that the agent had sent has come, and tells how its uploads stand.
func (r *relay) settle(t *testing.T) (inBody, inAnswer bool, answered []string) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.open > 0 {
			return fmt.Errorf("the killed agent has %d connections open", r.open)
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.puts {
		switch {
		case p.answered:
			answered = append(answered, p.name)
		case p.left > 0:
			inBody = true
		default:
			inAnswer = true
		}
	}
	return inBody, inAnswer, answered
}

// repeated counts the uploads whose every byte was sent more than once.
func (r *relay) repeated() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, times := range r.whole {
		if times > 1 {
			n++
		}
	}
	return n
}

func (r *relay) serve(client *net.TCPConn) {
	defer client.Close()
	r.mu.Lock()
	away := r.away
	if !away {
		r.open++
	}
	r.mu.Unlock()
	if away {
		client.SetLinger(0)
		return
	}
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		r.closed()
		return
	}
	defer server.Close()
	c := &relayed{r: r}
	back := make(chan struct{})
	go func() {
		defer close(back)
		c.answers(client, server)
	}()
	io.Copy(io.MultiWriter(c, server), client)
	r.closed()
	server.(*net.TCPConn).CloseWrite()
	<-back
}

func (r *relay) closed() {
	r.mu.Lock()
	r.open--
	r.mu.Unlock()
}

// relayed is one connection's requests, one after the other (RFC 9112 9.3: nothing is pipelined here).
type relayed struct {
	r    *relay
	head bytes.Buffer // of the next request, as far as it has come
	left int64        // of the present request's body
	put  *put         // the present request, if it is an upload
}

// Write reads along what the agent sends.
func (c *relayed) Write(b []byte) (int, error) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		if c.left > 0 {
			part := min(c.left, int64(len(b)))
			b = b[part:]
			c.body(part)
			continue
		}
		c.head.WriteByte(b[0])
		if b = b[1:]; bytes.HasSuffix(c.head.Bytes(), []byte("\r\n\r\n")) {
			c.begin()
		}
	}
	return n, nil
}

func (c *relayed) begin() {
	req, err := http.ReadRequest(bufio.NewReader(&c.head))
	c.head.Reset()
	c.put = nil
	if err != nil {
		return
	}
	c.left = max(req.ContentLength, 0)
	if req.Method != http.MethodPut {
		return
	}
	c.put = &put{name: req.URL.Path, left: c.left}
	c.r.puts = append(c.r.puts, c.put)
	select {
	case c.r.began <- struct{}{}:
	default:
	}
}

func (c *relayed) body(n int64) {
	c.left -= n
	if c.put == nil {
		return
	}
	if c.put.left -= n; c.put.left == 0 {
		c.r.whole[c.put.name]++
	}
}

// answers passes on what the cloud says.
func (c *relayed) answers(client, server net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		c.r.mu.Lock()
		p, delay := c.put, c.r.delay
		c.r.mu.Unlock()
		if n > 0 && p != nil {
			time.Sleep(delay)
			c.r.mu.Lock()
			p.answered = true
			c.r.mu.Unlock()
		}
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
