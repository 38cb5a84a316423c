package mdns

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// RFC 6762 6 and 8.
const (
	port         = 5353
	probes       = 3
	probeWait    = 250 * time.Millisecond // between probes, and at random before the first
	defeat       = time.Second            // after a simultaneous probe that was lost
	announceWait = time.Second            // between the two announcements
	minGap       = time.Second            // between multicasts of a record on a link
	minGapProbe  = 250 * time.Millisecond // the same in defence of a name
)

// Bounds of what strangers can have done here.
const (
	maxPending = 8  // questions that wait for their answer
	maxUnicast = 10 // answers by unicast in a second
)

// A link is one interface with what is said there.
type link struct {
	net      netInterface
	services []Service
	records  []*record
	conns    []*net.UDPConn
	send     func(b []byte, to netip.AddrPort) // to the zero value: the groups. Faults are those of the moment and pass

	stage   int       // probes, then announcements sent
	at      time.Time // of the next of them
	pending []pending
	unicast struct {
		since time.Time
		sent  int
	}
}

const (
	held    = probes     // the probes were sent; the name is ours with the announcement that comes next
	settled = probes + 2 // both announcements were sent
)

// pending are answers that go out together a little later.
type pending struct {
	asked, at time.Time
	gap       time.Duration  // since the records were last multicast
	from      netip.AddrPort // who asked; what it knows already may come in further packets (RFC 6762 7.2)
	records   []*record
}

func newLink(n netInterface, services []Service, host string, now time.Time) *link {
	l := &link{net: n, services: services}
	l.send = l.transmit
	l.rebuild(host)
	l.probe(now.Add(rand.N(probeWait)))
	return l
}

// rebuild makes the records for a name and the addresses of now.
func (l *link) rebuild(host string) {
	l.records = newRecords(host, l.net.addresses, l.services)
	l.pending = nil
}

func (l *link) probe(at time.Time) { l.stage, l.at, l.pending = 0, at, nil }
func (l *link) probing() bool      { return l.stage <= held }

// moved takes new addresses over. The name stays ours, so they are announced at once (RFC 6762 8.4).
func (l *link) moved(n netInterface, host string, now time.Time) {
	old := l.records
	l.net = n
	l.rebuild(host)
	if l.probing() {
		return
	}
	l.goodbye(slices.DeleteFunc(old, func(r *record) bool { return r.typ == typeNSEC || slices.ContainsFunc(l.records, r.same) }))
	l.stage, l.at = held, now
}

// goodbye takes records back (RFC 6762 10.1), if they were announced.
func (l *link) goodbye(records []*record) {
	if l.probing() || len(records) == 0 {
		return
	}
	m := outgoing{response: true, flush: true, maxTTL: new(uint32)}
	m.answers = slices.DeleteFunc(slices.Clone(records), func(r *record) bool { return r.typ == typeNSEC })
	l.send(m.pack(), netip.AddrPort{})
}

// step does what is due and says when the next is; never is a time far away.
func (l *link) step(now time.Time) (next time.Time) {
	if l.stage < settled && !now.Before(l.at) {
		if l.stage < held {
			l.send(probeOf(l.records).pack(), netip.AddrPort{})
			l.at = now.Add(probeWait)
		} else {
			l.multicast(slices.DeleteFunc(slices.Clone(l.records), func(r *record) bool { return r.typ == typeNSEC }), nil, now)
			l.at = now.Add(announceWait)
		}
		l.stage++
	}
	next = now.Add(time.Hour)
	if l.stage < settled {
		next = l.at
	}
	kept := l.pending[:0]
	for _, p := range l.pending {
		if !now.Before(p.at) {
			l.flush(&p, now)
		}
		if len(p.records) > 0 {
			kept = append(kept, p)
			if p.at.Before(next) {
				next = p.at
			}
		}
	}
	l.pending = kept
	return next
}

// flush sends what may be sent of answers that are due, and leaves the others for a later time. What went out since it was asked for
// has been heard.
func (l *link) flush(p *pending, now time.Time) {
	var ready, wait []*record
	for _, r := range p.records {
		switch free := r.multicast.Add(p.gap); {
		case r.multicast.After(p.asked):
		case free.After(now):
			wait = append(wait, r)
			p.at = free
		default:
			ready = append(ready, r)
		}
	}
	if p.records = wait; len(ready) > 0 {
		l.multicast(ready, l.additional(ready, now), now)
	}
}

func (l *link) multicast(answers, additional []*record, now time.Time) {
	for _, r := range slices.Concat(answers, additional) {
		r.multicast = now
	}
	l.send(outgoing{response: true, flush: true, answers: answers, additional: additional}.pack(), netip.AddrPort{})
}

// additional are the records that who gets these answers will ask for next (RFC 6763 12), without what has just been sent.
func (l *link) additional(answers []*record, now time.Time) (more []*record) {
	all := slices.ContainsFunc(answers, func(r *record) bool { return r.typ == dnsmessage.TypePTR && !r.meta || r.typ == dnsmessage.TypeSRV })
	for _, r := range l.records {
		wanted := r.unique && all
		for _, a := range answers {
			wanted = wanted || r.unique && r.address == a.address && a.address
		}
		if wanted && !slices.Contains(answers, r) && now.Sub(r.multicast) >= minGap {
			more = append(more, r)
		}
	}
	return more
}

