//go:build cgo

package live

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"camward/video"
)

func TestAViewerSeesWhatTheCameraShows(t *testing.T) {
	for _, fourcc := range []video.FourCC{video.YU12, video.MJPEG, video.H264} {
		t.Run(fourcc.String(), func(t *testing.T) {
			r := newRig(t, newScene(t, fourcc, 320, 240, 30), nil)
			w := r.watch(nil)
			w.moves()
			if !w.delay.Load() {
				t.Error("the playout delay extension is missing")
			}
		})
	}
}

func TestAViewerIsServedOverEachKindOfNetwork(t *testing.T) {
	for _, kind := range []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4} {
		t.Run(kind.String(), func(t *testing.T) {
			r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
			r.watch(nil, kind).moves()
			v := r.s.Status().Viewers
			if len(v) != 1 || v[0].State != "connected" || v[0].Way != kind.Protocol()+" host" {
				t.Errorf("got %+v, want one that is connected by %s host", v, kind.Protocol())
			}
		})
	}
}

func TestViewersShareOneEncoderThatIsFreedAfterTheLast(t *testing.T) {
	src := newScene(t, video.YU12, 320, 240, 30)
	r := newRig(t, src, func(s *Server) { s.timing.free = 300 * time.Millisecond })
	if src.subs.Load() != 0 {
		t.Fatal("subscribed without a viewer")
	}
	var all []*watcher
	for range 3 {
		w := r.watch(nil)
		w.moves()
		all = append(all, w)
	}
	if made, subs := r.made.Load(), src.subs.Load(); made != 1 || subs != 1 {
		t.Errorf("3 viewers have %d encoders and %d subscriptions, want one of each", made, subs)
	}
	all[0].moves() // the first goes on when others come
	for _, w := range all {
		r.do("DELETE", w.location, "", "")
	}
	r.wait("subscription and encoder are gone", func() bool { return src.subs.Load() == 0 && r.open.Load() == 0 })
	r.watch(nil).moves()
	if made := r.made.Load(); made != 2 {
		t.Errorf("%d encoders were made, want 2", made)
	}
}

func TestANewViewerGetsTheLastPictureOfACameraThatRests(t *testing.T) {
	src := newScene(t, video.YU12, 320, 240, 0.5) // a picture every 2 s
	r := newRig(t, src, nil)
	first := r.watch(nil)
	first.next()
	second := r.watch(nil)
	if n, seen := second.next(), first.next(); n > seen {
		t.Errorf("the second viewer began with picture %d, the first has seen %d", n, seen)
	}
}

func TestAKeyPictureFollowsALossButNotMoreThanTwoASecond(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	w := r.watch(nil)
	w.moves()
	before := w.keys.Load()
	w.pli()
	r.wait("a key picture after a PLI", func() bool { return w.keys.Load() > before })
	before = w.keys.Load()
	const asked = 40
	for range asked {
		w.pli()
		w.next()
	}
	if made := w.keys.Load() - before; made > asked/5 {
		t.Errorf("%d PLIs over %d pictures made %d key pictures", asked, asked, made)
	}
}

func TestOneViewerTooManyIsAskedToComeBack(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), func(s *Server) { s.cfg.MaxViewers = 2 })
	r.watch(nil).next()
	last := r.watch(nil)
	last.next()
	w := r.newWatcher(nil)
	offer := w.offer(false, false)
	resp, _ := r.do("POST", "/whep", sdpType, offer)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	r.do("DELETE", last.location, "", "")
	w.post("/whep", offer)
	w.moves()
}

func TestAViewerThatFallsSilentIsRemoved(t *testing.T) {
	src := newScene(t, video.YU12, 320, 240, 30)
	r := newRig(t, src, func(s *Server) {
		s.timing.disconnected, s.timing.failed, s.timing.keepalive = 400*time.Millisecond, 400*time.Millisecond, 100*time.Millisecond
	})
	over := newLine(t)
	w := r.watch(over)
	w.moves()
	over.cut.Store(true)
	r.wait("the viewer is removed", func() bool { return len(r.s.Status().Viewers) == 0 && src.subs.Load() == 0 })
	if resp, _ := r.do("DELETE", w.location, "", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("DELETE of a removed session: status %d", resp.StatusCode)
	}
}

