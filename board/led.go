package board

import (
	"context"
	"errors"
	"os"
	"sync"

	"go.uber.org/zap"
)

// ErrAbsent means that the board lacks the hardware asked for, which is normal.
var ErrAbsent = errors.New("this board has none")

// LED is the board's status light.
type LED struct {
	cfg  LEDConfig
	root *os.Root
	log  *zap.Logger

	mu      sync.Mutex
	state   State
	changed chan struct{}
}

// A State is what the light shows.
type State int

// The states.
const (
	Booting State = iota
	Unclaimed
	Ready
	Recording
	Uploading
	Fault
)

// NewLED ...
func NewLED(cfg LEDConfig, root *os.Root, log *zap.Logger) (*LED, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &LED{cfg: cfg, root: root, log: log, changed: make(chan struct{}, 1)}, nil
}

// Show sets the state.
func (l *LED) Show(s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
}

// Run drives the light until ctx ends.
func (l *LED) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
