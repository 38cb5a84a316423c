package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"camward/camio"
)

// step is one thing that happens to a device.
type step struct {
	what string
	list []camio.Command
	text string // ids or dates that something holds for
	wait time.Duration
}

var ids = []string{"ping", "time", "ftpAlarm", "zones"}

func drawStep(t *rapid.T) step {
	s := step{what: rapid.SampledFrom([]string{"list", "list", "list", "cloud", "firmware", "reach", "restart", "approve", "reject"}).Draw(t, "what"),
		wait: time.Duration(rapid.SampledFrom([]int{1, 31, 60, 150, 400}).Draw(t, "wait")) * time.Second}
	switch s.what {
	case "list":
		order := rapid.Permutation(ids).Draw(t, "order")
		for _, id := range order[:rapid.IntRange(0, len(ids)).Draw(t, "n")] {
			s.list = append(s.list, cmd(id, rapid.SampledFrom([]string{"d1", "d2", "d3", "d4"}).Draw(t, "date")))
		}
	case "cloud":
		s.text = rapid.SampledFrom([]string{"", "", "500", "429", "refused", "405", "404", "broken"}).Draw(t, "cloud")
	case "firmware":
		s.text = strings.Join(rapid.SliceOfN(rapid.SampledFrom(ids), 0, 2).Draw(t, "failing"), " ")
	case "reach":
		s.text = strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"d1", "d2", "d3", "d4"}), 0, 4).Draw(t, "dates"), " ")
	}
	return s
}

// device runs a script of steps and notes what the firmware took.
type device struct {
	world
	lists [][]string // keys of each list that the cloud has sent
	took  []called   // all calls, in order
}

type called struct {
	c     camio.Command
	reply int // how many lists had been sent
	ok    bool
}

func (d *device) Poll(ctx context.Context, p camio.Poll) (*camio.PollReply, time.Time, error) {
	r, at, err := d.world.Poll(ctx, p)
	if err == nil {
		var keys []string
		for _, c := range r.Commands {
			keys = append(keys, c.Key())
		}
		d.set(func() { d.lists = append(d.lists, keys) })
	}
	return r, at, err
}

func (d *device) take(failing string) {
	d.set(func() {
		d.answer = func(c camio.Command) (int, string, error) {
			ok := !strings.Contains(failing, c.ID)
			d.set(func() { d.took = append(d.took, called{c, len(d.lists), ok}) })
			if !ok {
				return 500, "no: " + c.Path, nil
			}
			return 200, "000 Success " + strings.ReplaceAll(c.Path, "&", "\n"), nil
		}
	})
}

func (d *device) cloud(how string) {
	d.set(func() {
		d.down, d.noPost = nil, 0
		switch how {
		case "500", "429":
			d.down = &camio.StatusError{Status: map[string]int{"500": 500, "429": 429}[how], RetryAfter: 2 * time.Minute}
		case "refused":
			d.down = errUnreachable
		case "broken":
			d.down = camio.ErrNotCamio
		case "404":
			d.noPost = 404
		case "405":
			d.noPost = 405
		}
	})
}

func (d *device) play(t *testing.T, cfg Config, steps []step) (fault string) {
	build := func() *Poller {
		p, err := New(cfg, Deps{Cloud: d, Self: self, Firmware: d, Confirmer: d, Log: d.logger()})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	d.take("")
	d.reach("d1 d2 d3 d4")
	p := build()
	stop := begin(p)
	defer func() { stop() }()
	for _, s := range steps {
		switch s.what {
		case "list":
			d.set(func() { d.list = s.list })
		case "cloud":
			d.cloud(s.text)
		case "firmware":
			d.take(s.text)
		case "reach":
			d.reach(s.text)
		case "restart":
			stop()
			p = build()
			stop = begin(p)
		case "approve":
			p.Approve("zones") //nolint:errcheck // it may not wait
		case "reject":
			p.Reject("zones") //nolint:errcheck // it may not wait
		}
		time.Sleep(s.wait)
		if fault := d.shown(p); fault != "" {
			return fault
		}
	}
	stop()
	return d.judge(p, read(t, journalFile(cfg.StateFile)))
}

// shown says whether anything that people or the cloud get to see holds a token.
func (d *device) shown(p *Poller) string {
	plans, _ := p.DryRun("ftpAlarm")
	for name, v := range map[string]any{"status": p.Status(), "journal": p.Journal(), "polls": d.pollsSeen(), "log": d.logged(), "plans": plans} {
		b, err := json.Marshal(v)
		if err != nil {
			return err.Error()
		}
		if i := strings.Index(string(b), "token-"); i >= 0 {
			return fmt.Sprintf("%s shows a token: %s", name, b[max(0, i-200):min(len(b), i+40)])
		}
	}
	return ""
}

// judge holds what the firmware took against the rules.
func (d *device) judge(p *Poller, journal string) string {
	if strings.Contains(journal, "token-") {
		return "the journal's file holds a token"
	}
	took := map[string]int{}
	extra := 0
	for _, call := range d.took {
		key := call.c.Key()
		if call.ok {
			if took[key]++; took[key] > 1 {
				extra++
			}
		}
	}
	list, broken := readJournal([]byte(journal))
	back := 0
	for _, e := range list {
		if e.What == RolledBack {
			back++
		}
	}
	if broken > 0 || len(list) < maxEntries && extra != back {
		return fmt.Sprintf("%d commands were applied again, %d were rolled back: %s\n%s", extra, back, d.applied(), happened(p))
	}
	for _, poll := range d.pollsSeen() {
		for _, r := range poll.Results {
			if len(r.Answer) > maxAnswer || !plain(r.Answer) || r.State == "" {
				return fmt.Sprintf("result %+v", r)
			}
		}
	}
	return ""
}

// inOrder says whether the first tries of what one list brought came in that list's order.
func (d *device) inOrder() string {
	tried := map[string]bool{}
	last, reply := -1, -1
	for _, call := range d.took {
		key := call.c.Key()
		if tried[key] || call.c.ID == "zones" { // zones waits for a person
			continue
		}
		tried[key] = true
		if call.reply != reply {
			last, reply = -1, call.reply
		}
		at := slices.Index(d.lists[reply-1], key)
		if at < last {
			return fmt.Sprintf("%s@%s came after a later one of its list", call.c.ID, call.c.DateUpdated)
		}
		last = at
	}
	return ""
}

func TestWhateverHappensEachKeyIsAppliedOnceAndNoSecretIsShown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 25).Draw(rt, "steps")
		var fault string
		synctest.Test(t, func(t *testing.T) {
			cfg := stateFile(t)
			cfg.Policy = map[string]Action{"zones": Ask}
			d := &device{}
			if fault = d.play(t, cfg, steps); fault == "" {
				fault = d.inOrder()
			}
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}
