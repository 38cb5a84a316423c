package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/internal/atomicfile"
)

const (
	maxEntries = 200       // of the journal that are shown, and kept when its file is cut
	maxJournal = 256 << 10 // bytes of the file, then it is cut
	maxShown   = 512       // bytes of a path in it
)

// What happened, in Entry.What.
const (
	Applied        = "applied"
	Failed         = "failed" // said once for failures that are alike
	Confirmed      = "confirmed"
	Unconfirmed    = "unconfirmed"     // the new server was not reached in time
	RolledBack     = "rolled_back"     //
	RollbackFailed = "rollback_failed" // it is tried again
	Waiting        = "waiting"         // for approval
	Approved       = "approved"        // by a person
	Rejected       = "rejected"        // by a person
	Refused        = "refused"         // by the policy or the allow list
	Replayed       = "replayed"        // a person had it applied again
)

// An Entry of the journal is one thing that happened to a command. Its texts are masked.
type Entry struct {
	At          time.Time `json:"at"` // by the wall clock, which may have been wrong
	ID          string    `json:"id"`
	DateUpdated string    `json:"date_updated"`
	What        string    `json:"what"`
	Method      string    `json:"method"`
	Path        string    `json:"path"`
	HTTPStatus  int       `json:"http_status,omitempty"`
	Answer      string    `json:"answer,omitempty"` // the firmware's, or why
}

// note adds to the journal. It reaches the file with the next save.
func (p *Poller) note(c camio.Command, what string, status int, answer string) {
	b := &p.book
	e := Entry{At: time.Now().Round(0).UTC(), ID: c.ID, DateUpdated: c.DateUpdated, What: what, Method: c.Method,
		Path: shorten(b.clean(c.Path, c), maxShown), HTTPStatus: status, Answer: shorten(answer, maxAnswer)}
	b.entries = lastEntries(append(b.entries, e))
	b.unsaved = append(b.unsaved, e)
}

func lastEntries(list []Entry) []Entry { return slices.Delete(list, 0, max(0, len(list)-maxEntries)) }

// Journal returns what happened to commands, oldest first, at most the last 200 entries.
func (p *Poller) Journal() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.book.entries)
}

// journalFile lies beside the state file: commands.json has commands.journal.jsonl.
func journalFile(state string) string {
	return strings.TrimSuffix(state, filepath.Ext(state)) + ".journal.jsonl"
}

// readJournal gives the last entries of a file; broken lines, as a power cut leaves them, are left out and counted.
func readJournal(b []byte) (list []Entry, broken int) {
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var e Entry
		if json.Unmarshal(line, &e) != nil || e.What == "" {
			broken++
			continue
		}
		e.Answer, e.Path = shorten(printable(e.Answer), maxAnswer), shorten(printable(e.Path), maxShown)
		if list = append(list, e); len(list) >= 2*maxEntries {
			list = lastEntries(list)
		}
	}
	return lastEntries(list), broken
}

// appendJournal adds entries to the file, and cuts it to those given in all when it has become long.
func appendJournal(file string, add, all []Entry) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	info, err := os.Stat(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	if err == nil && info.Size() > maxJournal {
		for _, entry := range all {
			e.Encode(entry) //nolint:errcheck // a buffer takes everything
		}
		return atomicfile.Write(file, text.Bytes(), 0o600)
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if info != nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] != '\n' {
			text.WriteByte('\n') // what a power cut left unfinished spoils only its own line
		}
	}
	for _, entry := range add {
		e.Encode(entry) //nolint:errcheck // a buffer takes everything
	}
	_, err = f.Write(text.Bytes())
	err = errors.Join(err, f.Sync(), f.Close())
	if info == nil {
		err = errors.Join(err, atomicfile.SyncDir(filepath.Dir(file)))
	}
	return err
}

// loadJournal is called with mu held.
func (p *Poller) loadJournal() {
	b, err := os.ReadFile(journalFile(p.cfg.StateFile))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			p.log.Warn("the journal of commands cannot be read", zap.Error(err))
		}
		return
	}
	list, broken := readJournal(b)
	if broken > 0 {
		p.log.Warn("broken lines of the journal left out", zap.Int("lines", broken))
	}
	p.book.entries = lastEntries(append(list, p.book.entries...))
}
