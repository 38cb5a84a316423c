package uploader

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// idleDir makes the test binary a process whose uploader has nothing to send; idleClock says whether its clock is trusted.
const (
	idleDir   = "CAMWARD_IDLE_CHILD"
	idleClock = "CAMWARD_IDLE_CLOCK"
)

func idleChild(dir string) {
	cfg := Default()
	cfg.Dir, cfg.MaxPercent = dir, 100
	clock := &testClock{trusted: os.Getenv(idleClock) == "true"}
	s, err := OpenSpool(cfg, clock, zap.NewNop())
	if err != nil {
		panic(err)
	}
	u, err := New(cfg, s, nullStore{}, zap.NewNop())
	if err != nil {
		panic(err)
	}
	r, err := s.Create(media(camio.KindSnapshot, time.Minute, "1"))
	if err == nil {
		_, err = r.Write([]byte("picture"))
	}
	if err == nil {
		err = r.Finish(0)
	}
	if err != nil {
		panic(err)
	}
	go u.Run(context.Background())
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin) // until the parent is gone
	os.Exit(0)
}

// TestAnIdleUploaderSleeps counts how often a process with nothing but a spool and an uploader wakes up: after the last item has been
// sent, and while one waits for a trusted clock.
func TestAnIdleUploaderSleeps(t *testing.T) {
	const watch = 10 * time.Second
	for _, trusted := range []bool{true, false} {
		t.Run(fmt.Sprintf("clock trusted %v", trusted), func(t *testing.T) {
			t.Parallel()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), idleDir+"="+filepath.Join(t.TempDir(), "spool"), idleClock+"="+strconv.FormatBool(trusted))
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				stdin.Close()
				cmd.Wait()
			}()
			if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // the item is sent, the runtime's threads come to rest
			n := wakeUps(t, cmd.Process.Pid, watch)
			t.Logf("%d wake-ups in %v (goal 1)", n, watch)
			if n > 5 {
				t.Errorf("%d wake-ups in %v", n, watch)
			}
		})
	}
}

// wakeUps counts the moments at which a thread of the process ran. One wake-up of Go's runtime moves several threads within
// milliseconds, so what lies less than 300 ms apart is one.
func wakeUps(t *testing.T, pid int, watch time.Duration) (n int) {
	t.Helper()
	var last time.Time
	seen := sleeps(t, pid)
	for end := time.Now().Add(watch); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		now := sleeps(t, pid)
		if now == seen {
			continue
		}
		if time.Since(last) > 300*time.Millisecond {
			n++
		}
		seen, last = now, time.Now()
	}
	return n
}

// sleeps sums the voluntary context switches of all threads (proc_pid_status(5)).
func sleeps(t *testing.T, pid int) (n int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatal("no threads", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		count, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		n += count
	}
	return n
}
