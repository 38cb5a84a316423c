package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var memoryTime = flag.Duration("memory", 40*time.Second, "how long the agent records within 64 MB of memory")

// TestRecordsWithin64MB lets the agent record 1280x720 at 15 pictures a second in a memory control group of 64 MB. Everything counts there: Go's
// heap, what the codecs take, the program's own pages, its files in the page cache, the kernel's part. That the kernel has to kill is the failure.
func TestRecordsWithin64MB(t *testing.T) {
	t.Parallel()
	group := memoryGroup(t, 64<<20)
	c := startCloud(t)
	source := movingRecording(t, 1280, 720)
	group.program(t, "camward", "camward-64MB")
	// Clips of 10 s go on into one another: encoding, writing and uploading overlap all the time.
	d := startDevice(t, "camward-64MB", c, fmt.Sprintf("  - {name: front, source: %q, clip: {max_length: 10s, heartbeat: 10s}}", source))
	if !strings.Contains(string(group.read(t, "cgroup.procs")), strconv.Itoa(d.cmd.Process.Pid)) {
		t.Fatalf("the agent is not in the control group, which holds %q", group.read(t, "cgroup.procs"))
	}
	start, mostRSS := time.Now(), 0
	for time.Since(start) < *memoryTime {
		select {
		case <-d.done:
			t.Fatalf("the agent ended after %v: %v; %s", time.Since(start).Round(time.Second), d.cmd.ProcessState, group.summary(t))
		case <-time.After(time.Second):
			mostRSS = max(mostRSS, group.stat(t, "rss"))
		}
	}
	s := d.status(t)
	t.Logf("%v of %v: %s, most anonymous %d kB", time.Since(start).Round(time.Second), s.Cameras[0].Capture.Format, group.summary(t), mostRSS>>10)
	t.Logf("%d pictures, dropped %d; by the recorder %v", s.Cameras[0].Capture.Frames, s.Cameras[0].Capture.Drops, s.Cameras[0].Clip.Dropped)
	if kills := group.kills(t); kills > 0 {
		t.Errorf("the kernel killed %d times for want of memory", kills)
	}
	if d.stop() != 0 {
		t.Errorf("the agent ended with %v", d.cmd.ProcessState)
	}
	recorded := 0.0
	for _, e := range c.events(t, "front") {
		for _, v := range e.Videos {
			ffprobe(t, c.content(t, "front", v.ID))
			recorded += v.VideoLength
		}
	}
	if want := memoryTime.Seconds() - 25; recorded < want { // the clip that was open, and one on its way
		t.Errorf("the cloud has clips of %.1f s, want at least %.0f", recorded, want)
	}
}

// A controlGroup is a group of the memory controller, version 1 (Documentation/admin-guide/cgroup-v1/memory.rst).
type controlGroup struct{ dir string }

// memoryGroup makes a group with a limit in bytes, which goes when the test ends. Without the controller the test is skipped.
func memoryGroup(t *testing.T, limit int) controlGroup {
	t.Helper()
	parent, err := memoryController(t)
	if err != nil {
		t.Skipf("not run: the agent in 64 MB of memory, which needs root and the memory controller of control groups version 1: %v", err)
	}
	dir, err := os.MkdirTemp(parent, "camward-test-")
	if err != nil {
		t.Skipf("not run: the agent in 64 MB of memory: a control group cannot be made here: %v", err)
	}
	g := controlGroup{dir}
	t.Cleanup(func() { // after the processes in it, which were started later
		eventually(t, 10*time.Second, func() error { return syscall.Rmdir(dir) })
	})
	g.write(t, "memory.limit_in_bytes", limit)
	g.write(t, "memory.swappiness", 0) // no swapping instead
	return g
}

// memoryController gives the folder of the group that this process is in, mounting the controller for the test if it is nowhere.
func memoryController(t *testing.T) (string, error) {
	own := "/"
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 && f[1] == "memory" {
			own = f[2]
		}
	}
	const usual = "/sys/fs/cgroup/memory"
	for _, dir := range []string{filepath.Join(usual, own), usual} {
		if _, err := os.Stat(filepath.Join(dir, "memory.limit_in_bytes")); err == nil {
			return dir, nil
		}
	}
	dir := t.TempDir()
	if err := syscall.Mount("cgroup", dir, "cgroup", 0, "memory"); err != nil {
		return "", fmt.Errorf("mount: %w", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir, nil
}

// program makes a program under test that is the named one, in the group from its first page on: its file is copied there, so that its pages in
// the page cache count too.
func (g controlGroup) program(t *testing.T, name, as string) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\necho $$ >%s/cgroup.procs && cp %s %s && exec %[3]s \"$@\"\n", g.dir, filepath.Join(bin, name), filepath.Join(t.TempDir(), name))
	if err := os.WriteFile(filepath.Join(bin, as), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
}

func (g controlGroup) write(t *testing.T, file string, n int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.Itoa(n)), 0); err != nil {
		t.Skipf("not run: the agent in 64 MB of memory: %v", err)
	}
}

func (g controlGroup) read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// stat is a value of memory.stat, in bytes.
func (g controlGroup) stat(t *testing.T, key string) int {
	t.Helper()
	n, err := field(g.read(t, "memory.stat"), key)
	if err != nil {
		t.Fatalf("memory.stat: %v", err)
	}
	return n
}

// kills is how many processes of the group the kernel has killed.
func (g controlGroup) kills(t *testing.T) int {
	t.Helper()
	n, err := field(g.read(t, "memory.oom_control"), "oom_kill")
	if err != nil {
		t.Fatalf("memory.oom_control: %v", err)
	}
	return n
}

func field(text []byte, key string) (int, error) {
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == key {
			return strconv.Atoi(f[1])
		}
	}
	return 0, errors.New("no " + key)
}

// summary is what the kernel counted. The page cache fills what is left and hits the limit (failcnt) whenever it has to make room.
func (g controlGroup) summary(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("max_usage %s, failcnt %s, killed %d; now anonymous %d kB, page cache %d kB (mapped %d kB), kernel %s",
		g.read(t, "memory.max_usage_in_bytes"), g.read(t, "memory.failcnt"), g.kills(t),
		g.stat(t, "rss")>>10, g.stat(t, "cache")>>10, g.stat(t, "mapped_file")>>10, g.read(t, "memory.kmem.usage_in_bytes"))
}
