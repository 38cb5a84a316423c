package h264

import (
	"fmt"
	"math"
	"os/exec"
	"testing"

	"camward/video"
)

// testPictures has ffmpeg render a moving test pattern at 15 pictures a second, with some
// noise, since without it the pattern compresses far better than a camera's pictures.
func testPictures(t testing.TB, width, height, n int) []video.I420 {
	t.Helper()
	src := fmt.Sprintf("testsrc2=size=%dx%d:rate=15,noise=alls=4:allf=t,format=yuv420p", width, height)
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", src,
		"-frames:v", fmt.Sprint(n), "-f", "rawvideo", "-").Output()
	if err != nil {
		t.Fatalf("ffmpeg renders the test pattern: %v", err)
	}
	pics := make([]video.I420, n)
	for i := range pics {
		p := &pics[i]
		p.Resize(width, height)
		for _, plane := range [][]byte{p.Y, p.U, p.V} {
			if copy(plane, out) < len(plane) {
				t.Fatalf("ffmpeg gave too few bytes for picture %d", i)
			}
			out = out[len(plane):]
		}
	}
	return pics
}

// psnr compares luma where both pictures have it.
func psnr(a, b *video.I420) float64 {
	w, h := min(a.Width, b.Width), min(a.Height, b.Height)
	var sum float64
	for y := range h {
		ra, rb := a.Y[y*a.YStride:][:w], b.Y[y*b.YStride:][:w]
		for x := range ra {
			d := float64(ra[x]) - float64(rb[x])
			sum += d * d
		}
	}
	if sum == 0 {
		return 99
	}
	return 10 * math.Log10(255*255*float64(w*h)/sum)
}