// answer answers a query of this link.
func (l *link) answer(m message, from netip.AddrPort, now time.Time) {
	for i := range l.pending {
		if p := &l.pending[i]; p.from == from {
			p.records = slices.DeleteFunc(p.records, m.knows)
		}
	}
	if l.probing() {
		return
	}
	var group, direct []*record
	legacy := from.Port() != port // RFC 6762 6.7
	near := l.near(from.Addr())
	reply := outgoing{response: true, flush: !legacy}
	for _, q := range m.questions {
		found := match(l.records, q)
		if len(found) == 0 {
			continue
		}
		if legacy && len(reply.questions) < maxServices {
			reply.questions = append(reply.questions, dnsmessage.Question{Name: q.Name, Type: q.Type, Class: q.Class &^ topBit})
		}
		for _, r := range found {
			unicast := legacy || near && q.Class&topBit != 0 && now.Sub(r.multicast) < r.lifetime()/4
			switch {
			case m.knows(r), slices.Contains(group, r), slices.Contains(direct, r):
			case unicast:
				direct = append(direct, r)
			default:
				group = append(group, r)
			}
		}
	}
	if len(direct) > 0 && near && l.mayUnicast(now) {
		if legacy {
			reply.id, reply.maxTTL = m.id, new(uint32(10))
		}
		reply.answers, reply.additional = direct, l.additional(direct, now.Add(minGap)) // however recently they were multicast
		l.send(reply.pack(), from)
	}
	if len(group) > 0 {
		l.later(group, m, from, now)
	}
}

// later puts answers aside until they may be multicast.
func (l *link) later(answers []*record, m message, from netip.AddrPort, now time.Time) {
	p := pending{asked: now, at: now, gap: minGap, from: from, records: answers}
	switch {
	case m.truncated:
		p.at = now.Add(400*time.Millisecond + rand.N(100*time.Millisecond))
	case len(m.proposed) > 0:
		p.gap = minGapProbe
	case slices.ContainsFunc(answers, func(r *record) bool { return !r.unique }):
		p.at = now.Add(20*time.Millisecond + rand.N(100*time.Millisecond))
	}
	if len(l.pending) < maxPending {
		l.pending = append(l.pending, p)
		return
	}
	last := &l.pending[maxPending-1]
	last.from, last.asked, last.gap = netip.AddrPort{}, now, minGap
	for _, r := range answers {
		if !slices.Contains(last.records, r) {
			last.records = append(last.records, r)
		}
	}
}

// near tells who is on the same link: only they get answers by unicast, so that a forged sender cannot be flooded from here.
func (l *link) near(a netip.Addr) bool {
	a = a.WithZone("")
	return a.IsLinkLocalUnicast() || slices.ContainsFunc(l.net.addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (l *link) mayUnicast(now time.Time) bool {
	if now.Sub(l.unicast.since) >= time.Second {
		l.unicast.since, l.unicast.sent = now, 0
	}
	l.unicast.sent++
	return l.unicast.sent <= maxUnicast
}

// heard notes what others answered: a shared record that someone has just sent need not be sent again (RFC 6762 7.4), and one of ours
// that someone has taken back is put right (RFC 6762 6.6).
func (l *link) heard(m message, now time.Time) {
	if l.probing() {
		return
	}
	for _, r := range l.records {
		for _, a := range m.answers {
			switch {
			case !a.is(r):
			case a.ttl >= r.ttl/2 && !r.unique:
				r.multicast = now
			case a.ttl < r.ttl/2 && l.stage == settled:
				l.later([]*record{r}, message{}, netip.AddrPort{}, now)
			}
		}
	}
}

// contradicts tells a response with other data for a name that is to be ours alone. While probing, any record of the name does.
func (l *link) contradicts(m message) bool {
	return slices.ContainsFunc(m.answers, func(a resource) bool {
		same, rival := false, false
		for _, r := range l.records {
			if r.unique && strings.EqualFold(r.name.String(), a.name) && a.class&^topBit == dnsmessage.ClassINET {
				same = same || a.is(r)
				rival = rival || l.probing() || r.typ == a.typ
			}
		}
		return rival && !same && a.ttl > 0
	})
}

// losesTo holds a probe that came while we probe against our own (RFC 6762 8.2): the lexicographically later data wins, the loser
// waits and finds the name either taken or free. It is false for all other queries.
func (l *link) losesTo(m message, now time.Time) bool {
	if !l.probing() || len(m.proposed) == 0 {
		return false
	}
	for _, name := range ownNames(l.records) {
		var ours, theirs []resource
		for _, r := range l.records {
			if r.name == name && r.unique && r.typ != typeNSEC {
				ours = append(ours, resource{typ: r.typ, class: dnsmessage.ClassINET, data: r.data})
			}
		}
		for _, p := range m.proposed {
			if strings.EqualFold(p.name, name.String()) {
				theirs = append(theirs, p)
			}
		}
		sort.Slice(ours, func(i, j int) bool { return ours[i].compare(ours[j]) < 0 })
		sort.Slice(theirs, func(i, j int) bool { return theirs[i].compare(theirs[j]) < 0 })
		if len(theirs) > 0 && slices.CompareFunc(ours, theirs, resource.compare) < 0 {
			l.probe(now.Add(defeat))
			return true
		}
	}
	return false
}

func (r resource) compare(o resource) int {
	if c := int(r.class&^topBit) - int(o.class&^topBit); c != 0 {
		return c
	}
	if c := int(r.typ) - int(o.typ); c != 0 {
		return c
	}
	return bytes.Compare(r.data, o.data)
}
