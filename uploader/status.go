package uploader

import (
	"maps"
	"time"

	"camward/camio"
)

// Status is what a person or a monitor wants to know of spool and uploads. Counters begin at the
// start of the process.
type Status struct {
	Queued          int     `json:"queued"` // items waiting or in transfer
	QueuedBytes     int64   `json:"queued_bytes"`
	OldestSeconds   float64 `json:"oldest_seconds"`    // age of the oldest queued item; 0 if none
	WaitingForClock int     `json:"waiting_for_clock"` // queued items whose time is not known yet
	Recording       int     `json:"recording"`         // items being written
	SpoolBytes      int64   `json:"spool_bytes"`       // all data in the spool
	SpoolMaxBytes   int64   `json:"spool_max_bytes"`
	InMemory        bool    `json:"in_memory"`           // the spool is on a tmpfs: no disk is written to
	WrittenBytes    int64   `json:"written_bytes"`       // to the spool's disk
	WrittenDay      int64   `json:"written_day_bytes"`   // in the 24 hours of running time that are under way
	WrittenEver     int64   `json:"written_ever_bytes"`  // since the spool was made
	DailyWrites     int64   `json:"daily_writes_budget"` // for WrittenDay; 0: none

	Sent        uint64                `json:"sent"`
	SentBytes   int64                 `json:"sent_bytes"`
	Retries     uint64                `json:"retries"`     // transfers that failed and are repeated
	Refused     uint64                `json:"refused"`     // items that the store will never take
	Quarantined int                   `json:"quarantined"` // items in quarantine now
	Dropped     map[camio.Kind]uint64 `json:"dropped"`     // for want of room, by kind

	LastError   string     `json:"last_error,omitempty"` // of the last failed transfer; empty after a success
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
	LastSuccess *time.Time `json:"last_success_at,omitempty"`
	Paused      string     `json:"paused,omitempty"`      // why nothing is sent, e.g. "token refused"
	NextTry     *time.Time `json:"next_try_at,omitempty"` // when paused
}

// Status describes the present moment. It may be called from any goroutine, before and after Run too.
func (u *Uploader) Status() Status {
	u.mu.Lock()
	st := u.status
	u.mu.Unlock()
	u.spool.describe(&st)
	return st
}

// describe fills in the spool's part.
func (s *Spool) describe(st *Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, e := range s.queue {
		st.QueuedBytes += e.size
		// A stepped clock must not give an age below zero.
		st.OldestSeconds = max(st.OldestSeconds, now.Sub(e.queued).Seconds(), float64(now.Unix()-e.modified))
	}
	st.Queued, st.WaitingForClock = len(s.queue), 0
	if s.unnamed > 0 && !s.trust() {
		st.WaitingForClock = s.unnamed
	}
	st.Recording, st.Quarantined = s.recording, len(s.quarantined)
	st.SpoolBytes, st.SpoolMaxBytes = s.bytes, int64(s.cfg.MaxBytes)
	s.reckon(now)
	st.InMemory, st.WrittenBytes = s.files.memory, s.files.written.Load()
	st.WrittenDay, st.WrittenEver, st.DailyWrites = s.wear.Day, s.wear.Total, int64(s.cfg.DailyWrites)
	st.Refused, st.Dropped = s.refused, maps.Clone(s.dropped)
}
