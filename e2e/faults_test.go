package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"camward/agent"
	"camward/internal/porttest"
)

// early is a demo scene whose one event comes soon.
const early = `  - {name: front, source: "demo:?first=3s&every=0s", clip: {post_roll: 2s, heartbeat: 0s}}`

// arrived waits for n events with a clip each.
func (c *cloud) arrived(t *testing.T, n int, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() error {
		var with int
		for _, e := range c.events(t, "front") {
			if len(e.Videos) > 0 {
				with++
			}
		}
		if with < n {
			return fmt.Errorf("%d events with a clip in the cloud, want %d", with, n)
		}
		return nil
	})
}

// recorded waits until the device has finished n clips.
func (d *device) recorded(t *testing.T, n uint64, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() error {
		if s := d.status(t).Cameras[0]; s.Clip.Clips < n {
			return fmt.Errorf("%d clips, recording %v", s.Clip.Clips, s.Clip.Recording)
		}
		return nil
	})
}

func TestARefusedTokenIsSaidAndLosesNothing(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	right := c.account.UploadToken
	c.account.UploadToken = "AQ-this-is-no-token"
	d := startDevice(t, "camward", c, early)
	d.recorded(t, 1, 60*time.Second)
	eventually(t, 30*time.Second, func() error {
		if u := d.status(t).Uploader; !strings.Contains(fmt.Sprint(u.Paused, u.LastError), "token refused") {
			return fmt.Errorf("paused %q, last error %q", u.Paused, u.LastError)
		}
		return nil
	})
	if strings.Contains(d.out.String(), "AQ-this-is-no-token") {
		t.Error("the token is in the log")
	}
	d.stop()
	text, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.file, []byte(strings.ReplaceAll(string(text), "AQ-this-is-no-token", right)), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t, "camward")
	c.arrived(t, 1, 60*time.Second)
}

func TestACloudThatIsNotThereAtStartGetsEverythingLater(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	c.stop()
	d := startDevice(t, "camward", c, early)
	d.recorded(t, 1, 60*time.Second)
	eventually(t, 20*time.Second, func() error {
		if s := d.status(t); s.Poll.Error == "" {
			return errors.New("the status says nothing of the missing cloud")
		}
		return nil
	})
	c.start(t)
	c.arrived(t, 1, 90*time.Second)
	if s := d.status(t).Uploader; s.Queued != 0 {
		t.Errorf("%d items still queued", s.Queued)
	}
}

func TestAnUnusableSpoolKeepsTheAgentGoing(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	d := &device{dir: t.TempDir(), addr: porttest.Address(t)}
	inTheWay := filepath.Join(d.dir, "disk")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.file = filepath.Join(d.dir, "camward.yml")
	text := fmt.Sprintf("cloud: {url: %q, upload_token: %q, poll: {period: 2s}}\ncameras:\n%s\nspool: {dir: %q}\nstate_dir: %q\nlisten: %q\n",
		c.url, c.account.UploadToken, `  - {name: front, source: "demo:?first=3s&every=12s", clip: {post_roll: 2s}}`, filepath.Join(inTheWay, "spool"), d.dir, d.addr)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t, "camward")
	eventually(t, 20*time.Second, func() error {
		if s := d.status(t); !strings.Contains(s.Spool, inTheWay) || s.Cameras[0].Capture.Frames == 0 {
			return fmt.Errorf("spool error %q, %d frames", s.Spool, s.Cameras[0].Capture.Frames)
		}
		return nil
	})
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	c.arrived(t, 1, 120*time.Second)
}

func TestARecordingThatIsNoneIsNamed(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	file := filepath.Join(t.TempDir(), "letter.mjpeg")
	if err := os.WriteFile(file, []byte(strings.Repeat("Dear neighbour, ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDevice(t, "camward", c, fmt.Sprintf("  - {name: bad, source: %q}\n%s", file, early))
	eventually(t, 20*time.Second, func() error {
		if s := d.status(t).Cameras[0].Capture; !strings.Contains(s.LastError, "letter.mjpeg") || strings.Contains(s.LastError, "\n") {
			return fmt.Errorf("the status says %q", s.LastError)
		}
		return nil
	})
	c.arrived(t, 1, 60*time.Second) // the camera beside it is not harmed
}

// midClip waits until the first clip has been written to for a while.
func (d *device) midClip(t *testing.T) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		if !d.status(t).Cameras[0].Clip.Recording {
			return errors.New("no clip is being written")
		}
		return nil
	})
	time.Sleep(3 * time.Second)
}

func TestAStopInTheMiddleOfAClipFinishesIt(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	d := startDevice(t, "camward", c, `  - {name: front, source: "demo:?first=3s&every=0s"}`)
	d.midClip(t)
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	d.start(t, "camward")
	c.arrived(t, 1, 60*time.Second)
	ffprobe(t, c.content(t, "front", c.events(t, "front")[0].Videos[0].ID))
}

func TestAKillInTheMiddleOfAClipLosesAtMostItsLastSecond(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	d := startDevice(t, "camward", c, `  - {name: front, source: "demo:?first=3s&every=0s"}`)
	d.midClip(t)
	before := d.status(t).Cameras[0].Capture
	d.cmd.Process.Signal(syscall.SIGKILL)
	<-d.done
	d.start(t, "camward")
	c.arrived(t, 1, 60*time.Second)
	clip := c.content(t, "front", c.events(t, "front")[0].Videos[0].ID)
	ffprobe(t, clip)
	pics := readMarks(t, clip)
	checkPictures(t, pics, 15, int(before.Drops))
	lost := (float64(before.Frames+before.Drops) - float64(pics[len(pics)-1].number)) / 15
	t.Logf("%.2f s before the kill are missing (goal 1 s)", lost)
	if lost > 5 {
		t.Errorf("%.2f s before the kill are missing", lost)
	}
}

