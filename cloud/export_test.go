package cloud

import (
	"context"
	"time"
)

// ShortenLive makes a server's patience with cameras' sockets short enough for tests.
func ShortenLive(s *Server, ping, silence, request time.Duration) {
	s.liveTiming = liveTiming{ping, silence, request}
}

// RunTURN runs the server's TURN server alone.
func RunTURN(ctx context.Context, s *Server) error { return s.turn.Run(ctx) }
