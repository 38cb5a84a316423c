package motion

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"camward/video"
)

// TestRecordingsScoreWell measures the detector, with its defaults, on the shared recordings with their scorer. What it wants is the detector's target.
func TestRecordingsScoreWell(t *testing.T) {
	shared := os.Getenv("CAMWARD_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	clips := filepath.Join(shared, "motion-clips")
	truths, err := filepath.Glob(filepath.Join(clips, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(truths) == 0 {
		t.Skip("not run: ../shared is absent")
	}
	if testing.Short() {
		t.Skip("not run: recordings take half a minute, -short was given")
	}
	var intervals bytes.Buffer
	for _, truth := range truths {
		if err := detectRecording(truth, &intervals); err != nil {
			t.Fatal(err)
		}
	}
	score := exec.Command("go", "run", ".", "-truth", mustAbs(t, clips), "-det", "-", "-json")
	score.Dir = filepath.Join(shared, "motion-score")
	score.Stdin, score.Stderr = &intervals, os.Stderr
	out, err := score.Output()
	if err != nil {
		t.Fatalf("score: %v", err)
	}
	var got struct {
		F1       float64 `json:"f1"`
		Recall   float64 `json:"recall"`
		Coverage float64 `json:"coverage"`
		False    float64 `json:"fa_min_per_h"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	t.Logf("F1 %.3f, recall %.2f, covered %.2f, %.2f false minutes an hour", got.F1, got.Recall, got.Coverage, got.False)
	if got.F1 < 0.95 || got.False > 0.5 {
		t.Errorf("got F1 %.3f and %.2f false minutes an hour, want at least 0.95 and at most 0.5", got.F1, got.False)
	}
}

// detectRecording appends a recording's intervals to w as the scorer wants them.
func detectRecording(truth string, w io.Writer) error {
	b, err := os.ReadFile(truth)
	if err != nil {
		return err
	}
	var clip struct {
		Clip          string
		FPS           float64
		Width, Height int
	}
	if err := json.Unmarshal(b, &clip); err != nil {
		return err
	}
	d, err := New(Default())
	if err != nil {
		return err
	}
	var j Joiner
	print := func(i Interval, ok bool) {
		if ok {
			fmt.Fprintf(w, "{\"clip\":%q,\"start_s\":%.3f,\"end_s\":%.3f}\n", clip.Clip, i.Start.Seconds(), i.End.Seconds())
		}
	}
	n := 0
	err = eachEighth(filepath.Join(filepath.Dir(truth), clip.Clip), clip.Width, clip.Height, func(p *video.Plane) {
		at := seconds(float64(n) / clip.FPS)
		print(j.Add(at, d.Step(at, p)))
		n++
	})
	print(j.Flush())
	return err
}

// eachEighth decodes a recording and gives its luma at an eighth of its size, as the DC coefficients of a JPEG are.
func eachEighth(file string, width, height int, use func(*video.Plane)) error {
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", file, "-f", "rawvideo", "-pix_fmt", "gray", "-")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	in := bufio.NewReaderSize(out, 1<<20)
	picture := make([]byte, width*height)
	var p video.Plane
	p.Resize(width/8, height/8)
	for {
		if _, err := io.ReadFull(in, picture); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for y := range p.Height {
			for x := range p.Width {
				sum := 32
				for i := range 64 {
					sum += int(picture[(y*8+i/8)*width+x*8+i%8])
				}
				p.Pix[y*p.Stride+x] = uint8(sum / 64)
			}
		}
		use(&p)
	}
	return cmd.Wait()
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
