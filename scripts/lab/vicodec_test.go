package lab

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed jobs/vicodec.sh
var vicodecJob string

// TestTheKernelsCodecTakesPicturesAndGivesAllBack runs the tests of codec/h264/m2m that want a real driver.
func TestTheKernelsCodecTakesPicturesAndGivesAllBack(t *testing.T) {
	if !strings.Contains(","+*guests+",", ",arm64,") || *quick || *only != "" {
		t.Skip("not run: it needs the arm64 guest and all of the lab; make lab boots it")
	}
	m, err := MachineByName("arm64")
	if err != nil {
		t.Fatal(err)
	}
	img, err := Prepare(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	_, ko, err := Vicodec(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "m2m.test")
	cmd := exec.Command("go", "test", "-c", "-trimpath", "-tags", "vicodec", "-o", program, "../../codec/h264/m2m")
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), m.Goarch...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	share := t.TempDir()
	boot(t, m, Job{Share: share, Script: vicodecJob, Files: map[string][]byte{"vicodec.ko": ko, "m2m.test": b}})
	out, err := os.ReadFile(filepath.Join(share, "out"))
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: TestVicodec") {
		t.Errorf("no test with vicodec passed: %v", err)
	}
}
