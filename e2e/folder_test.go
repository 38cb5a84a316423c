package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestWhatOtherFirmwareWritesArrives lets ffmpeg write a clip slowly and a picture at once into folders, as a vendor's firmware does: both are
// in the cloud as they were, at the time they were taken, and gone from the folder.
func TestWhatOtherFirmwareWritesArrives(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	folder := t.TempDir()
	d := startDevice(t, "camward", c, early+fmt.Sprintf("\nfolders: [{dir: %q, camera: vendor}]", folder))
	day := filepath.Join(folder, "20261123", "record")
	if err := os.MkdirAll(day, 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, args := range [][]string{
		{"-re", "-f", "lavfi", "-i", "testsrc=s=320x240:r=10:d=4", "-c:v", "libx264", "-preset", "ultrafast", filepath.Join(day, "A12.mp4")},
		{"-f", "lavfi", "-i", "testsrc=s=320x240", "-frames:v", "1", filepath.Join(day, "P12.jpg")},
	} {
		if text, err := exec.Command("ffmpeg", append([]string{"-v", "error"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v: %s", err, text)
		}
	}
	eventually(t, 60*time.Second, func() error {
		var clips, pictures int
		for _, e := range c.events(t, "vendor") {
			clips, pictures = clips+len(e.Videos), pictures+len(e.Images)
		}
		if clips != 1 || pictures != 1 {
			return fmt.Errorf("%d clips and %d pictures; %+v", clips, pictures, d.status(t).Folders)
		}
		return nil
	})
	for _, e := range c.events(t, "vendor") {
		for _, v := range e.Videos {
			ffprobe(t, c.content(t, "vendor", v.ID))
			if at := v.DateCreated.Time; at.Before(began.Add(-5*time.Second)) || at.After(began.Add(5*time.Second)) {
				t.Errorf("the clip is dated %v, it began at %v", at, began)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(day, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	if s := d.status(t).Folders[0]; s.Taken != 2 || s.Waiting != 0 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}
