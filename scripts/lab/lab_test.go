package lab

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"camward/scripts/lab/scene"
)

func TestHello(t *testing.T) {
	m := Machines[0]
	img, err := Prepare(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	share := t.TempDir()
	film, _ := scene.New(640, 480, 60, 60, 240).Film(100)
	t.Log(len(film))
	os.WriteFile(share+"/film.mjpeg", film, 0o644)
	cmd := exec.Command("go", "build", "-o", share+"/usbcam", "./usbcam")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	u, _ := os.ReadFile(share + "/usbcam")
	p, _ := os.ReadFile("/tmp/camprobe.arm64")
	cmd = exec.Command("go", "build", "-o", share+"/vividfeed", "./vividfeed")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	v, _ := os.ReadFile(share + "/vividfeed")
	code, err := img.Boot(ctx, Job{Script: `
vividfeed -shown /tmp/shown &
sleep 3
sed -i s/a/a/ /tmp/shown; top -b -n 1 | head
camprobe /dev/video0 YUYV 640x480 300
tail -3 /tmp/shown; top -b -n 1 | head`, Files: map[string][]byte{"usbcam": u, "camprobe": p, "vividfeed": v}, Share: share}, os.Stdout)
	t.Log(code, err)
}
