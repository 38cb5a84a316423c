//go:build cgo

package clip

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

// A slowEncoder takes its time.
type slowEncoder struct {
	encoder
	takes time.Duration
}

func (e slowEncoder) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, key bool) (video.Packet, error) {
	time.Sleep(e.takes)
	return e.encoder.EncodeTo(buf, img, mono, seq, key)
}

func slow(r *Recorder, takes time.Duration) {
	r.newEncoder = func(c h264.Config) (encoder, error) {
		e, err := newEncoder(c)
		return slowEncoder{e, takes}, err
	}
}

// live feeds shots in the bubble's real time.
func (g *rig) live(shots ...shot) {
	for _, s := range shots {
		for range s.frames {
			time.Sleep(step)
			g.feed(g.frame(), s.moving, 1)
		}
	}
}

func TestASlowEncoderLosesPicturesEvenly(t *testing.T) {
	format, data := small(t)
	cfg := quiet()
	cfg.RingBytes = 1 << 20
	tests := []struct {
		name  string
		takes time.Duration
		gap   time.Duration // longest allowed in what came after the motion began
	}{
		{"nearly fast enough", 72 * time.Millisecond, 2*step + step/2},
		{"10 a second", 100 * time.Millisecond, 2*step + step/2},
		{"4 a second", 250 * time.Millisecond, 500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := bubble(t, cfg, format, data, func(g *rig) {
				slow(g.r, tt.takes)
				g.run(func() {
					g.live(shot{frames: 60}, shot{450, true}, shot{frames: 120})
					time.Sleep(time.Minute)
					synctest.Wait()
					if st := g.r.Status(); st.Bytes > cfg.RingBytes {
						t.Errorf("the ring holds %d bytes, its limit is %d", st.Bytes, cfg.RingBytes)
					}
				})
			})
			clip := g.clips(1)[0]
			first, last := g.fed[60].Mono, g.fed[509].Mono
			p := ffprobe(t, clip.path)
			window := len(g.taken(clip.Mono, last+5*time.Second))
			dropped := int(g.r.Status().Dropped["overload"])
			if missing := window - len(p.pts); missing > dropped || dropped > missing+60 || missing < 20 {
				t.Errorf("%d of %d pictures in the clip, %d dropped", len(p.pts), window, dropped)
			}
			for i := 1; i < len(p.pts); i++ {
				gap, limit := p.pts[i]-p.pts[i-1], 500*time.Millisecond
				if clip.Mono+p.pts[i-1] > first {
					limit = tt.gap
				}
				if gap > limit+time.Millisecond {
					t.Errorf("a gap of %v at %v", gap, p.pts[i-1])
				}
			}
			times := make(map[time.Duration]bool)
			for _, f := range g.fed {
				times[(f.Mono - clip.Mono).Round(time.Millisecond)] = true
			}
			for _, at := range p.pts {
				at = at.Round(time.Millisecond)
				if !times[at] && !times[at-time.Millisecond] && !times[at+time.Millisecond] {
					t.Fatalf("a picture is shown at %v, none was taken then", at)
				}
			}
		})
	}
}

func TestASlowEncoderOfARawCameraLosesPicturesEvenly(t *testing.T) {
	format := video.Format{FourCC: video.YUYV, Width: 160, Height: 120, Rate: 15}
	cfg := quiet()
	cfg.RingBytes = 1 << 20
	g := bubble(t, cfg, format, raw(t, "yuyv422", 160, 120, 160*120*2, 30), func(g *rig) {
		slow(g.r, 100*time.Millisecond)
		g.run(func() {
			g.live(shot{frames: 200}, shot{150, true}, shot{frames: 150})
			if st := g.r.Status(); st.Bytes > cfg.RingBytes || st.Dropped["overload"] < 100 {
				t.Errorf("status %+v", st)
			}
			time.Sleep(time.Minute)
		})
	})
	p := ffprobe(t, g.clips(1)[0].path)
	for i := 1; i < len(p.pts); i++ {
		if gap := p.pts[i] - p.pts[i-1]; gap > 2*step+step/2 {
			t.Errorf("a gap of %v at %v", gap, p.pts[i-1])
		}
	}
	if length := p.pts[len(p.pts)-1]; length < 19*time.Second {
		t.Errorf("the clip lasts %v, want 20 s", length)
	}
}

// A failingEncoder refuses some pictures.
type failingEncoder struct {
	encoder
	refuses func(seq uint64) bool
}

func (e failingEncoder) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, key bool) (video.Packet, error) {
	if e.refuses(seq) {
		return video.Packet{}, errors.New("not this one")
	}
	return e.encoder.EncodeTo(buf, img, mono, seq, key)
}

