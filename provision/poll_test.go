package provision

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"camward/camio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script answers each poll with the next entry, the last one for ever.
type script struct {
	replies []answer
	at      []time.Duration
	start   time.Time
}

type answer struct {
	reply *camio.PollReply
	err   error
}

func (s *script) Poll(context.Context, camio.Poll) (*camio.PollReply, time.Time, error) {
	s.at = append(s.at, time.Since(s.start))
	a := s.replies[min(len(s.at), len(s.replies))-1]
	return a.reply, time.Time{}, a.err
}

var ok = &camio.PollReply{MACAddress: "123456789012", Commands: []camio.Command{
	{ID: "ping", DateUpdated: "2015-09-19T21:43:55.794-0000", Method: "GET", RegexResponse: "000 Success", IsAuthRequired: true,
		Path: "/form/setHttpPeriodSending/?ENABLE=1&SEC=30&URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD="},
	{ID: "ftpAlarm", DateUpdated: "2015-09-19T21:43:55.835-0000", Method: "GET", RegexResponse: "000 Success", IsAuthRequired: true,
		Path: "/form/setFtpAlarmSending/?ENABLE=1&SERVER=ftp.camio.com&PORT=21&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio"},
}}

func self() camio.Poll { return camio.Poll{MAC: "123456789012"} }

func run(t *testing.T, s *script, length time.Duration) *Poller {
	t.Helper()
	p, err := New(Default(), Deps{Cloud: s, Self: self, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	s.start = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	if err := p.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Run returned %v", err)
	}
	return p
}

func TestPollsEveryThirtySecondsWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: []answer{{reply: ok}}}
		run(t, s, 10*time.Minute)
		if n := len(s.at); n < 18 || n > 23 {
			t.Fatalf("%d polls in 10 minutes, want about 20", n)
		}
		for i := 1; i < len(s.at); i++ {
			if d := s.at[i] - s.at[i-1]; d < 27*time.Second || d > 33*time.Second {
				t.Fatalf("poll %d came after %v", i, d)
			}
		}
	})
}

func TestFailuresBackOffButNeverStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: []answer{{err: errors.New("connection refused")}}}
		p := run(t, s, 2*time.Hour)
		last := s.at[len(s.at)-1]
		if gap := 2*time.Hour - last; gap > 6*time.Minute || len(s.at) > 40 {
			t.Fatalf("%d polls, the last one %v before the end", len(s.at), gap)
		}
		if st := p.Status(); st.Error != "connection refused" || st.Failures != uint64(len(s.at)) {
			t.Fatalf("status %+v", st)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: []answer{{err: &camio.StatusError{Status: 429, RetryAfter: 10 * time.Minute}}, {reply: ok}}}
		run(t, s, 12*time.Minute)
		if d := s.at[1] - s.at[0]; d < 9*time.Minute {
			t.Fatalf("asked again after %v", d)
		}
	})
}

func TestCommandsAreListedWithTheirSecretsMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := run(t, &script{replies: []answer{{reply: ok}}}, time.Second)
		st := p.Status()
		if len(st.Commands) != 2 || !st.Claimed || st.Error != "" {
			t.Fatalf("status %+v", st)
		}
		if path := st.Commands[1].Path; strings.Contains(path, "abc123pdq") || strings.Contains(path, "=camio") || !strings.Contains(path, "SERVER=ftp.camio.com") {
			t.Fatalf("path shown as %s", path)
		}
	})
}

// bulky are n commands of 60 kB.
func bulky(n int) []camio.Command {
	out := make([]camio.Command, n)
	for i := range out {
		out[i] = camio.Command{ID: "zones", Path: "/" + strings.Repeat("z", i), Method: "PUT", Body: strings.Repeat("x", 60<<10)}
	}
	return out
}

