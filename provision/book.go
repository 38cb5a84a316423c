package provision

import (
	"time"

	"camward/camio"
)

const (
	maxRecords = 128 // commands remembered; those that the cloud lists no more are forgotten first
	maxTold    = 50  // results of one poll; the others have to wait for the next. The cloud takes a report with more for a mistake
	maxPast    = 32  // superseded keys remembered of each, so that an old one that comes again is not applied again

	// StateListed is the state of a command where there is no firmware to apply it to. It is not told to the cloud.
	StateListed = "listed"
)

// A record is one command of the cloud's list and what became of it. Its fields with JSON names are kept on disk.
type record struct {
	Command    camio.Command `json:"command"` // the last one listed
	State      string        `json:"state"`
	Gone       bool          `json:"gone,omitempty"`     // the cloud lists it no more
	Approved   bool          `json:"approved,omitempty"` // by a person
	Rejected   bool          `json:"rejected,omitempty"` // by a person
	Tries      int           `json:"tries,omitempty"`
	HTTPStatus int           `json:"http_status,omitempty"` // of the last try
	Answer     string        `json:"answer,omitempty"`      // the firmware's, as it may be shown
	Error      string        `json:"error,omitempty"`       // why the command is not in force, as it may be shown
	At         time.Time     `json:"at,omitzero"`           // of the last change, by the wall clock
	Report     bool          `json:"report,omitempty"`      // the cloud was not yet told

	// What is in force on the device, which Command may not be yet or no more.
	Good  *camio.Command `json:"good,omitempty"`  // the last that was applied and confirmed
	Trial *camio.Command `json:"trial,omitempty"` // applied, its server not yet reached
	Undo  *camio.Command `json:"undo,omitempty"`  // its server was not reached: Good has to be applied again
	Past  []past         `json:"past,omitempty"`  // oldest first

	change uint64 // of State, HTTPStatus, Answer or Error

	due   time.Time // of the next try while pending
	fails int       // in a row, since the command came or the process began

	undoDue   time.Time
	undoFails int

	began      time.Time // of the trial in this process
	confirmDue time.Time
	late       bool // the deadline has passed and there is nothing to go back to
	lateFails  int
	why        string // the trial's or the undone command's last failure
}

// past is a superseded command that was applied.
type past struct {
	Key   string `json:"key"`   // digest of camio.Command.Key, which may hold secrets
	State string `json:"state"` // applied or rolled_back
}

// book is everything known of commands, in the order of the last reply; what is gone comes last. Poller.mu guards it.
type book struct {
	records []*record
	entries []Entry // of the journal, at most maxEntries, oldest first
	unsaved []Entry // not yet in the journal's file
	changed bool    // since the state file was written
	fault   string  // why the files cannot be written

	secrets   []string // of all commands, longest first
	secretsOf map[camio.Command][]string
}

// current says that c is what the cloud wants now.
func (r *record) current(c camio.Command) bool { return r.Command.Key() == c.Key() }

// undecided says that the current command was not applied so far.
func (r *record) undecided() bool {
	switch r.State {
	case StateListed, camio.StatePending, camio.StateWaiting, camio.StateRefused:
		return true
	}
	return false
}

// settle notes what became of the current command; the cloud is told if that is news.
func (b *book) settle(r *record, state string, status int, answer, fault string) {
	answer, fault = shorten(answer, maxAnswer), shorten(fault, maxAnswer)
	if r.State == state && r.HTTPStatus == status && r.Answer == answer && r.Error == fault {
		return
	}
	r.State, r.HTTPStatus, r.Answer, r.Error = state, status, answer, fault
	r.At = time.Now().Round(0)
	r.Report = state != StateListed && (state != camio.StatePending || fault != "")
	r.change++
	b.changed = true
}

// result is what the cloud is told.
func (r *record) result() camio.Result {
	answer := r.Answer
	if r.Error != "" && (answer == "" || r.State != camio.StatePending) {
		answer = r.Error
	}
	return camio.Result{ID: r.Command.ID, DateUpdated: r.Command.DateUpdated, State: r.State,
		HTTPStatus: r.HTTPStatus, Answer: shorten(answer, maxAnswer), At: camio.Time{Time: r.At}}
}

// unreported puts the results into a poll that the cloud has not been told, unless it takes none, and says which they are.
func (p *Poller) unreported(me *camio.Poll) map[*record]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	me.Results = nil
	if time.Now().Before(p.poll.getOnly) {
		return nil
	}
	told := map[*record]uint64{}
	for _, r := range p.book.records {
		if r.Report && len(told) < maxTold {
			me.Results = append(me.Results, r.result())
			told[r] = r.change
		}
	}
	return told
}

// reported notes that the cloud took results, except of what has changed since.
func (p *Poller) reported(told map[*record]uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r, change := range told {
		if r.change == change {
			r.Report = false
			p.book.changed = true
		}
	}
}
