package provision

import (
	"context"
	"errors"
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
