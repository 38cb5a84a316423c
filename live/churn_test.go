//go:build cgo

package live

import (
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

func TestViewersThatComeAndGoLeaveNothingBehind(t *testing.T) {
	if left := comeAndGo(t, 20, 40); left.heap > 1<<20 {
		t.Errorf("40 viewers left %d bytes of heap behind", left.heap)
	}
}

// comeAndGo is what more viewers leave behind after the first, warm ones. Half of them say that they go and half just go; some
// listen to the detector, some come by TCP. No goroutine and no descriptor may be left.
func comeAndGo(t *testing.T, warm, more int) residue {
	t.Helper()
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
	return residue{after.goroutines - before.goroutines, after.descriptors - before.descriptors, after.heap - before.heap}
}
