package cloud_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var pictures sync.Map // [3]int -> []byte

// picture is a JPEG of w x h made by cjpeg; another seed gives other bytes.
func picture(t testing.TB, w, h, seed int) []byte {
	t.Helper()
	key := [3]int{w, h, seed}
	if b, ok := pictures.Load(key); ok {
		return b.([]byte)
	}
	var ppm bytes.Buffer
	fmt.Fprintf(&ppm, "P6 %d %d 255\n", w, h)
	for y := range h {
		for x := range w {
			ppm.Write([]byte{byte(x + seed), byte(y), byte(seed * 40)})
		}
	}
	cmd := exec.Command("cjpeg", "-quality", "80")
	cmd.Stdin, cmd.Stderr = &ppm, os.Stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatal("cjpeg (Debian package libjpeg-turbo-progs): ", err)
	}
	pictures.Store(key, b)
	return b
}

var movies sync.Map // int -> []byte

// movie is an H.264 MP4 of so many seconds, 160x120 at 10 pictures a second, made by ffmpeg.
func movie(t testing.TB, seconds int) []byte {
	t.Helper()
	if b, ok := movies.Load(seconds); ok {
		return b.([]byte)
	}
	out := filepath.Join(t.TempDir(), "movie.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=160x120:r=10:d=%d", seconds),
		"-pix_fmt", "yuv420p", "-c:v", "libx264", "-profile:v", "baseline", "-g", "10", "-movflags", "frag_keyframe+empty_moov", out)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	movies.Store(seconds, b)
	return b
}
