package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/cloud/cloudtest"
	"camward/scripts/scenes"
)

// filmed renders part of a scene, ten pictures a second, as a file of pictures that a camera might send.
func filmed(t *testing.T, name string, from, to time.Duration) string {
	t.Helper()
	scene, ok := scenes.Named(name)
	if !ok {
		t.Fatalf("there is no scene %s", name)
	}
	r, err := scene.Renderer(320, 240, 10)
	if err != nil {
		t.Fatal(err)
	}
	var film []byte
	for p, ok := r.Next(); ok && p.At < to; p, ok = r.Next() {
		if p.At < from {
			continue
		}
		b, err := r.JPEG(p)
		if err != nil {
			t.Fatal(err)
		}
		film = append(film, b...)
	}
	file := filepath.Join(t.TempDir(), name+".mjpeg")
	if err := os.WriteFile(file, film, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Somebody comes towards the camera; whoever asks the cloud for what approaches finds it, with the boxes of the way. Played three times as fast.
func TestTheCloudFindsWhoApproachedACamera(t *testing.T) {
	c := cloudtest.New(t)
	dir := t.TempDir()
	loaded, err := Load(Layers{File: writeFile(t, fmt.Sprintf(`
cloud: {url: %q, upload_token: %q}
cameras:
  - {name: front, source: %q, clip: {pre_roll: 1s, post_roll: 1s, heartbeat: 0s}, motion: {min_duration: 100ms}}
spool: {dir: %q}
state_dir: %q
listen: ""
mdns: false
board: {mac: "00A0B1C2D3E4", time: leave, led: {name: none}}
live: {udp_port: 0, tcp_port: 0}
`, c.URL, c.Account.UploadToken, filmed(t, "person-approach-1", 2*time.Second, 25*time.Second)+"?fps=30", dir+"/spool", dir+"/state"))})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(loaded, "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })

	var b camio.Bucket
	for end := time.Now().Add(90 * time.Second); len(b.Videos) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			st, _ := json.Marshal(a.Status())
			t.Fatalf("nothing with the label approaching: %s", st)
		}
		_, body := c.Do(t, "GET", "/api/search?labels=approaching&fetch_motion_boxes=true", "")
		var r struct {
			Result struct{ Buckets []camio.Bucket }
		}
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if len(r.Result.Buckets) > 0 {
			b = r.Result.Buckets[0]
		}
	}
	if slices.Contains(b.Labels, "departing") || b.MaxInterestLevel != 3 || b.Source != "front" {
		t.Errorf("%+v", b)
	}
	if len(b.Images) == 0 || len(b.Images[0].MotionBoxes) != 1 {
		t.Errorf("the snapshot has no box: %+v", b.Images)
	}
	boxes := b.Videos[0].MotionBoxes
	if len(boxes) < 10 || len(boxes) > camio.MaxTrackBoxes || b.Videos[0].MotionArea < 1 {
		t.Fatalf("%d boxes, %v %% of the picture", len(boxes), b.Videos[0].MotionArea)
	}
	first, last := boxes[0], boxes[len(boxes)*2/3]
	if first.Time < 0.3 || last.Time > b.Videos[0].VideoLength || last.Y1 < first.Y1 {
		t.Errorf("the way leads from %+v to %+v in a clip of %v s", first, last, b.Videos[0].VideoLength)
	}
}
