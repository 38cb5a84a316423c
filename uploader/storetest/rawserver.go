package storetest

import (
	"net"
	"sync"
	"testing"
)

// RawServer answers each connection by a function over the bare socket, for stores to be tested against servers that are broken.
// ended is closed when the test ends, which waits for the functions. The result is host:port.
func RawServer(t *testing.T, serve func(c net.Conn, ended <-chan struct{})) string {
	t.Helper()
	ended := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				serve(c, ended)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(ended)
		conns.Wait()
	})
	return l.Addr().String()
}
