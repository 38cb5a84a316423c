package main

import (
	"net"
	"slices"
	"testing"
)

func TestTheStatusShowsAnAddressThatABrowserCanUse(t *testing.T) {
	for _, same := range []string{"127.0.0.1:8090", "192.0.2.7:8443", "[fd00::1]:80"} {
		if got := reachable(same); got != same {
			t.Errorf("%s became %s", same, got)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	known := slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.IsGlobalUnicast()
	})
	for _, all := range []string{"[::]:8090", "0.0.0.0:8090"} {
		host, port, _ := net.SplitHostPort(reachable(all))
		if ip := net.ParseIP(host); port != "8090" || ip == nil || ip.IsUnspecified() == known {
			t.Errorf("%s became %s port %s; this machine has %v", all, host, port, addrs)
		}
	}
}
