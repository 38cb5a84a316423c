package mdns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// topBit of a class: in a question it asks for an answer by unicast, in a record it flushes caches (RFC 6762 5.4, 10.2).
	topBit = 1 << 15

	typeNSEC = dnsmessage.Type(47)
	typeANY  = dnsmessage.Type(255)

	// RFC 6762 10: records that name a host or an address live short, others long; seconds.
	ttlHost  = 120
	ttlOther = 4500
)

// A record is one that we answer with. Its data is as on the wire, without compression.
type record struct {
	name    dnsmessage.Name
	typ     dnsmessage.Type
	ttl     uint32
	unique  bool // nobody else has records of this name and type
	meta    bool // enumerates types of services (RFC 6763 9)
	address bool // of the host itself: A, AAAA, or that there is none
	data    []byte

	multicast time.Time // when it was last
}

func (r *record) lifetime() time.Duration { return time.Duration(r.ttl) * time.Second }
func (r *record) same(o *record) bool {
	return r.name == o.name && r.typ == o.typ && bytes.Equal(r.data, o.data)
}

// newRecords are all records of a link.
func newRecords(host string, addresses []netip.Prefix, services []Service) (out []*record) {
	local := dnsmessage.MustNewName(host + ".local.")
	types := map[dnsmessage.Name][]dnsmessage.Type{}
	names := []dnsmessage.Name{local}
	unique := func(name dnsmessage.Name, typ dnsmessage.Type, ttl uint32, data []byte) {
		out = append(out, &record{name: name, typ: typ, ttl: ttl, unique: true, address: name == local, data: data})
		types[name] = append(types[name], typ)
	}
	for _, p := range addresses {
		typ := dnsmessage.TypeA
		if p.Addr().Is6() {
			typ = dnsmessage.TypeAAAA
		}
		unique(local, typ, ttlHost, p.Addr().AsSlice())
	}
	for _, s := range services {
		kind := dnsmessage.MustNewName(s.Type + ".local.")
		instance := dnsmessage.MustNewName(host + "." + s.Type + ".local.")
		names = append(names, instance)
		out = append(out,
			&record{name: kind, typ: dnsmessage.TypePTR, ttl: ttlOther, data: wire(instance)},
			&record{name: dnsmessage.MustNewName("_services._dns-sd._udp.local."), typ: dnsmessage.TypePTR, ttl: ttlOther, meta: true, data: wire(kind)})
		srv := binary.BigEndian.AppendUint16(make([]byte, 4), s.Port) // priority and weight 0
		unique(instance, dnsmessage.TypeSRV, ttlHost, append(srv, wire(local)...))
		var text []byte
		for _, t := range s.Text {
			text = append(append(text, byte(len(t))), t...)
		}
		unique(instance, dnsmessage.TypeTXT, ttlOther, append(text, make([]byte, max(0, 1-len(text)))...))
	}
	for _, name := range names {
		unique(name, typeNSEC, ttlHost, nsec(name, types[name]))
	}
	return out
}

// nsec says which types a name has, and so that it has no others (RFC 6762 6.1). All are below 256.
func nsec(name dnsmessage.Name, types []dnsmessage.Type) []byte {
	bitmap := make([]byte, 1+slices.Max(append(types, 0))/8)
	for _, t := range types {
		bitmap[t/8] |= 0x80 >> (t % 8)
	}
	return append(append(wire(name), 0, byte(len(bitmap))), bitmap...)
}

// wire is a name without compression, in lower case.
func wire(name dnsmessage.Name) (b []byte) {
	for label := range strings.SplitSeq(strings.TrimSuffix(strings.ToLower(name.String()), "."), ".") {
		if label != "" {
			b = append(append(b, byte(len(label))), label...)
		}
	}
	return append(b, 0)
}

// ownNames are the names that are to be ours alone.
func ownNames(records []*record) (names []dnsmessage.Name) {
	for _, r := range records {
		if r.unique && r.typ == typeNSEC {
			names = append(names, r.name)
		}
	}
	return names
}

// match finds the records that answer a question; for a name of ours without records of that type, the one that says so.
func match(records []*record, q dnsmessage.Question) (found []*record) {
	if class := q.Class &^ topBit; class != dnsmessage.ClassINET && class != dnsmessage.ClassANY {
		return nil
	}
	var none *record
	for _, r := range records {
		switch {
		case r.typ != q.Type && q.Type != typeANY && r.typ != typeNSEC, !strings.EqualFold(r.name.String(), q.Name.String()):
		case r.typ == typeNSEC:
			none = r
		default:
			found = append(found, r)
		}
	}
	if found == nil && none != nil {
		found = append(found, none)
	}
	return found
}

// A message is what is read of one that came in.
type message struct {
	id                  uint16
	response, truncated bool
	questions           []dnsmessage.Question
	answers             []resource // of a query: what the querier knows; of a response: also the additional ones
	proposed            []resource // by a probe
}

