package lab

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"

	"camward/scripts/lab/scene"
)

// drillTimes is when somebody walks in the film of the faults: at ten pictures a second from the 4th second to the 9th.
var drillTimes = scene.Times{Quiet: 40, Walk: 50, Period: drillPictures, Walks: 1}

const (
	drillPictures = 400 // of the JPEGs
	h264Pictures  = 160 // of the H.264
	h264Change    = 65  // the first with other parameter sets, in the walk
)

// h264Film is the scene as x264 makes it, an IDR each second and an access unit delimiter before each picture. From h264Change on its profile and level are
// others, as of a camera whose settings were changed.
func h264Film(ctx context.Context) ([]byte, error) {
	first, err := x264(ctx, 0, h264Change, "baseline", "30")
	if err != nil {
		return nil, err
	}
	second, err := x264(ctx, h264Change, h264Pictures, "main", "31")
	return append(first, second...), err
}

// x264 compresses the pictures from the first number to before the second.
func x264(ctx context.Context, from, to int, profile, level string) ([]byte, error) {
	var raw bytes.Buffer
	s := scene.New(640, 480, drillTimes)
	for n := from; n < to; n++ {
		raw.Write(s.Luma(n).Pix)
	}
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", "640x480", "-r", "10", "-i", "-",
		"-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-profile:v", profile, "-crf", "26", "-bf", "0", "-g", "10",
		"-x264-params", "aud=1:repeat-headers=1:scenecut=0:slices=1:level="+level, "-f", "h264", "-")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &raw, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ffmpeg: %w: %s", err, &stderr)
	}
	return out, nil
}
