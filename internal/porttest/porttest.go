// Package porttest finds ports for the servers of tests that have to know theirs before they listen, or listen there again.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Free gives a port that neither UDP nor TCP uses at the moment. It lies below those that Linux gives to whoever asks for just any
// (net.ipv4.ip_local_port_range begins at 32768), so that no connection made meanwhile takes it.
func Free(t testing.TB) int {
	t.Helper()
	for range 50 {
		port := 10000 + rand.IntN(20000)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		l.Close()
		u, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// Address is such a port on the loopback interface, as host:port.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Free(t)))
}
