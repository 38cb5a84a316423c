//go:build cgo

package live

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"

	"camward/internal/browser"
	"camward/video"
)

// browserPage is a viewer as a page would have it. It reads the mark (video.ReadMark) out of what is painted, without its
// check sum: the number counts only if it goes on.
const browserPage = `<!doctype html><meta charset=utf-8><link rel=icon href="data:,"><video id=v muted autoplay playsinline></video><script>
let mark = -1, marks = 0, state = '';
(async () => {
  const pc = new RTCPeerConnection(), v = document.getElementById('v');
  pc.onconnectionstatechange = () => state = pc.connectionState;
  const receiver = pc.addTransceiver('video', {direction: 'recvonly'}).receiver;
  receiver.jitterBufferTarget = 0;
  pc.ontrack = e => { v.srcObject = e.streams[0] || new MediaStream([e.track]); };
  await pc.setLocalDescription();
  const r = await fetch('/cameras/front/whep', {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
  await pc.setRemoteDescription({type: 'answer', sdp: await r.text()});
  const c = new OffscreenCanvas(640, 480).getContext('2d', {willReadFrequently: true});
  const read = () => {
    const w = v.videoWidth, h = v.videoHeight, y0 = (h - 16) & ~7;
    c.drawImage(v, 0, 0);
    const d = c.getImageData(8, y0, 256, 8).data;
    let n = 0;
    for (let i = 0; i < 24; i++) {
      let sum = 0;
      for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) sum += (y < 4 ? 1 : -1) * d[(y * 256 + 8 * i + x) * 4];
      n = n * 2 + (sum > 0 ? 1 : 0);
    }
    if (n > mark) { mark = n; marks++; }
    v.requestVideoFrameCallback(read);
  };
  v.requestVideoFrameCallback(read);
  window.pc = pc;
})().catch(e => state = String(e));
</script>`

func TestABrowserSeesWhatTheCameraShows(t *testing.T) {
	t.Run("MJPEG", func(t *testing.T) { browserSees(t, newScene(t, video.MJPEG, 640, 480, 15)) })
	t.Run("H264", func(t *testing.T) { browserSees(t, newX264Scene(t, 640, 480)) })
}

func browserSees(t *testing.T, src *scene) {
	r := newRig(t, src, nil)
	mux := http.NewServeMux()
	mux.Handle("/cameras/", r.s.Handler())
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(browserPage)) })
	page := httptest.NewServer(mux)
	t.Cleanup(page.Close)
	tab := browser.Open(t, 800, 600, "")
	tab.Do(chromedp.Navigate(page.URL))
	tab.Wait("pictures that go on", `marks > 20 && state === 'connected'`, patience)
	n, err := strconv.ParseUint(tab.Eval("mark"), 10, 32)
	if shown := src.number.Load(); err != nil || uint32(n) > shown || uint32(n)+15 < shown {
		t.Errorf("the browser is at picture %d (%v), the camera at %d", n, err, shown)
	}
	tab.Shot("live")
	if v := r.s.Status().Viewers; len(v) != 1 || v[0].Dropped != 0 {
		t.Errorf("viewers: %+v", v)
	}
	tab.Eval("pc.close()")
	r.wait("the viewer is gone", func() bool { return len(r.s.Status().Viewers) == 0 })
}
