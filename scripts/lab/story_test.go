package lab

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

//go:embed jobs/story.sh
var storyJob string

// TestACameraWithALateClockIsSwitchedOnAndClaimed is camward's own story on a board: the commands of the cloud set its clock and its upload, and
// the kernel's watchdog restarts it when the agent hangs.
func TestACameraWithALateClockIsSwitchedOnAndClaimed(t *testing.T) {
	if !strings.Contains(","+*guests+",", ",arm64,") || *quick || *only != "" {
		t.Skip("not run: no arm64 guest is named for it; make lab boots it")
	}
	m, err := MachineByName("arm64")
	if err != nil {
		t.Fatal(err)
	}
	const mac = "020000C0FFEE"
	cloud := startCloud(t, "--ntp", "127.0.0.1")
	job := Job{Files: map[string][]byte{"camward": agentBinary(t, m), "sntpd": helper(t, m, "sntpd")}, Share: t.TempDir()}
	began := time.Now()
	job.Script = fmt.Sprintf("CLOUD=%s NAME=story MAC=%s NOW=%d\n%s\n%s", cloud.inGuest(), mac, began.Unix(), commonJob, storyJob)
	ctx, stop := context.WithCancel(t.Context())
	claimed := make(chan error, 1)
	go func() { claimed <- cloud.claim(ctx, mac, "story") }()
	console := bootUntilItRestarts(t, m, job)
	stop()
	if err := <-claimed; err != nil {
		t.Fatalf("claim: %v\n%s", err, console)
	}
	if _, err := os.Stat(filepath.Join(job.Share, "hangs")); err != nil {
		t.Fatalf("the job did not come to its end:\n%s", console)
	}
	checkDate(t, job.Share, began)
	checkCommands(t, job.Share)
	if clips, snapshots := cloud.clips(t, "story"); len(clips) == 0 || snapshots == 0 {
		t.Errorf("%d clips and %d snapshots in the cloud", len(clips), snapshots)
	}
}

// bootUntilItRestarts runs a job that ends by a restart of the board.
func bootUntilItRestarts(t *testing.T, m Machine, job Job) string {
	t.Helper()
	img, err := Prepare(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("no end within %v", limit))
	defer cancel()
	var console bytes.Buffer
	code, err := img.Boot(ctx, job, &console)
	agent, _ := os.ReadFile(filepath.Join(job.Share, "agent.log"))
	text := console.String() + "\nthe agent's log:\n" + string(agent)
	if testing.Verbose() {
		t.Log(text)
	}
	if !errors.Is(err, ErrGuestDied) {
		t.Fatalf("the board did not restart: exit code %d, %v\n%s", code, err, text)
	}
	return text
}

func checkDate(t *testing.T, share string, began time.Time) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(share, "date"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if off := time.Unix(at, 0).Sub(began); err != nil || off < -time.Minute || off > 10*time.Minute {
		t.Errorf("the guest's clock says %v, the job was made at %v: %v", time.Unix(at, 0), began, err)
	}
}

func checkCommands(t *testing.T, share string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(share, "commands.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Poll struct {
			Commands []struct{ ID, State string }
		}
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, c := range all.Poll.Commands {
		states[c.ID] = c.State
	}
	for _, id := range []string{"ping", "time", "upload"} {
		if states[id] != "applied" {
			t.Errorf("command %s is %q", id, states[id])
		}
	}
}

// claim gives the device to the account as soon as it polls.
func (c *testCloud) claim(ctx context.Context, mac, name string) error {
	for {
		out, err := exec.CommandContext(ctx, cloudProgram, "camera", "claim", mac, "--name", name, "--user", "lab@example.com", "--data", c.data, "--base-url", c.url).CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", err, out)
		case <-time.After(time.Second):
		}
	}
}
