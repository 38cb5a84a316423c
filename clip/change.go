package clip

import "time"

// An EventChange says that an event has begun or ended. Times are the stamps of pictures (video.Frame.Mono).
type EventChange struct {
	ID    string // of the event, as camio.Media has it in Event
	Ended bool   // false: it has begun

	Start time.Duration // from which on it is recorded: First less the pre-roll, whether or not there is a picture of then
	First time.Duration // the first picture that moves
	Last  time.Duration // the last one so far
	Peak  time.Duration // the one with the highest score so far
}

// OnEvent tells f of each event once when it has begun and once when it has ended, in that order, one call after the other. An event
// has ended when its post-roll is over or the camera was lost; its last file may not be finished then. An event that goes on in another format of
// pictures is one. Call it before Run; f is called from a goroutine of Run's, which neither the camera nor the detector waits for, but which
// encodes and writes, so f should return soon. It may call the recorder.
func (r *Recorder) OnEvent(f func(EventChange)) { r.onEvent = f }

// tell has the worker pass a change on. r.mu is held.
func (r *Recorder) tell(c EventChange) {
	if r.onEvent != nil {
		r.changes = append(r.changes, c)
		r.signal()
	}
}
