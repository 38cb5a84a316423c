package capture

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDemoSceneRunsAsACameraDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam, s := newCamera(t, "demo:?rate=10&size=320x240&first=1s")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- cam.Run(ctx) }()
		start := time.Now()
		var first time.Duration
		for n := range uint64(30) {
			f := <-s.Frames()
			if n == 0 {
				first = f.Mono
			}
			at := time.Duration(n) * 100 * time.Millisecond
			if m := markOf(t, f); f.Seq != n || m != uint32(n) || f.Mono-first != at || time.Since(start) != at {
				t.Errorf("frame %d: Seq %d, mark %d, stamped %v, came at %v", n, f.Seq, m, f.Mono-first, time.Since(start))
			}
			f.Release()
		}
		enough := errors.New("enough")
		cancel(enough)
		if err := <-done; err != enough {
			t.Errorf("Run = %v", err)
		}
		st := cam.Status()
		if st.Format.String() != "MJPG 320x240 10 fps" || st.Drops != 0 || st.Card != "demo scene" {
			t.Errorf("status %+v", st)
		}
	})
}

func TestDemoSceneTakesSizeAndRateFromTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam, s := newCamera(t, "demo:")
		cam.cfg.Size, cam.cfg.Rate = Size{64, 48}, 5
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- cam.Run(ctx) }()
		f := <-s.Frames()
		if f.Format.String() != "MJPG 64x48 5 fps" {
			t.Errorf("got %v", f.Format)
		}
		f.Release()
		cancel()
		<-done
	})
}
