//go:build cgo && linux

package agent

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"camward/codec/h264"
	"camward/video"
)

func TestClosedEncodersLeaveNoMemoryBehind(t *testing.T) {
	if err := giveBackLargeBlocks(); err != nil {
		t.Fatal(err)
	}
	var img video.I420
	img.Resize(1280, 720)
	encode := func() {
		enc, err := h264.NewEncoder(h264.Config{Width: 1280, Height: 720, Rate: 15, Bitrate: 1_800_000})
		if err != nil {
			t.Error(err)
			return
		}
		defer enc.Close()
		for i := range uint64(3) {
			if _, err := enc.Encode(&img, time.Duration(i)*time.Second/15, i, false); err != nil {
				t.Error(err)
			}
		}
	}
	encode()
	before := anonymous(t)
	var threads sync.WaitGroup
	done := make(chan struct{})
	for range 8 { // one after the other, each on a thread of its own that lives on, as the recorder's goroutine wanders from one to another
		ready := make(chan struct{})
		threads.Go(func() {
			runtime.LockOSThread()
			encode()
			close(ready)
			<-done
		})
		<-ready
	}
	if grown := anonymous(t) - before; grown > 12<<10 {
		t.Errorf("%d kB more after 8 encoders were closed", grown)
	}
	close(done)
	threads.Wait()
}

// anonymous is the process' memory that no file stands behind, in kB (proc_pid_status(5)).
func anonymous(t *testing.T) (kB int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		t.Fatal(err)
	}
	return kB
}
