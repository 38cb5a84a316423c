package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/agent"
)

const (
	filmRate  = 10
	filmSize  = "320x240"
	filmBytes = 320 * 240 // of a raw picture
)

// film makes a recording of 20 s: from 4 s to 9 s something large goes to the right, from 13 s to 17 s something small.
func film(t *testing.T, name string, args ...string) string {
	t.Helper()
	const scene = "testsrc2=s=" + filmSize + ":r=10:d=0.1,trim=end_frame=1,eq=contrast=0.3,gblur=4,loop=-1:1,setpts=N/10/TB,trim=duration=20,noise=c0s=3:c0f=t+u:all_seed=7[b];" +
		"color=0xe0e0e0:s=44x70:r=10[l];color=0xe0e0e0:s=20x20:r=10[s];" +
		"[b][l]overlay=x='20+40*(t-4)':y=90:enable='between(t,4,9)':shortest=1[c];[c][s]overlay=x='40+40*(t-13)':y=60:enable='between(t,13,17)':shortest=1,format=yuv420p"
	path := filepath.Join(t.TempDir(), name)
	all := append([]string{"-v", "error", "-f", "lavfi", "-i", scene}, args...)
	if out, err := exec.Command("ffmpeg", append(all, path)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return path
}

var (
	asMP4   = []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-movflags", "+faststart"}
	asJPEGs = []string{"-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"}
	asRaw   = []string{"-f", "rawvideo", "-pix_fmt", "gray"}
)

// detect runs the verb without a configuration file, and with what is on standard input.
func detect(t *testing.T, input string, args ...string) (code int, out, said string) {
	t.Helper()
	if input != "" {
		f, err := os.Open(input)
		if err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		before := os.Stdin
		os.Stdin = r
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(w, f) // it is not always read to its end
			w.Close()
			f.Close()
		}()
		defer func() {
			os.Stdin = before
			r.Close()
			<-done
		}()
	}
	var o, e bytes.Buffer
	code = dispatch(t.Context(), append([]string{"detect"}, args...), stdio{&o, &e})
	return code, o.String(), e.String()
}

func intervals(t *testing.T, out string) (list []interval) {
	t.Helper()
	for line := range strings.Lines(out) {
		var i interval
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&i); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		list = append(list, i)
	}
	return list
}

// both checks that the film's two movers were found.
func both(t *testing.T, what string, list []interval) {
	t.Helper()
	if len(list) != 2 {
		t.Errorf("%s: %d intervals, want 2: %+v", what, len(list), list)
		return
	}
	for i, w := range []struct{ from, to float64 }{{4, 9}, {13, 17}} {
		if iv := list[i]; iv.Start < w.from-0.1 || iv.Start > w.from+1 || math.Abs(iv.End-w.to) > 0.7 {
			t.Errorf("%s: found from %v s to %v s what moves from %v s to %v s", what, iv.Start, iv.End, w.from, w.to)
		}
	}
}

func TestDetectTellsWhenWhereAndHowMuchMoved(t *testing.T) {
	code, out, said := detect(t, "", film(t, "a.mp4", asMP4...))
	if code != exitOK || !strings.Contains(said, "a.mp4: 2 intervals of motion in 19.9 s of video (200 pictures, 0 unreadable), ") || !strings.HasSuffix(said, " times real time\n") {
		t.Errorf("%d: %s", code, said)
	}
	list := intervals(t, out)
	both(t, "film", list)
	for i, iv := range list {
		if iv.Clip != "a.mp4" || iv.PeakAt < iv.Start || iv.PeakAt > iv.End || len(iv.Boxes) < 10 || iv.Settings != "" {
			t.Errorf("%+v", iv)
		}
		if area := []float64{44 * 70, 20 * 20}[i] / filmBytes; iv.Peak < area*0.4 || iv.Peak > area*3 {
			t.Errorf("what takes %.4f of the picture has a peak of %v", area, iv.Peak)
		}
		for _, b := range iv.Boxes {
			x := []float64{20 + 22 + 40*(b[0]-4), 40 + 10 + 40*(b[0]-13)}[i] / 320
			y := []float64{90 + 35, 60 + 10}[i] / 240
			if b[0] < iv.Start || b[0] > iv.End || b[0] < iv.End-0.5 && (b[1] > x || b[3] < x || b[2] > y || b[4] < y || b[3]-b[1] > 0.4 || b[4]-b[2] > 0.5) {
				t.Errorf("at %v s the box is %v, and the middle of what moves is at %.2f, %.2f", b[0], b[1:], x, y)
			}
		}
	}
	if diff := cmp.Diff([]string{"right"}, list[0].Headings); diff != "" {
		t.Error(diff)
	}
}

