package provision

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
)

// written runs a device for a while and gives its state file.
func written(t testing.TB, cfg Config, w *world) string {
	stop := begin(w.poller(t, cfg))
	time.Sleep(2 * time.Minute)
	stop()
	return read(t, cfg.StateFile)
}

func TestADamagedStateFileIsSetAsideWithOneLine(t *testing.T) {
	damage := map[string]func(string) string{
		"cut":             func(s string) string { return s[:len(s)/2] },
		"empty":           func(string) string { return "" },
		"zeros":           func(s string) string { return strings.Repeat("\x00", len(s)) },
		"other JSON":      func(string) string { return `{"version":1,"commands":[null]}` },
		"other version":   func(s string) string { return strings.Replace(s, `"version":1`, `"version":7`, 1) },
		"unknown state":   func(s string) string { return strings.Replace(s, `"state":"applied"`, `"state":"done"`, 1) },
		"hostile command": func(s string) string { return strings.Replace(s, `"path":"/form`, `"path":"http://x/form`, 1) },
		"contradiction":   func(s string) string { return strings.Replace(s, `"state":"applied"`, `"state":"confirming"`, 1) },
		"twice":           func(s string) string { return strings.ReplaceAll(s, "ftpAlarm", "ping") },
	}
	for name, change := range damage {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := stateFile(t)
				w := &world{list: []camio.Command{cmd("ping", "1"), cmd("ftpAlarm", "1")}}
				text := change(written(t, cfg, w))
				if err := os.WriteFile(cfg.StateFile, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				w.set(func() { w.calls = nil; w.log.Reset() })
				written(t, cfg, w)
				equal(t, "applied anew", w.applied(), "ping@1 ftpAlarm@1")
				equal(t, "set aside", read(t, cfg.StateFile+".damaged"), text)
				if n := strings.Count(w.logged(), `"warn"`); n != 1 {
					t.Errorf("%d warnings in %s", n, w.logged())
				}
				w.set(func() { w.calls = nil })
				written(t, cfg, w)
				equal(t, "the next start", w.applied(), "")
			})
		})
	}
}

func TestACutJournalLosesOnlyItsLastLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		w := &world{list: []camio.Command{cmd("ping", "1"), cmd("time", "1")}}
		written(t, cfg, w)
		file := journalFile(cfg.StateFile)
		text := read(t, file)
		if err := os.WriteFile(file, []byte(text[:len(text)-20]), 0o600); err != nil {
			t.Fatal(err)
		}
		w.list = []camio.Command{cmd("ping", "2")}
		p := w.poller(t, cfg)
		stop := begin(p)
		time.Sleep(time.Second)
		stop()
		equal(t, "journal", happened(p), "ping@1 applied, ping@2 applied")
		p = w.poller(t, cfg)
		stop = begin(p)
		stop()
		equal(t, "journal of the next start", happened(p), "ping@1 applied, ping@2 applied")
	})
}

func TestTheJournalStaysBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		for i := range maxEntries + 50 {
			w.set(func() { w.list = []camio.Command{cmd("time", fmt.Sprint(i))} })
			time.Sleep(time.Minute)
		}
		list := p.Journal()
		if n := len(list); n != maxEntries || list[n-1].DateUpdated != fmt.Sprint(maxEntries+49) {
			t.Errorf("%d entries, the last is %+v", n, list[n-1])
		}
	})
	file := filepath.Join(t.TempDir(), "x.journal.jsonl")
	var all []Entry
	for i := range 60 {
		var add []Entry
		for j := range 50 {
			add = append(add, Entry{ID: "time", DateUpdated: fmt.Sprint(i*50 + j), What: Applied, Path: strings.Repeat("p", 100)})
		}
		all = lastEntries(append(all, add...))
		if err := appendJournal(file, add, all); err != nil {
			t.Fatal(err)
		}
		text := read(t, file)
		list, broken := readJournal([]byte(text))
		if len(text) > maxJournal+50<<10 || broken > 0 || list[len(list)-1] != add[49] || len(list) != min(len(all), maxEntries) {
			t.Fatalf("%d bytes, %d entries, %d broken", len(text), len(list), broken)
		}
	}
}

func TestStateFilesAreForTheirOwnerOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		cfg.StateFile = filepath.Join(filepath.Dir(cfg.StateFile), "sub", "commands.json")
		written(t, cfg, &world{list: []camio.Command{cmd("ping", "1")}})
		for _, file := range []string{cfg.StateFile, journalFile(cfg.StateFile)} {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", file, info, err)
			}
		}
	})
}

func TestADiskThatCannotBeWrittenStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stateFile(t)
		dir := filepath.Dir(cfg.StateFile)
		cfg.StateFile = filepath.Join(dir, "file", "commands.json")
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w := &world{list: []camio.Command{cmd("ping", "1")}}
		p := w.poller(t, cfg)
		stop := begin(p)
		defer stop()
		time.Sleep(10 * time.Minute)
		equal(t, "calls", w.applied(), "ping@1")
		if s := p.Status(); s.StateError == "" || len(p.Journal()) != 1 {
			t.Errorf("status %+v", s)
		}
		if n := strings.Count(w.logged(), `"level":"error"`); n != 1 {
			t.Errorf("said %d times: %s", n, w.logged())
		}
		if err := os.Remove(filepath.Join(dir, "file")); err != nil {
			t.Fatal(err)
		}
		w.set(func() { w.list = []camio.Command{cmd("ping", "2")} })
		time.Sleep(time.Minute)
		if p.Status().StateError != "" || strings.Count(read(t, journalFile(cfg.StateFile)), "applied") != 2 {
			t.Errorf("after the disk came back: %+v, %s", p.Status(), read(t, journalFile(cfg.StateFile)))
		}
	})
}

func TestAFloodOfCommandsIsForgottenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := w.poller(t, Default())
		stop := begin(p)
		defer stop()
		for i := range 20 {
			list := make([]camio.Command, maxCommands)
			for j := range list {
				list[j] = cmd(fmt.Sprintf("x%d-%d", i, j), "1")
			}
			w.set(func() { w.list = list })
			time.Sleep(time.Minute)
		}
		if n := len(p.Status().Commands); n != maxRecords {
			t.Errorf("%d commands", n)
		}
	})
}

func TestACommandIsOnDiskBeforeItIsApplied(t *testing.T) {
	for i := range 5 { // of a race
		synctest.Test(t, func(t *testing.T) {
			cfg := stateFile(t)
			w := &world{list: []camio.Command{cmd("ping", "1")}}
			w.answer = func(c camio.Command) (int, string, error) {
				// Killed here, the device may point to a server that does not exist: only this file knows what to go back from.
				if !strings.Contains(read(t, cfg.StateFile), `"date_updated":"`+c.DateUpdated+`"`) {
					t.Errorf("%d: %s of %s is applied and not on disk", i, c.ID, c.DateUpdated)
				}
				return 200, "000 Success", nil
			}
			stop := begin(w.poller(t, cfg))
			time.Sleep(time.Minute)
			w.set(func() { w.list = []camio.Command{cmd("ping", "2")} })
			time.Sleep(time.Minute)
			stop()
		})
	}
}
