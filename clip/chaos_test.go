//go:build cgo

package clip

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

// A mode is what a camera may give.
type mode struct {
	format video.Format
	data   [][]byte
}

// A chaos is a camera, a detector and a spool that do what they like.
type chaos struct {
	*rig
	rng     *rand.Rand
	sources []mode
	refuse  atomic.Int64 // recordings that the spool refuses, of a hundred
	fail    atomic.Int64 // writes that fail, of a hundred
}

// TestNothingLeaksWhateverHappens is about the recorder's bounds: bubble makes sure that each frame is released and each recording ended,
// once.
func TestNothingLeaksWhateverHappens(t *testing.T) {
	sources := []mode{
		{mjpeg(64, 48), jpegs(t, 64, 48, 60)},
		{mjpeg(96, 64), jpegs(t, 96, 64, 30)},
		{video.Format{FourCC: video.YUYV, Width: 64, Height: 48, Rate: 15}, raw(t, "yuyv422", 64, 48, 64*48*2, 20)},
		{video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}, x264(t, 320, 240, 60, 15, "bframes=0")},
		{video.Format{FourCC: video.H264, Width: 160, Height: 128, Rate: 15}, setsOnce(x264(t, 160, 128, 60, 15, "bframes=0"))},
	}
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			cfg := Default()
			cfg.Heartbeat, cfg.RingBytes, cfg.Timestamp = 10*time.Second, 1<<20, rng.IntN(3) == 0
			cfg.SnapshotEvery = time.Duration(rng.IntN(2)) * time.Second
			cfg.PreRoll = time.Duration(rng.IntN(6000)) * time.Millisecond
			cfg.PostRoll = time.Duration(1000+rng.IntN(2000)) * time.Millisecond
			cfg.MaxLength = time.Duration(5+rng.IntN(10)) * time.Second
			bubble(t, cfg, sources[0].format, sources[0].data, func(g *rig) {
				c := &chaos{rig: g, rng: rng, sources: sources}
				g.spool.create = func(camio.Media) error { return oneIn(c.refuse.Load()) }
				g.spool.write = func(camio.Media) error { return oneIn(c.fail.Load()) }
				if seed%2 == 0 {
					slow(g.r, time.Duration(rng.IntN(200))*time.Millisecond)
				}
				if seed%4 == 1 {
					old := g.r.newEncoder
					g.r.newEncoder = func(h h264.Config) (encoder, error) {
						if err := oneIn(25); err != nil {
							return nil, err
						}
						return old(h)
					}
				}
				for range 2 {
					g.run(func() {
						for range 60 {
							c.happen()
							c.shoot()
							c.bounded(cfg)
						}
					})
				}
			})
		})
	}
}

// oneIn is an error in so many of a hundred calls.
func oneIn(percent int64) error {
	if rand.Int64N(100) < percent {
		return errors.New("by chance")
	}
	return nil
}

// happen does something to the recorder.
func (c *chaos) happen() {
	seconds := func(n int) time.Duration { return time.Duration(c.rng.IntN(n)) * time.Second }
	switch c.rng.IntN(12) {
	case 0:
		c.r.CameraLost()
	case 1, 2:
		s := c.sources[c.rng.IntN(len(c.sources))]
		c.format, c.data = s.format, s.data
	case 3:
		c.mono -= seconds(20)
	case 4:
		c.mono += seconds(20)
	case 5:
		c.refuse.Store(c.rng.Int64N(3) * 40)
	case 6:
		c.fail.Store(c.rng.Int64N(3) * 10)
	case 7:
		c.refuse.Store(0)
		c.fail.Store(0)
	case 8:
		c.r.SetAlarm(Alarm{After: seconds(5), Every: seconds(3), Quiet: seconds(3)})
	}
}

// shoot feeds some frames, one in 50 of them cut. Some times the detector looks at another stream.
func (c *chaos) shoot() {
	moving, other := c.rng.IntN(3) == 0, c.rng.IntN(4) == 0
	for range 1 + c.rng.IntN(40) {
		f := c.frame()
		if c.rng.IntN(50) == 0 {
			f.Data = f.Data[:c.rng.IntN(len(f.Data))]
		}
		seen := f
		if other {
			s := c.sources[0]
			data := s.data[int(f.Seq)%len(s.data)]
			seen = video.NewPool(0).Get(len(data))
			copy(seen.Data, data)
			seen.Format, seen.Seq, seen.Mono = s.format, f.Seq, f.Mono+time.Duration(c.rng.IntN(100)-50)*time.Millisecond
			c.fed = append(c.fed, seen)
		} else {
			f.Retain()
		}
		c.frames <- f
		c.r.Observe(seen, moving, c.rng.Float64())
		seen.Release()
		c.mono += time.Duration(c.rng.IntN(30)) * time.Millisecond
		if c.rng.IntN(8) == 0 {
			synctest.Wait()
		}
	}
}

// bounded makes sure that nothing grows.
func (c *chaos) bounded(cfg Config) {
	c.t.Helper()
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	held := 0
	if r.stream != nil {
		held = r.stream.bytes()
	}
	if held > cfg.RingBytes || len(r.stills) > maxStills || len(r.events) > 50 {
		c.t.Errorf("%d bytes in the rings, %d stills, %d events", held, len(r.stills), len(r.events))
	}
}
