package capture

import "time"

const (
	thinAbove = 1.1  // times the rate wanted: what is nearer to it is left alone
	thinSlack = 0.25 // of an interval, by which a picture may come early
)

// A thinner leaves out pictures of a stream that is faster than wanted, as evenly as that can be done.
type thinner struct {
	pace pace          // of what comes
	due  time.Duration // when the next picture is wanted
}

// keep tells whether the picture that came at t, on CLOCK_MONOTONIC, is wanted at rate pictures per second.
func (n *thinner) keep(t time.Duration, rate float64) bool {
	interval := time.Duration(float64(time.Second) / rate)
	if n.pace.add(t) <= thinAbove*rate { // also while nobody can tell
		n.due = t + interval
		return true
	}
	if t < n.due-time.Duration(thinSlack*float64(interval)) {
		return false
	}
	if n.due += interval; n.due < t { // nothing came for a while
		n.due = t + interval
	}
	return true
}
