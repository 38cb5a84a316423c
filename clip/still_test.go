//go:build cgo

package clip

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
)

func TestSnapshotShowsThePeakOfTheEvent(t *testing.T) {
	format, data := small(t)
	tests := []struct {
		name          string
		moving, peak  int // pictures that move, and which of them most
		written, want int // pictures until it is written, and the one shown
	}{
		{name: "still for a second", moving: 30, peak: 20, written: 45, want: 20},
		{name: "ten seconds on", moving: 200, peak: 100, written: 151, want: 100},
		{name: "a peak after ten seconds comes too late", moving: 200, peak: 180, written: 151, want: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := record(t, quiet(), format, data, func(g *rig) {
				g.play(shot{frames: 30})
				for i := range tt.moving + 30 {
					score := 1.0
					if i == tt.peak {
						score = 2
					}
					g.feed(g.frame(), i < tt.moving, score)
					synctest.Wait()
					if n := len(g.spool.of(camio.KindSnapshot)); (n == 1) != (i >= tt.written-1) {
						t.Fatalf("%d snapshots after %d pictures", n, i+1)
					}
				}
			})
			snap := g.media(camio.KindSnapshot, 1)[0]
			if want := g.fed[30+tt.want]; snap.Mono != want.Mono {
				t.Errorf("the snapshot is of %v, want %v", snap.Mono, want.Mono)
			}
			got, err := os.ReadFile(snap.path)
			if want := data[(30+tt.want)%len(data)]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("the snapshot differs from the camera's JPEG (%d and %d bytes), %v", len(got), len(want), err)
			}
		})
	}
}

func TestHeartbeatsFollowTheCamerasClock(t *testing.T) {
	format, data := small(t)
	cfg := quiet()
	cfg.Heartbeat = 10 * time.Second
	g := record(t, cfg, format, data, func(g *rig) { g.play(shot{frames: 15 * 33}) })
	l := g.media(camio.KindHeartbeat, 4)
	for i, h := range l {
		if want := origin + 2*time.Second + time.Duration(i)*cfg.Heartbeat; !near(h.Mono, want, 2*step) || h.Event != "" {
			t.Errorf("heartbeat %d: %+v, want it at %v", i, h.Media, want)
		}
	}
	g.clips(0)
	if st := g.r.Status(); st.Heartbeats != 4 {
		t.Errorf("status %+v", st)
	}
}

func TestADamagedPeakGivesWayToTheNextBest(t *testing.T) {
	format, data := small(t)
	data = slices.Clone(data)
	data[12] = data[12][:len(data[12])/2]
	g := record(t, quiet(), format, data, func(g *rig) {
		for i := range 60 {
			score := 1.0
			switch i {
			case 12:
				score = 9
			case 15:
				score = 8
			}
			g.feed(g.frame(), i >= 10 && i < 20, score)
		}
		synctest.Wait()
	})
	if snap := g.media(camio.KindSnapshot, 1)[0]; snap.Mono != g.fed[15].Mono {
		t.Errorf("the snapshot is of %v, want %v", snap.Mono, g.fed[15].Mono)
	}
}

func TestADamagedHeartbeatIsMadeUpForSoon(t *testing.T) {
	format, data := small(t)
	data = slices.Clone(data)
	data[30] = data[30][:len(data[30])/2]
	cfg := Default()
	g := record(t, cfg, format, data, func(g *rig) {
		for range 60 {
			g.play(shot{frames: 1})
		}
	})
	if h := g.media(camio.KindHeartbeat, 1)[0]; !near(h.Mono, origin+3*time.Second, 2*step) {
		t.Errorf("heartbeat of %v, want a second after the damaged one", h.Mono-origin)
	}
}
