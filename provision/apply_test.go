package provision

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
)

func TestEachCommandIsAppliedOnceInOrderByteForByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		put := camio.Command{ID: "zones", DateUpdated: "1", Method: "PUT", Path: "//x%2Fy/?a=%20&&b", RegexResponse: "^000",
			ContentType: "application/json", Body: "{\"zones\":[ {\"name\":\"Tür\"}]}\r\n"}
		w := &world{list: []camio.Command{cmd("ping", "1"), cmd("time", "1"), put}}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(10 * time.Minute)
		equal(t, "calls", w.applied(), "ping@1 time@1 zones@1")
		if w.sent()[2] != put {
			t.Errorf("sent %+v, want %+v", w.sent()[2], put)
		}
		for _, c := range p.Status().Commands {
			if c.State != camio.StateApplied || c.Tries != 1 || c.HTTPStatus != 200 || c.Answer != "000 Success" || c.Error != "" {
				t.Errorf("status %+v", c)
			}
		}
		equal(t, "told", strings.Join(w.told(), ", "), "ping@1 applied, time@1 applied, zones@1 applied")
		equal(t, "journal", happened(p), "ping@1 applied, time@1 applied, zones@1 applied")
	})
}

func TestAFailingCommandIsRetriedWhileTheOthersGoOn(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		err    error
		told   string // the result's answer
	}{
		"other status":       {401, "Unauthorized", nil, "Unauthorized"},
		"other status, mute": {503, "", nil, "the firmware answered 503 Service Unavailable"},
		"answer is an error": {200, "# Error: no such parameter", nil, "# Error: no such parameter"},
		"no answer":          {0, "", errUnreachable, "the firmware did not answer: connection refused"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{list: []camio.Command{cmd("ping", "1"), cmd("time", "1")}}
				w.answer = func(c camio.Command) (int, string, error) {
					if c.ID == "ping" {
						return tt.status, tt.body, tt.err
					}
					return 200, "000 Success", nil
				}
				p := w.poller(t, Default())
				stop := begin(p)
				defer stop()
				time.Sleep(29 * time.Minute)
				if s := stateOf(t, p, "time"); s.State != camio.StateApplied {
					t.Errorf("the other command is %+v", s)
				}
				s := stateOf(t, p, "ping")
				if s.State != camio.StatePending || s.HTTPStatus != tt.status || s.Error == "" || s.NextTry.Before(time.Now()) {
					t.Errorf("the failing command is %+v", s)
				}
				if s.Tries < 8 || s.Tries > 18 {
					t.Errorf("%d tries in half an hour, want about ten", s.Tries)
				}
				// Alike failures are told and journaled once.
				equal(t, "journal", happened(p), "ping@1 failed, time@1 applied")
				equal(t, "told", strings.Join(w.told(), ", "), "ping@1 pending, time@1 applied")
				for _, poll := range w.pollsSeen() {
					if len(poll.Results) > 0 && poll.Results[0].Answer != tt.told {
						t.Errorf("told %q, want %q", poll.Results[0].Answer, tt.told)
					}
				}
				w.set(func() { w.answer = nil })
				time.Sleep(6 * time.Minute)
				if s := stateOf(t, p, "ping"); s.State != camio.StateApplied || s.Error != "" || s.HTTPStatus != 200 {
					t.Errorf("after the firmware came back: %+v", s)
				}
			})
		})
	}
}

func TestANewDateSupersedesThePendingTriesOfTheOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("time", "1")}}
		w.answer = func(c camio.Command) (int, string, error) {
			if c.DateUpdated == "1" {
				return 500, "", nil
			}
			return 200, "000 Success", nil
		}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		before := len(w.sent())
		w.set(func() { w.list = []camio.Command{cmd("time", "2")} })
		time.Sleep(time.Hour)
		for _, c := range w.sent()[before:] {
			if c.DateUpdated == "1" && len(w.sent()) > before+3 {
				t.Fatalf("the old one is still tried: %s", w.applied())
			}
		}
		if s := stateOf(t, p, "time"); s.DateUpdated != "2" || s.State != camio.StateApplied {
			t.Errorf("status %+v", s)
		}
	})
}

func TestACommandThatDisappearsIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ping", "1"), cmd("time", "1")}}
		w.answer = func(c camio.Command) (int, string, error) { return 500, "", nil }
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = w.list[:1] })
		time.Sleep(time.Minute)
		tries := strings.Count(w.applied(), "time@1")
		time.Sleep(time.Hour)
		if n := strings.Count(w.applied(), "time@1"); n != tries {
			t.Errorf("tried %d times after it was gone", n-tries)
		}
		if s := stateOf(t, p, "time"); !s.Gone || !s.NextTry.IsZero() {
			t.Errorf("status %+v", s)
		}
		if !strings.Contains(happened(p), "time@1 failed") {
			t.Errorf("the journal lost it: %s", happened(p))
		}
		w.set(func() { w.list, w.answer = []camio.Command{cmd("time", "1")}, nil })
		time.Sleep(time.Minute)
		if s := stateOf(t, p, "time"); s.State != camio.StateApplied {
			t.Errorf("when it came again: %+v", s)
		}
	})
}

