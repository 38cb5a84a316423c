package board

import (
	"context"

	"go.uber.org/zap"
)

// A Watchdog feeds the hardware's and systemd's watchdogs while the agent is healthy.
type Watchdog struct {
	cfg     WatchdogConfig
	healthy func() error
	log     *zap.Logger
}

// NewWatchdog ...
func NewWatchdog(cfg WatchdogConfig, healthy func() error, log *zap.Logger) (*Watchdog, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Watchdog{cfg: cfg, healthy: healthy, log: log}, nil
}

// Run feeds the watchdogs until ctx ends.
func (w *Watchdog) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
