package mdns

import (
	"net"
	"net/netip"
	"slices"
	"sort"
	"sync"

	"go.uber.org/zap"
)

// group are the addresses that queries and responses are sent to.
var group = [2]netip.Addr{netip.AddrFrom4([4]byte{224, 0, 0, 251}), netip.MustParseAddr("ff02::fb")}

// maxPacket is the longest message (RFC 6762 17), and maxAddresses how many of an interface are announced.
const (
	maxPacket    = 9000
	maxAddresses = 8
)

// A netInterface is one that multicasts.
type netInterface struct {
	name      string
	index     int
	addresses []netip.Prefix // that are announced there, sorted
	own       []netip.Addr   // all that it has: what is sent to the group comes from a link-local one
}

// families says of which kinds there are addresses: IPv4, IPv6.
func (n netInterface) families() (f [2]bool) {
	for _, p := range n.addresses {
		f[0], f[1] = f[0] || p.Addr().Is4(), f[1] || p.Addr().Is6()
	}
	return f
}

// interfaces are those that multicast and have addresses; only, if it is valid, is the one address that counts.
func interfaces(only netip.Addr, log *zap.Logger) (out []netInterface) {
	all, err := net.Interfaces()
	if err != nil {
		log.Debug("list interfaces", zap.Error(err))
	}
	const want, never = net.FlagUp | net.FlagRunning | net.FlagMulticast, net.FlagLoopback | net.FlagPointToPoint
	for _, i := range all {
		if i.Flags&want != want || i.Flags&never != 0 || len(out) == maxLinks {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		n := netInterface{name: i.Name, index: i.Index}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			n.own = append(n.own, p.Addr())
			if err == nil && (!only.IsValid() || p.Addr() == only.Unmap()) {
				n.addresses = append(n.addresses, p)
			}
		}
		if n.addresses = announced(n.addresses); len(n.addresses) > 0 {
			out = append(out, n)
		}
	}
	return out
}

// announced leaves out link-local addresses of IPv6 where there are others: browsers cannot use them without the interface's name.
func announced(all []netip.Prefix) []netip.Prefix {
	local := func(p netip.Prefix) bool { return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() }
	if slices.ContainsFunc(all, func(p netip.Prefix) bool { return !local(p) }) {
		all = slices.DeleteFunc(all, local)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Compare(all[j]) < 0 })
	return all[:min(len(all), maxAddresses)]
}

// open makes the link's sockets and has them read, until close or an error, into in. Nothing is sent to in after stop.
func (l *link) open(in chan<- packet, stop <-chan struct{}, readers *sync.WaitGroup) error {
	for i, has := range l.net.families() {
		if !has {
			continue
		}
		c, err := listen(group[i], l.net.index)
		if err != nil {
			return err
		}
		l.conns = append(l.conns, c)
	}
	for _, c := range l.conns {
		readers.Go(func() { l.read(c, in, stop) })
	}
	return nil
}

func (l *link) read(c *net.UDPConn, in chan<- packet, stop <-chan struct{}) {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		select {
		case in <- packet{link: l, from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), data: slices.Clone(buf[:n]), err: err}:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// transmit sends to one of this link, or to all. What cannot be sent now is asked for again, or comes with the next announcement.
func (l *link) transmit(b []byte, to netip.AddrPort) {
	for _, c := range l.conns {
		g := groupOf(c)
		switch {
		case !to.IsValid():
			c.WriteToUDPAddrPort(b, netip.AddrPortFrom(g, port)) //nolint:errcheck // see above
		case to.Addr().Is4() == g.Is4():
			c.WriteToUDPAddrPort(b, to) //nolint:errcheck // see above
		}
	}
}

// groupOf is the group that a socket is bound to.
func groupOf(c *net.UDPConn) netip.Addr {
	if c.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
		return group[0]
	}
	return group[1]
}

// close ends reading. It takes nothing back.
func (l *link) close() {
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}
