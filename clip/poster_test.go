//go:build cgo

package clip

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
	"camward/video"
)

func TestClipsOfThePreRollAloneHavePostersToo(t *testing.T) {
	for name, c := range camerasOf(t, 160, 120) {
		t.Run(name, func(t *testing.T) {
			cfg := quiet()
			cfg.PreRoll, cfg.MaxLength = 14*time.Second, 5*time.Second
			g := record(t, cfg, c.format, c.data, func(g *rig) {
				g.play(shot{frames: 300}, shot{30, true}, shot{frames: 150})
			})
			l := g.spool.of(camio.KindClip)
			if len(l) < 4 {
				t.Fatalf("%d clips", len(l))
			}
			for _, s := range g.postersOf(l) {
				decodable(t, s.path)
			}
		})
	}
}

func TestAClipsPosterShowsItsPeakOfMotion(t *testing.T) {
	format, data := small(t)
	cfg := quiet()
	cfg.MaxLength = 20 * time.Second
	peaks := map[int]float64{150: 5, 420: 5, 470: 4}
	g := record(t, cfg, format, data, func(g *rig) {
		for i := range 800 {
			g.feed(g.frame(), i >= 100 && i < 600, 1+peaks[i])
			synctest.Wait()
		}
	})
	l := g.clips(3) // from pictures 26, 326 and 626
	for i, want := range []int{150, 420, 626} {
		if s := g.postersOf(l)[i]; s.Mono != g.fed[want].Mono {
			t.Errorf("the poster of clip %d is picture %d, want %d", i, (s.Mono-origin)/step, want)
		}
	}
}

func TestPostersOfAnEncoderThatLagsAreOfTheirOwnClips(t *testing.T) {
	format, data := small(t)
	cfg := quiet()
	cfg.MaxLength = 5 * time.Second
	g := bubble(t, cfg, format, data, func(g *rig) {
		slow(g.r, 60*time.Millisecond) // the pre-roll keeps it busy for long
		g.run(func() {
			g.live(shot{frames: 90}, shot{300, true}, shot{frames: 90})
			time.Sleep(time.Minute)
			synctest.Wait()
		})
	})
	for _, clip := range g.spool.of(camio.KindClip) {
		n := 0
		for _, s := range g.spool.of(camio.KindSnapshot) {
			if s.Mono >= clip.Mono && s.Mono < clip.Mono+clip.Length {
				n++
			}
		}
		if n == 0 {
			t.Errorf("the clip from %v to %v has no snapshot", clip.Mono, clip.Mono+clip.Length)
		}
	}
}

func TestFurtherSnapshotsComeAtTheirPaceWhileItMoves(t *testing.T) {
	for _, mode := range []camio.UploadMode{camio.UploadVideo, camio.UploadImage} {
		t.Run(string(mode), func(t *testing.T) {
			format, data := small(t)
			cfg := quiet()
			cfg.Mode, cfg.SnapshotEvery, cfg.MaxLength = mode, 3*time.Second, 10*time.Second
			g := record(t, cfg, format, data, func(g *rig) {
				for i := range 500 {
					g.play(shot{1, i >= 80 && i < 80+15*15})
				}
			})
			peaks := 0
			var last time.Duration
			for _, s := range g.spool.of(camio.KindSnapshot) {
				paced := (s.Mono - g.fed[80].Mono) % cfg.SnapshotEvery
				if mode == camio.UploadVideo && (s.Mono == g.fed[80].Mono || s.Mono > g.fed[80+15*15].Mono) {
					peaks++ // the event's, and that of a clip in which nothing moves
					continue
				}
				if paced > 6*step || s.Mode != mode || last != 0 && !near(s.Mono-last, cfg.SnapshotEvery, 2*step) {
					t.Errorf("%v after the motion began: %+v", s.Mono-g.fed[80].Mono, s.Media)
				}
				last = s.Mono
			}
			want := map[camio.UploadMode]int{camio.UploadVideo: 4 + peaks, camio.UploadImage: 5}[mode]
			if got := len(g.spool.of(camio.KindSnapshot)); got != want || peaks > 2 {
				t.Errorf("%d snapshots, %d of them not at their pace; want %d", got, peaks, want)
			}
		})
	}
}

// Pictures that wait for a spool that hangs are bounded in bytes, not only in number.
func TestWaitingStillsStayWithinAQuarterOfTheRing(t *testing.T) {
	cfg := quiet()
	cfg.RingBytes, cfg.SnapshotEvery = 8<<20, time.Second
	g := bubble(t, cfg, video.Format{}, nil, func(g *rig) {
		for i := range 6 {
			f := video.NewPool(0).Get(1280 * 720 * 2)
			f.Seq = uint64(i)
			g.fed = append(g.fed, f)
			g.r.mu.Lock()
			g.r.queueStill(still{peaks: []peak{{frame: f}}, kind: camio.KindHeartbeat})
			g.r.mu.Unlock()
		}
		held := 0
		for _, st := range g.r.stills {
			held += st.bytes()
			st.release()
		}
		if held == 0 || held > cfg.RingBytes/4 || g.r.Status().Dropped["overload"] != 5 {
			t.Errorf("%d bytes wait, dropped %v", held, g.r.Status().Dropped)
		}
	})
	if fmt.Sprint(g.spool.done) != "[]" {
		t.Error("something was written")
	}
}

// The detector may be far ahead of a recorder whose first clip takes long to begin.
func TestASnapshotChosenBeforeTheClipHasBegunIsItsPoster(t *testing.T) {
	format, data := small(t)
	g := bubble(t, quiet(), format, data, func(g *rig) {
		g.spool.create = func(m camio.Media) error {
			if m.Kind == camio.KindClip {
				time.Sleep(4 * time.Second)
			}
			return nil
		}
		g.run(func() {
			g.live(shot{frames: 90}, shot{15, true}, shot{frames: 30}, shot{45, true}, shot{frames: 150})
			time.Sleep(time.Minute)
		})
	})
	g.postersOf(g.clips(1))
}
