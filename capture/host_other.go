//go:build !linux

package capture

import (
	"context"
	"errors"
)

// host is the machine's video devices; only Linux has V4L2.
type host struct{}

func thisHost() host { return host{} }

// identity is what a device is known again by.
type identity struct{}

var errNoV4L2 = errors.New("video devices need Linux")

func (c *Camera) runDevice(context.Context) error { return errNoV4L2 }

func (host) devices() ([]Device, error) { return nil, errNoV4L2 }
