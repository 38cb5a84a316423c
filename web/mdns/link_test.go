package mdns

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a session with one link whose packets are kept, at a time of its own.
type bench struct {
	t    testing.TB
	s    *session
	l    *link
	now  time.Time
	sent []sent
}

type sent struct {
	to  netip.AddrPort
	msg dnsmessage.Message
}

var (
	peer   = netip.MustParseAddrPort("10.9.0.2:5353")
	legacy = netip.MustParseAddrPort("10.9.0.2:40000")
	afar   = netip.MustParseAddrPort("203.0.113.9:40000")
)

// newBench has a link that is just about to probe.
func newBench(t testing.TB) *bench {
	r, err := New(camera, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, s: newSession(r), now: time.Unix(1e9, 0)}
	n := netInterface{name: "lan", index: 2, addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}, own: []netip.Addr{netip.MustParseAddr("10.9.0.1")}}
	b.s.follow([]netInterface{n}, func(l *link) error {
		l.send = func(p []byte, to netip.AddrPort) {
			var m dnsmessage.Message
			if err := m.Unpack(p); err != nil {
				t.Fatalf("sent what cannot be read: %v", err)
			}
			b.sent = append(b.sent, sent{to, m})
		}
		return nil
	}, b.now)
	b.l = b.s.links[2]
	return b
}

// settle lets time pass until nothing more is due.
func (b *bench) settle() *bench {
	for end := b.now.Add(time.Minute); b.now.Before(end); b.now = b.now.Add(10 * time.Millisecond) {
		b.s.step(b.now)
	}
	return b
}

// settled is a bench whose name is held and announced long ago.
func settledBench(t testing.TB) *bench {
	b := newBench(t).settle()
	b.sent = nil
	return b
}

func (b *bench) pass(d time.Duration) []sent {
	for end := b.now.Add(d); b.now.Before(end); b.now = b.now.Add(time.Millisecond) {
		b.s.step(b.now)
	}
	out := b.sent
	b.sent = nil
	return out
}

func (b *bench) get(from netip.AddrPort, m dnsmessage.Message) {
	b.t.Helper()
	p, err := m.Pack()
	if err != nil {
		b.t.Fatal(err)
	}
	b.s.receive(packet{link: b.l, from: from, data: p}, b.now)
}

func question(name string, typ dnsmessage.Type, bits dnsmessage.Class) dnsmessage.Message {
	return dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET | bits}}}
}

func resourceOf(name string, ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}, Body: body}
}

const (
	hostLocal = "camward-a1b2c3.local."
	httpLocal = "_http._tcp.local."
	instance  = "camward-a1b2c3._http._tcp.local."
)

func types(rs []dnsmessage.Resource) (out []dnsmessage.Type) {
	for _, r := range rs {
		out = append(out, r.Header.Type)
	}
	slices.Sort(out)
	return out
}

func TestNameIsProbedThreeTimesThenAnnouncedTwice(t *testing.T) {
	b := newBench(t)
	var at []time.Time
	for end := b.now.Add(10 * time.Second); b.now.Before(end); b.now = b.now.Add(10 * time.Millisecond) {
		n := len(b.sent)
		b.s.step(b.now)
		for range b.sent[n:] {
			at = append(at, b.now)
		}
	}
	if len(b.sent) != 5 {
		t.Fatalf("%d packets, want 5", len(b.sent))
	}
	for i, s := range b.sent {
		if probe := i < 3; s.msg.Response == probe || s.to.IsValid() || probe && (len(s.msg.Questions) != 2 || len(s.msg.Authorities) != 3) {
			t.Errorf("packet %d: %+v", i, s)
		}
		if i > 0 && at[i].Sub(at[i-1]) != map[bool]time.Duration{true: 250 * time.Millisecond, false: time.Second}[i < 4] {
			t.Errorf("packet %d came %v after the one before", i, at[i].Sub(at[i-1]))
		}
	}
	for _, a := range b.sent[3].msg.Answers {
		if flush := a.Header.Class&topBit != 0; flush != (a.Header.Type != dnsmessage.TypePTR) {
			t.Errorf("%v: cache flush is %t", a.Header, flush)
		}
	}
}

