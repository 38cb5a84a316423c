// Package ntp sets the time server of the device: in the system's own time service where one runs, in an SNTP client of
// its own where none does.
package ntp

import (
	"context"
	"os"

	"go.uber.org/zap"
)

// A Service keeps the device's clock right.
type Service struct {
	root *os.Root
	log  *zap.Logger
}

// New ...
func New(root *os.Root, log *zap.Logger) (*Service, error) {
	return &Service{root: root, log: log}, nil
}

// Set makes server (a host name or IP) the one the clock follows.
func (s *Service) Set(ctx context.Context, server string) error { return nil }

// Run keeps the clock right until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
