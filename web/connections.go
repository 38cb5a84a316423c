package web

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// How many connections a listener holds, so that nobody who has not even signed in can use up the descriptors and the memory that the
// recording needs. What is beyond is closed.
const (
	maxConnections        = 256
	maxConnectionsAddress = 64 // by the address as failures are counted
)

// connections counts a listener's. Safe for concurrent use.
type connections struct {
	mu    sync.Mutex
	total int
	by    map[netip.Addr]int
}

// watch is for http.Server's ConnState.
func (c *connections) watch(conn net.Conn, state http.ConnState) {
	from := address(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.by == nil {
			c.by = map[netip.Addr]int{}
		}
		c.total++
		c.by[from]++
		if c.total > maxConnections || c.by[from] > maxConnectionsAddress {
			conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		c.total--
		if c.by[from]--; c.by[from] == 0 {
			delete(c.by, from)
		}
	}
}