func TestQuestionsAreAnsweredByMulticast(t *testing.T) {
	tests := []struct {
		name    string
		ask     string
		typ     dnsmessage.Type
		answers []dnsmessage.Type
		more    []dnsmessage.Type
	}{
		{"host", hostLocal, dnsmessage.TypeA, []dnsmessage.Type{1}, []dnsmessage.Type{typeNSEC}},
		{"host in capitals", "CAMWARD-A1B2C3.LOCAL.", dnsmessage.TypeA, []dnsmessage.Type{1}, []dnsmessage.Type{typeNSEC}},
		{"no IPv6", hostLocal, dnsmessage.TypeAAAA, []dnsmessage.Type{typeNSEC}, []dnsmessage.Type{1}},
		{"type of service", httpLocal, dnsmessage.TypePTR, []dnsmessage.Type{12}, []dnsmessage.Type{1, 16, 33, typeNSEC, typeNSEC}},
		{"service", instance, dnsmessage.TypeSRV, []dnsmessage.Type{33}, []dnsmessage.Type{1, 16, typeNSEC, typeNSEC}},
		{"text", instance, dnsmessage.TypeTXT, []dnsmessage.Type{16}, nil},
		{"all types", "_services._dns-sd._udp.local.", dnsmessage.TypePTR, []dnsmessage.Type{12}, nil},
		{"everything of a name", instance, typeANY, []dnsmessage.Type{16, 33}, []dnsmessage.Type{1, typeNSEC, typeNSEC}},
		{"another host", "camward-ffffff.local.", dnsmessage.TypeA, nil, nil},
		{"another type", "_ssh._tcp.local.", dnsmessage.TypePTR, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := settledBench(t)
			b.get(peer, question(tt.ask, tt.typ, 0))
			got := b.pass(2 * time.Second)
			if tt.answers == nil {
				if len(got) != 0 {
					t.Fatalf("sent %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].to.IsValid() || got[0].msg.ID != 0 || len(got[0].msg.Questions) != 0 {
				t.Fatalf("sent %+v", got)
			}
			if a, m := types(got[0].msg.Answers), types(got[0].msg.Additionals); !slices.Equal(a, tt.answers) || !slices.Equal(m, tt.more) {
				t.Errorf("got %v and %v, want %v and %v", a, m, tt.answers, tt.more)
			}
		})
	}
}

func TestKnownAnswersAreNotRepeated(t *testing.T) {
	for ttl, want := range map[uint32]int{4500: 0, 2250: 0, 2249: 1} {
		b := settledBench(t)
		q := question(httpLocal, dnsmessage.TypePTR, 0)
		q.Answers = []dnsmessage.Resource{resourceOf(httpLocal, ttl, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(instance)})}
		b.get(peer, q)
		if got := b.pass(time.Second); len(got) != want {
			t.Errorf("known for %d s: %d answers, want %d", ttl, len(got), want)
		}
	}
}

func TestKnownAnswersMayComeInASecondPacket(t *testing.T) {
	b := settledBench(t)
	q := question(httpLocal, dnsmessage.TypePTR, 0)
	q.Truncated = true
	b.get(peer, q)
	if got := b.pass(300 * time.Millisecond); len(got) != 0 {
		t.Fatalf("answered before the rest came: %+v", got)
	}
	b.get(peer, dnsmessage.Message{Answers: []dnsmessage.Resource{resourceOf(httpLocal, 4500, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(instance)})}})
	if got := b.pass(time.Second); len(got) != 0 {
		t.Errorf("sent %+v", got)
	}
}

func TestRecordIsMulticastOnceASecondAtMost(t *testing.T) {
	b := settledBench(t)
	var got []sent
	for range 3000 {
		b.get(peer, question(hostLocal, dnsmessage.TypeA, 0))
		b.get(peer, question(httpLocal, dnsmessage.TypePTR, 0))
		got = append(got, b.pass(time.Millisecond)...)
	}
	count := map[dnsmessage.Type]int{}
	for _, s := range got {
		for _, r := range slices.Concat(s.msg.Answers, s.msg.Additionals) {
			count[r.Header.Type]++
		}
	}
	for typ, n := range count {
		if max := 4 * map[bool]int{false: 1, true: 2}[typ == typeNSEC]; n > max {
			t.Errorf("%v was multicast %d times in 3 s", typ, n)
		}
	}
	if count[dnsmessage.TypeA] < 3 {
		t.Errorf("the address was multicast %d times in 3 s", count[dnsmessage.TypeA])
	}
	if len(b.l.pending) > maxPending {
		t.Errorf("%d answers wait", len(b.l.pending))
	}
}