func TestARecordingIsTheSameHoweverItComes(t *testing.T) {
	mp4, avi, jpegs, raw := film(t, "a.mp4", asMP4...), film(t, "a.avi", asJPEGs...), film(t, "a.mjpeg", asJPEGs...), film(t, "a.gray", asRaw...)
	tests := map[string]struct {
		input string
		args  []string
	}{
		"MP4":               {"", []string{mp4}},
		"AVI":               {"", []string{avi}},
		"JPEGs":             {"", []string{jpegs + "?fps=10"}},
		"raw":               {"", []string{"--raw", "320x240@10", raw}},
		"raw by fraction":   {"", []string{raw, "--raw=320x240@20/2"}},
		"MP4 from a pipe":   {mp4, []string{"-"}},
		"AVI from a pipe":   {avi, []string{"-"}},
		"JPEGs in a pipe":   {jpegs, []string{"--", "-?fps=10"}},
		"raw from a pipe":   {raw, []string{"--raw", "320x240@10", "-"}},
		"beside each other": {"", []string{"--json", "--set", "motion.min_area=0.1%", mp4}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, out, said := detect(t, tt.input, tt.args...)
			if code != exitOK || strings.Count(said, "\n") != 1 || !strings.Contains(said, "200 pictures, 0 unreadable") {
				t.Errorf("%d: %s", code, said)
			}
			list := intervals(t, out)
			if name == "beside each other" { // what is set is the default
				if len(list) != 4 {
					t.Fatalf("%+v", list)
				}
				both(t, name, list[2:])
				list = list[:2]
			}
			both(t, name, list)
			_, out, _ = detect(t, "", mp4)
			for i, want := range intervals(t, out) {
				if got := list[i]; math.Abs(got.Start-want.Start) > 0.101 || math.Abs(got.End-want.End) > 0.101 {
					t.Errorf("found from %v s to %v s, and in the MP4 from %v s to %v s", got.Start, got.End, want.Start, want.End)
				}
			}
		})
	}
}

func TestSettingsAreHeldAgainstThoseThatStand(t *testing.T) {
	clip := film(t, "a.mp4", asMP4...)
	code, out, said := detect(t, "", "--set", "motion.min_area=2%", clip)
	if code != exitOK || !strings.Contains(said, "2 intervals of motion as configured, 1 as set in 19.9 s") {
		t.Errorf("%d: %s", code, said)
	}
	rows := strings.Split(strings.TrimSpace(out), "\n")
	wanted := []string{"as set: cameras[0].motion.min_area=2%", "", "a.mp4 as configured as set", "both 4.", "only as configured 13.", "together 2, "}
	if len(rows) != len(wanted) {
		t.Fatalf("%s", out)
	}
	for i, row := range rows {
		if row = strings.Join(strings.Fields(row), " "); !strings.HasPrefix(row, wanted[i]) {
			t.Errorf("line %d is %q, want %q first", i+1, row, wanted[i])
		}
	}
	if !strings.HasSuffix(rows[4], " -") {
		t.Errorf("nothing was found as set, but: %q", rows[4])
	}
	code, out, _ = detect(t, "", "--json", "--set", "cameras[0].motion.min_area=2%", clip)
	var names []string
	for _, iv := range intervals(t, out) {
		names = append(names, iv.Settings)
	}
	if diff := cmp.Diff([]string{"as configured", "as configured", "as set"}, names); code != exitOK || diff != "" {
		t.Errorf("%d: %s", code, diff)
	}
	_, out, _ = detect(t, "", "--set", "motion.exclude=[[[0,0],[1,0],[1,0.9],[0,0.9]]]", clip)
	if strings.Count(out, "only as configured") != 2 {
		t.Error(out)
	}
}

