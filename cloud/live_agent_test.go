//go:build cgo

package cloud_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.uber.org/zap"

	"camward/camio"
	"camward/capture"
	"camward/internal/browser"
	"camward/live"
	"camward/video"
)

// slides is a camera that shows the same few pictures over and over.
type slides struct{ hub *capture.Hub }

func (s slides) Subscribe(depth int) (<-chan *video.Frame, func()) {
	sub := s.hub.Subscribe("live", depth)
	return sub.Frames(), sub.Close
}

func (s slides) Format() (video.Format, bool) {
	return video.Format{FourCC: video.MJPEG, Width: 320, Height: 240, Rate: 15}, true
}

// newAgentSide runs the agent's live view with one camera.
func newAgentSide(t testing.TB) *live.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := live.Default()
	cfg.UDPPort, cfg.TCPPort, cfg.Loopback = l.Addr().(*net.TCPAddr).Port, 0, true
	l.Close()
	s, err := live.New(cfg, t.TempDir(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	src := slides{capture.NewHub()}
	s.AddCamera("front", src)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("live view ended: %v", err)
		}
	})
	var pictures [][]byte
	for i := range 3 {
		pictures = append(pictures, picture(t, 320, 240, i*20))
	}
	running.Go(func() {
		pool := video.NewPool(1 << 20)
		tick := time.NewTicker(time.Second / 15)
		defer tick.Stop()
		for n := uint64(1); ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			data := pictures[n%3]
			f := pool.Get(len(data))
			copy(f.Data, data)
			f.Format, _ = src.Format()
			f.Seq, f.Mono = n, video.Now()
			src.hub.Publish(f)
			f.Release()
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	until(t, "live view runs", func() bool { return s.Ready("front") == nil })
	return s
}

// serveBy answers the cloud's requests as the agent does.
func serveBy(s *live.Server) func(camio.LiveMessage) *camio.LiveMessage {
	return func(m camio.LiveMessage) *camio.LiveMessage {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var a live.Answer
		var err error
		switch m.Type {
		case camio.LiveOpen:
			var servers []live.ICEServer
			for _, i := range m.ICEServers {
				servers = append(servers, live.ICEServer{URLs: i.URLs, User: i.Username, Password: camio.Secret(i.Credential)})
			}
			a, err = s.Open(ctx, "front", m.SDP, servers...)
		case camio.LivePatch:
			a, err = s.Patch(ctx, "front", m.Session, m.ETag, m.SDP)
		case camio.LiveEnd:
			err = s.End("front", m.Session)
		}
		if err != nil {
			return &camio.LiveMessage{Error: &camio.LiveError{Status: live.StatusOf(err), Text: err.Error()}}
		}
		return &camio.LiveMessage{Session: a.Session, ETag: a.ETag, SDP: a.SDP}
	}
}

func TestInTheBrowserTheAgentsLiveViewRestartsWithoutANewSession(t *testing.T) {
	r := newLiveRig(t, withTURN)
	r.runTURN()
	s := newAgentSide(t)
	r.connect(serveBy(s))
	b := browser.Open(t, 1280, 800, "")
	b.Do(chromedp.Navigate(r.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".camera .live"), chromedp.Click(".camera .live"), chromedp.WaitVisible(".watch .begin"))
	b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector('.watch video').addEventListener('playing', () => window.first ??= performance.now() - window.clicked);
		window.clicked = performance.now()`), chromedp.Click(".watch .begin"))
	b.Wait("the picture moves", goesOn, patience)
	t.Logf("first picture %s ms after the click", b.Eval(`Math.round(window.first)`))
	if v := s.Status().Viewers; len(v) != 1 {
		t.Fatalf("viewers: %+v", v)
	}
	b.Eval(`(v => { v.getVideoPlaybackQuality = () => ({totalVideoFrames: 7}); return 0; })(document.querySelector('.watch video'))`)
	b.Wait("it is told that the picture stands still", `document.querySelector('.watch [role=status]').textContent.includes('No new pictures')`, patience)
	b.Eval(`delete document.querySelector('.watch video').getVideoPlaybackQuality`)
	b.Wait("and no more when it moves again", `document.querySelector('.watch [role=status]').textContent === ''`, patience)
	session := b.Eval(`document.querySelector('.watch').watch.session`)
	const frames = `document.querySelector('.watch video').getVideoPlaybackQuality().totalVideoFrames`
	before := b.Eval(`(w => { window.ufrag = w.pc.currentRemoteDescription.sdp.match(/a=ice-ufrag:(.*)/)[1]; w.restart(w.pc); return ` + frames + `; })(document.querySelector('.watch').watch)`)
	b.Wait("the other side's credentials are new, and the picture goes on", `(w => w.pc && w.pc.connectionState === 'connected' && !w.restarting && !w.pc.currentRemoteDescription.sdp.includes('a=ice-ufrag:' + ufrag) &&
		`+frames+` > 20 + `+before+`)(document.querySelector('.watch').watch)`, patience)
	if after := b.Eval(`document.querySelector('.watch').watch.session`); after != session || len(s.Status().Viewers) != 1 {
		t.Errorf("session %s became %s; viewers: %+v", session, after, s.Status().Viewers)
	}
	b.Wait("nothing is said about it any more", `document.querySelector('.watch [role=status]').textContent === ''`, patience)

	// The page is hidden and shown again while a restart looks for addresses: the old session's restart is no business of the new one.
	b.Eval(`(w => { window.asked = []; const ask = w.ask.bind(w); w.ask = (...a) => { asked.push(a[0] + (a[4]?.['If-Match'] === '"*"' ? ' restart' : '')); return ask(...a); };
		const {pc} = w, set = pc.setLocalDescription.bind(pc);
		pc.setLocalDescription = async (d) => { await set(d); setTimeout(() => { window.reopened = true; w.open(); }); await new Promise((done) => setTimeout(done, 300)); };
		w.restart(pc); return 0; })(document.querySelector('.watch').watch)`)
	b.Wait("a new session is there", `(w => window.reopened && w.session && w.session !== '`+session+`' && w.pc.connectionState === 'connected')(document.querySelector('.watch').watch)`, patience)
	time.Sleep(500 * time.Millisecond) // for what should not come
	if got := b.Eval(`asked.join() + ' ' + document.querySelector('.watch').watch.restarting`); strings.Contains(got, "restart") || !strings.HasSuffix(got, " false") {
		t.Errorf("the camera was asked %s", got)
	}
	b.Wait("the picture moves", goesOn, patience)
	b.Do(chromedp.Click(".watch .end"))
	until(t, "the viewer is gone", func() bool { return len(s.Status().Viewers) == 0 })
	until(t, "both ends are answered", func() bool { return r.Server.Status().Answered >= 4 })
	if st := r.Server.Status(); st.Failed != 0 {
		t.Errorf("requests failed, though nothing went wrong: %+v", st)
	}
}