func TestUnicastIsGivenToNeighboursOnly(t *testing.T) {
	tests := []struct {
		name  string
		from  netip.AddrPort
		bits  dnsmessage.Class
		idle  time.Duration // since the record was multicast
		to    netip.AddrPort
		group bool
	}{
		{name: "asked for, just multicast", from: peer, bits: topBit, idle: 2 * time.Second, to: peer},
		{name: "asked for, multicast long ago", from: peer, bits: topBit, idle: time.Minute, group: true},
		{name: "asked for by a stranger", from: netip.MustParseAddrPort("203.0.113.9:5353"), bits: topBit, idle: 2 * time.Second, group: true},
		{name: "plain DNS", from: legacy, idle: time.Minute, to: legacy},
		{name: "plain DNS by a stranger", from: afar, idle: time.Minute},
		{name: "link-local", from: netip.MustParseAddrPort("[fe80::7%lan]:40000"), idle: time.Minute, to: netip.MustParseAddrPort("[fe80::7%lan]:40000")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := settledBench(t)
			b.get(peer, question(hostLocal, dnsmessage.TypeA, 0))
			b.pass(tt.idle)
			q := question(hostLocal, dnsmessage.TypeA, tt.bits)
			q.ID = 7
			b.get(tt.from, q)
			got := b.pass(2 * time.Second)
			want := 1
			if !tt.group && !tt.to.IsValid() {
				want = 0
			}
			if len(got) != want || want == 1 && got[0].to != tt.to {
				t.Fatalf("sent %+v", got)
			}
		})
	}
}

func TestUnicastFloodIsBounded(t *testing.T) {
	b := settledBench(t)
	for range 1000 {
		b.get(legacy, question(hostLocal, dnsmessage.TypeA, 0))
	}
	if got := b.pass(time.Millisecond); len(got) != maxUnicast {
		t.Errorf("%d answers, want %d", len(got), maxUnicast)
	}
}

func TestSimultaneousProbeIsLostToLaterData(t *testing.T) {
	for address, lost := range map[[4]byte]bool{{10, 9, 0, 0}: false, {10, 9, 0, 1}: false, {10, 9, 0, 2}: true} {
		b := newBench(t)
		b.pass(300 * time.Millisecond)
		q := question(hostLocal, typeANY, 0)
		q.Authorities = []dnsmessage.Resource{resourceOf(hostLocal, 120, &dnsmessage.AResource{A: address})}
		b.get(peer, q)
		if got := len(b.pass(950*time.Millisecond)) == 0; got != lost {
			t.Errorf("against %v: lost is %t", address, got)
		}
		if b.s.host() != "camward-a1b2c3" {
			t.Errorf("against %v: renamed", address)
		}
	}
}

func conflict() dnsmessage.Message {
	return dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{resourceOf(hostLocal, 120, &dnsmessage.AResource{A: [4]byte{10, 9, 0, 2}})}}
}

func TestHeldNameIsProbedForAgainBeforeItIsGivenUp(t *testing.T) {
	b := settledBench(t)
	b.get(peer, conflict())
	got := b.pass(3 * time.Second)
	if len(got) < 4 || got[0].msg.Response || b.s.host() != "camward-a1b2c3" {
		t.Fatalf("%s, sent %+v", b.s.host(), got)
	}
	b.get(peer, conflict())
	b.pass(300 * time.Millisecond)
	b.get(peer, conflict()) // the other one defends
	if b.s.host() != "camward-a1b2c3-2" {
		t.Errorf("the name is %s", b.s.host())
	}
}

func TestWhatIsNoConflict(t *testing.T) {
	tests := map[string]struct {
		from netip.AddrPort
		body dnsmessage.Resource
	}{
		"the same data":           {peer, resourceOf(hostLocal, 120, &dnsmessage.AResource{A: [4]byte{10, 9, 0, 1}})},
		"another name":            {peer, resourceOf("x.local.", 120, &dnsmessage.AResource{A: [4]byte{10, 9, 0, 2}})},
		"another type":            {peer, resourceOf(hostLocal, 120, &dnsmessage.TXTResource{TXT: []string{"x"}})},
		"a shared record":         {peer, resourceOf(httpLocal, 120, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("x._http._tcp.local.")})},
		"this machine's own":      {netip.MustParseAddrPort("10.9.0.1:5353"), resourceOf(hostLocal, 120, &dnsmessage.AResource{A: [4]byte{10, 9, 0, 2}})},
		"taken back":              {peer, resourceOf(hostLocal, 0, &dnsmessage.AResource{A: [4]byte{10, 9, 0, 2}})},
		"not from mDNS's port":    {legacy, resourceOf(hostLocal, 120, &dnsmessage.AResource{A: [4]byte{10, 9, 0, 2}})},
		"the same port elsewhere": {peer, resourceOf(httpLocal, 120, &dnsmessage.SRVResource{Target: dnsmessage.MustNewName("x.local.")})},
	}
	for name, tt := range tests {
		b := settledBench(t)
		b.get(tt.from, dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{tt.body}})
		if b.l.probing() {
			t.Errorf("%s: taken for a conflict", name)
		}
	}
}

