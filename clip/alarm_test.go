//go:build cgo

package clip

import (
	"testing"
	"time"
)

func TestAnAlarmMayAskForMoreAfterTheMotionButNotForLess(t *testing.T) {
	format, data := small(t)
	for after, want := range map[time.Duration]time.Duration{time.Second: 5 * time.Second, 8 * time.Second: 8 * time.Second} {
		g := record(t, quiet(), format, data, func(g *rig) {
			g.r.SetAlarm(Alarm{After: after})
			g.play(shot{frames: 150}, shot{30, true}, shot{frames: 180})
		})
		checkClip(t, g.clips(1)[0], g.taken(g.fed[150].Mono-5*time.Second, g.fed[179].Mono+want))
	}
}

func TestNoEventBeginsInTheQuietTimeAfterOne(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.r.SetAlarm(Alarm{Quiet: 10 * time.Second})
		// Over 5 s after its motion; quiet until 15 s after it.
		g.play(shot{frames: 80}, shot{15, true}, shot{frames: 120}, shot{15, true}, shot{frames: 150}, shot{15, true}, shot{frames: 90})
	})
	l := g.clips(2)
	if first := g.fed[80+15+120+15+150].Mono; l[1].Mono < first-6*time.Second {
		t.Errorf("the second clip begins at %v, its motion at %v", l[1].Mono, first)
	}
}