func TestAnEncoderThatRefusesPicturesCostsThoseAlone(t *testing.T) {
	format, data := small(t)
	refuses := func(seq uint64) bool { return seq == 0 || seq == 33 || seq >= 40 && seq < 45 }
	g := bubble(t, quiet(), format, data, func(g *rig) {
		g.r.newEncoder = func(c h264.Config) (encoder, error) {
			e, err := newEncoder(c)
			return failingEncoder{e, refuses}, err
		}
		g.run(func() { g.play(shot{60, true}) })
	})
	var want []time.Duration
	for _, f := range g.fed {
		if !refuses(f.Seq) {
			want = append(want, f.Mono)
		}
	}
	checkClip(t, g.clips(1)[0], want)
	if st := g.r.Status(); st.Dropped["encoder"] != 7 || st.LastError != "not this one" {
		t.Errorf("status %+v", st)
	}
}

func TestThePreRollBurstLosesNoLiveFrame(t *testing.T) {
	format, data := small(t)
	g := bubble(t, quiet(), format, data, func(g *rig) {
		slow(g.r, 40*time.Millisecond) // three seconds for the pre-roll
		g.run(func() { g.live(shot{frames: 90}, shot{30, true}, shot{frames: 200}) })
	})
	checkClip(t, g.clips(1)[0], g.taken(g.fed[90].Mono-5*time.Second, g.fed[119].Mono+5*time.Second))
}

func TestIdleRingStaysWithinItsBounds(t *testing.T) {
	format, data := small(t)
	tests := []struct {
		name   string
		limit  int
		length time.Duration
	}{
		{"of time", 24 << 20, 5*time.Second + step},
		{"of memory", 1 << 20, 4 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := quiet()
			cfg.RingBytes = tt.limit
			record(t, cfg, format, data, func(g *rig) {
				for range 300 {
					g.play(shot{frames: 1})
					if st := g.r.Status(); st.Bytes > tt.limit*3/4 || st.Seconds > tt.length.Seconds() {
						t.Fatalf("after %d frames: %+v", len(g.fed), st)
					}
				}
				if st := g.r.Status(); st.Seconds < 1.5 || st.Dropped["overload"] != 0 {
					t.Errorf("at the end: %+v", st)
				}
			})
		})
	}
}

func TestIdlingDoesNotAllocate(t *testing.T) {
	format, data := small(t)
	cfg := quiet()
	r, err := New(cfg, "front", "", &dirSpool{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	r.running = true
	pool := video.NewPool(64 << 20)
	mono, i := origin, 0
	one := func() {
		f := pool.Get(len(data[i%len(data)]))
		copy(f.Data, data[i%len(data)])
		f.Format, f.Mono = format, mono
		r.add(f)
		r.Observe(f, false, 0)
		f.Release()
		mono += step
		i++
	}
	for range 300 {
		one()
	}
	if n := testing.AllocsPerRun(200, one); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
	if len(r.wake) != 0 {
		t.Error("the worker was woken for nothing")
	}
}

func TestASpoolThatRefusesLosesNothingIfItRecovers(t *testing.T) {
	format, data := small(t)
	g := bubble(t, quiet(), format, data, func(g *rig) {
		until := int64(g.mono + 8*time.Second)
		g.spool.create = func(m camio.Media) error {
			if m.Kind == camio.KindClip && g.now.Load() < until {
				return errors.New("disk full")
			}
			return nil
		}
		g.run(func() {
			for _, moving := range []bool{false, true, true, false, false} {
				for range 6 {
					g.play(shot{10, moving})
				}
			}
		})
	})
	clip := g.clips(1)[0]
	missing := g.taken(g.fed[60].Mono-5*time.Second, clip.Mono-1)
	if len(missing) == 0 || len(missing) > 5 { // one an attempt
		t.Errorf("%d pictures are missing", len(missing))
	}
	checkClip(t, clip, g.taken(clip.Mono, g.fed[179].Mono+5*time.Second))
	if st := g.r.Status(); st.Failures != uint64(len(missing)) || st.Dropped["spool"] != st.Failures || st.LastError != "disk full" {
		t.Errorf("status %+v", st)
	}
}

func TestASpoolThatFailsCostsTheClipNotTheNextEvent(t *testing.T) {
	format, data := small(t)
	g := bubble(t, quiet(), format, data, func(g *rig) {
		g.spool.write = func(camio.Media) error {
			if at := time.Duration(g.now.Load()) - origin; at > 6*time.Second && at < 20*time.Second {
				return errors.New("medium gone")
			}
			return nil
		}
		g.run(func() {
			for i := range 60 {
				g.play(shot{10, i >= 7 && i < 12 || i >= 40 && i < 45})
			}
		})
	})
	clip := g.clips(1)[0]
	checkClip(t, clip, g.taken(g.fed[400].Mono-5*time.Second, g.fed[449].Mono+5*time.Second))
	st := g.r.Status()
	if st.Failures < 2 || !strings.Contains(st.LastError, "medium gone") || st.Dropped["spool"] == 0 {
		t.Errorf("status %+v", st)
	}
}
