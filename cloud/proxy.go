package cloud

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwarded gives a request that came through a trusted reverse proxy the address of its client, so that limits, claims and
// Config.TokenToFirstAddress see who asks. From anybody else the header X-Forwarded-For means nothing.
func (s *Server) forwarded(next http.Handler) http.Handler {
	if len(s.cfg.TrustedProxies) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client := s.client(peer(r), r.Header.Values("X-Forwarded-For")); client != peer(r) {
			other := *r // the server's own request is not changed
			other.RemoteAddr = net.JoinHostPort(client.String(), "0")
			r = &other
		}
		next.ServeHTTP(w, r)
	})
}

// client walks from the nearest hop outwards as long as each is a trusted proxy: each appended the address that it saw, while what
// stands before may be the client's invention.
func (s *Server) client(nearest netip.Addr, headers []string) netip.Addr {
	hops := strings.Split(strings.Join(headers, ","), ",")
	for i := len(hops) - 1; i >= 0 && s.isProxy(nearest); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			ap, err := netip.ParseAddrPort(strings.TrimSpace(hops[i]))
			if err != nil {
				break
			}
			hop = ap.Addr()
		}
		nearest = hop.Unmap().WithZone("")
	}
	return nearest
}

func (s *Server) isProxy(a netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
