// Package mdns tells the local network under which name this device is found and what it serves: a responder of multicast
// DNS (RFC 6762) with the records of DNS-SD (RFC 6763).
//
// Each interface has sockets of its own, bound to the multicast groups. So nothing that is sent to an address of the
// device, and nothing from beyond its links, ever gets here, and another responder on the same machine keeps
// the unicast answers to its own questions. What is given up for it are questions by unicast to port 5353 (RFC 6762 5.5).
package mdns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Config says what is announced.
type Config struct {
	// Host is the name without .local: 1 to 59 lower-case letters, digits and hyphens. It is the services' instance name too.
	// One that is taken on the network gets -2, -3 ... behind it.
	Host string
	// Address restricts the announcement to one address of this device; the zero value announces all.
	Address netip.Addr
	// Services are what can be reached there; at most 4.
	Services []Service
}

// A Service is one entry of DNS-SD.
type Service struct {
	Type string   // such as _http._tcp
	Port uint16   // not 0
	Text []string // key=value (RFC 6763 6), 1 to 255 bytes each and 900 in all services; may be empty
}

const (
	maxServices = 4
	maxText     = 900 // bytes, so that all records fit one packet of any network
	maxLinks    = 16
	look        = 5 * time.Second // between looks at the interfaces and their addresses
	takeBack    = time.Second     // that goodbyes may take
)

