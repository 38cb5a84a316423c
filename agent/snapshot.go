package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"camward/capture"
	"camward/video"
)

// settle is how long Snapshot lets a camera's exposure find itself before it takes a picture.
const settle = 700 * time.Millisecond

// snapshotWithin is how long Snapshot waits for a picture. A camera that has none fails earlier, but one may send what cannot be shown.
const snapshotWithin = 30 * time.Second

// Snapshot opens a camera, takes one picture and closes it again. The result is a JPEG that every reader accepts.
func Snapshot(ctx context.Context, c CameraConfig, log *zap.Logger) ([]byte, error) {
	hub := capture.NewHub()
	cam, err := capture.New(c.Config, hub, video.NewPool(idleBuffers), log)
	if err != nil {
		return nil, err
	}
	sub := hub.Subscribe("snapshot", viewDepth)
	defer sub.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended, failed := make(chan error, 1), make(chan error, 1)
	cam.OnChange(func(c capture.Change) {
		if c.Found {
			return
		}
		select {
		case failed <- c.Err: // it would be waited for
		default:
		}
	})
	go func() { ended <- cam.Run(ctx) }()
	v := viewer{sub: sub}
	defer v.h264.close()
	var first time.Duration
	timeout := time.NewTimer(snapshotWithin)
	defer timeout.Stop()
	for {
		select {
		case <-timeout.C:
			stop()
			<-ended
			return nil, fmt.Errorf("the camera gave no picture that can be shown for %v", snapshotWithin)
		case err := <-failed:
			stop()
			<-ended
			return nil, err
		case err := <-ended:
			return nil, err
		case f := <-sub.Frames():
			if first == 0 {
				first = f.Mono
			}
			early := f.Mono-first < settle
			if early && f.Format.FourCC != video.H264 { // of which each picture builds on the last
				f.Release()
				continue
			}
			b, err := v.jpeg(f)
			f.Release()
			if early || errors.Is(err, errNoKey) {
				continue
			}
			stop()
			<-ended
			return b, err
		}
	}
}
