package lab

import (
	"context"
	"os"
	"testing"
	"time"
)

func TestHello(t *testing.T) {
	for _, m := range Machines {
		t.Run(m.Name, func(t *testing.T) {
			t0 := time.Now()
			img, err := Prepare(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			t.Log("prepare", time.Since(t0))
			t0 = time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			code, err := img.Boot(ctx, Job{Script: "uname -a; date; ls /dev/video*; ip a; cat /sys/class/video4linux/*/name; ls /sys/devices/platform | grep vhci; free; exit 7", Share: t.TempDir()}, os.Stdout)
			t.Log(code, err, time.Since(t0))
		})
	}
}
