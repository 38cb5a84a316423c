package e2e

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"camward/camio"
	"camward/internal/porttest"
)

// TestRecordings replays real recordings through the real agent into the real cloud; each picture carries its number, so
// what the cloud holds is compared with what was shown.
func TestRecordings(t *testing.T) {
	tests := []struct {
		clip         string
		from, length float64
	}{
		{"real_room_people.mp4", 0, 36},
		{"real_cars_lot.mp4", 0, 31},
	}
	for _, tt := range tests {
		t.Run(tt.clip, func(t *testing.T) {
			t.Parallel()
			path := sharedClip(t, tt.clip)
			tr := readTruth(t, path)
			recording := markedRecording(t, path, tr, tt.from, tt.length)
			c := startCloud(t)
			d := startDevice(t, "camward", c, fmt.Sprintf("  - {name: front, source: %q}", recording))
			time.Sleep(time.Duration(tt.length * float64(time.Second)))
			d.drained(t, 40*time.Second)
			checkRecording(t, c, tr, tt.from, tt.length)
		})
	}
}

// drained waits until the recording has been shown, its last clip finished and everything uploaded.
func (d *device) drained(t *testing.T, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() error {
		s := d.status(t)
		if s.Cameras[0].Clip.Recording || s.Uploader.Queued > 0 || s.Cameras[0].Capture.Running {
			return fmt.Errorf("still at work: recording %v, %d queued, last error %q", s.Cameras[0].Clip.Recording, s.Uploader.Queued, s.Uploader.LastError)
		}
		return nil
	})
}

func checkRecording(t *testing.T, c *cloud, tr truth, from, length float64) {
	t.Helper()
	var clips [][]picture
	for _, e := range c.events(t, "front") {
		if len(e.Videos) == 0 || len(e.Images) == 0 {
			t.Errorf("event %v: %d clips and %d snapshots", e.Earliest, len(e.Videos), len(e.Images))
		}
		for _, v := range e.Videos {
			b := c.content(t, "front", v.ID)
			ffprobe(t, b)
			pics := readMarks(t, b)
			checkPictures(t, pics, tr.FPS, 0)
			clips = append(clips, pics)
			if got, want := v.VideoLength, pics[len(pics)-1].time; got < want || got > want+1 {
				t.Errorf("video_length %.2f s of a clip whose last picture is at %.2f s", got, want)
			}
		}
		for _, i := range e.Images {
			if _, err := jpeg.Decode(bytes.NewReader(c.content(t, "front", i.ID))); err != nil {
				t.Errorf("snapshot: %v", err)
			}
		}
	}
	for _, e := range tr.Events {
		if e.Start < from || e.End > from+length-1 {
			continue
		}
		checkCovered(t, clips, tr.FPS, e.Start-from, e.End-from)
	}
}

// checkCovered wants a clip that begins at least 4 s before the motion, or with the recording, and holds its end.
func checkCovered(t *testing.T, clips [][]picture, fps, start, end float64) {
	t.Helper()
	for _, pics := range clips {
		first, last := float64(pics[0].number)/fps, float64(pics[len(pics)-1].number)/fps
		if first <= max(start-4, 0.5) && last >= end {
			return
		}
	}
	t.Errorf("no clip covers the motion from %.1f s to %.1f s with 4 s before it", start, end)
}

// TestDemoScene runs what `make run` shows where there is no camera: the person who walks through at 8 s is an event with
// a clip and a snapshot, and the clip holds the very pictures that were rendered.
func TestDemoScene(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	d := startDevice(t, "camward", c, `  - {name: front, source: "demo:?every=0s"}`)
	start := time.Now()
	var events []camio.Bucket
	eventually(t, 150*time.Second, func() error { // 30 s is the goal
		events = c.events(t, "front")
		if len(events) == 0 || len(events[0].Videos) == 0 || len(events[0].Images) == 0 {
			return fmt.Errorf("%d events", len(events))
		}
		return nil
	})
	t.Logf("the first event with clip and snapshot stood in the cloud after %.1f s (goal 30 s)", time.Since(start).Seconds())
	pics := readMarks(t, c.content(t, "front", events[0].Videos[0].ID))
	s := d.status(t)
	checkPictures(t, pics, 15, int(s.Cameras[0].Capture.Drops))
	if first := float64(pics[0].number) / 15; first > 8-4 {
		t.Errorf("the clip begins at %.1f s of the scene, less than 4 s before the person appears", first)
	}
	if last := float64(pics[len(pics)-1].number) / 15; last < 14 {
		t.Errorf("the clip ends at %.1f s of the scene, before the person has gone", last)
	}
	if s.Cameras[0].Motion.Events != 1 || s.Cameras[0].Clip.Clips != 1 {
		t.Errorf("%d stretches of motion and %d clips, want one of each", s.Cameras[0].Motion.Events, s.Cameras[0].Clip.Clips)
	}
}

// TestOverFTP uploads to the cloud's FTP ingest instead: what arrives is the same event.
func TestOverFTP(t *testing.T) {
	t.Parallel()
	ftp := porttest.Address(t)
	c := startCloud(t, "--ftp", ftp)
	c.forAgent = fmt.Sprintf(", upload: ftp, ftp: {address: %q, tls: none}", ftp)
	d := startDevice(t, "camward", c, early)
	c.arrived(t, 1, 90*time.Second)
	e := c.events(t, "front")[0]
	ffprobe(t, c.content(t, "front", e.Videos[0].ID))
	if len(e.Images) != 1 {
		t.Errorf("%d snapshots in the event, want 1", len(e.Images))
	}
	if strings.Contains(d.out.String(), c.account.UploadToken) {
		t.Error("the token is in the log")
	}
}
