package lab

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"camward/scripts/lab/scene"
)

var guests = flag.String("lab", "", "comma-separated guests to boot: arm64, armhf")

//go:embed jobs/common.sh
var commonJob string

//go:embed jobs/usb.sh
var usbJob string

//go:embed jobs/vivid.sh
var vividJob string

// A window is where an event's clip has to begin and end, in picture numbers.
type window struct{ firstMin, firstMax, lastMin, lastMax int }

// scenarios are what is run in each guest. Windows follow from the walk's first and last picture, 5 s of pre-roll and 3 s of
// post-roll. Detection is due within 0.8 s, which on a quiet machine leaves over 4 s before the walk; since these guests are emulated
// and their machine may be busy, five times that is let pass, and the clip must still begin before the walk and end after it.
var scenarios = []struct {
	name, script string
	film         func() ([]byte, error) // pictures for the guest's share; nil for none
	program      string                 // the lab's own, that plays the camera
	events       []window
}{
	{
		name: "usb", script: usbJob, program: "usbcam",
		film: func() ([]byte, error) {
			return scene.New(640, 480, scene.Times{Quiet: 35, Walk: 25, Period: 105, Walks: 2}).Film(600)
		},
		events: []window{{9, 30, 60, 84}, {114, 135, 165, 189}},
	}, {
		name: "vivid", script: vividJob, program: "vividfeed",
		events: []window{{10, 28, 56, 78}},
	},
}

func TestWhatTheCameraShowedIsInTheCloud(t *testing.T) {
	if *guests == "" || *quick || *only != "" {
		t.Skip("not run: no guest is named for it; make lab boots them")
	}
	for name := range strings.SplitSeq(*guests, ",") {
		m, err := MachineByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, sc := range scenarios {
			t.Run(name+"/"+sc.name, func(t *testing.T) {
				job := Job{Files: map[string][]byte{"camward": agentBinary(t, m), sc.program: helper(t, m, sc.program)}, Share: t.TempDir()}
				if sc.film != nil {
					film, err := sc.film()
					if err == nil {
						err = os.WriteFile(filepath.Join(job.Share, "film.mjpeg"), film, 0o644)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				cloud := startCloud(t)
				job.Script = fmt.Sprintf("CLOUD=%s TOKEN=%s NAME=%s\n%s\n%s", cloud.inGuest(), cloud.UploadToken, sc.name, commonJob, sc.script)
				boot(t, m, job)
				clips, snapshots := cloud.clips(t, sc.name)
				if snapshots < len(sc.events) {
					t.Errorf("%d snapshots, want one for each of %d events", snapshots, len(sc.events))
				}
				compare(t, job.Share, clips, sc.events)
			})
		}
	}
}

// boot runs the job and fails with the guest's own words if it fails.
func boot(t *testing.T, m Machine, job Job) {
	t.Helper()
	bootWithin(t, 6*time.Minute, m, job)
}

func bootWithin(t *testing.T, limit time.Duration, m Machine, job Job) {
	t.Helper()
	img, err := Prepare(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	var console bytes.Buffer
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("no end within %v", limit))
	defer cancel()
	code, err := img.Boot(ctx, job, &console)
	if err == nil && code != 0 {
		err = fmt.Errorf("the job's exit code is %d", code)
	}
	if err != nil || testing.Verbose() {
		t.Logf("console of %s:\n%s", m.Name, &console)
		agent, _ := os.ReadFile(filepath.Join(job.Share, "agent.log"))
		t.Logf("the agent's log:\n%s", agent)
		kernel, _ := os.ReadFile(filepath.Join(job.Share, "dmesg"))
		t.Logf("the kernel's log:\n%s", kernel)
	}
	if err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		status, _ := os.ReadFile(filepath.Join(job.Share, "status.json"))
		t.Logf("the agent's status at the end:\n%s", status)
	}
}

// compare holds the clips against the camera's log and the agent's own count of drops.
func compare(t *testing.T, share string, clips [][]byte, events []window) {
	t.Helper()
	f, err := os.Open(filepath.Join(share, "shown"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shown, err := ReadShown(f)
	if err != nil {
		t.Fatal(err)
	}
	dropped := countDrops(t, filepath.Join(share, "metrics"))
	if len(clips) != len(events) {
		t.Errorf("the cloud holds %d clips, want %d", len(clips), len(events))
	}
	missing := 0
	for i, clip := range clips {
		rec, err := ReadRecording(clip)
		if err != nil {
			t.Errorf("clip %d: %v", i+1, err)
			continue
		}
		v := rec.Compare(shown)
		if testing.Verbose() {
			t.Logf("clip %d: %v", i+1, rec)
		}
		t.Logf("clip %d: %d pictures, numbers %d to %d, %d missing %v", i+1, len(rec), v.First, v.Last, len(v.Missing), v.Missing)
		if v.Unreadable > 0 || len(v.Disorder) > 0 {
			t.Errorf("clip %d: %d pictures without a number, out of order %v", i+1, v.Unreadable, v.Disorder)
		}
		if i < len(events) {
			if w := events[i]; v.First < w.firstMin || v.First > w.firstMax || v.Last < w.lastMin || v.Last > w.lastMax {
				t.Errorf("clip %d shows %d to %d, want %+v", i+1, v.First, v.Last, w)
			}
		}
		missing += len(v.Missing)
	}
	t.Logf("the camera showed %d whole pictures; the agent counted %d drops; %d numbers are missing", len(shown), dropped, missing)
	if missing > dropped {
		t.Errorf("%d numbers are missing, but only %d drops were counted", missing, dropped)
	}
}

// countDrops adds up the agent's counters of dropped pictures.
func countDrops(t *testing.T, metrics string) (sum int) {
	t.Helper()
	b, err := os.ReadFile(metrics)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "camward_frames_dropped_total") {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " "):]), 64)
			if err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				t.Log(strings.TrimSpace(line))
			}
			sum += int(n)
		}
	}
	return sum
}

// agentBinary is the static agent for the guest, as make cross leaves it.
func agentBinary(t *testing.T, m Machine) []byte {
	t.Helper()
	b, err := os.ReadFile("../../dist/camward-linux-" + m.Binary)
	if err != nil {
		t.Fatalf("%v (make cross makes it)", err)
	}
	return b
}

// helper compiles one of the lab's own programs for the guest.
func helper(t *testing.T, m Machine, name string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./"+name)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), m.Goarch...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
