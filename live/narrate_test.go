//go:build cgo

package live

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"camward/video"
)

// A narrated scene says a numbered message every few milliseconds to whoever listens.
type narrated struct {
	*scene
	size      int // bytes of a message, at least
	listeners atomic.Int32
}

func (n *narrated) Narrate(depth int) (<-chan []byte, func()) {
	messages, done := make(chan []byte, depth), make(chan struct{})
	n.listeners.Add(1)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			select {
			case messages <- fmt.Appendf(nil, `{"type":"detector","score":%d,"pad":%q}`, i, strings.Repeat("x", n.size)):
			default:
			}
		}
	})
	return messages, func() {
		close(done)
		wg.Wait()
		n.listeners.Add(-1)
	}
}

// listen opens a data channel in a viewer's offer, as a page does.
func (w *watcher) listen(label string) (dc *webrtc.DataChannel, heard chan string, closed chan struct{}) {
	w.r.t.Helper()
	ordered, again := false, uint16(0)
	dc, err := w.pc.CreateDataChannel(label, &webrtc.DataChannelInit{Ordered: &ordered, MaxRetransmits: &again})
	if err != nil {
		w.r.t.Fatal(err)
	}
	heard, closed = make(chan string, 1), make(chan struct{})
	dc.OnMessage(func(m webrtc.DataChannelMessage) {
		if !m.IsString {
			w.r.t.Error("a message is not text")
		}
		select {
		case heard <- string(m.Data):
		default:
		}
	})
	dc.OnClose(sync.OnceFunc(func() { close(closed) }))
	return dc, heard, closed
}

func (w *watcher) hears(heard chan string) {
	w.r.t.Helper()
	for range 5 {
		select {
		case m := <-heard:
			if !strings.HasPrefix(m, `{"type":"detector","score":`) {
				w.r.t.Fatalf("heard %.80q", m)
			}
		case <-time.After(patience):
			w.r.t.Fatal("nothing is heard")
		}
	}
}

func TestAViewerThatOpensTheChannelHearsWhatTheSourceSays(t *testing.T) {
	src := &narrated{scene: newScene(t, video.YU12, 320, 240, 30)}
	r := newRig(t, src, nil)
	deaf, w := r.watch(nil), r.newWatcher(nil)
	dc, heard, _ := w.listen("detector")
	w.post("/whep", w.offer(false, false))
	w.hears(heard)
	w.moves()
	deaf.moves()
	if n := src.listeners.Load(); n != 1 {
		t.Errorf("%d subscriptions for one viewer that listens", n)
	}
	if err := dc.SendText(strings.Repeat("x", 10_000)); err != nil {
		t.Error(err)
	}
	w.hears(heard) // what it said has no effect
	dc.Close()
	r.wait("the subscription has ended", func() bool { return src.listeners.Load() == 0 })
	w.moves()
	_, heard, _ = w.listen("detector") // opened later, and once more
	w.hears(heard)
	r.do("DELETE", w.location, "", "")
	r.wait("the subscription has ended", func() bool { return src.listeners.Load() == 0 })
}

func TestAChannelOfNoUseIsClosed(t *testing.T) {
	for _, tt := range []struct {
		label    string
		narrates bool
	}{{"chat", true}, {"detector", false}} {
		t.Run(tt.label, func(t *testing.T) {
			var src Source = newScene(t, video.YU12, 320, 240, 30)
			if tt.narrates {
				src = &narrated{scene: src.(*scene)}
			}
			w := newRig(t, src, nil).newWatcher(nil)
			_, _, closed := w.listen(tt.label)
			w.post("/whep", w.offer(false, false))
			select {
			case <-closed:
			case <-time.After(patience):
				t.Error("the channel stays open")
			}
			w.moves()
		})
	}
}

func TestAViewerThatOpensChannelsWithoutEndIsRemoved(t *testing.T) {
	src := &narrated{scene: newScene(t, video.YU12, 320, 240, 30)}
	r := newRig(t, src, nil)
	w := r.newWatcher(nil)
	for range maxChannels + 1 {
		w.listen("detector")
	}
	w.post("/whep", w.offer(false, false))
	r.wait("the viewer is removed", func() bool { return len(r.s.Status().Viewers) == 0 && src.listeners.Load() == 0 })
}

func TestAViewerThatDoesNotReadLosesMessagesAndHarmsNobody(t *testing.T) {
	src := &narrated{scene: newScene(t, video.YU12, 320, 240, 30), size: 8 << 10}
	r := newRig(t, src, nil)
	good := r.newWatcher(nil)
	_, heard, _ := good.listen("detector")
	good.post("/whep", good.offer(false, false))
	over := newLine(t)
	bad := r.newWatcher(over)
	_, lost, _ := bad.listen("detector")
	bad.post("/whep", bad.offer(false, false))
	bad.hears(lost)
	good.hears(heard)
	over.cut.Store(true) // its receive window fills, and nothing more is acknowledged
	r.wait("messages are left out for the one", func() bool {
		for _, v := range r.s.Status().Viewers {
			if v.Unsaid > 20 {
				return true
			}
		}
		return false
	})
	good.hears(heard)
	good.moves()
}

func TestEveryErrorHasItsStatus(t *testing.T) {
	for err, want := range map[error]int{
		ErrNoCamera: 404, ErrNoSession: 404, ErrNoEncoder: 501, ErrNoPicture: 409, ErrBusy: 503, ErrNotRunning: 503,
		ErrNoVideo: 406, fmt.Errorf("%w: empty", ErrOffer): 400, ErrPrecondition: 412, errors.New("disk full"): 500,
	} {
		if got := StatusOf(err); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
}

func TestReadySaysWhatAViewerWouldGet(t *testing.T) {
	src := newScene(t, video.YU12, 320, 240, 30)
	r := newRig(t, src, nil)
	ready := func(camera string, want error) {
		t.Helper()
		if err := r.s.Ready(camera); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", camera, err, want)
		}
	}
	ready("", nil)
	ready("front", nil)
	ready("back", ErrNoCamera)
	src.gone.Store(true)
	ready("front", ErrNoPicture)
	src.gone.Store(false)
	r.stop()
	ready("front", ErrNotRunning)
	if StatusOf(r.s.Ready("front")) != http.StatusServiceUnavailable {
		t.Error("not to be tried again")
	}
}
