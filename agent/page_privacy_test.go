package agent

import (
	"bytes"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/video"
)

const (
	privacyPath = "/api/cameras/front/privacy"
	leftHalf    = `[[0,0],[0.5,0],[0.5,1],[0,1]]`
)

// black reports whether the middle of the left and of the right half of a picture is black.
func black(t *testing.T, b []byte) (left, right bool) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	dark := func(x0, x1 int) bool {
		size := img.Bounds().Size()
		for y := size.Y / 8; y < size.Y*7/8; y += 4 {
			for x := size.X * x0 / 8; x < size.X*x1/8; x += 4 {
				if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y > 4 {
					return false
				}
			}
		}
		return true
	}
	return dark(1, 3), dark(5, 7)
}

func TestAHiddenAreaIsBlackAtOnceAndFromTheFirstPictureAfterARestart(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, true, "cameras[0].source=demo:", "cameras[0].size=320x240")
	holds := func(v *visitor, method, body string, want pagePrivacy) {
		t.Helper()
		var got pagePrivacy
		v.json(method, privacyPath, body, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", method, diff)
		}
	}
	shows := func(v *visitor, wantLeft, wantRight bool) {
		t.Helper()
		b, err := v.a.cameras[0].picture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if left, right := black(t, b); left != wantLeft || right != wantRight {
			t.Errorf("the left half is black: %v, the right half: %v", left, right)
		}
	}
	configured := pagePrivacy{Areas: [][][]float64{}, From: "configuration"}
	hidden := pagePrivacy{Areas: [][][]float64{{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}}, From: "page"}
	holds(v, "GET", "", configured)
	shows(v, false, false)
	holds(v, "PUT", `{"areas":[`+leftHalf+`]}`, hidden)
	shows(v, true, false)
	if st := v.a.device.status(); len(st) != 1 || st[0].Form != "privacy of front" || st[0].By != "127.0.0.1" || st[0].At.IsZero() || st[0].Value != "hidden areas: 1" {
		t.Errorf("status %+v", st)
	}

	// The configuration hides the right half; the page is stronger, and its mask is there before the camera is opened.
	right := "cameras[0].privacy=[[[0.5,0],[1,0],[1,1],[0.5,1]]]"
	again := visit(t, dir, false, "cameras[0].source=demo:", "cameras[0].size=320x240", right)
	sub := again.a.cameras[0].hub.Subscribe("test", 1)
	defer sub.Close()
	holds(again, "GET", "", hidden)
	ctx := t.Context()
	go again.a.cameras[0].camera.Run(ctx)
	f := <-sub.Frames()
	l, r := black(t, f.Data)
	f.Release()
	if !l || r {
		t.Errorf("the first picture: the left half is black: %v, the right half: %v", l, r)
	}
	var cam CameraConfig
	cam.Name = "front"
	if err := cam.KeepHidden(filepath.Join(dir, "state")); err != nil || len(cam.Privacy) != 1 || cam.Privacy[0][1] != [2]float64{0.5, 0} {
		t.Errorf("for one picture without the agent: %v %v", cam.Privacy, err)
	}
	configured.Areas = [][][]float64{{{0.5, 0}, {1, 0}, {1, 1}, {0.5, 1}}}
	holds(again, "PUT", `{"areas":[]}`, pagePrivacy{Areas: [][][]float64{}, From: "page"})
	holds(visit(t, dir, false, right), "GET", "", pagePrivacy{Areas: [][][]float64{}, From: "page"})
	holds(again, "DELETE", "", configured)
	shows(again, false, true)
	holds(visit(t, dir, false, right), "GET", "", configured)
}

