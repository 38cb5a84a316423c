package clip

import "time"

// An Alarm is what may be asked of a camera's events while it runs. The zero value asks for nothing.
type Alarm struct {
	// After is how long to go on after the motion has stopped; a longer post-roll of the configuration stays.
	After time.Duration
	// Every is the time between the pictures of an event without a clip; 0: as the configuration says.
	Every time.Duration
	// Quiet is how long after the end of an event no new one begins.
	Quiet time.Duration
}

// SetAlarm replaces what was asked for, from the next picture on. It may be called at any time.
func (r *Recorder) SetAlarm(a Alarm) {
	r.mu.Lock()
	r.alarm = a
	r.mu.Unlock()
}

// imageEvery is the time between the pictures of an event without a clip. r.mu is held.
func (r *Recorder) imageEvery() time.Duration {
	switch {
	case r.alarm.Every > 0:
		return r.alarm.Every
	case r.cfg.SnapshotEvery > 0:
		return r.cfg.SnapshotEvery
	}
	return time.Second
}

// quiet reports whether an event that would begin at mono is not wanted. r.mu is held.
func (r *Recorder) quiet(mono time.Duration) bool {
	// A clock that went back must not silence the camera for long.
	return r.alarm.Quiet > 0 && mono < r.quietUntil && r.quietUntil-mono <= r.alarm.Quiet+max(r.cfg.PostRoll, r.alarm.After)
}
