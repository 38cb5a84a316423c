package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"camward/capture"
	"camward/codec/jpeg"
	"camward/video"
)

// settle is how long Snapshot lets a camera's exposure find itself before it takes a picture.
const settle = 700 * time.Millisecond

// Snapshot opens a camera, takes one picture and closes it again. The result is a JPEG that every reader accepts.
func Snapshot(ctx context.Context, c CameraConfig, log *zap.Logger) ([]byte, error) {
	hub := capture.NewHub()
	cam, err := capture.New(c.Config, hub, video.NewPool(idleBuffers), log)
	if err != nil {
		return nil, err
	}
	sub := hub.Subscribe("snapshot", 1)
	defer sub.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- cam.Run(ctx) }()
	var first time.Duration
	for {
		select {
		case err := <-ended:
			return nil, err
		case f := <-sub.Frames():
			if first == 0 {
				first = f.Mono
			}
			if f.Mono-first < settle {
				f.Release()
				continue
			}
			b, err := stillJPEG(f)
			f.Release()
			stop()
			<-ended
			return b, err
		}
	}
}

func stillJPEG(f *video.Frame) ([]byte, error) {
	switch f.Format.FourCC {
	case video.MJPEG:
		b, err := jpeg.Repair(nil, f.Data)
		return append([]byte(nil), b...), err
	case video.H264:
		return nil, errors.New("a picture from an H.264 camera is not supported yet")
	}
	var img video.I420
	if err := video.ToI420(&img, f); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return jpeg.Encode(nil, &img, 90)
}