func TestEndlessConflictsAreSlowedDown(t *testing.T) {
	b := newBench(t)
	tries := 0
	for end := b.now.Add(2 * time.Minute); b.now.Before(end); {
		for _, s := range b.pass(10 * time.Millisecond) {
			if s.msg.Response {
				t.Fatalf("announced: %+v", s)
			}
			tries++
			c := conflict()
			c.Answers[0].Header.Name = s.msg.Questions[0].Name
			b.get(peer, c)
		}
	}
	if most := maxConflicts + int(2*time.Minute/conflictWait); tries > most {
		t.Errorf("%d tries in two minutes, want at most %d", tries, most)
	}
}

func TestRecordThatSomeoneTookBackIsPutRight(t *testing.T) {
	b := settledBench(t)
	c := conflict()
	c.Answers[0] = resourceOf(hostLocal, 0, &dnsmessage.AResource{A: [4]byte{10, 9, 0, 1}})
	b.get(peer, c)
	if got := b.pass(time.Second); len(got) != 1 || got[0].msg.Answers[0].Header.TTL != 120 {
		t.Errorf("sent %+v", got)
	}
}

func TestChangedAddressIsAnnouncedAndTheOldOneTakenBack(t *testing.T) {
	b := settledBench(t)
	n := b.l.net
	n.addresses = []netip.Prefix{netip.MustParsePrefix("10.9.0.77/24")}
	b.s.follow([]netInterface{n}, nil, b.now)
	got := b.pass(5 * time.Second)
	if len(got) != 3 {
		t.Fatalf("sent %+v", got)
	}
	gone := got[0].msg.Answers
	if len(gone) != 1 || gone[0].Header.TTL != 0 || gone[0].Body.(*dnsmessage.AResource).A != [4]byte{10, 9, 0, 1} {
		t.Errorf("taken back: %+v", gone)
	}
	if a := got[1].msg.Answers[0].Body.(*dnsmessage.AResource); a.A != [4]byte{10, 9, 0, 77} {
		t.Errorf("announced: %+v", got[1].msg)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"no name":     {},
		"capitals":    {Host: "Camward"},
		"with domain": {Host: "camward.local"},
		"too long":    {Host: "a234567890123456789012345678901234567890123456789012345678901"},
		"no type":     {Host: "a", Services: []Service{{Port: 1}}},
		"no port":     {Host: "a", Services: []Service{{Type: "_http._tcp"}}},
		"long text":   {Host: "a", Services: []Service{{Type: "_http._tcp", Port: 1, Text: []string{string(make([]byte, 256))}}}},
		"much text":   {Host: "a", Services: []Service{{Type: "_http._tcp", Port: 1, Text: slices.Repeat([]string{string(make([]byte, 250))}, 4)}}},
	} {
		if _, err := New(c, zaptest.NewLogger(t)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzReceive hands packets of anyone to a link in any stage: what goes out is bounded and, if by unicast, goes to a neighbour.
func FuzzReceive(f *testing.F) {
	for _, m := range []dnsmessage.Message{question(hostLocal, dnsmessage.TypeA, topBit), question(httpLocal, dnsmessage.TypePTR, 0), conflict()} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true, uint8(5))
	}
	b := newBench(f)
	f.Add(probeOf(b.l.records).pack(), false, uint8(1))
	f.Add(outgoing{response: true, flush: true, answers: b.l.records}.pack(), true, uint8(5))
	f.Fuzz(func(t *testing.T, data []byte, near bool, stage uint8) {
		b := newBench(t)
		for b.l.stage < int(stage%6) {
			b.pass(time.Second)
		}
		b.sent = nil
		from := legacy
		if !near {
			from = afar
		}
		b.s.receive(packet{link: b.l, from: from, data: data}, b.now)
		b.s.receive(packet{link: b.l, from: peer, data: data}, b.now)
		got := b.pass(400 * time.Millisecond)
		if len(got) > 12 {
			t.Errorf("%d packets in answer to two", len(got))
		}
		for _, s := range got {
			if s.to.IsValid() && s.to != peer && (s.to != legacy || !near) {
				t.Errorf("sent to %v", s.to)
			}
		}
	})
}
