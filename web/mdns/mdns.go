// Package mdns tells the local network under which name this device is found, and that it serves a web page: a responder of
// multicast DNS (RFC 6762) with DNS-SD records (RFC 6763).
package mdns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"

	"go.uber.org/zap"
)

// Config says what is announced.
type Config struct {
	// Host is the name without .local: 1 to 60 lower-case letters, digits and hyphens. It is also the services' instance name. One that is
	// taken on the network gets -2, -3 ... behind it.
	Host string
	// Address restricts the announcement to one address of this device; the zero value announces all.
	Address netip.Addr
	// Services are what can be reached there; at most 4.
	Services []Service
}

// A Service is one entry of DNS-SD.
type Service struct {
	Type string   // such as _http._tcp
	Port uint16   // TCP or UDP port, not 0
	Text []string // key=value, 255 bytes each and 1000 in all (RFC 6763 6); may be empty
}

// A Responder announces the device. Its methods are safe for concurrent use.
type Responder struct {
	cfg Config
	log *zap.Logger
}

var (
	hostName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$`)
	serviceType = regexp.MustCompile(`^_[a-z0-9-]{1,15}\._(tcp|udp)$`)
)

// New checks cfg.
func New(cfg Config, log *zap.Logger) (*Responder, error) {
	var errs []error
	if !hostName.MatchString(cfg.Host) {
		errs = append(errs, fmt.Errorf("mdns: %q is not a host name of 1..60 lower-case letters, digits and hyphens", cfg.Host))
	}
	for _, s := range cfg.Services {
		if !serviceType.MatchString(s.Type) || s.Port == 0 {
			errs = append(errs, fmt.Errorf("mdns: %q port %d is not a service", s.Type, s.Port))
		}
	}
	return &Responder{cfg: cfg, log: log.Named("mdns")}, errors.Join(errs...)
}

// Name is the name under which the device is found at the moment, with .local.
func (r *Responder) Name() string { return r.cfg.Host + ".local" }

// Run announces the device until ctx ends, then takes the announcement back and returns ctx's cause. Without a network it
// waits for one.
func (r *Responder) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