func TestAMaskThatCannotHoldIsRefusedAndChangesNothing(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	corner := `[0.1234,0.1234],`
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"nothing":        {"", 400},
		"null":           {"null", 400},
		"no areas":       {"{}", 400},
		"areas null":     {`{"areas":null}`, 400},
		"unknown member": {`{"areas":[],"from":"page"}`, 400},
		"two values":     {`{"areas":[]}{}`, 400},
		"two points":     {`{"areas":[[[0,0],[1,1]]]}`, 400},
		"no polygon":     {`{"areas":[null]}`, 400},
		"three numbers":  {`{"areas":[[[0,0,0],[1,1,1],[0,1,0]]]}`, 400},
		"outside":        {`{"areas":[[[0,0],[1.1,0],[1,1]]]}`, 400},
		"infinite":       {`{"areas":[[[0,0],[1e999,0],[1,1]]]}`, 400},
		"33 areas":       {`{"areas":[` + strings.Repeat(leftHalf+",", 32) + leftHalf + `]}`, 400},
		"65 points":      {`{"areas":[[` + strings.Repeat(corner, 64) + `[0,0]]]}`, 400},
		"endless":        {`{"areas":[` + strings.Repeat(leftHalf+",", 3000), 413},
	} {
		t.Run(name, func(t *testing.T) { (&visitor{t, v.a, v.base}).refused("PUT", privacyPath, tt.body, tt.want) })
	}
	v.refused("GET", "/api/cameras/back/privacy", "", 404)
	v.refused("PUT", "/api/cameras/back/privacy", `{"areas":[]}`, 404)
	v.refused("DELETE", "/api/cameras/back/privacy", "", 404)
	if areas, from := v.a.device.privacy(0); len(areas) > 0 || from != fromConfiguration || len(v.a.device.status()) > 0 {
		t.Errorf("something changed: %v %s", areas, from)
	}
	var got pagePrivacy
	full := `{"areas":[` + strings.TrimSuffix(strings.Repeat("["+strings.TrimSuffix(strings.Repeat(corner, 64), ",")+"],", 32), ",") + `]}`
	if v.json("PUT", privacyPath, full, &got); len(got.Areas) != 32 || len(got.Areas[31]) != 64 {
		t.Errorf("the largest mask became %d areas", len(got.Areas))
	}
	// What cannot be kept does not hold either.
	v.a.device.file = filepath.Join(t.TempDir(), "no", "such", settingsFile)
	v.refused("PUT", privacyPath, `{"areas":[]}`, 500)
	if areas, from := v.a.device.privacy(0); len(areas) != 32 || from != fromPage {
		t.Errorf("%d areas from %s", len(areas), from)
	}
}

// A settings file may have been written by another version, or be cut by a failing disk.
func TestAMaskThatThePageSetOutlivesSettingsThatCannotBeRead(t *testing.T) {
	left := []video.Polygon{{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}}
	for name, tt := range map[string]struct {
		settings string
		want     []video.Polygon
		from     string
	}{
		"another member is of another kind": {`{"period":[7],"made":{},"privacy":{"front":[` + leftHalf + `]}}`, left, fromPage},
		"the mask is of another kind":       {`{"made":{},"privacy":{"front":[{"points":[]}]}}`, wholePicture, fromPage},
		"cut in the mask":                   {`{"made":{},"privacy":{"front":[[[0,0],[0.5,`, wholePicture, fromPage},
		"cut before it":                     {`{"made":{"privacy of front":{"by":"127.0.0.1","at":`, wholePicture, fromPage},
		"the mask has too many areas":       {`{"privacy":{"front":[` + strings.Repeat(leftHalf+",", 32) + leftHalf + `]}}`, wholePicture, fromPage},
		"it never had one":                  {`{"made":{"setNtp":{"by":`, nil, fromConfiguration},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "state", settingsFile), []byte(tt.settings), 0o600); err != nil {
				t.Fatal(err)
			}
			a := testAgent(t, dir)
			areas, from := a.device.privacy(0)
			if diff := cmp.Diff(tt.want, areas); diff != "" || from != tt.from {
				t.Errorf("from %s, -want +got\n%s", from, diff)
			}
			if held := a.cameras[0].masked.Load() != 0; held != (tt.want != nil) {
				t.Errorf("the camera was told: %v", held)
			}
		})
	}
}

// While a mask is being kept, which may take a slow disk seconds or fail, the one before holds.
func TestAWeakerMaskDoesNotHoldBeforeItIsKept(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	var got pagePrivacy
	v.json("PUT", privacyPath, `{"areas":[`+leftHalf+`]}`, &got)
	p := v.a.cameras[0]
	before := p.masked.Load()
	v.a.device.file = filepath.Join(t.TempDir(), "no", "such", settingsFile)
	v.refused("PUT", privacyPath, `{"areas":[]}`, 500)
	if p.masked.Load() != before {
		t.Error("the mask was changed meanwhile")
	}
}

