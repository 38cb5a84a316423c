package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"camward/codec/jpeg"
	"camward/video"
)

// What the cameras of TestCrash show. Every picture of every run has a number of its own.
const (
	crashWidth, crashHeight = 320, 240
	crashFPS                = 25
	crashCameras            = 2
	crashPreRoll            = time.Second
	crashSpan               = 500 // numbers of one camera in one run
	crashStill              = 1<<24 - 1
	crashMoves              = 40 // the first picture that differs
)

// crashNumber is the number of picture n.
func crashNumber(run, camera, n int) uint32 { return uint32((run*crashCameras+camera)*crashSpan + n) }

func ofCrashNumber(number uint32) (run, camera, n int) {
	at := int(number) / crashSpan
	return at / crashCameras, at % crashCameras, int(number) % crashSpan
}

// A feed makes the recordings: a box before a textured wall, which begins to move as soon as the detector has learned the wall and
// never rests then. The scene is rendered once, each recording has its
// own numbers.
type feed struct {
	dir   string
	scene []video.I420
}

func newFeed(t *testing.T) *feed {
	f := &feed{dir: t.TempDir(), scene: make([]video.I420, 60)}
	for i := range f.scene {
		img := &f.scene[i]
		img.Resize(crashWidth, crashHeight)
		img.FullRange = true
		for y := range crashHeight {
			for x := range crashWidth {
				img.Y[y*img.YStride+x] = byte(90 + (x*7+y*13)%40)
			}
		}
		for j := range img.U {
			img.U[j], img.V[j] = 128, 128
		}
		left := i * 6 // to and fro, 6 pixels a picture
		if i >= len(f.scene)/2 {
			left = (len(f.scene) - i) * 6
		}
		for y := 60; y < 160; y++ {
			for x := left + 40; x < left+90; x++ {
				img.Y[y*img.YStride+x] = 230
			}
		}
	}
	return f
}

// recording makes one of that many pictures for a camera in a run, and gives its path.
func (f *feed) recording(run, camera, pictures int) (string, error) {
	path := filepath.Join(f.dir, fmt.Sprintf("run%d-%d.mjpeg", run, camera))
	return path, f.write(path, pictures, func(n int) uint32 { return crashNumber(run, camera, n) })
}

// still makes a recording in which nothing moves.
func (f *feed) still() (string, error) {
	path := filepath.Join(f.dir, "still.mjpeg")
	return path, f.write(path, 1, func(int) uint32 { return crashStill })
}

func (f *feed) write(path string, pictures int, number func(n int) uint32) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	x, y := video.MarkAt(crashWidth, crashHeight)
	var buf []byte
	for n := range pictures {
		img := &f.scene[max(n-crashMoves, 0)%len(f.scene)]
		video.DrawMark(&video.Plane{Pix: img.Y, Width: img.Width, Height: img.Height, Stride: img.YStride}, x, y, number(n))
		if buf, err = jpeg.Encode(buf, img, 80); err != nil {
			return err
		}
		if _, err := out.Write(buf); err != nil {
			return err
		}
	}
	return out.Close()
}