func TestHostileRepliesAreRefusedWithOneLine(t *testing.T) {
	cmd := func(change func(*camio.Command)) *camio.PollReply {
		c := ok.Commands[0]
		change(&c)
		return &camio.PollReply{Commands: []camio.Command{c}}
	}
	tests := map[string]*camio.PollReply{
		"no reply":           nil,
		"10,000 commands":    {Commands: make([]camio.Command, 10_000)},
		"1 MB path":          cmd(func(c *camio.Command) { c.Path = "/" + strings.Repeat("a", 1<<20) }),
		"full address":       cmd(func(c *camio.Command) { c.Path = "http://evil.example/x" }),
		"line break in path": cmd(func(c *camio.Command) { c.Path = "/x\r\nHost: y" }),
		"bidirectional id":   cmd(func(c *camio.Command) { c.ID = "pi\u202eng" }),
		"DELETE":             cmd(func(c *camio.Command) { c.Method = "DELETE" }),
		"broken pattern":     cmd(func(c *camio.Command) { c.RegexResponse = "(" }),
		"huge pattern":       cmd(func(c *camio.Command) { c.RegexResponse = strings.Repeat("a", 2<<10) }),
		"expensive pattern":  cmd(func(c *camio.Command) { c.RegexResponse = strings.Repeat("a{0,1000}", 100) }),
		"nested pattern":     cmd(func(c *camio.Command) { c.RegexResponse = "((a{30}){30}b{500}){1}" + strings.Repeat("(x{9}){99}", 20) }),
		"bidirectional rule": cmd(func(c *camio.Command) { c.RegexResponse = "ok\u202e" }),
		"no id":              cmd(func(c *camio.Command) { c.ID = "" }),
		"date with a break":  cmd(func(c *camio.Command) { c.DateUpdated = "1\n2" }),
		"100 kB body":        cmd(func(c *camio.Command) { c.Method, c.Body = "PUT", strings.Repeat("x", 100<<10) }),
		"GET with a body":    cmd(func(c *camio.Command) { c.Body = "x" }),
		"header in type":     cmd(func(c *camio.Command) { c.Method, c.ContentType = "PUT", "text/xml\r\nHost: y" }),
		"body of bytes":      cmd(func(c *camio.Command) { c.Method, c.Body = "PUT", "\xff\xfe" }),
		"twice the same":     {Commands: []camio.Command{ok.Commands[0], ok.Commands[0]}},
		"300 kB in all":      {Commands: bulky(5)},
	}
	for name, r := range tests {
		err := Check(r)
		if err == nil || strings.ContainsAny(err.Error(), "\n\r\u202e") || len(err.Error()) > 200 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(ok); err != nil {
		t.Errorf("the document's own example is refused: %v", err)
	}
}

func TestAHostileReplyChangesNothingAndIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ping", "1")}}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = make([]camio.Command, 10_000) })
		time.Sleep(time.Hour)
		equal(t, "calls", w.applied(), "ping@1")
		if n := strings.Count(w.logged(), "10000 commands"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if s := p.Status(); !strings.Contains(s.Error, "at most 64") || len(s.Commands) != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestOnlyAPollWithSomethingToReportIsAPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ping", "1")}}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(10 * time.Minute)
		for i, poll := range w.pollsSeen() {
			if want := i == 1; (len(poll.Results) > 0) != want {
				t.Errorf("poll %d carries %d results", i, len(poll.Results))
			}
		}
		r := w.pollsSeen()[1].Results[0]
		if r.ID != "ping" || r.DateUpdated != "1" || r.State != camio.StateApplied || r.HTTPStatus != 200 || r.Answer != "000 Success" || r.At.IsZero() {
			t.Errorf("result %+v", r)
		}
		if s := p.Status(); s.Unreported != 0 || s.GetOnly {
			t.Errorf("status %+v", s)
		}
	})
}

func TestAfterAServerRefusedResultsPollsStayGet(t *testing.T) {
	for _, status := range []int{400, 404, 405} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{list: []camio.Command{cmd("ping", "1")}, noPost: status}
			p := w.poller(t, Default())
			stop := begin(p)
			defer stop()
			posts := func() (n int) {
				for _, poll := range w.pollsSeen() {
					n += min(len(poll.Results), 1)
				}
				return n
			}
			time.Sleep(time.Hour)
			if s := p.Status(); posts() != 1 || s.Failures != 0 || !s.GetOnly || s.Unreported != 1 {
				t.Errorf("%d: %d posts, status %+v", status, posts(), s)
			}
			time.Sleep(24 * time.Hour)
			if posts() != 2 {
				t.Errorf("%d: %d posts after a day, want one more", status, posts())
			}
			other := &world{list: w.list}
			p.SetCloud(other)
			time.Sleep(time.Minute)
			equal(t, "told to another server", strings.Join(other.told(), " "), "ping@1 applied")
		})
	}
}

func TestAServerThatRefusesEverythingIsNotTakenForOneWithoutPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ping", "1")}}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Second)
		w.set(func() { w.down = &camio.StatusError{Status: 404} })
		time.Sleep(10 * time.Minute)
		w.set(func() { w.down = nil })
		time.Sleep(6 * time.Minute)
		if told := w.told(); len(told) == 0 || p.Status().Unreported != 0 {
			t.Errorf("told %v", told)
		}
	})
}

func TestResultsThatDidNotArriveAreToldAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("ping", "1")}}
		stop := begin(w.poller(t, cfg))
		time.Sleep(time.Second)
		w.set(func() { w.down = &camio.StatusError{Status: 500} })
		time.Sleep(time.Minute)
		stop()
		w.set(func() { w.down, w.polls = nil, nil })
		p := w.poller(t, cfg)
		stop = begin(p)
		time.Sleep(5 * time.Minute)
		stop()
		equal(t, "told", strings.Join(w.told(), ", "), "ping@1 applied")
		p = w.poller(t, cfg)
		stop = begin(p)
		time.Sleep(time.Minute)
		stop()
		equal(t, "told after another restart", strings.Join(w.told(), ", "), "ping@1 applied")
	})
}

func TestThePeriodChangesAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		cfg := Default()
		cfg.Period = time.Hour
		p := w.poller(t, cfg)
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		if p.SetPeriod(time.Millisecond) == nil || p.SetPeriod(2*time.Hour) == nil {
			t.Error("impossible periods are taken")
		}
		if err := p.SetPeriod(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(w.pollsSeen()); n < 6 || n > 9 {
			t.Errorf("%d polls", n)
		}
		if p.Status().Period != 10 {
			t.Errorf("period %v", p.Status().Period)
		}
	})
}

// stuck never answers, as a server behind a silent firewall.
type stuck struct{}

func (stuck) Poll(ctx context.Context, _ camio.Poll) (*camio.PollReply, time.Time, error) {
	<-ctx.Done()
	return nil, time.Time{}, ctx.Err()
}

func TestAnAddressChangeInterruptsAPollThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p, err := New(Default(), Deps{Cloud: stuck{}, Self: self, Log: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		stop := begin(p)
		defer stop()
		time.Sleep(10 * time.Second)
		p.SetCloud(w)
		time.Sleep(time.Second)
		if len(w.pollsSeen()) != 1 || !p.Reached() {
			t.Errorf("%d polls of the new address, status %+v", len(w.pollsSeen()), p.Status())
		}
		p.SetCloud(stuck{})
		time.Sleep(10 * time.Minute)
		if s := p.Status(); p.Reached() || s.Failures < 2 {
			t.Errorf("status %+v", s)
		}
	})
}

// mover moves the poll with every command.
type mover struct {
	*world
	p *Poller
}

func (m *mover) Apply(ctx context.Context, c camio.Command) (int, []byte, error) {
	m.set(func() { m.list = []camio.Command{cmd("ping", fmt.Sprint(time.Now().UnixNano()))} })
	m.p.SetCloud(m)
	return m.world.Apply(ctx, c)
}

func TestAServerThatMovesThePollWithEveryReplyIsNotAskedWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mover{world: &world{list: []camio.Command{cmd("ping", "1")}}}
		p, err := New(Default(), Deps{Cloud: m, Self: self, Firmware: m, Log: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		m.p = p
		stop := begin(p)
		time.Sleep(time.Minute)
		stop()
		if n := len(m.pollsSeen()); n > 35 {
			t.Errorf("%d polls in a minute", n)
		}
	})
}

func TestTheConfigurationIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"cloud.poll.period":          func(c *Config) { c.Period = time.Millisecond },
		"cloud.poll.confirm_within":  func(c *Config) { c.ConfirmWithin = time.Second },
		"cloud.poll.policy: ftp: \"": func(c *Config) { c.Policy = map[string]Action{"ftp": "maybe"} },
	} {
		cfg := Default()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

// slow answers after a while, and lets the command succeed meanwhile.
type slow struct{ *world }

func (s slow) Poll(ctx context.Context, p camio.Poll) (*camio.PollReply, time.Time, error) {
	if len(p.Results) > 0 {
		s.set(func() { s.answer = nil })
		time.Sleep(20 * time.Second)
	}
	return s.world.Poll(ctx, p)
}

func TestAResultThatChangesWhileItIsToldIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ping", "1")}, answer: func(camio.Command) (int, string, error) { return 500, "", nil }}
		p, err := New(Default(), Deps{Cloud: slow{w}, Self: self, Firmware: w, Log: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		stop := begin(p)
		defer stop()
		time.Sleep(5 * time.Minute)
		equal(t, "told", strings.Join(w.told(), ", "), "ping@1 pending, ping@1 applied")
	})
}

func TestManyResultsAreToldInSeveralPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for i := range maxCommands {
			w.list = append(w.list, cmd("c"+strconv.Itoa(i), "1"))
		}
		stop := begin(w.poller(t, Default()))
		defer stop()
		time.Sleep(5 * time.Minute)
		told := map[string]bool{}
		for _, p := range w.pollsSeen() {
			if len(p.Results) > 50 {
				t.Errorf("a poll tells %d results; the cloud refuses more than 50, and then gets none for a day", len(p.Results))
			}
		}
		for _, r := range w.told() {
			told[r] = true
		}
		if len(told) != maxCommands {
			t.Errorf("%d results were told", len(told))
		}
	})
}
