package uploader

import (
	"encoding/json"
	"time"

	"go.uber.org/zap"
)

const (
	wearName  = "written.json"
	wearDay   = 24 * time.Hour
	wearEvery = time.Hour // between two writes of wearName: it must not wear the flash itself
)

// wear is what the spool has cost its flash. A day is 24 hours of running time, since the clock may be anything; a
// kill loses at most the last hour of the count.
type wear struct {
	Total int64         `json:"total"`  // bytes ever
	Day   int64         `json:"day"`    // bytes in the day that runs
	Age   time.Duration `json:"age_ns"` // of that day

	seen   int64     // of files.written
	at     time.Time // of the last reckoning
	saved  time.Time
	warned bool // in this day
}

// readWear loads what saveWear kept; without it, the count begins anew.
func (s *Spool) readWear() {
	s.wear.at = time.Now()
	s.wear.saved = s.wear.at
	b, err := s.files.readAll(wearName, maxRecord)
	if err != nil {
		return
	}
	kept := s.wear
	if err := json.Unmarshal(b, &kept); err != nil || kept.Total < 0 || kept.Day < 0 || kept.Age < 0 {
		s.log.Warn("the count of written bytes is unreadable and begins anew", zap.String("file", wearName))
		return
	}
	s.wear = kept
}

// reckon brings the wear up to now, and warns once a day if it is over the budget. s.mu is held.
func (s *Spool) reckon(now time.Time) {
	w := &s.wear
	written := s.files.written.Load()
	w.Age += now.Sub(w.at)
	if w.Age >= wearDay { // what was written since the last reckoning counts for the new day
		w.Day, w.Age, w.warned = 0, w.Age%wearDay, false
	}
	w.Total += written - w.seen
	w.Day += written - w.seen
	w.seen, w.at = written, now
	if s.cfg.DailyWrites > 0 && w.Day > int64(s.cfg.DailyWrites) && !w.warned {
		w.warned = true
		s.log.Warn("more was written to the flash in a day than spool.daily_writes; fewer events or shorter clips, or a spool.dir in memory (tmpfs), spare it",
			zap.Int64("bytes", w.Day), zap.Stringer("budget", s.cfg.DailyWrites), zap.Duration("in", w.Age))
	}
}

// keepWear reckons, and now and then writes the count down. s.mu is not held.
func (s *Spool) keepWear(now time.Time) {
	s.mu.Lock()
	s.reckon(now)
	due := now.Sub(s.wear.saved) >= wearEvery
	if due {
		s.wear.saved = now
	}
	s.mu.Unlock()
	if due {
		s.saveWear()
	}
}

// saveWear writes the count down, unless nothing wears. It is not worth a failure.
func (s *Spool) saveWear() {
	if s.files.memory {
		return
	}
	s.mu.Lock()
	b, err := json.Marshal(&s.wear)
	s.mu.Unlock()
	if err == nil {
		err = s.files.replace(wearName, b)
	}
	if err != nil {
		s.log.Warn("the count of written bytes is not kept", zap.Error(err))
	}
}
