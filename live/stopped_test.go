//go:build cgo

package live

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"camward/video"
)

// stopURL and stopKind tell the test's own program, started once more, to be a viewer of a server and by which network.
const stopURL, stopKind = "CAMWARD_TEST_LIVE_URL", "CAMWARD_TEST_LIVE_KIND"

// TestAViewerWhoseProgramIsStoppedIsRemoved has a viewer that is there and does nothing: its sockets stay open and fill.
func TestAViewerWhoseProgramIsStoppedIsRemoved(t *testing.T) {
	kinds := map[string]webrtc.NetworkType{"udp": webrtc.NetworkTypeUDP4, "tcp": webrtc.NetworkTypeTCP4}
	if url := os.Getenv(stopURL); url != "" {
		r := &rig{t: t, url: url, hide: ice.MulticastDNSModeDisabled, watchers: make(map[*watcher]bool)}
		w := r.newWatcher(nil, kinds[os.Getenv(stopKind)])
		w.post("/whep", w.offer(false, false))
		for {
			w.next()
			println("picture") // to stderr, which says nothing else
		}
	}
	for name := range kinds {
		t.Run(name, func(t *testing.T) {
			src := newScene(t, video.YU12, 320, 240, 30)
			r := newRig(t, src, func(s *Server) { s.timing.disconnected, s.timing.failed = time.Second, time.Second })
			cmd := exec.Command(os.Args[0], "-test.run=^TestAViewerWhoseProgramIsStoppedIsRemoved$")
			cmd.Env = append(os.Environ(), stopURL+"="+r.url, stopKind+"="+name)
			out, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()         //nolint:errcheck // it was killed
			defer cmd.Process.Kill() //nolint:errcheck // it may have ended
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "picture\n" {
				t.Fatalf("the viewer says %q, %v", line, err)
			}
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			r.wait("the viewer is removed", func() bool { return len(r.s.Status().Viewers) == 0 && src.subs.Load() == 0 })
			r.watch(nil).moves()
		})
	}
}
