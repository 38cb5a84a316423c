package clip

import (
	"testing"
	"time"

	"camward/camio"
)

func TestClipShowsWhatCameBeforeAndAfterTheMotion(t *testing.T) {
	g := record(t, quiet(), mjpeg(320, 240), jpegs(t, 320, 240, 60), func(g *rig) {
		g.play(shot{frames: 150}, shot{30, true}, shot{frames: 150})
	})
	first, last := g.fed[150].Mono, g.fed[179].Mono
	clip := g.clips(1)[0]
	checkClip(t, clip, g.taken(first-5*time.Second, last+5*time.Second))
	snap := g.media(camio.KindSnapshot, 1)[0]
	if clip.Event == "" || clip.Event != snap.Event {
		t.Errorf("the clip's event is %q, the snapshot's %q", clip.Event, snap.Event)
	}
	if clip.Camera != "front" || clip.CameraID != "00AA11BB22CC" || clip.Mode != camio.UploadVideo || snap.Mode != camio.UploadVideo {
		t.Errorf("clip %+v, snapshot %+v", clip.Media, snap.Media)
	}
	if snap.Mono != first {
		t.Errorf("the snapshot is of %v, want the first of equals, %v", snap.Mono, first)
	}
	if g.spool.syncs < 12 {
		t.Errorf("%d syncs in 12 s, want one a fragment", g.spool.syncs)
	}
}
