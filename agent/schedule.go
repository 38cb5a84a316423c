package agent

import (
	"errors"
	"fmt"
	"time"

	"camward/board/cgi"
	"camward/uploader"
)

// A Schedule is a part of the day that a command may restrict recording to by its number (SCHEDID).
type Schedule struct {
	ID    int            `yaml:"id"`    // 1..16
	Hours uploader.Hours `yaml:"hours"` // local time, as 22-6
}

// Schedules are the device's own.
type Schedules []Schedule

// find gives the schedule that an alarm is restricted to; nil if to none, or if there is no such schedule.
func (s Schedules) find(f cgi.FTPAlarm) *Schedule {
	if !f.Enabled || !f.Schedule.Enabled {
		return nil
	}
	for i := range s {
		if s[i].ID == f.Schedule.ID {
			return &s[i]
		}
	}
	return nil
}

// open reports whether the schedule lets something be recorded at t; nil always does.
func (s *Schedule) open(t time.Time) bool { return s == nil || s.Hours.Contains(t.Hour()) }

func (s Schedules) validate() error {
	var errs []error
	seen := map[int]bool{}
	for i, one := range s {
		if one.ID < 1 || one.ID > 16 {
			errs = append(errs, fmt.Errorf("schedules[%d].id: %d is outside 1..16", i, one.ID))
		}
		if seen[one.ID] {
			errs = append(errs, fmt.Errorf("schedules[%d].id: %d is there twice", i, one.ID))
		}
		seen[one.ID] = true
		if one.Hours == (uploader.Hours{}) {
			errs = append(errs, fmt.Errorf("schedules[%d].hours: not set; a part of the day such as 22-6", i))
		}
	}
	return errors.Join(errs...)
}