var (
	hostName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,57}[a-z0-9])?$`)
	serviceType = regexp.MustCompile(`^_[a-z0-9-]{1,15}\._(tcp|udp)$`)
)

func (c Config) validate() error {
	var errs []error
	if !hostName.MatchString(c.Host) {
		errs = append(errs, fmt.Errorf("mdns: %q is not a host name of 1..59 lower-case letters, digits and hyphens", c.Host))
	}
	if len(c.Services) > maxServices {
		errs = append(errs, fmt.Errorf("mdns: %d services are more than %d", len(c.Services), maxServices))
	}
	text := 0
	for _, s := range c.Services {
		if !serviceType.MatchString(s.Type) || s.Port == 0 {
			errs = append(errs, fmt.Errorf("mdns: %q at port %d is not a service", s.Type, s.Port))
		}
		for _, t := range s.Text {
			text += 1 + len(t)
			if len(t) == 0 || len(t) > 255 {
				errs = append(errs, fmt.Errorf("mdns: %s: a text of %d bytes is outside 1..255", s.Type, len(t)))
			}
		}
	}
	if text > maxText {
		errs = append(errs, fmt.Errorf("mdns: texts of %d bytes are more than %d", text, maxText))
	}
	return errors.Join(errs...)
}

// A Responder announces the device. Its methods are safe for concurrent use.
type Responder struct {
	cfg  Config
	name atomic.Pointer[string]
	log  *zap.Logger
}

// New checks cfg.
func New(cfg Config, log *zap.Logger) (*Responder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Responder{cfg: cfg, log: log.Named("mdns")}
	r.name.Store(&cfg.Host)
	return r, nil
}

// Name is the name under which the device is found at the moment, with .local.
func (r *Responder) Name() string { return *r.name.Load() + ".local" }

// Run announces the device until ctx ends, then takes the announcement back and returns ctx's cause. It follows interfaces
// and addresses as they come and go; without any it waits.
func (r *Responder) Run(ctx context.Context) error {
	s := newSession(r)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	open := func(l *link) error { return l.open(s.in, stop, &readers) }
	defer func() {
		for _, l := range s.links {
			l.goodbye(l.records)
			l.close()
		}
		close(stop)
		readers.Wait()
	}()
	timer, relook := time.NewTimer(0), time.Time{}
	defer timer.Stop()
	for {
		now := time.Now()
		if !now.Before(relook) {
			relook = now.Add(look)
			s.follow(interfaces(r.cfg.Address, r.log), open, now)
		}
		timer.Reset(min(s.step(now).Sub(now), relook.Sub(now)))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case p := <-s.in:
			s.receive(p, time.Now())
		case <-timer.C:
		}
	}
}

// A packet is what came in on a link, or the fault that ended reading there.
type packet struct {
	link *link
	from netip.AddrPort
	data []byte
	err  error
}

// A session is what one Run knows. It belongs to Run's goroutine.
type session struct {
	r     *Responder
	in    chan packet
	links map[int]*link // by interface index
	taken int           // names that were found to be taken
	// The conflicts in a row, none longer than conflictGap after the one before, and when the last was.
	conflicts int
	conflict  time.Time
	failed    map[int]bool // interfaces whose fault was logged
}

func newSession(r *Responder) *session {
	r.name.Store(&r.cfg.Host)
	return &session{r: r, in: make(chan packet), links: map[int]*link{}, failed: map[int]bool{}}
}

// follow makes the links those of the interfaces that are there now.
func (s *session) follow(now []netInterface, open func(*link) error, at time.Time) {
	here := map[int]bool{}
	for _, n := range now {
		here[n.index] = true
		l := s.links[n.index]
		if l != nil && l.net.name == n.name && l.net.families() == n.families() {
			if !slices.Equal(l.net.addresses, n.addresses) {
				l.moved(n, s.host(), at)
			}
			l.net.own = n.own
			continue
		}
		s.drop(n.index)
		l = newLink(n, s.r.cfg.Services, s.host(), at)
		if err := open(l); err != nil {
			l.close()
			if !s.failed[n.index] {
				s.r.log.Warn("this interface cannot be announced on", zap.String("interface", n.name), zap.Error(err))
			}
			s.failed[n.index] = true
			continue
		}
		delete(s.failed, n.index)
		s.links[n.index] = l
	}
	for i := range s.links {
		if !here[i] {
			s.drop(i)
		}
	}
}

func (s *session) drop(index int) {
	if l := s.links[index]; l != nil {
		l.close()
		delete(s.links, index)
	}
}

// host is the name that is tried or held now.
func (s *session) host() string { return *s.r.name.Load() }

// step does what is due on all links and says when the next is.
func (s *session) step(now time.Time) time.Time {
	next := now.Add(time.Hour)
	for _, l := range s.links {
		if at := l.step(now); at.Before(next) {
			next = at
		}
	}
	return next
}

// receive takes what came in.
func (s *session) receive(p packet, now time.Time) {
	if s.links[p.link.net.index] != p.link {
		return // closed meanwhile
	}
	if p.err != nil {
		s.drop(p.link.net.index) // the next look at the interfaces tries again
		return
	}
	m, ok := parse(p.data)
	switch {
	case !ok:
	case !m.response:
		if s.own(p.from.Addr()) || !p.link.losesTo(m, now) {
			p.link.answer(m, p.from, now)
		}
	case p.from.Port() == port: // RFC 6762 6
		p.link.heard(m, now)
		if !s.own(p.from.Addr()) && p.link.contradicts(m) {
			s.contradicted(p.link, now)
		}
	}
}

// own tells this machine's addresses: what comes from them, by this or another responder, contradicts nothing.
func (s *session) own(a netip.Addr) bool {
	for _, l := range s.links {
		if slices.Contains(l.net.own, a.WithZone("")) {
			return true
		}
	}
	return false
}

// RFC 6762 8.1: after so many conflicts within so long, each further try waits.
const (
	maxConflicts = 15
	conflictGap  = 10 * time.Second
	conflictWait = 5 * time.Second
)

// contradicted gives way to who has the name: one that was held is probed for again (RFC 6762 9), one that was only tried is given up.
func (s *session) contradicted(l *link, now time.Time) {
	if now.Sub(s.conflict) > conflictGap {
		s.conflicts = 0
	}
	s.conflicts++
	s.conflict = now
	at := now.Add(rand.N(probeWait))
	if s.conflicts >= maxConflicts {
		at = now.Add(conflictWait)
	}
	if !l.probing() {
		l.probe(at)
		return
	}
	s.taken++
	name := s.r.cfg.Host + "-" + strconv.Itoa(2+(s.taken-1)%998)
	if s.taken <= maxConflicts {
		s.r.log.Warn("the name is taken on this network", zap.String("name", s.host()), zap.String("instead", name), zap.String("interface", l.net.name))
	}
	s.r.name.Store(&name)
	for _, other := range s.links {
		other.goodbye(other.records)
		other.rebuild(name)
		other.probe(at)
	}
}
