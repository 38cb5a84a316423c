//go:build cgo

package clip

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"camward/codec/mp4"
)

// shown gives the times of a clip's pictures on the camera's clock, to the millisecond.
func shown(t *testing.T, clip recorded) (l []time.Duration) {
	t.Helper()
	f, err := os.Open(clip.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := mp4.Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Samples {
		l = append(l, (clip.Mono + s.Time).Round(time.Millisecond))
	}
	return l
}

// wanted gives the times of all pictures that events show, event by event, straight from the definition: within the pre-roll of
// an event's first moving picture and the post-roll of its last. What follows closely shares pictures.
func (g *rig) wanted(cfg Config, moving []bool) (l []time.Duration, events int) {
	var first, last time.Duration
	show := func() {
		for _, f := range g.fed {
			if f.Mono >= first-cfg.PreRoll && f.Mono <= last+cfg.PostRoll {
				l = append(l, f.Mono.Round(time.Millisecond))
			}
		}
	}
	for i, f := range g.fed {
		if !moving[i] {
			continue
		}
		if events == 0 || f.Mono-last >= cfg.PostRoll {
			if events > 0 {
				show()
			}
			events++
			first = f.Mono
		}
		last = f.Mono
	}
	if events > 0 {
		show()
	}
	return l, events
}

func TestClipsShowExactlyWhatTheyShould(t *testing.T) {
	data := jpegs(t, 64, 48, 60)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			cfg := quiet()
			cfg.PreRoll = time.Duration(rng.IntN(6000)) * time.Millisecond
			cfg.PostRoll = time.Duration(1000+rng.IntN(4000)) * time.Millisecond
			cfg.MaxLength = time.Duration(5+rng.IntN(20)) * time.Second
			var moving []bool
			g := record(t, cfg, mjpeg(64, 48), data, func(g *rig) {
				for range 10 {
					move := rng.IntN(3) == 0
					for range 1 + rng.IntN(120) {
						moving = append(moving, move)
						g.feed(g.frame(), move, rng.Float64())
						g.mono += time.Duration(rng.IntN(30)) * time.Millisecond
						if rng.IntN(8) == 0 {
							synctest.Wait()
						}
					}
				}
				synctest.Wait()
			})
			want, events := g.wanted(cfg, moving)
			var got []time.Duration
			ids := make(map[string]bool)
			for _, clip := range g.spool.of("clip") {
				if clip.Length > cfg.MaxLength+2*step {
					t.Errorf("a clip of %v, want at most %v", clip.Length, cfg.MaxLength)
				}
				ids[clip.Event] = true
				got = append(got, shown(t, clip)...)
			}
			if !slices.EqualFunc(got, want, func(a, b time.Duration) bool { return near(a, b, time.Millisecond) }) {
				t.Errorf("%d pictures recorded, want %d", len(got), len(want))
			}
			if len(ids) != events {
				t.Errorf("%d events, want %d", len(ids), events)
			}
			g.postersOf(g.spool.of("clip"))
		})
	}
}
