//go:build cgo

package live

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"camward/video"
)

// A residue is what the process holds.
type residue struct {
	goroutines, descriptors int
	heap                    int64
}

func (r *rig) residue() residue {
	r.t.Helper()
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	runtime.GC() // the second frees what the first's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		r.t.Fatal(err)
	}
	return residue{runtime.NumGoroutine(), len(fds), int64(m.HeapAlloc)}
}

// kinds of network that a viewer may come by.
var kinds = [][]webrtc.NetworkType{nil, {webrtc.NetworkTypeUDP4}, {webrtc.NetworkTypeTCP4}, {webrtc.NetworkTypeUDP6}}

// TestViewersThatComeAndGoLeaveNothingBehind has half of them say so and half just go. Some listen to the detector, some come by TCP.
func TestViewersThatComeAndGoLeaveNothingBehind(t *testing.T) {
	warm, more := 20, 40
	if *figures {
		warm, more = 50, 450
	}
	src := &narrated{scene: newScene(t, video.YU12, 320, 240, 30)}
	r := newRig(t, src, func(s *Server) { s.timing.free = 20 * time.Millisecond })
	visit := func(i int) {
		w := r.newWatcher(nil, kinds[i%len(kinds)]...)
		if i%3 == 0 {
			w.listen("detector")
		}
		w.post("/whep", w.offer(false, false))
		w.next()
		if i%2 == 0 {
			r.do("DELETE", w.location, "", "")
		}
		w.close()
	}
	gone := func() bool {
		return len(r.s.Status().Viewers) == 0 && src.subs.Load() == 0 && src.listeners.Load() == 0 && r.open.Load() == 0
	}
	for i := range warm {
		visit(i)
	}
	r.wait("all are gone", gone)
	before := r.residue()
	for i := range more {
		visit(i)
	}
	r.wait("all are gone", gone)
	var after residue
	r.wait("goroutines and descriptors are gone", func() bool {
		after = r.residue()
		return after.goroutines <= before.goroutines && after.descriptors <= before.descriptors
	})
	grown := float64(after.heap-before.heap) / (1 << 20)
	if grown > 1 {
		t.Errorf("%d viewers left %.2f MiB of heap behind", more, grown)
	}
	if *figures {
		fmt.Printf("%d viewers after the first %d left %d goroutines, %d descriptors, %.2f MiB of heap (limits 0, 0, 1)\n",
			more, warm, after.goroutines-before.goroutines, after.descriptors-before.descriptors, grown)
	}
}
