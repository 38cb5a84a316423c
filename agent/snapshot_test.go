package agent

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/capture"
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
