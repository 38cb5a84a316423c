package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"camward/internal/browser"
)

const (
	pagePassword = "a page's own password"
	pageWait     = 30 * time.Second // what is waited for comes much sooner
)

// An installer is a person with a browser before the camera's own page.
type installer struct {
	*browser.Tab
	t *testing.T
}

// signIn opens the page and answers the form.
func (p installer) signIn(url, password string) {
	p.t.Helper()
	p.Do(chromedp.Navigate(url), chromedp.WaitVisible("#password"), chromedp.SendKeys("#password", password), chromedp.Click("form button"))
}

func (p installer) text(id string) string {
	return p.Eval(`document.getElementById('` + id + `').textContent`)
}

// saw waits until an element's text matches a JavaScript expression of t.
func (p installer) saw(what, id, expression string) {
	p.t.Helper()
	p.Wait(what, `((t) => `+expression+`)(document.getElementById('`+id+`').textContent)`, pageWait)
}

func (p installer) live() {
	p.t.Helper()
	p.Wait("the live picture", `document.getElementById('link').textContent === 'Live' && document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames > 15`, pageWait)
}

// fetch asks the camera as the page would, and gives status, type and text.
func (p installer) fetch(path string) string {
	p.t.Helper()
	p.Eval(`(window.answer = undefined, fetch('` + path + `').then(async (r) => { window.answer = [r.status, r.headers.get('Content-Type'), await r.text()].join(' '); }), 0)`)
	p.Wait(path, `window.answer !== undefined`, pageWait)
	return p.Eval(`window.answer`)
}

// tap presses on the picture at fractions of it.
func (p installer) tap(at ...[2]float64) {
	p.t.Helper()
	for _, q := range at {
		var x, y float64
		if _, err := fmt.Sscan(p.Eval(fmt.Sprintf(`(() => {
			const v = document.getElementById('video'), r = v.getBoundingClientRect();
			const k = Math.min(r.width / v.videoWidth, r.height / v.videoHeight), w = v.videoWidth * k, h = v.videoHeight * k;
			return [r.left + (r.width - w) / 2 + w * %g, r.top + (r.height - h) / 2 + h * %g].join(' ');
		})()`, q[0], q[1])), &x, &y); err != nil {
			p.t.Fatal(err)
		}
		p.Do(touch(input.DispatchTouchEventParams{Type: "touchStart", TouchPoints: []*input.TouchPoint{{X: x, Y: y}}}),
			touch(input.DispatchTouchEventParams{Type: "touchEnd", TouchPoints: []*input.TouchPoint{}}))
	}
}

func touch(e input.DispatchTouchEventParams) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, e)
		return err
	})
}

// sameAsSnapshot reads the number (video.ReadMark) in what the page shows and in a snapshot that is taken then, and compares the upper
// half of both: "number number difference", the last as mean levels.
const sameAsSnapshot = `(() => {
	const see = (e, w, h) => {
		const c = new OffscreenCanvas(w, h).getContext('2d', {willReadFrequently: true});
		c.drawImage(e, 0, 0);
		const d = c.getImageData(8, (h - 16) & ~7, 256, 8).data;
		let n = 0;
		for (let i = 0; i < 24; i++) {
			let sum = 0;
			for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) sum += (y < 4 ? 1 : -1) * d[(y * 256 + 8 * i + x) * 4];
			n = n * 2 + (sum > 0 ? 1 : 0);
		}
		return {n, pixels: c.getImageData(0, 0, w, h / 2).data};
	};
	window.compared = undefined;
	const img = new Image();
	img.onload = () => {
		const v = document.getElementById('video');
		const a = see(v, v.videoWidth, v.videoHeight), b = see(img, img.naturalWidth, img.naturalHeight);
		const difference = a.pixels.reduce((sum, p, i) => sum + Math.abs(p - b.pixels[i]), 0) / a.pixels.length;
		window.compared = [a.n, b.n, Math.round(difference)].join(' ');
	};
	img.src = '/cameras/front/snapshot.jpg?' + Date.now();
	return 0;
})()`

func (p installer) compare() (shown, taken, difference int) {
	p.t.Helper()
	p.Eval(sameAsSnapshot)
	p.Wait("a snapshot", `window.compared`, pageWait)
	if _, err := fmt.Sscan(p.Eval(`window.compared`), &shown, &taken, &difference); err != nil {
		p.t.Fatal(err)
	}
	return shown, taken, difference
}

