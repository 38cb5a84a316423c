package provision

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
)

func TestThePolicyAppliesAsksOrRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		cfg.Policy = map[string]Action{"*": Ask, "ping": Apply, "zones": Refuse}
		w := &world{list: []camio.Command{cmd("ping", "1"), cmd("time", "1"), cmd("ftpAlarm", "1"), cmd("zones", "1")}}
		p := w.poller(t, cfg)
		stop := begin(p)
		time.Sleep(10 * time.Minute)
		equal(t, "calls", w.applied(), "ping@1")
		if s := stateOf(t, p, "time"); s.State != camio.StateWaiting || !s.NeedsApproval {
			t.Errorf("status %+v", s)
		}
		equal(t, "refused", stateOf(t, p, "zones").State, camio.StateRefused)
		equal(t, "told", strings.Join(w.told(), ", "), "ping@1 applied, time@1 waiting, ftpAlarm@1 waiting, zones@1 refused")
		if err := p.Approve("time"); err != nil {
			t.Error(err)
		}
		if err := p.Reject("ftpAlarm"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		equal(t, "calls", w.applied(), "ping@1 time@1")
		for id, want := range map[string]error{"time": ErrState, "zones": ErrState, "other": ErrUnknown, "": ErrUnknown} {
			if err := p.Approve(id); !errors.Is(err, want) {
				t.Errorf("approve %q: %v", id, err)
			}
		}
		stop()

		p = w.poller(t, cfg) // decisions outlive a restart
		stop = begin(p)
		time.Sleep(10 * time.Minute)
		equal(t, "rejected", stateOf(t, p, "ftpAlarm").State, camio.StateRefused)
		equal(t, "calls", w.applied(), "ping@1 time@1")
		for _, want := range []string{"ping@1 applied", "time@1 waiting", "ftpAlarm@1 waiting", "zones@1 refused", "time@1 approved", "ftpAlarm@1 rejected", "time@1 applied"} {
			if strings.Count(happened(p), want) != 1 {
				t.Errorf("journal has no single %q: %s", want, happened(p))
			}
		}
		// A new date asks again.
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2")} })
		time.Sleep(time.Minute)
		equal(t, "new date", stateOf(t, p, "ftpAlarm").State, camio.StateWaiting)
		stop()

		cfg.Policy = nil // what waited is applied once the policy says so
		p = w.poller(t, cfg)
		stop = begin(p)
		time.Sleep(time.Second)
		stop()
		equal(t, "calls", w.applied(), "ping@1 time@1 ftpAlarm@2")
	})
}

func TestAReplayAppliesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{list: []camio.Command{cmd("ftpAlarm", "1")}}
		w.reach("1")
		cfg := Default()
		cfg.Policy = map[string]Action{"zones": Refuse}
		p := w.poller(t, cfg)
		stop := begin(p)
		defer stop()
		time.Sleep(time.Minute)
		w.set(func() { w.list = []camio.Command{cmd("ftpAlarm", "2"), cmd("zones", "1")} })
		time.Sleep(5 * time.Minute)
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateRolledBack)
		w.reach("1 2") // the installer repaired the server
		if err := p.Replay("ftpAlarm"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		equal(t, "state", stateOf(t, p, "ftpAlarm").State, camio.StateApplied)
		equal(t, "calls", w.applied(), "ftpAlarm@1 ftpAlarm@2 ftpAlarm@1 ftpAlarm@2")
		equal(t, "last told", w.told()[len(w.told())-1], "ftpAlarm@2 applied")
		if err := p.Replay("zones"); !errors.Is(err, ErrState) {
			t.Errorf("what the policy refuses: %v", err)
		}
		if err := p.Replay("other"); !errors.Is(err, ErrUnknown) {
			t.Errorf("unknown: %v", err)
		}
		w.set(func() { w.list = nil })
		time.Sleep(time.Minute)
		if err := p.Replay("ftpAlarm"); !errors.Is(err, ErrState) {
			t.Errorf("gone: %v", err)
		}
	})
}

func TestADryRunTellsEverythingAndSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		put := camio.Command{ID: "ftpAlarm", DateUpdated: "1", Method: "PUT", Path: "/ISAPI/System/Network/ftp", RegexResponse: "statusCode",
			ContentType: "application/xml", Body: "<FTP><userName>tok-123456</userName><password>pass-98765</password><hostName>ftp.example.com</hostName></FTP>"}
		w := &world{list: []camio.Command{put, cmd("time", "1")}}
		w.allow = func(_, path string) error {
			if strings.HasPrefix(path, "/ISAPI") {
				return errors.New("not in the list")
			}
			return nil
		}
		cfg := Default()
		cfg.Policy = map[string]Action{"ftpAlarm": Ask}
		p := w.poller(t, cfg)
		stop := begin(p)
		defer stop()
		time.Sleep(time.Second)
		calls := w.applied()
		plans, err := p.DryRun("ftpAlarm")
		if err != nil || len(plans) != 1 {
			t.Fatal(plans, err)
		}
		got := plans[0]
		equal(t, "body", got.Body, "<FTP><userName>***</userName><password>***</password><hostName>ftp.example.com</hostName></FTP>")
		var checks []string
		for _, f := range got.Checks {
			checks = append(checks, f.Check+"="+map[bool]string{true: "ok", false: "no"}[f.OK])
		}
		equal(t, "checks", strings.Join(checks, " "), "reply=ok profile=no policy=no new=ok")
		plans, _ = p.DryRun("time")
		if c := plans[0].Checks[3]; c.OK || !strings.Contains(c.Detail, "applied already") {
			t.Errorf("a command that was applied: %+v", c)
		}
		equal(t, "calls", w.applied(), calls)
		if _, err := p.DryRun("other"); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		b, _ := json.Marshal(got)
		for _, key := range []string{`"id"`, `"date_updated"`, `"method"`, `"path"`, `"content_type"`, `"body"`, `"is_auth_required"`, `"regex_response"`, `"state"`, `"checks"`, `"check"`, `"ok"`, `"detail"`} {
			if !strings.Contains(string(b), key) {
				t.Errorf("no %s in %s", key, b)
			}
		}
	})
}

func TestWhatTheFirmwareHasLostIsAppliedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		cfg.Policy = map[string]Action{"zones": Ask, "time": Ask}
		w := &world{list: []camio.Command{cmd("ping", "1"), cmd("upload", "1"), cmd("zones", "1"), cmd("time", "1"), cmd("gone", "1")}}
		w.confirm = func(c camio.Command) error {
			if c.ID == "ping" && c.DateUpdated == "2" {
				return errUnreachable
			}
			return nil
		}
		p := w.poller(t, cfg)
		stop := begin(p)
		time.Sleep(time.Minute)
		if err := errors.Join(p.Approve("zones"), p.Reject("time")); err != nil {
			t.Fatal(err)
		}
		w.set(func() {
			w.list = []camio.Command{cmd("ping", "2"), cmd("upload", "1"), cmd("zones", "1"), cmd("time", "1")}
		})
		time.Sleep(5 * time.Minute)
		stop()
		equal(t, "before", w.applied(), "ping@1 upload@1 gone@1 zones@1 ping@2 ping@1")

		w.set(func() { w.calls = nil })
		p = w.poller(t, cfg)
		p.Reapply()
		stop = begin(p)
		defer stop()
		time.Sleep(time.Minute)
		equal(t, "applied anew", w.applied(), "ping@2 upload@1 zones@1")
		w.set(func() { w.list = append(w.list, cmd("gone", "1")) })
		time.Sleep(5 * time.Minute)
		equal(t, "listed again", w.applied(), "ping@2 upload@1 zones@1 gone@1")
		equal(t, "rejected", stateOf(t, p, "time").State, camio.StateRefused)
	})
}
