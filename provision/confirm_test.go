package provision

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
)

// reach makes only servers of the given dates answer.
func (w *world) reach(dates string) {
	w.set(func() {
		w.confirm = func(c camio.Command) error {
			if c.ID == "time" {
				return ErrNoTarget
			}
			if strings.Contains(dates, c.DateUpdated) {
				return nil
			}
			return errUnreachable
		}
	})
}

func TestANewServerThatIsReachedIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("time", "1"), cmd("ftpAlarm", "1")}}
		w.reach("")
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(61 * time.Second)
		s := stateOf(t, p, "ftpAlarm")
		if s.State != camio.StateConfirming || s.Good != nil {
			t.Errorf("before: %+v", s)
		}
		equal(t, "no server", stateOf(t, p, "time").State, camio.StateApplied)
		w.reach("1")
		time.Sleep(6 * time.Second)
		if s := stateOf(t, p, "ftpAlarm"); s.State != camio.StateApplied || s.Good.DateUpdated != "1" {
			t.Errorf("after: %+v", s)
		}
		time.Sleep(10 * time.Minute)
		equal(t, "calls", w.applied(), "time@1 ftpAlarm@1")
		equal(t, "journal", happened(p), "time@1 applied, ftpAlarm@1 applied, ftpAlarm@1 confirmed")
		equal(t, "told", strings.Join(w.told(), ", "), "time@1 applied, ftpAlarm@1 confirming, ftpAlarm@1 applied")
	})
}

func TestAServerThatIsNotReachedIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(2 * time.Minute)
		equal(t, "state before the deadline", stateOf(t, p, "ftpAlarm").State, camio.StateConfirming)
		time.Sleep(time.Minute)
		s := stateOf(t, p, "ftpAlarm")
		if s.State != camio.StateRolledBack || s.Good.DateUpdated != "1" || !strings.Contains(s.Error, "not reached within 2m0s") {
			t.Errorf("after the deadline: %+v", s)
		}
		time.Sleep(time.Hour)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2 ftpAlarm@1")
		equal(t, "last told", w.told()[len(w.told())-1], "ftpAlarm@2 rolled_back")
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "3")} })
		w.reach("3")
		time.Sleep(time.Minute)
		if s := stateOf(t, p, "ftpAlarm"); s.State != camio.StateApplied || s.Good.DateUpdated != "3" {
			t.Errorf("the corrected one: %+v", s)
		}
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		equal(t, "the failed key again", stateOf(t, p, "ftpAlarm").State, camio.StateRolledBack)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2 ftpAlarm@1 ftpAlarm@3")
	})
}

func TestARollbackGoesOnUntilTheFirmwareTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		p := w.poller(t, cfg)
		stop := begin(p)
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		w.set(func() { w.answer = func(camio.Command) (int, string, error) { return 503, "busy", nil } })
		time.Sleep(30 * time.Minute)
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateConfirming)
		if n := strings.Count(happened(p), "rollback_failed"); n != 1 {
			t.Errorf("journal: %s", happened(p))
		}
		stop()
		w.set(func() { w.answer = nil })
		p = w.poller(t, cfg) // a restart in the middle
		stop = begin(p)
		time.Sleep(time.Second)
		stop()
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateRolledBack)
		if !strings.HasSuffix(w.applied(), "ftpAlarm@1") {
			t.Errorf("calls %s", w.applied())
		}
	})
}

func TestARestartBeginsTheDeadlineAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		stop := begin(w.poller(t, cfg))
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		stop()
		time.Sleep(24 * time.Hour) // switched off, or the clock was set meanwhile
		p := w.poller(t, cfg)
		stop = begin(p)
		defer stop()
		time.Sleep(110 * time.Second)
		equal(t, "state before the new deadline", stateOf(t, p, "ftpAlarm").State, camio.StateConfirming)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2")
		time.Sleep(15 * time.Second)
		equal(t, "state after it", stateOf(t, p, "ftpAlarm").State, camio.StateRolledBack)
	})
}

func TestWithNothingToGoBackToTheServerIsTriedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("")
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(6 * time.Hour)
		s := stateOf(t, p, "ftpAlarm")
		if s.State != camio.StateConfirming || !strings.Contains(s.Error, "not reached") {
			t.Errorf("status %+v", s)
		}
		if n := w.confirms(); n < 80 || n > 150 {
			t.Errorf("%d tries in six hours", n)
		}
		w.reach("1")
		time.Sleep(5 * time.Minute)
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateApplied)
		equal(t, "calls", w.applied(), "ftpAlarm@1")
		equal(t, "journal", happened(p), "ftpAlarm@1 applied, ftpAlarm@1 unconfirmed, ftpAlarm@1 confirmed")
	})
}

func TestWithNothingBeforeRestoreIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ping", "1"), cmd("ftpAlarm", "1")}}
		w.reach("")
		restored := map[string]int{}
		p, err := New(Default(), Deps{Cloud: w, Self: self, Firmware: w, Confirmer: w, Log: w.logger(),
			Restore: func(_ context.Context, c camio.Command) error {
				restored[c.ID]++
				switch {
				case c.ID != "ping":
					return ErrNoTarget
				case restored[c.ID] < 3:
					return errUnreachable
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		stop := begin(p)
		defer stop()
		time.Sleep(time.Hour)
		equal(t, "restored", stateOf(t, p, "ping").State, camio.StateRolledBack)
		equal(t, "nothing known", stateOf(t, p, "ftpAlarm").State, camio.StateConfirming)
		if restored["ping"] != 3 || restored["ftpAlarm"] != 1 {
			t.Errorf("asked %v", restored)
		}
		w.reach("1")
		time.Sleep(10 * time.Minute)
		equal(t, "reached later", stateOf(t, p, "ftpAlarm").State, camio.StateApplied)
		equal(t, "calls", w.applied(), "ping@1 ftpAlarm@1")
	})
}

func TestASupersededTrialStillEndsInConfirmationOrRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		cfg := Default()
		p := w.poller(t, cfg)
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(40 * time.Second)
		// 3 comes while 2 is on trial, and the profile forbids it: 2 must not stay in force unproved.
		bad := cmd("ftpAlarm", "3")
		bad.Path = "/form/../x"
		w.set(func() { w.list = []camio.Command{bad} })
		time.Sleep(5 * time.Minute)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2 ftpAlarm@1")
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateRefused)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		equal(t, "state of 2 when it comes again", stateOf(t, p, "ftpAlarm").State, camio.StateRolledBack)
	})
}

func TestASupersedingCommandThatWorksEndsTheTrialBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "3")} })
		w.reach("1 3")
		time.Sleep(time.Hour)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2 ftpAlarm@3")
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateApplied)
	})
}

func TestTheSameContentUnderANewDateIsNotOnTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cmd("ftpAlarm", "1")
		w := &world{list: []camio.Command{c}}
		w.reach("1")
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.reach("")
		c.DateUpdated = "2"
		w.set(func() { w.list = []camio.Command{c} })
		time.Sleep(time.Hour)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2")
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateApplied)
	})
}

// own is camward's own board: its ping moves the poll.
type own struct {
	*world
	p      *Poller
	clouds map[string]Cloud
}

func (o *own) Apply(ctx context.Context, c camio.Command) (int, []byte, error) {
	if c.ID == "ping" {
		o.p.SetCloud(o.clouds[c.DateUpdated])
	}
	return o.world.Apply(ctx, c)
}

func (o *own) Confirm(ctx context.Context, c camio.Command) error {
	if c.ID == "ping" && !o.p.Reached() {
		return errUnreachable
	}
	return nil
}

func TestAPollThatWasMovedToADeadServerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &world{list: []camio.Command{cmd("ping", "1")}}
		dead := &world{down: errUnreachable}
		o := &own{world: &world{}, clouds: map[string]Cloud{"1": first, "2": dead}}
		p, err := New(Default(), Deps{Cloud: first, Self: self, Firmware: o, Confirmer: o, Log: first.logger()})
		if err != nil {
			t.Fatal(err)
		}
		o.p = p
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		equal(t, "the first one", stateOf(t, p, "ping").State, camio.StateApplied)
		first.set(func() { first.list = []camio.Command{cmd("ping", "2")} })
		time.Sleep(90 * time.Second)
		if p.Reached() || len(dead.pollsSeen()) == 0 {
			t.Fatalf("not moved: %+v", p.Status())
		}
		polls := len(first.pollsSeen())
		time.Sleep(2 * time.Minute)
		equal(t, "state", stateOf(t, p, "ping").State, camio.StateRolledBack)
		if len(first.pollsSeen()) == polls || !p.Reached() {
			t.Error("the first server is not polled again")
		}
		equal(t, "last told", first.told()[len(first.told())-1], "ping@2 rolled_back")
		time.Sleep(time.Hour)
		equal(t, "calls", o.applied(), "ping@1 ping@2 ping@1")
	})
}

func TestACorrectedCommandEndsARollbackThatTheFirmwareRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		w.set(func() {
			w.answer = func(c camio.Command) (int, string, error) {
				if c.DateUpdated == "1" {
					return 500, "no", nil
				}
				return 200, "000 Success", nil
			}
		})
		time.Sleep(5 * time.Minute)
		w.reach("1 3")
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "3")} })
		time.Sleep(time.Minute)
		if s := stateOf(t, p, "ftpAlarm"); s.State != camio.StateApplied || s.Good.DateUpdated != "3" {
			t.Errorf("status %+v", s)
		}
		calls := w.applied()
		time.Sleep(time.Hour)
		equal(t, "calls afterwards", w.applied(), calls)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		equal(t, "the failed one again", stateOf(t, p, "ftpAlarm").State, camio.StateRolledBack)
	})
}

func TestAGoodCommandThatIsNotAllowedAnyMoreIsNotGoneBackTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		stop := begin(w.poller(t, cfg))
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		stop()
		w.allow = func(_, path string) error {
			if strings.Contains(path, "SERVER=1.") {
				return errUnreachable
			}
			return nil
		}
		p := w.poller(t, cfg)
		stop = begin(p)
		defer stop()
		time.Sleep(time.Hour)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2")
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateConfirming)
		w.reach("2")
		time.Sleep(10 * time.Minute)
		equal(t, "state once it is reached", stateOf(t, p, "ftpAlarm").State, camio.StateApplied)
	})
}
