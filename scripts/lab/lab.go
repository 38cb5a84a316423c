// Package lab runs the agent on real V4L2 drivers without a camera: it boots Debian's own arm64 and
// armhf kernels in QEMU, with vivid (a virtual capture card) and a USB webcam in user space behind
// uvcvideo, and lets a job run in there. See lab_test.go for what is proved, and "make lab".
//
// The guest is emulated, 10 to 20 times slower than native, and reaches the host's loopback
// at 10.0.2.2. Kernels are cached under ~/.cache/camward/lab, so later runs need no network.
package lab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed init.sh
var initScript string

// ErrGuestDied means that the guest ended without the job's exit code: a kernel panic, or QEMU
// itself failed. The console log tells which.
var ErrGuestDied = errors.New("the guest ended without reporting; see its console log")

// A Job is what a guest shall run.
type Job struct {
	Script string            // shell (busybox) run as /job/run in /tmp
	Files  map[string][]byte // programs and data, put at /job/NAME
	Share  string            // folder of the host, read and write, seen as /share
	MemMiB int               // 512 if 0
	CPUs   int               // 2 if 0; 1 with Count
	Count  bool              // the guest's clock counts instructions, each InstructionTime, instead of time
	// Forward are TCP ports of the guest by the port of the host's loopback that leads there.
	Forward map[int]int
}

// InstructionTime is how far the guest's clock goes with each instruction of a Job with Count, whatever the machine beneath does.
const InstructionTime = 2 * time.Nanosecond // -icount shift=1: 2^1 ns

// Boot starts the guest, copies its console to w and returns the job's exit code. It ends the
// guest when ctx ends; a deadline on ctx is wise, since an emulated guest may hang.
func (i Image) Boot(ctx context.Context, job Job, w io.Writer) (int, error) {
	files := map[string][]byte{"job/run": []byte(job.Script)}
	for name, data := range job.Files {
		files["job/"+name] = data
	}
	root, err := i.root(files)
	if err != nil {
		return 0, fmt.Errorf("guest's root: %w", err)
	}
	tmp, err := os.MkdirTemp("", "camward-lab-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	initrd := filepath.Join(tmp, "initrd")
	if err := os.WriteFile(initrd, root, 0o600); err != nil {
		return 0, err
	}
	exit := filepath.Join(job.Share, "exit")
	if err := os.Remove(exit); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	if err := i.run(ctx, job, initrd, w); err != nil {
		return 0, err
	}
	b, err := os.ReadFile(exit)
	if err != nil {
		return 0, ErrGuestDied
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// run is one life of the emulator.
func (i Image) run(ctx context.Context, job Job, initrd string, w io.Writer) error {
	cpus := or(job.CPUs, 2)
	if job.Count {
		cpus = 1
	}
	args := append(i.qemu[1:len(i.qemu):len(i.qemu)],
		"-m", strconv.Itoa(or(job.MemMiB, 512)), "-smp", strconv.Itoa(cpus),
		"-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", filepath.Join(i.dir, "vmlinuz"), "-initrd", initrd,
		"-append", "console="+i.console+" loglevel=3 panic=-1 rdinit=/init",
		"-netdev", "user,id=net"+job.forwards(), "-device", "virtio-net-device,netdev=net",
		"-fsdev", "local,id=share,security_model=none,path="+job.Share,
		"-device", "virtio-9p-device,fsdev=share,mount_tag=share")
	if job.Count {
		args = append(args, "-icount", "shift=1,sleep=off")
	}
	cmd := exec.CommandContext(ctx, i.qemu[0], args...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("guest stopped: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", i.qemu[0], err)
	}
	return nil
}

// forwards is what QEMU's user network is to know of Forward.
func (j Job) forwards() (options string) {
	for host, guest := range j.Forward {
		options += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", host, guest)
	}
	return options
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
