package capture

import "time"

const (
	thinAbove = 1.1  // times the rate wanted: what is nearer to it is left alone
	thinSlack = 0.25 // of an interval, by which a picture may come early

	// What comes is judged anew after so many pictures and so long.
	thinJudge      = 8
	thinJudgeAfter = 500 * time.Millisecond
)

// A thinner leaves out pictures of a stream that is faster than wanted, as evenly as that can be done. The zero value is ready.
type thinner struct {
	fast  bool
	due   time.Duration // when the next picture is wanted
	begun time.Duration // of what is being counted
	count int
}

// keep tells whether the picture that came at t, on CLOCK_MONOTONIC, is wanted at rate pictures per second.
func (n *thinner) keep(t time.Duration, rate float64) bool {
	interval := time.Duration(float64(time.Second) / rate)
	n.judge(t, rate)
	if !n.fast {
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

// judge counts what comes.
func (n *thinner) judge(t time.Duration, rate float64) {
	if n.begun == 0 {
		n.begun = t
		return
	}
	n.count++
	if took := t - n.begun; n.count >= thinJudge && took >= thinJudgeAfter {
		n.fast = float64(n.count)/took.Seconds() > thinAbove*rate
		n.begun, n.count = t, 0
	}
}