func TestAViewerThatNeverConnectsIsRemoved(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), func(s *Server) { s.timing.connect = 300 * time.Millisecond })
	w := r.newWatcher(nil)
	if resp, text := r.do("POST", "/whep", sdpType, w.offer(false, true)); resp.StatusCode != http.StatusCreated {
		t.Fatalf("POST: status %d %s", resp.StatusCode, text)
	}
	r.wait("the viewer is removed", func() bool { return len(r.s.Status().Viewers) == 0 })
}

func TestAViewerThatClosesItsPageIsRemovedAtOnce(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), func(s *Server) { s.timing.failed = time.Hour })
	w := r.watch(nil)
	w.moves()
	w.close()
	r.wait("the viewer is removed", func() bool { return len(r.s.Status().Viewers) == 0 })
}

func TestAViewerThatLosesPacketsGetsThemAgain(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	over := newLine(t)
	w := r.watch(over)
	w.moves()
	over.lose.Store(5)
	begin := w.pictures.Load()
	r.wait("60 more pictures at 5 % loss", func() bool { return w.pictures.Load() > begin+60 })
}

func TestTheStreamFollowsTheWorstViewer(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), func(s *Server) { s.timing.adjust = 50 * time.Millisecond })
	good, bad := r.watch(nil), r.watch(nil)
	good.moves()
	bad.moves()
	target := func() int { return r.s.Status().Cameras[0].Target }
	full := target()
	remb := func(bps float32) {
		if err := bad.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: bps, SSRCs: []uint32{bad.ssrc.Load()}}}); err != nil {
			t.Fatal(err)
		}
	}
	r.wait("half a line's share", func() bool { remb(float32(full) / 2); return target() <= full/2 })
	r.wait("the floor", func() bool { remb(10_000); return target() == r.s.cfg.MinBitrate })
	good.moves()
	bad.close()
	r.wait("full again", func() bool { return target() > full/2 })
}

func TestHeavyLossLowersTheBitrateToTheFloor(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	over := newLine(t)
	w := r.watch(over)
	w.moves()
	over.lose.Store(40)
	r.wait("the floor", func() bool {
		v := r.s.Status().Viewers
		return len(v) == 1 && v[0].Estimate <= r.s.cfg.MinBitrate && r.s.Status().Cameras[0].Target == r.s.cfg.MinBitrate
	})
}

func TestRunEndsWithViewersConnectedAndCanRunAgain(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	r.watch(nil).moves()
	r.stop()
	if st := r.s.Status(); st.Running || len(st.Viewers) != 0 {
		t.Errorf("after Run: %+v", st)
	}
	resp, _ := r.do("POST", "/whep", sdpType, r.newWatcher(nil).offer(false, false))
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("POST after Run: status %d", resp.StatusCode)
	}
	r.run()
	r.watch(nil).moves()
}

func TestTimestampsAreThoseOfTheCapture(t *testing.T) {
	const rate = 20
	r := newRig(t, newScene(t, video.YU12, 320, 240, rate), nil)
	w := r.watch(nil)
	w.next()
	// The numbers count the camera's ticks, of which a busy machine skips some; so many must have passed at least.
	first, last := w.nextMark(), mark{}
	for last.n < first.n+20 {
		last = w.nextMark()
	}
	least := time.Duration(last.n-first.n) * time.Second / rate
	if got := time.Duration(last.timestamp-first.timestamp) * time.Second / 90000; got < least*9/10 || got > patience {
		t.Errorf("%d pictures at %d a second span %v", last.n-first.n, rate, got)
	}
}

func TestASlowViewerLosesItsOwnPicturesUpToAKey(t *testing.T) {
	v := &viewer{queue: make(chan *unit, 2)}
	var got []string
	for i, key := range []bool{true, false, false, false, true, false} {
		if i == 4 {
			<-v.queue // it has caught up by one
		}
		got = append(got, fmt.Sprint(v.offer(&unit{key: key})))
	}
	want := fmt.Sprint([]string{"false", "false", "true", "true", "false", "true"})
	if fmt.Sprint(got) != want || v.dropped.Load() != 3 {
		t.Errorf("asked for a key: %v, want %v; dropped %d, want 3", got, want, v.dropped.Load())
	}
}