// A resource is a record of someone else's. Names in its data are as wire makes them.
type resource struct {
	name  string
	typ   dnsmessage.Type
	class dnsmessage.Class
	ttl   uint32
	data  []byte
}

func (a resource) is(r *record) bool {
	return a.typ == r.typ && a.class&^topBit == dnsmessage.ClassINET && bytes.Equal(a.data, r.data) && strings.EqualFold(a.name, r.name.String())
}

// knows tells an answer that the querier has for at least half its life (RFC 6762 7.1).
func (m message) knows(r *record) bool {
	return slices.ContainsFunc(m.answers, func(a resource) bool { return a.ttl >= r.ttl/2 && a.is(r) })
}

// maxEntries bounds what is looked at of each section.
const maxEntries = 128

// parse reads a message as far as it can be read; ok is false for what this protocol has no use for.
func parse(b []byte) (m message, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.OpCode != 0 || h.RCode != 0 {
		return m, false
	}
	m.id, m.response, m.truncated = h.ID, h.Response, h.Truncated
	for len(m.questions) < maxEntries {
		q, err := p.Question()
		if err != nil {
			break
		}
		m.questions = append(m.questions, q)
	}
	if p.SkipAllQuestions() != nil {
		return m, len(m.questions) > 0
	}
	m.answers = section(&p, p.AnswerHeader, nil)
	if p.SkipAllAnswers() != nil {
		return m, true
	}
	m.proposed = section(&p, p.AuthorityHeader, nil)
	if m.response && p.SkipAllAuthorities() == nil {
		m.answers = section(&p, p.AdditionalHeader, m.answers)
	}
	return m, true
}

func section(p *dnsmessage.Parser, header func() (dnsmessage.ResourceHeader, error), to []resource) []resource {
	for range maxEntries {
		h, err := header()
		if err != nil {
			break
		}
		r := resource{name: h.Name.String(), typ: h.Type, class: h.Class, ttl: h.TTL}
		switch h.Type {
		case dnsmessage.TypePTR:
			var ptr dnsmessage.PTRResource
			if ptr, err = p.PTRResource(); err == nil {
				r.data = wire(ptr.PTR)
			}
		case dnsmessage.TypeSRV:
			var srv dnsmessage.SRVResource
			if srv, err = p.SRVResource(); err == nil {
				for _, n := range []uint16{srv.Priority, srv.Weight, srv.Port} {
					r.data = binary.BigEndian.AppendUint16(r.data, n)
				}
				r.data = append(r.data, wire(srv.Target)...)
			}
		default:
			var raw dnsmessage.UnknownResource
			raw, err = p.UnknownResource()
			r.data = raw.Data
		}
		if err != nil {
			break
		}
		to = append(to, r)
	}
	return to
}

// outgoing is a message to be sent.
type outgoing struct {
	id                            uint16
	response                      bool
	flush                         bool    // mark unique records as replacing what is cached; never towards those who know only DNS
	maxTTL                        *uint32 // nil: as the records have it
	questions                     []dnsmessage.Question
	answers, proposed, additional []*record
}

// probeOf asks for the names and proposes the records for them (RFC 6762 8.1). The answer is asked for by multicast, since sockets that are
// bound to a group get no other.
func probeOf(records []*record) (m outgoing) {
	for _, name := range ownNames(records) {
		m.questions = append(m.questions, dnsmessage.Question{Name: name, Type: typeANY, Class: dnsmessage.ClassINET})
	}
	for _, r := range records {
		if r.unique && r.typ != typeNSEC {
			m.proposed = append(m.proposed, r)
		}
	}
	return m
}

// pack does not fail for our own records: New checked their names and lengths.
func (m outgoing) pack() []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: m.id, Response: m.response, Authoritative: m.response})
	b.EnableCompression()
	err := errors.Join(b.StartQuestions(), m.ask(&b), b.StartAnswers(), m.put(&b, m.answers),
		b.StartAuthorities(), m.put(&b, m.proposed), b.StartAdditionals(), m.put(&b, m.additional))
	out, unfinished := b.Finish()
	if err = errors.Join(err, unfinished); err != nil {
		panic("mdns: own records do not pack: " + err.Error())
	}
	return out
}

func (m outgoing) ask(b *dnsmessage.Builder) (err error) {
	for _, q := range m.questions {
		err = errors.Join(err, b.Question(q))
	}
	return err
}

func (m outgoing) put(b *dnsmessage.Builder, records []*record) (err error) {
	for _, r := range records {
		h := dnsmessage.ResourceHeader{Name: r.name, Class: dnsmessage.ClassINET, TTL: r.ttl}
		if r.unique && m.flush {
			h.Class |= topBit
		}
		if m.maxTTL != nil {
			h.TTL = min(h.TTL, *m.maxTTL)
		}
		err = errors.Join(err, b.UnknownResource(h, dnsmessage.UnknownResource{Type: r.typ, Data: r.data}))
	}
	return err
}
