package agent

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"camward/capture"
	"camward/video"
)

func TestASnapshotOfACameraThatIsNotThereSaysSo(t *testing.T) {
	c := DefaultCamera()
	c.Name, c.Source = "front", "/dev/video-that-is-not-there"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if b, err := Snapshot(ctx, c, zap.NewNop()); !errors.Is(err, capture.ErrAbsent) {
		t.Errorf("got %d bytes and %v, want ErrAbsent", len(b), err)
	}
}

func TestASnapshotIsAPictureOfTheCamera(t *testing.T) {
	c := DefaultCamera()
	c.Name, c.Source = "front", "demo:"
	b, err := Snapshot(t.Context(), c, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if img, err := jpeg.Decode(bytes.NewReader(b)); err != nil || img.Bounds().Dx() != 640 {
		t.Errorf("got %v, %v", img, err)
	}
}

func TestASnapshotOfWhatCannotBeMaskedIsAnError(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 77)
	}
	var damaged bytes.Buffer
	if err := jpeg.Encode(&damaged, img, nil); err != nil {
		t.Fatal(err)
	}
	damaged.Truncate(damaged.Len() - 200)
	damaged.Write([]byte{0xFF, 0xD9})
	file := filepath.Join(t.TempDir(), "damaged.mjpeg")
	if err := os.WriteFile(file, bytes.Repeat(damaged.Bytes(), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := DefaultCamera()
		c.Name, c.Source = "front", file+"?loop=1"
		c.Privacy = []video.Polygon{{{0, 0}, {1, 0}, {1, 1}}}
		if b, err := Snapshot(t.Context(), c, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "no picture that can be shown") {
			t.Errorf("got %d bytes and %v", len(b), err)
		}
	})
}
