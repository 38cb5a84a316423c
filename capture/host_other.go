//go:build !linux

package capture

import (
	"context"
	"errors"
)

// host is the machine's video devices; only Linux has V4L2.
type host struct {
	watch func(configured string) (changed <-chan struct{}, stop func(), err error)
}

func thisHost() host { return host{} }

// known is what is remembered of a device.
type known struct{}

func classify(error) faultKind { return faultBarren }

var errNoV4L2 = errors.New("video devices need Linux")

func (c *Camera) runDevice(context.Context) error { return errNoV4L2 }

func (host) devices() ([]Device, error) { return nil, errNoV4L2 }