// TestAnInstallerAimsTheCameraWithItsPage does on a phone-sized page of the real agent what an installer does.
func TestAnInstallerAimsTheCameraWithItsPage(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(pagePassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDevice(t, "camward", c, fmt.Sprintf("  - {name: front, source: \"demo:?first=2s&every=6s\"}\nfirst_password: %q\nlive: {loopback: true}", file))
	url := "http://" + d.addr + "/"
	p := installer{browser.Open(t, 390, 844, "/signin"), t} // that a wrong password is answered by 403 is as it should be
	p.Do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))

	p.signIn(url, "not the password")
	p.Wait("the refusal", `document.querySelector('.error')`, pageWait)
	p.signIn(url, pagePassword)
	p.live()
	t.Run("the picture is the camera's and moves", p.pictureMoves)
	t.Run("focus and light have figures", p.figures)
	t.Run("what moves is shown, and not where it is ignored", p.areas)
	t.Run("what is hidden is black for everybody", p.hide)
	t.Run("uploads and account", func(t *testing.T) { p.uploads(t, c) })
	t.Run("log and support file", func(t *testing.T) { p.support(t, c) })

	p.Do(chromedp.Navigate("about:blank"))
	d.stop()
	d.start(t, "camward")
	p.signIn(url, pagePassword)
	p.Wait("the page", `document.getElementById('tab-motion')`, pageWait)
	p.Do(chromedp.Click("#tab-motion"))
	p.saw("the areas are still there", "areas", `t === 'The whole picture is watched, 1 ignored area, 1 hidden area.'`)
	p.dark("the hidden area after a restart", true)
	p.Do(chromedp.Click("#configured"))
	p.saw("the configuration's again", "areas", `t === 'The whole picture is watched, 1 hidden area.'`)
	p.Do(chromedp.Click("#unhide"))
	p.saw("nothing is hidden any more", "areas", `t === 'The whole picture is watched.'`)
	p.dark("what was hidden", false)
	p.Do(chromedp.Click(".top form button"))
	p.Wait("signed out", `location.pathname === '/signin'`, pageWait)
	p.Do(chromedp.Navigate(url))
	p.Wait("the form again", `document.getElementById('password') && location.pathname === '/signin'`, pageWait)
}

func (p installer) pictureMoves(t *testing.T) {
	p.t = t
	first, taken, difference := p.compare()
	if taken-first < -15 || taken-first > 30 || difference > 10 {
		t.Errorf("the page shows picture %d, the camera %d; they differ by %d levels", first, taken, difference)
	}
	for shown := first; shown <= first; shown, _, _ = p.compare() {
		time.Sleep(50 * time.Millisecond)
	}
	p.Shot("e2e-page-aim")
}

func (p installer) figures(t *testing.T) {
	p.t = t
	p.saw("a focus figure", "focus", `Number(t) > 0`)
	p.saw("a mean", "mean", `parseFloat(t) > 10 && parseFloat(t) < 90`)
	p.Wait("a histogram", `[...document.getElementById('histogram').children].filter((b) => parseFloat(b.style.height) > 0).length > 8`, pageWait)
	p.saw("a camera without settings", "controls", `t === 'This camera has none of its own.'`)
}

func (p installer) areas(t *testing.T) {
	p.t = t
	p.Do(chromedp.Click("#tab-motion"))
	p.Wait("the person is framed in red", `document.getElementById('badge').textContent === 'Motion' && (() => {
		const o = document.getElementById('overlay'), c = new OffscreenCanvas(o.width, o.height).getContext('2d', {willReadFrequently: true});
		c.drawImage(o, 0, 0);
		const d = c.getImageData(0, 0, o.width, o.height).data;
		for (let i = 0; i < d.length; i += 4) if (d[i] > 200 && d[i + 1] < 100 && d[i + 2] < 130 && d[i + 3] > 200) return true;
	})()`, pageWait)
	p.Shot("e2e-page-motion")
	// What is under way ends at once when its place is ignored.
	p.Do(chromedp.Click("#draw"), chromedp.Click("#add-exclude"))
	p.tap([2]float64{0.01, 0.4}, [2]float64{0.99, 0.4}, [2]float64{0.99, 0.99}, [2]float64{0.01, 0.99})
	p.Do(chromedp.Click("#save"))
	p.saw("the area is held", "areas", `t === 'The whole picture is watched, 1 ignored area.'`)
	p.saw("nothing moves any more", "score", `t.startsWith('Nothing moves')`)
	p.Wait("nor does the person who comes next", `(() => {
		window.still ||= Date.now();
		if (!document.getElementById('badge').hidden) window.still = Date.now();
		return Date.now() - window.still > 7000;
	})()`, pageWait)
	if got := p.fetch("/api/cameras/front/detection"); !strings.Contains(got, `"exclude":[[[0,0.`) || !strings.Contains(got, `,[1,1],[0,1]]]`) || !strings.Contains(got, `"from":"page"`) {
		t.Errorf("the camera holds %s", got)
	}
	p.Eval(`(() => { const s = document.getElementById('contrast'); s.value = 12; s.oninput(); })()`)
	p.saw("the contrast is in force", "detection-state", `t.startsWith('Set on this page')`)
	eventually(t, pageWait, func() error {
		if got := p.fetch("/api/cameras/front/detection"); !strings.Contains(got, `"min_contrast":12,`) {
			return fmt.Errorf("the camera holds %s", got)
		}
		return nil
	})
}