func TestSettingsThatCannotBeReadLetNoPictureBeTaken(t *testing.T) {
	dir := t.TempDir()
	var cam CameraConfig
	if err := cam.KeepHidden(dir); err != nil {
		t.Errorf("without settings: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, settingsFile), []byte(`{"privacy":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cam.KeepHidden(dir); err == nil {
		t.Error("cut settings were taken for none")
	}
}

// TestNoRecordingShowsWhatWasHiddenBeforeItBegan hides the left half of the picture two seconds before somebody comes, with 20 s of pre-roll.
func TestNoRecordingShowsWhatWasHiddenBeforeItBegan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := visit(t, dir, true, "cameras[0].source=demo:?first=4s&every=20s", "cameras[0].size=320x240", "cameras[0].clip.pre_roll=20s", "cameras[0].clip.post_roll=1s", "cameras[0].clip.heartbeat=0s")
	p := v.a.cameras[0]
	if _, err := v.a.spool.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.a.spool.Close() })
	eventually(t, "two seconds of pictures", func() bool { return p.camera.Status().Frames > 30 })
	v.json("PUT", privacyPath, `{"areas":[`+leftHalf+`]}`, &pagePrivacy{})
	eventually(t, "a clip", func() bool { return p.recorder.Status().Clips == 1 })
	if n := p.motionStatus().Events; n != 1 {
		t.Errorf("%d stretches of motion, want the person's alone and not the mask's", n)
	}
	var clips, stills int
	err := filepath.WalkDir(filepath.Join(dir, "spool"), func(path string, e os.DirEntry, err error) error {
		switch b := []byte(nil); {
		case err != nil || e.IsDir():
			return err
		case strings.HasSuffix(path, ".jpeg"):
			stills++
			if b, err = os.ReadFile(path); err != nil {
				return err
			}
			if left, right := black(t, b); !left || right {
				t.Errorf("%s: the left half is black: %v, the right half: %v", path, left, right)
			}
		case strings.HasSuffix(path, ".mp4"):
			clips++
			allBlack(t, path)
		}
		return nil
	})
	if err != nil || clips != 1 || stills == 0 {
		t.Errorf("%d clips, %d stills, %v", clips, stills, err)
	}
}

// allBlack looks at the middle of the left half of each picture of a clip of 320x240.
func allBlack(t *testing.T, path string) {
	t.Helper()
	const w, h = 80, 120
	raw, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-vf", "crop=80:120:40:60,format=gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-").Output()
	if err != nil || len(raw) == 0 || len(raw)%(w*h) != 0 {
		t.Fatalf("%s: %d bytes, %v", path, len(raw), err)
	}
	for n := range len(raw) / (w * h) {
		if m := slices.Max(raw[n*w*h : (n+1)*w*h]); m > 30 {
			t.Errorf("%s: picture %d of %d has a level of %d where it is to be black", path, n, len(raw)/(w*h), m)
			return
		}
	}
}

// at is a picture of that time.
func at(mono time.Duration) *video.Frame { return &video.Frame{Mono: mono} }

func TestASieveLetsGoWhatWasCapturedBeforeAChange(t *testing.T) {
	var changed atomic.Int64
	s := sieve{changed: &changed, depth: 2}
	pass := func(monos ...time.Duration) (got string) {
		for _, m := range monos {
			old, last := s.old(at(m))
			got += map[[2]bool]string{{false, false}: "+", {true, false}: "-", {true, true}: "!"}[[2]bool{old, last}]
		}
		return got
	}
	steps := []struct {
		change time.Duration
		monos  []time.Duration
		want   string
	}{
		{0, []time.Duration{1, 2}, "++"},
		{5, []time.Duration{3, 4, 6, 7}, "--!+"},
		{20, []time.Duration{22, 23}, "!+"},
		{50, []time.Duration{30, 31, 32, 33, 34}, "---!+"}, // stamps that have fallen behind
		{60, []time.Duration{35}, "-"},
		{70, []time.Duration{36, 37, 38, 39, 40}, "---!+"},
	}
	for i, step := range steps {
		if step.change > 0 {
			changed.Store(int64(step.change))
		}
		if got := pass(step.monos...); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}