func TestTheNamedCamerasSettingsHold(t *testing.T) {
	clip, file := film(t, "a.mp4", asMP4...), filepath.Join(t.TempDir(), "c.yml")
	const text = `
cloud: {url: https://cloud.example.com, upload_token: x}
state_dir: /nowhere
cameras:
  - {name: front, source: /dev/video0}
  - {name: yard, source: /dev/video1, motion: {min_area: 2%}}
  - {name: dark, source: /dev/video2, motion: {min_area: 0%}}
  - {name: tiny, source: /dev/video3, motion: {include: [[[0,0],[0.02,0],[0.02,0.03],[0,0.03]]]}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for camera, want := range map[string]int{"front": 2, "yard": 1, "": 2} {
		if code, out, said := detect(t, "", "--config", file, "--camera", camera, clip); code != exitOK || len(intervals(t, out)) != want {
			t.Errorf("%q: %d: %s%s", camera, code, out, said)
		}
	}
	code, out, said := detect(t, "", "-c", file, "--camera", "yard", "--set", "motion.min_area=0.1%", clip)
	if code != exitOK || !strings.Contains(out, "as set: cameras[1].motion.min_area=0.1%") || strings.Count(out, "only as set") != 1 {
		t.Errorf("%d: %s%s", code, out, said)
	}
	for _, tt := range []struct {
		camera, set string
		code        int
		says        string
	}{
		{"garden", "", exitMisused, `no camera "garden"`},
		{"dark", "", exitMisused, "motion.min_area: 0 is outside"},
		{"tiny", "", exitFailed, "nothing could count as motion"},
		{"yard", "cameras[0].motion.min_area=1%", exitMisused, "only the camera's motion settings"},
	} {
		args := []string{"-c", file, "--camera", tt.camera, clip}
		if tt.set != "" {
			args = append(args, "--set", tt.set)
		}
		if code, out, said := detect(t, "", args...); code != tt.code || !strings.Contains(said, tt.says) || out != "" {
			t.Errorf("%s %s: %d: %s%s", tt.camera, tt.set, code, out, said)
		}
	}
}

func TestATraceSaysHowEachPictureWasDecided(t *testing.T) {
	clip, trace := film(t, "a.mp4", asMP4...), filepath.Join(t.TempDir(), "a.trace.gz")
	if code, _, said := detect(t, "", "--trace", trace, "--set", "motion.min_area=2%", clip, clip); code != exitOK {
		t.Fatal(said)
	}
	all, err := agent.ReadTraceFile(trace)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d recordings, %v", len(all), err)
	}
	for _, one := range all {
		if one.Clip != "a.mp4" || one.Width != 320 || one.Height != 240 || one.Cols != 40 || one.Rows != 30 || one.Settings.MinArea != 0.02 || len(one.Traces) != 200 {
			t.Errorf("%+v, %d pictures", one.TraceHeader, len(one.Traces))
		}
	}
}

func TestWhatIsWrongWithACallIsSaid(t *testing.T) {
	clip := film(t, "a.mjpeg", asJPEGs...)
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := file("letter.mp4", []byte("Dear Sir or Madam,\n"))
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitMisused, "name at least one recording"},
		{[]string{"-", "-"}, exitMisused, "only once"},
		{[]string{"--raw", "640x480", clip}, exitMisused, "is not a size and a rate such as 640x480@15"},
		{[]string{"--raw", "64x48@15", clip}, exitMisused, "outside 96x96..8192x8192 pixels"},
		{[]string{"--raw", "640x480@0", clip}, exitMisused, "outside 0.5..240 pictures a second"},
		{[]string{"--raw", "320x240@10", clip}, exitFailed, "it is JPEG pictures, not raw pictures: leave --raw out"},
		{[]string{"--set", "clip.pre_roll=1s", clip}, exitMisused, "only the camera's motion settings"},
		{[]string{"--set", "motion.min_area", clip}, exitMisused, "write it as key=value"},
		{[]string{"--set", "motion.area=1%", clip}, exitMisused, "cameras[0].motion.area: unknown key"},
		{[]string{"--set", "motion.min_duration=300", clip}, exitMisused, "write it with its unit, as in 300ms"},
		{[]string{"--set", "motion.min_area=60%", clip}, exitMisused, "motion.min_area: 0.6 is outside"},
		{[]string{"--camera", "yard", clip}, exitMisused, "the configuration has no camera"},
		{[]string{"-c", filepath.Join(dir, "none.yml"), clip}, exitMisused, "there is no such file"},
		{[]string{"--trace", "-", clip}, exitMisused, "--trace wants a file"},
		{[]string{"--trace", clip, clip}, exitMisused, "would overwrite the recording"},
		{[]string{"--trace", clip, clip + "?fps=10"}, exitMisused, "would overwrite the recording"},
		{[]string{"--trace", filepath.Join(dir, "no", "such"), clip}, exitFailed, "no such file or directory"},
		{[]string{filepath.Join(dir, "none.mp4")}, exitFailed, "no such file or directory"},
		{[]string{text}, exitFailed, "not a video that ffmpeg can read"},
		{[]string{"/dev/video0"}, exitFailed, "/dev/video0 is not a recording"},
	} {
		code, out, said := detect(t, "", tt.args...)
		if code != tt.code || !strings.Contains(said, tt.says) || out != "" || strings.Count(said, tt.says) != 1 {
			t.Errorf("%q: %d: %s%s", tt.args, code, out, said)
		}
	}
	code, out, said := detect(t, "", text, clip+"?fps=10", filepath.Join(dir, "none.mp4"))
	if code != exitFailed || len(intervals(t, out)) != 2 || !strings.Contains(said, "letter.mp4") || !strings.Contains(said, "none.mp4") {
		t.Errorf("beside two that cannot be read: %d: %s%s", code, out, said)
	}
	picture := make([]byte, filmBytes)
	whole := bytes.Repeat(picture, 30)
	for name, tt := range map[string]struct {
		bytes []byte
		says  string
	}{
		"cut.gray":   {whole[:len(whole)-1], "the last picture is cut and left out: 76799 of 76800 bytes; is 320x240 the right size?"},
		"short.gray": {whole[:5*filmBytes], "nothing could be found: the detector was still learning"},
	} {
		code, out, said := detect(t, file(name, tt.bytes), "--raw", "320x240@10", "-")
		if code != exitOK || out != "" || strings.Count(said, "\n") != 2 || !strings.Contains(said, "camward detect: -: "+tt.says) {
			t.Errorf("%s: %d: %s%s", name, code, out, said)
		}
	}
	if code, _, said := detect(t, file("none.gray", whole[:100]), "--raw", "320x240@10", "-"); code != exitFailed || !strings.Contains(said, "not even one picture of 320x240: there are 100 of 76800 bytes") {
		t.Errorf("%d: %s", code, said)
	}
}

func TestProgressShowsShareAndSpeed(t *testing.T) {
	for want, tt := range map[string]struct{ share, at, took float64 }{
		"yard.mp4  [....................]   0 %  0 s":                      {0, 0, 0},
		"yard.mp4  [##..................]  10 %  3 s":                      {0.1, 3, 0.2},
		"yard.mp4  [#########...........]  45 %  26 s  52 times real time": {0.454, 26, 0.5},
		"yard.mp4  [####################] 100 %  60 s  60 times real time": {1.2, 60, 1},
		"yard.mp4  26 s  52 times real time":                               {-1, 26, 0.5},
	} {
		if got := position("yard.mp4", time.Duration(tt.at*1e9), tt.share, time.Duration(tt.took*1e9)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var b bytes.Buffer
	p := newProgress(&b, "yard.mp4") // no terminal
	p.at(time.Second, 0.5)
	p.clear()
	if b.Len() > 0 {
		t.Errorf("%q is written where nobody looks", fmt.Sprint(&b))
	}
}
