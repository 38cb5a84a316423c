//go:build cgo

package live

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"testing"

	"camward/video"
)

// debianPython is the one that Debian's packages are for; another may stand before it in PATH.
const debianPython = "/usr/bin/python3"

func TestAnIndependentClientSeesWhatTheCameraShows(t *testing.T) {
	for _, fourcc := range []video.FourCC{video.MJPEG, video.H264} {
		t.Run(fourcc.String(), func(t *testing.T) { watchWithAiortc(t, fourcc) })
	}
}

func watchWithAiortc(t *testing.T, fourcc video.FourCC) {
	src := newScene(t, fourcc, 640, 480, 15)
	r := newRig(t, src, nil)
	const pictures = 25
	cmd := exec.CommandContext(t.Context(), debianPython, "testdata/whep.py", r.url+"/cameras/front/whep", "25")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	data, err := cmd.Output()
	if err != nil {
		t.Fatalf("aiortc (Debian's python3-aiortc, see scripts/deps.sh): %v\n%s", err, &stderr)
	}
	var got struct {
		Width, Height, Post, Delete int
		Strips                      [][]byte
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Width != 640 || got.Height != 480 || got.Post != http.StatusCreated || got.Delete != http.StatusOK || len(got.Strips) != pictures {
		t.Errorf("%d pictures of %dx%d; POST %d, DELETE %d", len(got.Strips), got.Width, got.Height, got.Post, got.Delete)
	}
	readable, last := 0, uint32(0)
	for _, strip := range got.Strips {
		n, ok := video.ReadMark(&video.Plane{Pix: strip, Width: video.MarkWidth, Height: video.MarkHeight, Stride: video.MarkWidth}, 0, 0)
		if !ok {
			continue
		}
		if n <= last || n > src.number.Load() {
			t.Errorf("picture %d after %d, of %d shown", n, last, src.number.Load())
		}
		readable, last = readable+1, n
	}
	if readable < 20 {
		t.Errorf("%d of %d pictures show a number of the camera's", readable, pictures)
	}
	r.wait("the viewer is gone", func() bool { return len(r.s.Status().Viewers) == 0 })
}
