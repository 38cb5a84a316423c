package clip

import (
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
)

func TestAPictureIsAnEventOfItsOwn(t *testing.T) {
	for _, mode := range []camio.UploadMode{camio.UploadVideo, camio.UploadImage} {
		cfg := quiet()
		cfg.Mode, cfg.Heartbeat = mode, time.Minute
		var at time.Duration
		g := record(t, cfg, mjpeg(64, 48), jpegs(t, 64, 48, 60), func(g *rig) {
			early := g.frame()
			g.r.Picture(early, "none", nil) // the recorder knows no picture of the camera yet
			early.Release()
			g.play(shot{60, false})
			at = g.mono
			f := g.frame()
			f.Retain()
			g.frames <- f
			g.r.Picture(f, "scene", &camio.Track{Labels: []string{"scene_covered"}})
			f.Release()
			g.play(shot{60, false})
			synctest.Wait()
		})
		got := g.spool.of(camio.KindSnapshot)
		if len(got) != 1 || len(g.spool.of(camio.KindClip)) != 0 {
			t.Fatalf("mode %s: %d pictures", mode, len(got))
		}
		if m := got[0]; m.Event != "scene" || m.Mode != mode || m.Mono != at || m.Track == nil || m.Track.Labels[0] != "scene_covered" {
			t.Errorf("mode %s: %+v", mode, m)
		}
		for _, m := range g.spool.of(camio.KindHeartbeat) {
			if m.Event != "" || m.Track != nil {
				t.Errorf("heartbeat %+v", m)
			}
		}
	}
}

func TestADamagedPictureOfAChangeCostsNoHeartbeat(t *testing.T) {
	cfg := quiet()
	cfg.Heartbeat = time.Minute
	data := append([][]byte(nil), jpegs(t, 64, 48, 60)...)
	g := record(t, cfg, mjpeg(64, 48), data, func(g *rig) {
		g.play(shot{60, false})
		f := g.frame()
		clear(f.Data[20:])
		f.Retain()
		g.frames <- f
		g.r.Picture(f, "scene", nil)
		f.Release()
		g.play(shot{60, false})
	})
	if n := len(g.spool.of(camio.KindSnapshot)); n != 0 {
		t.Errorf("%d pictures", n)
	}
	if n := len(g.spool.of(camio.KindHeartbeat)); n != 1 {
		t.Errorf("%d heartbeats in 8 s, want 1", n)
	}
}
