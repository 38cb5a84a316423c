package agent

import (
	"bytes"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// h264Frames has x264 encode two seconds of moving pictures, with a key picture a second and the parameter sets once.
func h264Frames(t *testing.T) []*video.Frame {
	t.Helper()
	if !h264.Available {
		t.Skip("not run: this build has no H.264")
	}
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=15:d=2", "-c:v", "libx264", "-profile:v", "baseline", "-g", "15",
		"-x264-params", "aud=1:scenecut=0", "-f", "h264", "-").Output()
	if err != nil {
		t.Fatal("ffmpeg: ", err)
	}
	delimiter := []byte{0, 0, 0, 1, 9} // an access unit delimiter
	var frames []*video.Frame
	for i, au := range bytes.Split(out, delimiter)[1:] {
		data := append(bytes.Clone(delimiter), au...)
		if i > 0 {
			data = withoutSets(data)
		}
		frames = append(frames, &video.Frame{
			Format: video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15},
			Data:   data, Seq: uint64(i), Mono: time.Duration(i) * time.Second / 15,
		})
	}
	if len(frames) != 30 {
		t.Fatalf("%d access units, want 30", len(frames))
	}
	return frames
}

// withoutSets leaves SPS and PPS out.
func withoutSets(annexB []byte) (out []byte) {
	for nal := range h264.NALs(annexB) {
		if kind := nal[0] & 0x1f; kind != 7 && kind != 8 {
			out = append(append(out, 0, 0, 0, 1), nal...)
		}
	}
	return out
}

func TestDetectionOfACameraThatEncodesGoesOnAtTheNextKeyPictureAfterAGap(t *testing.T) {
	frames := h264Frames(t)
	for _, tt := range []struct {
		name      string
		first     int
		lost      []int
		decodable int
	}{
		{"all", 0, nil, 30},
		{"one lost", 0, []int{5}, 20},
		{"joined late, with the parameter sets lost", 1, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r lumaReader
			defer r.close()
			decoded := 0
			for i, f := range frames[tt.first:] {
				if len(tt.lost) > 0 && i == tt.lost[0] {
					continue
				}
				plane, err := r.read(f)
				switch {
				case err == nil && (plane.Width != 40 || plane.Height != 30):
					t.Fatalf("plane of %dx%d", plane.Width, plane.Height)
				case err == nil:
					decoded++
				case !errors.Is(err, errNoKey) && tt.decodable > 0:
					t.Fatalf("picture %d: %v", i, err)
				}
			}
			if decoded != tt.decodable {
				t.Errorf("%d decoded, want %d", decoded, tt.decodable)
			}
		})
	}
}

func TestAStillOfACameraThatEncodesShowsWhatFFmpegDecodes(t *testing.T) {
	frames := h264Frames(t)
	v := viewer{}
	defer v.h264.close()
	var b []byte
	for _, f := range frames[:20] {
		var err error
		if b, err = v.jpeg(f); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "mjpeg", "-i", "-", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=15:d=2",
		"-lavfi", "[1:v]select=eq(n\\,19),setpts=0,scale=out_range=full,format=yuvj420p[r];[0:v]setpts=0[p];[p][r]psnr", "-f", "null", "-")
	cmd.Args[2] = "info"
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	_, tail, _ := strings.Cut(string(out), "PSNR y:")
	figure, _, _ := strings.Cut(tail, " ")
	psnr, err := strconv.ParseFloat(figure, 64)
	if err != nil || psnr < 25 {
		t.Errorf("luma of the still: PSNR %q dB, want 25 or more", figure)
	}
	t.Logf("luma of the still: PSNR %s dB", figure)
}
