package mdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// listen binds a socket to a group on one interface. Package net binds to the wildcard address instead, where the socket would take
// unicast packets from other responders.
func listen(group netip.Addr, index int) (*net.UDPConn, error) {
	family := unix.AF_INET
	if group.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "mdns")
	defer f.Close() // FilePacketConn makes a descriptor of its own
	bind := bind4
	if group.Is6() {
		bind = bind6
	}
	if err := bind(fd, group, index); err != nil {
		return nil, fmt.Errorf("join %s: %w", group, err)
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// share lets other responders have the port as well, whichever way they share it.
func share(fd int) error {
	return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// bind4: IP_MULTICAST_ALL=0 keeps out what other sockets of this machine joined on other interfaces (ip(7)).
func bind4(fd int, group netip.Addr, index int) error {
	there := &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)}
	return errors.Join(share(fd),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0),
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, there),
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, there),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 255), // RFC 6762 11
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 255),
		unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: group.As4()}))
}

// bind6: binding to a link's group binds to its interface as well (RFC 4007 6).
func bind6(fd int, group netip.Addr, index int) error {
	return errors.Join(share(fd),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index),
		unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)}),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 255),
		unix.Bind(fd, &unix.SockaddrInet6{Port: port, Addr: group.As16(), ZoneId: uint32(index)}))
}
