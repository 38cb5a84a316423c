package live

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"go.uber.org/zap"
)

// A udpMux carries all viewers over one port of every address that the machine has. It follows the addresses: each time that
// candidates are gathered, sockets are opened for new ones and closed for those that have gone, so that after a change of
// network an ICE restart is enough. It is an ice.UDPMux.
type udpMux struct {
	port     int
	loopback bool
	pionLog  logging.LeveledLogger
	log      *zap.Logger

	mu     sync.Mutex
	muxes  map[netip.Addr]*ice.UDPMuxDefault
	closed bool
}

// newUDPMux opens the port. It fails when another program has it.
func newUDPMux(port int, loopback bool, pionLog logging.LeveledLogger, log *zap.Logger) (*udpMux, error) {
	m := &udpMux{port: port, loopback: loopback, pionLog: pionLog, log: log, muxes: make(map[netip.Addr]*ice.UDPMuxDefault)}
	if err := m.refresh(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// refresh brings the sockets in line with the machine's addresses.
func (m *udpMux) refresh() error {
	addrs, err := localAddrs(m.loopback)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return net.ErrClosed
	}
	for a, mux := range m.muxes {
		if !addrs[a] {
			delete(m.muxes, a)
			mux.Close() //nolint:errcheck // the address has gone
		}
	}
	var taken error
	for a := range addrs {
		if m.muxes[a] != nil {
			continue
		}
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(m.port))))
		if err != nil {
			// An IPv6 address cannot be had while the kernel checks that it is unique.
			if errors.Is(err, syscall.EADDRINUSE) {
				taken = err
			}
			m.log.Debug("address is not usable for live view", zap.Error(err))
			continue
		}
		m.muxes[a] = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: m.pionLog})
	}
	return taken
}

// localAddrs lists the addresses of interfaces that are up. Link-local IPv6 addresses are left out: they mean nothing
// without a zone, which a viewer cannot know.
func localAddrs(loopback bool) (map[netip.Addr]bool, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	addrs := make(map[netip.Addr]bool)
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 && !loopback {
			continue
		}
		list, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range list {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				continue
			}
			addrs[p.Addr().Unmap()] = true
		}
	}
	return addrs, nil
}

// GetListenAddresses is called when candidates are gathered.
func (m *udpMux) GetListenAddresses() []net.Addr {
	if err := m.refresh(); err != nil {
		m.log.Debug("addresses for live view", zap.Error(err))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []net.Addr
	for _, mux := range m.muxes {
		all = append(all, mux.GetListenAddresses()...)
	}
	return all
}

// GetConn gives the packets of one ICE session that arrive at one address.
func (m *udpMux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return nil, fmt.Errorf("UDP address %v: %w", addr, err)
	}
	m.mu.Lock()
	mux := m.muxes[ap.Addr()]
	m.mu.Unlock()
	if mux == nil {
		return nil, fmt.Errorf("UDP address %v: %w", addr, net.ErrClosed)
	}
	return mux.GetConn(ufrag, addr)
}

// RemoveConnByUfrag forgets an ICE session.
func (m *udpMux) RemoveConnByUfrag(ufrag string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mux := range m.muxes {
		mux.RemoveConnByUfrag(ufrag)
	}
}

// Close closes all sockets.
func (m *udpMux) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	var errs []error
	for _, mux := range m.muxes {
		errs = append(errs, mux.Close())
	}
	clear(m.muxes)
	return errors.Join(errs...)
}
