package lab

import (
	"bufio"
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"camward/capture/demo/demotest"
)

var count = flag.String("icount", "", "comma-separated guests in which the instructions of a picture are counted: arm64, armhf")

//go:embed jobs/icount.sh
var icountJob string

// TestInstructionsOfAPicture prints how many instructions the way from a camera's bytes to the decision takes. QEMU's clock counts them, so the
// figures depend neither on this machine nor on what else it does; how long they take on a real one, they do not tell.
func TestInstructionsOfAPicture(t *testing.T) {
	if *count == "" {
		t.Skip("not run: no guest is named for it; make icount boots them")
	}
	share := t.TempDir()
	var wanted []string
	for _, c := range demotest.Cameras {
		for _, s := range [][2]int{{320, 240}, {640, 480}, {1280, 720}, {1920, 1080}} {
			demotest.Write(t, share, c, s[0], s[1])
			wanted = append(wanted, fmt.Sprintf("camera=%s/res=%dx%d", c, s[0], s[1]))
		}
	}
	for name := range strings.SplitSeq(*count, ",") {
		t.Run(name, func(t *testing.T) {
			m, err := MachineByName(name)
			if err != nil {
				t.Fatal(err)
			}
			program := decideTest(t, m)
			bootWithin(t, 20*time.Minute, m, Job{Count: true, MemMiB: 1024, Share: share, Script: icountJob, Files: map[string][]byte{"decide.test": program}})
			out, err := os.ReadFile(filepath.Join(share, "out"))
			if err != nil {
				t.Fatal(err)
			}
			rows := instructions(out)
			if len(rows) != len(wanted) {
				t.Errorf("%d figures, want %d; the guest's:\n%s", len(rows), len(wanted), out)
			}
			t.Logf("thousands of instructions a picture, %s:", name)
			for _, key := range wanted {
				t.Log(key, rows[key])
			}
		})
	}
}

// decideTest compiles the agent's benchmarks for the guest.
func decideTest(t *testing.T, m Machine) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "decide.test")
	cmd := exec.Command("go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", out, "../../agent")
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), m.Goarch...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var figure = regexp.MustCompile(`([0-9.]+) ms-(\S+)`)

// instructions makes of the benchmark's milliseconds thousands of instructions, by camera and size.
func instructions(out []byte) map[string]string {
	rows := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		name, rest, ok := strings.Cut(s.Text(), "\t")
		name = strings.TrimPrefix(strings.TrimSpace(name), "BenchmarkDecideQuickest/")
		if !ok || !strings.HasPrefix(name, "camera=") {
			continue
		}
		var row []string
		for _, f := range figure.FindAllStringSubmatch(rest, -1) {
			ms, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				continue
			}
			row = append(row, fmt.Sprintf("%s %.0f", f[2], ms*float64(time.Millisecond/InstructionTime)/1000))
		}
		rows[name] = strings.Join(row, ", ")
	}
	return rows
}

func TestInstructionsAreReadFromTheBenchmarksLines(t *testing.T) {
	got := instructions([]byte("goos: linux\nBenchmarkDecideQuickest/camera=yuyv/res=320x240    45   11 ns/op   0.5 ms-decide   0.25 ms-part=luma\nPASS\n"))
	if len(got) != 0 {
		t.Errorf("a line without tabs was read: %v", got)
	}
	got = instructions([]byte("BenchmarkDecideQuickest/camera=yuyv/res=320x240 \t 45\t 11 ns/op\t 0.5 ms-decide\t 0.25 ms-part=luma\n"))
	if want := "decide 250, part=luma 125"; got["camera=yuyv/res=320x240"] != want {
		t.Errorf("got %v, want %q", got, want)
	}
}