// TestWithoutAnEncoderEventsArriveAsPictures runs the build for boards without a C compiler.
func TestWithoutAnEncoderEventsArriveAsPictures(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	startDevice(t, "camward-pure", c, early)
	eventually(t, 60*time.Second, func() error {
		ev := c.events(t, "front")
		if len(ev) == 0 || len(ev[0].Images) < 5 {
			return fmt.Errorf("%d events", len(ev))
		}
		if len(ev[0].Videos) > 0 {
			t.Fatal("a clip from a build without an encoder")
		}
		return nil
	})
	if out := string(command(t, "camward-pure", "version")); !strings.Contains(out, "lacks: H.264 encoder") {
		t.Errorf("version does not say what is lacking:\n%s", out)
	}
}

// TestVerbs runs the verbs as a person would.
func TestVerbs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args string
		code int
		want string // in what is printed
	}{
		{"no verb", "", 2, "camward VERB --help"},
		{"help", "help", 0, "camward snapshot"},
		{"unknown verb", "rum", 2, `no verb "rum"`},
		{"verb help", "detect --help", 0, "Example:"},
		{"unknown flag", "run --colour", 2, "--help explains"},
		{"too many arguments", "check now", 2, `"now"`},
		{"no file", "check -c /nowhere.yml", 2, "/nowhere.yml: there is no such file"},
		{"all faults", "check --set cloud.url=x --set log.level=y", 2, "log.level"},
		{"effective", "check --effective --set cloud.url=http://c --set cloud.upload_token=secret1 --set cameras[0].name=a --set cameras[0].source=demo:", 0, "cloud.url: http://c"},
		{"secret", "check --effective --set cloud.upload_token=secret1", 2, "***"},
		{"devices", "devices --json", 0, "["},
		{"snapshot of nothing", "snapshot --source /dev/video99 -o /dev/null", 1, "/dev/video99"},
		{"detect nothing", "detect", 2, "at least one"},
		{"detect no file", "detect /nowhere.mp4", 1, "/nowhere.mp4"},
		{"hint of nobody there", "hint secret1 --cloud http://127.0.0.1:9", 6, "Nothing listens there"},
		{"hint without a token", "hint --cloud http://127.0.0.1:9", 2, "which token?"},
		{"hint as JSON", "hint --json secret1 --cloud http://127.0.0.1:9", 6, `"problem":"no answer"`},
		{"flags behind the argument", "detect /nowhere.mp4 -x", 2, "-x"},
		{"version", "version", 0, "OpenH264"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(filepath.Join(bin, "camward"), strings.Fields(tt.args)...)
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.want) {
				t.Errorf("exit code %d, want %d with %q (%v):\n%s", code, tt.code, tt.want, err, out)
			}
			if strings.Contains(string(out), "secret1") {
				t.Errorf("the secret is printed:\n%s", out)
			}
		})
	}
}

func TestDetectAndSnapshot(t *testing.T) {
	t.Parallel()
	clip := sharedClip(t, "real_cars_lot.mp4")
	out := string(command(t, "camward", "detect", clip))
	if n := strings.Count(out, `{"clip":"real_cars_lot.mp4","start_s":`); n < 3 || n > 5 {
		t.Errorf("%d intervals in a clip with three cars:\n%s", n, out)
	}
	file := filepath.Join(t.TempDir(), "now.jpeg")
	command(t, "camward", "snapshot", "--source", "demo:", "-o", file)
	if text, err := exec.Command("djpeg", "-outfile", "/dev/null", file).CombinedOutput(); err != nil || len(text) > 0 {
		t.Errorf("djpeg: %v: %s", err, text)
	}
}

// TestTheQueueIsSeenAndHandled lists, exports, retries and drops what waits while the cloud is away, by the running agent and by its
// directory alone.
func TestTheQueueIsSeenAndHandled(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	c.stop()
	d := startDevice(t, "camward", c, early)
	d.recorded(t, 1, 60*time.Second)
	items := func() (list []agent.SpoolItem) {
		if err := json.Unmarshal(command(t, "camward", "spool", "-c", d.file, "--json"), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	eventually(t, 20*time.Second, func() error {
		if waiting := items(); len(waiting) != 2 {
			return fmt.Errorf("%+v", waiting)
		}
		return nil
	})
	for _, running := range []bool{true, false} {
		if !running {
			d.stop()
		}
		out := string(command(t, "camward", "spool", "-c", d.file))
		if strings.Count(out, "\n") != 3 || !strings.Contains(out, "clip") || !strings.Contains(out, "snapshot") {
			t.Errorf("running %v: the list reads\n%s", running, out)
		}
		dir := t.TempDir()
		command(t, "camward", "spool", "-c", d.file, "--export", dir)
		if files, _ := filepath.Glob(filepath.Join(dir, "front", "*")); len(files) != 2 {
			t.Errorf("running %v: exported %v", running, files)
		}
	}
	d.start(t, "camward")
	for _, it := range items() {
		if it.Kind == "snapshot" {
			command(t, "camward", "spool", "-c", d.file, "--drop", fmt.Sprint(it.ID))
		}
	}
	c.start(t)
	command(t, "camward", "spool", "-c", d.file, "--retry")
	c.arrived(t, 1, 60*time.Second)
	if n := len(c.events(t, "front")[0].Images); n != 0 {
		t.Errorf("%d snapshots arrived, the only one was dropped", n)
	}
	if out := string(command(t, "camward", "spool", "-c", d.file)); !strings.Contains(out, "nothing waits") {
		t.Errorf("in the end the list reads\n%s", out)
	}
}