// hide draws an area over the house by finger.
func (p installer) hide(t *testing.T) {
	p.t = t
	p.dark("the picture before", false)
	p.Do(chromedp.Click("#draw"), chromedp.Click("#add-privacy"))
	p.tap([2]float64{0.5, 0.01}, [2]float64{0.99, 0.01}, [2]float64{0.99, 0.5}, [2]float64{0.5, 0.5})
	p.Shot("e2e-page-hide")
	p.Do(chromedp.Click("#save"))
	const both = `t === 'The whole picture is watched, 1 ignored area, 1 hidden area.'`
	p.saw("the area is hidden", "areas", both)
	p.dark("the hidden area", true)
	p.Do(chromedp.Reload())
	p.saw("the area after a reload", "areas", both)
	p.dark("the hidden area after a reload", true)
	p.live()
	p.Wait("the live picture is black there, too", `(() => {
		const v = document.getElementById('video'), c = new OffscreenCanvas(64, 64).getContext('2d', {willReadFrequently: true});
		c.drawImage(v, v.videoWidth * 0.6, v.videoHeight * 0.1, v.videoWidth * 0.3, v.videoHeight * 0.3, 0, 0, 64, 64);
		return c.getImageData(0, 0, 64, 64).data.every((d, i) => d < 24 || i % 4 === 3);
	})()`, pageWait)
	p.Shot("e2e-page-hidden")
	if got := p.fetch("/api/cameras/front/privacy"); !strings.Contains(got, `"from":"page"`) || !strings.Contains(got, `,[1,0],[1,0.`) {
		t.Errorf("the camera holds %s", got)
	}
}

// brightest gives the highest level in the upper right of a new snapshot, and in its upper left: "right left".
const brightest = `(() => {
	window.levels = undefined;
	const img = new Image();
	img.onload = () => {
		const [w, h] = [img.naturalWidth, img.naturalHeight], c = new OffscreenCanvas(w, h).getContext('2d', {willReadFrequently: true});
		c.drawImage(img, 0, 0);
		const most = (x) => c.getImageData(Math.ceil(w * x), 0, Math.floor(w * 0.45), Math.floor(h * 0.45)).data.reduce((m, v, i) => i % 4 < 3 ? Math.max(m, v) : m, 0);
		window.levels = [most(0.55), most(0)].join(' ');
	};
	img.src = '/snapshot.jpg?' + Date.now();
	return 0;
})()`

// dark looks whether a snapshot is black in its upper right, and not in its upper left.
func (p installer) dark(what string, want bool) {
	p.t.Helper()
	p.Eval(brightest)
	p.Wait("a snapshot", `window.levels`, pageWait)
	var right, left int
	if _, err := fmt.Sscan(p.Eval(`window.levels`), &right, &left); err != nil {
		p.t.Fatal(err)
	}
	if (right <= 4) != want || left < 100 {
		p.t.Errorf("%s: levels up to %d, and %d where nothing is hidden; want black: %v", what, right, left, want)
	}
}

func (p installer) uploads(t *testing.T, c *cloud) {
	p.t = t
	p.Do(chromedp.Click("#tab-upload"))
	p.saw("contact with the cloud", "poll", `t.startsWith('In contact with the cloud')`)
	p.saw("to whom the camera belongs", "claim-state", `t === 'This camera belongs to no account yet.'`)
	p.Wait("how to claim it", `document.getElementById('qr').naturalWidth > 50 && document.getElementById('claim-url').href.startsWith('`+c.url+`/claim/')`, pageWait)
	p.Do(chromedp.Click("#check"))
	p.saw("whose token it is", "token-result", `/^The token is right. It belongs to some.*@/.test(t)`)
	p.Do(chromedp.SendKeys("#token", "0123456789abcdef"), chromedp.Click("#check"))
	p.saw("what is wrong with another", "token-result", `t.startsWith('wrong token. ')`)
	p.saw("the queue", "queue-state", `t.startsWith('Nothing waits') || /recording/.test(t)`)
	p.Shot("e2e-page-upload")
}

func (p installer) support(t *testing.T, c *cloud) {
	p.t = t
	p.Do(chromedp.Click("#tab-device"))
	p.saw("who it is", "facts", `/MAC address([0-9A-F]{2}:){5}/.test(t) && t.includes('640×480')`)
	p.saw("the log", "log", `t.includes('camward starts') && t.includes('listening')`)
	for _, secret := range []string{c.account.UploadToken, pagePassword} {
		if strings.Contains(p.text("panel-device"), secret) {
			t.Error("the page shows a secret")
		}
	}
	if got := p.fetch("/api/support-bundle"); !strings.HasPrefix(got, "200 application/") {
		t.Errorf("support file: %.60s", got)
	}
	p.Shot("e2e-page-device")
}
