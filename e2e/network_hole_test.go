package e2e

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A hole is a relay to the cloud in which packets can vanish for real: while a filter that takes nothing hangs on its sockets, the kernel drops
// whatever comes in before TCP sees it, so nothing is acknowledged, as on a radio link that went out of reach. toxiproxy, which reads and throws
// away, cannot do that.
type hole struct {
	listener *net.TCPListener
	cloud    string

	mu    sync.Mutex
	conns map[*net.TCPConn]*int64 // the device's side, with the bytes that came since the relay became slow
	slow  bool
	shut  chan struct{} // closed unless connections are left waiting to be accepted
	over  chan struct{} // closed at the end
	wait  sync.WaitGroup
}

func startHole(t *testing.T, cloud string) *hole {
	t.Helper()
	// Small buffers, so that a transfer lies in the sender's.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10) })
	}}
	lc.SetMultipathTCP(false) // has no filters
	ln, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{listener: ln.(*net.TCPListener), cloud: cloud, conns: map[*net.TCPConn]*int64{}, shut: make(chan struct{}), over: make(chan struct{})}
	close(h.shut)
	h.wait.Go(h.accept)
	t.Cleanup(func() {
		h.listener.Close()
		close(h.over)
		h.drop()
		h.wait.Wait()
	})
	return h
}

func (h *hole) accept() {
	for {
		c, err := h.listener.AcceptTCP()
		if err != nil {
			return
		}
		h.mu.Lock()
		shut := h.shut
		h.mu.Unlock()
		select {
		case <-shut:
		case <-h.over:
		}
		up, err := net.Dial("tcp", h.cloud)
		if err != nil {
			c.Close()
			continue
		}
		came := new(int64)
		h.mu.Lock()
		h.conns[c] = came
		h.mu.Unlock()
		select {
		case <-h.over:
			c.Close()
		default:
		}
		h.wait.Go(func() {
			h.carry(up, c, came)
			up.(*net.TCPConn).CloseWrite()
		})
		h.wait.Go(func() {
			io.Copy(c, up)
			h.mu.Lock()
			delete(h.conns, c)
			h.mu.Unlock()
			c.Close()
			up.Close()
		})
	}
}

// carry copies what the device sends; slowly, 20 kB a second, when it is told to.
func (h *hole) carry(to io.Writer, from io.Reader, came *int64) {
	b := make([]byte, 2<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if _, werr := to.Write(b[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
		h.mu.Lock()
		slow := h.slow
		if slow {
			*came += int64(n)
		}
		h.mu.Unlock()
		if slow {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// filter hangs the filter on the sockets of the device's side, or takes it off.
func (h *hole) filter(t *testing.T, on bool, sockets ...syscall.Conn) {
	t.Helper()
	for _, s := range sockets {
		raw, err := s.SyscallConn()
		if err != nil {
			continue // closed meanwhile
		}
		raw.Control(func(fd uintptr) {
			if on {
				nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
				err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
			} else {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
			}
		})
		if err != nil {
			t.Errorf("filter on %v: %v", on, err)
		}
	}
}

// drop ends all connections.
func (h *hole) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.SetLinger(0)
		c.Close()
	}
}

// swallow waits until a body is under way and lets everything vanish from then on, in both directions, new connections too.
func (h *hole) swallow(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	h.slow = true
	h.mu.Unlock()
	eventually(t, time.Minute, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, came := range h.conns {
			if *came > 30_000 {
				return nil
			}
		}
		return io.ErrNoProgress
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slow = false
	h.filter(t, true, h.listener)
	for c := range h.conns {
		h.filter(t, true, c)
	}
}

// mend lets packets through again; what is left of the old connections ends.
func (h *hole) mend(t *testing.T) {
	t.Helper()
	h.filter(t, false, h.listener)
	h.drop()
}

// packetsVanish is a road on which they do so in the middle of a transfer.
func packetsVanish(t *testing.T, cloud string) *road {
	h := startHole(t, cloud)
	return &road{addr: h.listener.Addr().String(), begin: func() { h.swallow(t) }, end: func() { h.mend(t) }}
}

// connectsVanish is a road on which the packets that ask for a connection do.
func connectsVanish(t *testing.T, cloud string) *road {
	h := startHole(t, cloud)
	return &road{addr: h.listener.Addr().String(), begin: func() {
		h.filter(t, true, h.listener)
		h.drop()
	}, end: func() { h.mend(t) }}
}

// notAccepted is a road whose far end is stuck: the kernel takes connections and what is sent into its backlog, nobody reads it. Afterwards the
// requests that the device gave up long ago reach the cloud all the same.
func notAccepted(t *testing.T, cloud string) *road {
	h := startHole(t, cloud)
	return &road{addr: h.listener.Addr().String(), begin: func() {
		h.mu.Lock()
		h.shut = make(chan struct{})
		h.mu.Unlock()
		h.drop()
	}, end: func() {
		h.mu.Lock()
		close(h.shut)
		h.mu.Unlock()
	}}
}
