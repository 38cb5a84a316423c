//go:build !linux

package ntp

import (
	"errors"
	"time"
)

// systemClock can't be set here.
type systemClock struct{}

var errNoClock = errors.New("the clock can only be set on Linux")

func (systemClock) Now() time.Time                                 { return time.Now() }
func (systemClock) Step(_, _ time.Duration) error                  { return errNoClock }
func (systemClock) Slew(_, _ time.Duration, _ time.Duration) error { return errNoClock }
