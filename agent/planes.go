package agent

import (
	"context"
	"time"

	"camward/capture"
	"camward/video"
)

// EachPlane plays a recording as fast as it can be read and gives fn what the detector sees of it: the place of each picture, counted from the first
// one, and its luma at an eighth of the size, which holds until fn returns. Pictures that cannot be decoded are left out. It stops at
// fn's first error and returns it, and returns ctx's cause when ctx ends.
func EachPlane(ctx context.Context, clip string, fn func(at time.Duration, luma *video.Plane) error) error {
	var (
		luma  lumaReader
		first time.Duration
		begun bool
	)
	defer luma.close()
	return capture.Play(ctx, clip, func(f *video.Frame) error {
		if !begun {
			begun, first = true, f.Mono
		}
		plane, err := luma.read(f)
		if err != nil {
			return nil
		}
		return fn(f.Mono-first, plane)
	})
}
