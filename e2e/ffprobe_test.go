package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// ffprobe reads a clip with an independent reader: it must find no fault, H.264, and a key picture first.
func ffprobe(t *testing.T, clip []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(file, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffprobe", "-v", "error", "-show_frames", "-show_streams", "-show_format", "-of", "json", file)
	stderr := &output{}
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if err != nil || stderr.String() != "" {
		t.Fatalf("ffprobe: %v: %s", err, stderr)
	}
	var p struct {
		Frames []struct {
			Key  int    `json:"key_frame"`
			Time string `json:"pts_time"`
		}
		Streams []struct {
			Codec   string `json:"codec_name"`
			Profile string
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Streams) != 1 || p.Streams[0].Codec != "h264" {
		t.Fatalf("ffprobe found streams %+v", p.Streams)
	}
	if len(p.Frames) == 0 || p.Frames[0].Key != 1 {
		t.Fatal("ffprobe: the first frame is no key frame")
	}
	last, _ := strconv.ParseFloat(p.Frames[len(p.Frames)-1].Time, 64)
	length, _ := strconv.ParseFloat(p.Format.Duration, 64)
	if length < last || length > last+1 {
		t.Errorf("ffprobe: duration %.2f s, last frame at %.2f s", length, last)
	}
}