func TestAnOldCommandThatComesAgainIsNotAppliedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		// Two servers behind one name that do not agree.
		for range 5 {
			for _, date := range []string{"1", "2", "3"} {
				w.set(func() { w.list = []camio.Command{cmd("time", date)} })
				time.Sleep(time.Minute)
			}
		}
		equal(t, "calls", w.applied(), "time@1 time@2 time@3")
		if s := stateOf(t, p, "time"); s.State != camio.StateApplied || s.Good.DateUpdated != "3" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestSeveralCommandsOfOneIDStandBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := cmd("time", "1"), cmd("time", "1")
		b.Path = "/form/other/?B=1"
		w := &world{list: []camio.Command{a, b}}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{b} })
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{b, a} })
		time.Sleep(time.Minute)
		equal(t, "calls", w.applied(), "time@1 time@1")
		if w.sent()[0] != a || w.sent()[1] != b {
			t.Errorf("sent %+v", w.sent())
		}
	})
}

func TestARestartAppliesNothingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("ping", "1"), cmd("time", "1"), cmd("ftpAlarm", "1")}}
		w.answer = func(c camio.Command) (int, string, error) {
			if c.ID == "time" {
				return 0, "", errUnreachable
			}
			return 200, "000 Success", nil
		}
		for range 4 {
			stop := begin(w.poller(t, cfg))
			time.Sleep(time.Minute)
			stop()
		}
		if n := strings.Count(w.applied(), "ping@1") + strings.Count(w.applied(), "ftpAlarm@1"); n != 2 {
			t.Errorf("applied %s", w.applied())
		}
		if n := strings.Count(w.applied(), "time@1"); n < 8 {
			t.Errorf("the failing one is tried only %d times", n)
		}
		p := w.poller(t, cfg)
		w.set(func() { w.answer = nil })
		stop := begin(p)
		time.Sleep(time.Second)
		stop()
		equal(t, "journal", happened(p), "ping@1 applied, time@1 failed, ftpAlarm@1 applied, time@1 applied")
		if !p.Status().Claimed {
			t.Error("claimed is forgotten")
		}
	})
}

func TestWhatIsNotAllowedIsRefusedAndTold(t *testing.T) {
	command := func(id, path string) camio.Command {
		c := cmd(id, "1")
		c.Path = path
		return c
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{
			command("reboot", "/form/reboot"), command("dots", "/form/../admin?x=1"), command("encoded", "/form/%2E%2e/admin"),
			command("back", "/form\\..\\admin"), command("host", "///evil.example/x"), command("space", "/form/x HTTP/1.1"), command("params", "/form/..;/admin"),
			cmd("ping", "1"), command("query", "/form/ok/?url=../.."),
		}}
		w.allow = func(method, path string) error {
			if strings.Contains(path, "reboot") {
				return errors.New("/form/reboot is not in the list of Sharx")
			}
			return nil
		}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		equal(t, "calls", w.applied(), "ping@1 query@1")
		for _, c := range p.Status().Commands[:7] {
			if c.State != camio.StateRefused || c.Error == "" {
				t.Errorf("status %+v", c)
			}
		}
		equal(t, "why", stateOf(t, p, "reboot").Error, "/form/reboot is not in the list of Sharx")
		if n := strings.Count(strings.Join(w.told(), " "), "refused"); n != 7 {
			t.Errorf("told %v", w.told())
		}
	})
}

func TestAProfileThatForbidsMoreAfterARestartIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("time", "1")}}
		w.answer = func(camio.Command) (int, string, error) { return 500, "", nil }
		stop := begin(w.poller(t, cfg))
		time.Sleep(time.Second)
		stop()
		w.allow = func(string, string) error { return errors.New("no more") }
		p := w.poller(t, cfg)
		stop = begin(p)
		time.Sleep(time.Hour)
		stop()
		equal(t, "calls", w.applied(), "time@1")
		equal(t, "state", stateOf(t, p, "time").State, camio.StateRefused)
	})
}

func TestWithoutFirmwareCommandsAreListedAndNothingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("time", "1")}}
		p, err := New(cfg, Deps{Cloud: w, Self: self, Log: w.logger()})
		if err != nil {
			t.Fatal(err)
		}
		stop := begin(p)
		time.Sleep(5 * time.Minute)
		stop()
		equal(t, "state", stateOf(t, p, "time").State, StateListed)
		if len(w.told()) > 0 || p.Replay("time") == nil {
			t.Error("it is told, or can be replayed")
		}
		// The same device with a firmware, later.
		stop = begin(w.poller(t, cfg))
		time.Sleep(time.Second)
		stop()
		equal(t, "calls", w.applied(), "time@1")
	})
}

func TestChangedContentUnderTheSameKeyIsNotCoveredByAnApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cmd("zones", "1")
		c.Method, c.Body = "POST", "harmless"
		w := &world{list: []camio.Command{c}, answer: func(camio.Command) (int, string, error) { return 500, "", nil }}
		cfg := Default()
		cfg.Policy = map[string]Action{"*": Ask}
		p := w.poller(t, cfg)
		stop := begin(p)
		defer stop()
		time.Sleep(time.Second)
		if err := p.Approve("zones"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.Body = "harmful"
		w.set(func() { w.list = []camio.Command{c} })
		time.Sleep(time.Hour)
		for _, sent := range w.sent() {
			if sent.Body != "harmless" {
				t.Errorf("sent %q", sent.Body)
			}
		}
		equal(t, "state", stateOf(t, p, "zones").State, camio.StateWaiting)
	})
}
