package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/internal/atomicfile"
)

const (
	stateVersion = 1
	maxState     = 16 << 20 // bytes of a file that is read at all
)

// state is the file's contents.
type state struct {
	Version  int       `json:"version"`
	Commands []*record `json:"commands"`
}

// parseState reads a state file. What it gives has passed the same checks as a reply: a damaged file applies nothing that no
// server could.
func parseState(b []byte) ([]*record, error) {
	var s state
	if json.Unmarshal(b, &s) != nil {
		return nil, errors.New("it is not the JSON that is written there") // the error could repeat a secret
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("version %d is not known", s.Version)
	}
	if len(s.Commands) > maxRecords {
		return nil, fmt.Errorf("%d commands, at most %d are kept", len(s.Commands), maxRecords)
	}
	keys := map[string]bool{}
	for i, r := range s.Commands {
		if r == nil {
			return nil, fmt.Errorf("command %d is empty", i+1)
		}
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("command %d: %w", i+1, err)
		}
		if keys[r.Command.Key()] {
			return nil, fmt.Errorf("command %d comes twice", i+1)
		}
		keys[r.Command.Key()] = true
	}
	return s.Commands, nil
}

var states = []string{StateListed, camio.StatePending, camio.StateWaiting, camio.StateApplied, camio.StateConfirming,
	camio.StateRolledBack, camio.StateRefused}

func (r *record) check() error {
	for _, c := range []*camio.Command{&r.Command, r.Good, r.Trial, r.Undo} {
		if c == nil {
			continue
		}
		if err := checkCommand(*c); err != nil {
			return err
		}
	}
	if !slices.Contains(states, r.State) {
		return errors.New("its state is not known")
	}
	onTrial := r.Trial != nil && r.current(*r.Trial) || r.Undo != nil && r.current(*r.Undo)
	if r.State == camio.StateConfirming && !onTrial || len(r.Past) > maxPast || r.Tries < 0 {
		return errors.New("it contradicts itself")
	}
	r.Answer, r.Error = shorten(printable(r.Answer), maxAnswer), shorten(printable(r.Error), maxAnswer)
	return nil
}

// load reads the files once. A damaged state file is set aside and all begins anew: what the cloud lists is applied once
// more, which does no harm, but what was good before is forgotten.
func (p *Poller) load() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded {
		return
	}
	p.loaded = true
	if p.cfg.StateFile != "" {
		p.loadJournal()
		p.book.records = p.readState()
	}
	for _, r := range p.book.records {
		r.begin(time.Now())
		p.resume(r)
	}
	p.book.collect()
}

// begin makes everything due that was under way; the deadline of a trial begins anew.
func (r *record) begin(now time.Time) {
	r.due, r.undoDue, r.began, r.confirmDue = now, now, now, now
}

// resume adapts one record to what this process is made of: the policy, the profile or the firmware may be others than before.
func (p *Poller) resume(r *record) {
	if r.undecided() {
		p.admit(r, p.allowed(r.Command))
	}
	if r.Trial != nil && p.confirmer == nil {
		c := *r.Trial
		r.Good, r.Trial = &c, nil
		if r.current(c) {
			p.book.settle(r, camio.StateApplied, r.HTTPStatus, r.Answer, "")
		}
	}
	if r.Undo != nil && r.Good == nil && p.restore == nil {
		p.giveUpUndo(r, "there is nothing to go back to")
	}
}

func (p *Poller) readState() []*record {
	file := p.cfg.StateFile
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, maxState))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		p.log.Warn("what was applied cannot be read, commands are applied anew", zap.Error(err))
		return nil
	}
	list, err := parseState(b)
	if err != nil {
		aside := file + ".damaged"
		if rerr := os.Rename(file, aside); rerr != nil {
			aside = ""
		}
		p.log.Warn("the file of what was applied is damaged, commands are applied anew", zap.Error(err), zap.String("set_aside", aside))
		return nil
	}
	return list
}

// save writes what has changed: first the journal, then the state, so that nothing is done that the journal does not tell. A disk
// that cannot be written stops nothing; it is said once, and tried again with the next change.
func (p *Poller) save() {
	p.disk.Lock()
	defer p.disk.Unlock()
	p.mu.Lock()
	b := &p.book
	if p.cfg.StateFile == "" {
		b.unsaved, b.changed = nil, false
	}
	if !b.changed && len(b.unsaved) == 0 {
		p.mu.Unlock()
		return
	}
	add, all, write := b.unsaved, slices.Clone(b.entries), b.changed
	b.unsaved, b.changed = nil, false
	text, err := json.Marshal(state{stateVersion, b.records})
	p.mu.Unlock()

	if err == nil {
		err = os.MkdirAll(filepath.Dir(p.cfg.StateFile), 0o700)
	}
	if err == nil && len(add) > 0 {
		if err = appendJournal(journalFile(p.cfg.StateFile), add, all); err == nil {
			add = nil
		}
	}
	if err == nil && write {
		err = atomicfile.Write(p.cfg.StateFile, text, 0o600)
	}
	p.saved(add, write, err)
}

// saved keeps what could not be written for the next time.
func (p *Poller) saved(left []Entry, write bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.book
	if err == nil {
		b.fault = ""
		return
	}
	b.changed = b.changed || write
	b.unsaved = lastEntries(append(left, b.unsaved...))
	if msg := printable(err.Error()); msg != b.fault {
		b.fault = msg
		p.log.Error("what was applied cannot be written, a restart would apply it again", zap.Error(err))
	}
}
