package clip

import (
	"time"

	"camward/camio"
)

// TrackOf says what moved in the pictures of an event from one time to another, both included: two times that are the same are those of a single
// picture. Times of the track count from the first. It gives nil where nothing is known, and what it gives is not changed afterwards.
type TrackOf func(event string, from, to time.Duration) *camio.Track

// SetTracks tells the recorder whom to ask what moved in what it records, so that recordings go with it. Call it before Run; the function is
// called from another goroutine, while Observe may be running, and must not call the recorder.
func (r *Recorder) SetTracks(of TrackOf) { r.track = of }

// A describer is a Recording that takes the track of a clip, which is known when all of it is written. Describe is called at most once, before
// Finish.
type describer interface{ Describe(t *camio.Track) }

// trackOf is called without r.mu, which the detector holds within a lock of whoever is asked here.
func (r *Recorder) trackOf(e *event, from, to time.Duration) *camio.Track {
	if r.track == nil {
		return nil
	}
	return r.track(e.id, from, to)
}
