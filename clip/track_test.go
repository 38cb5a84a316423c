package clip

import (
	"testing"
	"time"

	"camward/camio"
)

func (r *recording) Describe(t *camio.Track) { r.media.Track = t }

func TestRecordingsOfAnEventCarryWhatMovedInThem(t *testing.T) {
	for _, mode := range []camio.UploadMode{camio.UploadVideo, camio.UploadImage} {
		cfg := quiet()
		cfg.Heartbeat, cfg.MaxLength, cfg.Mode = time.Minute, 5*time.Second, mode
		data := jpegs(t, 64, 48, 60)
		g := bubble(t, cfg, mjpeg(64, 48), data, func(g *rig) {
			g.r.SetTracks(func(event string, from, to time.Duration) *camio.Track {
				if from > to || event == "" {
					t.Errorf("asked for %v to %v of event %q", from, to, event)
				}
				return &camio.Track{Area: from.Seconds(), Boxes: []camio.TrackBox{{int((to - from).Milliseconds()), 0, 0, 1, 1}}}
			})
			g.run(func() { g.play(shot{60, false}, shot{120, true}, shot{120, false}) })
		})
		for _, kind := range []camio.Kind{camio.KindClip, camio.KindSnapshot} {
			if of := g.spool.of(kind); len(of) < 2 && !(kind == camio.KindClip && mode == camio.UploadImage) {
				t.Errorf("mode %s: %d of kind %s", mode, len(of), kind)
			}
			for _, m := range g.spool.of(kind) {
				if m.Track == nil {
					t.Errorf("mode %s: a %s without a track", mode, kind)
					continue
				}
				long := time.Duration(m.Track.Boxes[0][0]) * time.Millisecond
				if m.Track.Area != m.Mono.Seconds() || !near(long, max(m.Length-step, 0), step) {
					t.Errorf("mode %s: the track of a %s at %v of %v was asked for from %v s on for %v", mode, kind, m.Mono, m.Length, m.Track.Area, long)
				}
			}
		}
		for _, m := range g.spool.of(camio.KindHeartbeat) {
			if m.Track != nil {
				t.Error("a heartbeat has a track")
			}
		}
	}
}
