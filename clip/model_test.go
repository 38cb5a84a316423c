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

	"camward/camio"
	"camward/codec/mp4"
	"camward/video"
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

// An H.264 camera changes its settings and its size when it likes, and sends parameter sets only then. Each event is shown from the last
// key picture before its pre-roll to the end of its post-roll, whatever the files.
func TestEventsOfACapriciousH264CameraAreWhole(t *testing.T) {
	groups := [][][]byte{
		x264(t, 320, 240, 60, 15, "bframes=0"),
		x264(t, 320, 240, 60, 15, "bframes=0:ref=4:aq-mode=0"),
		x264(t, 160, 128, 60, 15, "bframes=0"),
	}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			cfg := quiet()
			cfg.PreRoll = time.Duration(rng.IntN(6000)) * time.Millisecond
			cfg.PostRoll = time.Duration(1000+rng.IntN(2000)) * time.Millisecond
			cfg.MaxLength = time.Duration(5+rng.IntN(10)) * time.Second
			var data [][]byte
			for kind, last := 0, -1; len(data) < 900; last = kind {
				if rng.IntN(5) == 0 {
					kind = rng.IntN(len(groups))
				}
				at := 15 * rng.IntN(4)
				for _, b := range groups[kind][at : at+15] {
					if kind == last {
						b = unitsOf(b, false)
					}
					data = append(data, b)
				}
			}
			var moving []bool
			g := record(t, cfg, video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}, data, func(g *rig) {
				for len(moving) < 800 {
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
			events := g.spool.of(camio.KindClip)
			for len(events) > 0 {
				n := slices.IndexFunc(events, func(c recorded) bool { return c.Event != events[0].Event })
				if n < 0 {
					n = len(events)
				}
				g.checkEvent(cfg, events[:n], data, moving)
				events = events[n:]
			}
			g.postersOf(g.spool.of(camio.KindClip))
			if st := g.r.Status(); st.LastError != "" {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// checkEvent makes sure that an event's clips show all that they should.
func (g *rig) checkEvent(cfg Config, clips []recorded, data [][]byte, moving []bool) {
	g.t.Helper()
	last := clips[len(clips)-1]
	end := last.Mono + last.Length
	var first, from, to time.Duration // the motion's beginning, and what is to be shown
	for i, f := range g.fed {
		if moving[i] && f.Mono < end {
			if to == 0 || f.Mono-to >= 0 {
				first = f.Mono
			}
			to = f.Mono + cfg.PostRoll
		}
	}
	for i, f := range g.fed {
		if _, key := slice(data[i%len(data)]); key && (f.Mono <= first-cfg.PreRoll || i == 0) {
			from = f.Mono
		}
	}
	if clips[0].Mono != from {
		g.t.Errorf("an event whose motion begins at %v is shown from %v, want %v", first, clips[0].Mono, from)
	}
	var want []time.Duration
	for _, at := range g.taken(from, to) {
		want = append(want, at.Round(time.Millisecond))
	}
	checkSeamless(g.t, clips, want)
}
