package agent

import (
	"context"
	"fmt"
	"time"

	"camward/capture"
	"camward/motion"
	"camward/video"
)

// Detection is what Detect found in one recording.
type Detection struct {
	Intervals  []motion.Interval // from the first picture on
	Pictures   int
	Unreadable int           // pictures that could not be decoded
	Length     time.Duration // from the first picture to the last
}

// Detect runs the agent's own detector, with a camera's motion settings, over a recording, as fast as it can be read. Gaps of up to 1 s are
// joined; neither pre-roll nor post-roll is added. progress, which may be nil, is told the position in the recording.
func Detect(ctx context.Context, camera CameraConfig, clip string, progress func(time.Duration)) (*Detection, error) {
	det, err := motion.New(camera.Motion)
	if err != nil {
		return nil, err
	}
	var (
		luma  lumaReader
		join  motion.Joiner
		d     Detection
		first time.Duration
	)
	defer luma.close()
	keep := func(iv motion.Interval, ok bool) {
		if ok {
			d.Intervals = append(d.Intervals, iv.Since(first))
		}
	}
	err = capture.Play(ctx, clip, func(f *video.Frame) error {
		if d.Pictures == 0 {
			first = f.Mono
		}
		d.Pictures++
		d.Length = f.Mono - first
		plane, err := luma.read(f)
		if err != nil {
			d.Unreadable++
			return nil
		}
		keep(join.Add(f.Mono, det.Step(f.Mono, plane)))
		if progress != nil {
			progress(d.Length)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keep(join.Flush())
	if d.Pictures > 0 && d.Unreadable == d.Pictures {
		return nil, fmt.Errorf("%s: none of its %d pictures can be decoded", clip, d.Pictures)
	}
	return &d, nil
}
