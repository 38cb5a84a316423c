//go:build cgo

package live

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"camward/codec/h264"
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
	for _, kind := range []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6} {
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

func TestACameraThatEncodesIsAskedForTheKeyPicturesThatItsViewersNeed(t *testing.T) {
	src := newScene(t, video.H264, 320, 240, 30) // which makes none by itself
	r := newRig(t, src, nil)
	w := r.watch(nil)
	w.moves()
	r.watch(nil).moves()
	before := w.keys.Load()
	w.pli()
	r.wait("a key picture after a PLI", func() bool { return w.keys.Load() > before })
	w.moves()
	if made := r.made.Load(); made != 0 {
		t.Errorf("%d encoders were made for a camera that encodes", made)
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

// A brokenEncoder panics over its tenth picture.
type brokenEncoder struct {
	encoder
	left int
}

func (e *brokenEncoder) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, key bool) (video.Packet, error) {
	if e.left--; e.left == 0 {
		panic("ten pictures")
	}
	return e.encoder.EncodeTo(buf, img, mono, seq, key)
}

func TestAPanicEndsTheViewersAndTheNextOneIsServed(t *testing.T) {
	src := newScene(t, video.YU12, 320, 240, 30)
	r := newRig(t, src, func(s *Server) {
		made, whole := 0, s.newEnc
		s.newEnc = func(c h264.Config) (encoder, error) {
			e, err := whole(c)
			if made++; made == 1 && err == nil {
				e = &brokenEncoder{e, 10}
			}
			return e, err
		}
	})
	r.watch(nil).next()
	r.wait("the viewer's end", func() bool { return len(r.s.Status().Viewers) == 0 })
	if n := r.s.Status().Cameras[0].Crashes; n != 1 || r.open.Load() != 0 || src.subs.Load() != 0 {
		t.Errorf("%d crashes, %d encoders and %d subscriptions left", n, r.open.Load(), src.subs.Load())
	}
	r.watch(nil).moves()
}

// TestTheAddressThatABrowserHidesIsFound has a viewer that is given no address of the camera, so that the camera has to
// ask the network for the viewer's.
func TestTheAddressThatABrowserHidesIsFound(t *testing.T) {
	if !multicast(t) {
		t.Skip("not run: no network here carries multicast DNS")
	}
	r := newRig(t, newScene(t, video.YU12, 320, 240, 30), nil)
	r.hide = ice.MulticastDNSModeQueryAndGather
	w := r.newWatcher(nil, webrtc.NetworkTypeUDP4)
	offer := w.offer(false, false)
	if !strings.Contains(offer, ".local ") || strings.Contains(offer, " 127.0.0.1 ") {
		t.Fatalf("the viewer hides nothing:\n%s", offer)
	}
	w.post("/whep", offer, func(answer string) string {
		return regexp.MustCompile(`a=candidate:.*\r\n`).ReplaceAllString(answer, "")
	})
	w.moves()
}

func multicast(t *testing.T) bool {
	t.Helper()
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(i net.Interface) bool {
		addrs, _ := i.Addrs()
		return i.Flags&net.FlagMulticast != 0 && i.Flags&net.FlagRunning != 0 && len(addrs) > 0
	})
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

func TestHeavyLossLowersBitrateAndPictureRateToTheirFloorsAndNoFurther(t *testing.T) {
	r := newRig(t, newScene(t, video.YU12, 800, 600, 30), func(s *Server) { s.cfg.MinBitrate, s.cfg.MinRate = 100_000, 6 })
	over := newLine(t)
	w := r.watch(over)
	w.moves()
	camera := func() CameraStatus { return r.s.Status().Cameras[0] }
	r.wait("the bit rate of a good line", func() bool { return camera().Target > 1_000_000 })
	over.lose.Store(40)
	r.wait("the floors", func() bool {
		c, v := camera(), r.s.Status().Viewers
		return len(v) == 1 && v[0].Estimate <= 100_000 && c.Target == 100_000 && c.Rate > 0 && c.Rate <= 8
	})
	r.wait("pictures go on at the floor", func() bool { return camera().Rate >= 5 })
	over.lose.Store(0)
	r.wait("more when the line carries more", func() bool { return camera().Target > 150_000 })
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
