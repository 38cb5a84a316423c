//go:build !linux

package mdns

import (
	"errors"
	"net"
	"net/netip"
)

func listen(netip.Addr, int) (*net.UDPConn, error) { return nil, errors.ErrUnsupported }
