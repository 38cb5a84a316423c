package clip

import (
	"camward/camio"
	"camward/video"
)

// Picture records f alone as an event of its own with that id, and what is said of it. Like Observe it is for whoever looks at the pictures, never
// blocks and retains what it keeps. Of a camera that encodes it is the newest key picture. There is none if the recorder isn't
// running, knows no picture of the camera yet or has too many waiting.
func (r *Recorder) Picture(f *video.Frame, event string, t *camio.Track) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stream
	if !r.running || s == nil {
		return
	}
	p := s.stillOf(f)
	if p.frame == nil {
		return
	}
	mode := camio.UploadVideo
	if r.images(s) {
		mode = camio.UploadImage
	}
	p.frame.Retain()
	r.queueStill(still{peaks: []peak{p}, kind: camio.KindSnapshot, mode: mode, id: event, track: t, stream: s})
}
