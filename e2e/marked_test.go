package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/codec/mp4"
	"camward/video"
)

// sharedClip gives the path of one of the measuring clips, which are no part of the project.
func sharedClip(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("CAMWARD_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(dir, "motion-clips", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("not run: %s is absent (CAMWARD_SHARED names the folder)", path)
	}
	return path
}

// truth is what a measuring clip says of itself.
type truth struct {
	FPS    float64 `json:"fps"`
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Events []struct {
		Start float64 `json:"start_s"`
		End   float64 `json:"end_s"`
	} `json:"events"`
}

func readTruth(t *testing.T, clip string) (tr truth) {
	t.Helper()
	b, err := os.ReadFile(clip[:len(clip)-len(filepath.Ext(clip))] + ".json")
	if err == nil {
		err = json.Unmarshal(b, &tr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// markedRecording makes an MJPEG recording of a clip, from the second given and that long, in which each picture carries its
// number from 0.
func markedRecording(t *testing.T, clip string, tr truth, from, length float64) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "marked.mjpeg")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("ffmpeg", "-v", "error", "-ss", fmt.Sprint(from), "-t", fmt.Sprint(length), "-i", clip, "-f", "rawvideo", "-pix_fmt", "yuvj420p", "-")
	cmd.Stderr = os.Stderr
	raw, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var img video.I420
	img.Resize(tr.Width, tr.Height)
	img.FullRange = true
	x, y := video.MarkAt(tr.Width, tr.Height)
	var buf []byte
	for n := uint32(0); ; n++ {
		if readPlanes(raw, &img) != nil {
			break
		}
		video.DrawMark(&video.Plane{Pix: img.Y, Width: img.Width, Height: img.Height, Stride: img.YStride}, x, y, n)
		if buf, err = jpeg.Encode(buf, &img, 85); err != nil {
			t.Fatal(err)
		}
		f.Write(buf)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s?fps=%g", out, tr.FPS)
}

func readPlanes(r io.Reader, img *video.I420) error {
	for _, p := range [][]byte{img.Y, img.U, img.V} {
		if _, err := io.ReadFull(r, p); err != nil {
			return err
		}
	}
	return nil
}

// A picture of a clip as the cloud holds it.
type picture struct {
	number uint32
	time   float64 // seconds from the clip's start
	key    bool
}

// readMarks decodes a clip and reads the number in each of its pictures.
func readMarks(t *testing.T, clip []byte) []picture {
	t.Helper()
	r := bytes.NewReader(clip)
	f, err := mp4.Read(r, int64(len(clip)))
	if err != nil {
		t.Fatal("read clip:", err)
	}
	dec, err := h264.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var out []picture
	var img video.I420
	x, y := video.MarkAt(f.Width, f.Height)
	for i, s := range f.Samples {
		p, err := f.Packet(r, i)
		if err != nil {
			t.Fatal("packet", i, err)
		}
		ok, err := dec.Decode(p.Data, &img)
		if err != nil || !ok {
			t.Fatalf("picture %d of the clip: decoded %v, %v", i, ok, err)
		}
		n, ok := video.ReadMark(&video.Plane{Pix: img.Y, Width: img.Width, Height: img.Height, Stride: img.YStride}, x, y)
		if !ok {
			t.Errorf("picture %d of the clip: its number cannot be read", i)
			continue
		}
		out = append(out, picture{n, s.Time.Seconds(), s.Key})
	}
	return out
}

// checkPictures compares a clip with what was shown: at least 98 % of the numbers captured, in order and each at its time, no
// gap above two intervals, the first a key picture. lost is how many pictures never reached the agent: a demo scene on a machine
// that is too busy to render it.
func checkPictures(t *testing.T, pics []picture, fps float64, lost int) {
	t.Helper()
	if len(pics) == 0 {
		t.Fatal("the clip has no picture")
	}
	if !pics[0].key {
		t.Error("the clip does not begin with a key picture")
	}
	missing := 0
	for i := 1; i < len(pics); i++ {
		step := int(pics[i].number) - int(pics[i-1].number)
		if step < 1 {
			t.Errorf("picture %d follows %d", pics[i].number, pics[i-1].number)
		}
		missing += max(step-1, 0)
		if gap := pics[i].time - pics[i-1].time; gap > 2/fps+0.03 && lost == 0 {
			t.Errorf("%.3f s between pictures %d and %d, more than two intervals", gap, pics[i-1].number, pics[i].number)
		}
	}
	shown := int(pics[len(pics)-1].number) - int(pics[0].number) + 1
	if (missing-lost)*50 > shown {
		t.Errorf("%d of the %d pictures shown are missing, more than 2 %%; %d were lost before the agent had them", missing, shown, lost)
	}
	if span := pics[len(pics)-1].time - pics[0].time; math.Abs(span-float64(shown-1)/fps) > 2/fps {
		t.Errorf("%.2f s from the first picture to the last, want %.2f s", span, float64(shown-1)/fps)
	}
	t.Logf("pictures %d to %d, %d of %d there, %.1f s", pics[0].number, pics[len(pics)-1].number, len(pics), shown, pics[len(pics)-1].time)
}
