//go:build cgo

package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// colour gives what the overlay has at a fraction of the picture: red, green, blue, alpha.
func colour(t testing.TB, tabEval func(string) string, x, y float64) (r, g, b, a int) {
	t.Helper()
	s := tabEval(fmt.Sprintf(`(() => {
		const v = document.getElementById('video'), c = document.getElementById('overlay');
		const k = Math.min(c.width / v.videoWidth, c.height / v.videoHeight), w = v.videoWidth * k, h = v.videoHeight * k;
		return [...c.getContext('2d').getImageData((c.width - w) / 2 + w * %g, (c.height - h) / 2 + h * %g, 1, 1).data].join(' ');
	})()`, x, y))
	if _, err := fmt.Sscan(s, &r, &g, &b, &a); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return r, g, b, a
}

func TestTheOverlayShowsWhatTheDetectorSays(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	front := d.scenes["front"]
	front.says(seen(true, 0.25, 0.25, 0.5, 0.75), looks(37.2, 0.4, 0.01, 0.005))
	for _, size := range [][2]int64{{1280, 800}, {844, 390}} { // whole, and with bars beside it
		tab := open(t, d, size[0], size[1], "motion", "willReadFrequently")
		shows(tab)
		tab.Wait("motion is shown", `document.getElementById('badge').textContent === 'Motion' && document.getElementById('score').textContent === '13 % of the picture moves · counts from 0.10 %'`, patience)
		eventually(t, fmt.Sprintf("at %v the box's edge is red", size), func() bool {
			r, g, b, a := colour(t, tab.Eval, 0.25, 0.55)
			return r > 150 && g < 110 && b < 140 && a > 200
		})
		if _, _, _, a := colour(t, tab.Eval, 0.40, 0.51); a < 60 || a > 180 {
			t.Errorf("at %v a cell's alpha is %d, want it to let the picture through", size, a)
		}
		if _, _, _, a := colour(t, tab.Eval, 0.75, 0.5); a != 0 {
			t.Errorf("at %v there is something drawn where nothing is, alpha %d", size, a)
		}
		tab.Do(click("cells"))
		tab.Wait("cells can be hidden", `!document.getElementById('overlay').getContext('2d').getImageData(0, 0, 800, 200).data.some((v) => v)`, patience)
	}
	tab := open(t, d, 390, 844, "motion", "")
	shows(tab)
	front.says(strings.Replace(seen(false, 0.1, 0.1, 0.1, 0.1), `"learning":false`, `"learning":true`, 1), "")
	tab.Wait("it learns", `document.getElementById('badge').textContent === 'Learning the scene' && document.getElementById('score').textContent.startsWith('Nothing moves')`, patience)
	front.says("", "")
	tab.Wait("what is old is taken away", `document.getElementById('badge').hidden && document.getElementById('score').textContent.startsWith('Waiting')`, patience)
}

func TestFocusAndLightAreShown(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	front := d.scenes["front"]
	tab := open(t, d, 390, 844, "aim", "")
	front.says("", looks(50, 0.4, 0.01, 0.005))
	tab.Wait("the figure", `document.getElementById('focus').textContent === '50.0' && document.getElementById('light').textContent === 'Good light.'`, patience)
	front.says("", looks(128, 0.05, 0.6, 0))
	tab.Wait("it gets sharper and dark", `document.getElementById('trend').textContent === '▲ sharper' && document.getElementById('best').textContent === '128' && document.getElementById('light').textContent.startsWith('Too dark')`, patience)
	front.says("", looks(64, 0.8, 0, 0.4))
	tab.Wait("it gets softer and bright; the best stays", `document.getElementById('trend').textContent === '▼ softer' && document.getElementById('best').textContent === '128' && document.getElementById('focus').textContent === '64.0' && document.getElementById('focus-bar').dataset.kind === 'bad' && document.getElementById('light').textContent.startsWith('Too bright')`, patience)
	tab.Do(click("reset-best"))
	tab.Wait("it starts over", `document.getElementById('best').textContent === '64.0' && document.getElementById('focus-bar').dataset.kind === 'good'`, patience)
	tab.Do(click("zoom"))
	tab.Wait("the middle is magnified", `document.getElementById('video').getBoundingClientRect().width > 1000`, patience)
}

func TestTheCamerasSettingsAreChanged(t *testing.T) {
	d := newDevice(t, "front")
	tab := open(t, d, 390, 844, "aim", "422")
	tab.Wait("settings", `document.querySelectorAll('#controls input, #controls select').length === 3`, patience)
	if s := tab.Eval(`[...document.querySelectorAll('#controls label')].map((l) => [...l.childNodes].filter((n) => n.nodeName !== 'SELECT').map((n) => n.textContent).join('').trim()).join('|')`); s != "Brightness 128|White Balance, Automatic|Power Line Frequency" {
		t.Errorf("labels %s", s)
	}
	set := func(id, change string) string {
		return fmt.Sprintf(`(() => { const c = document.getElementById('%s'); %s; c.dispatchEvent(new Event('input', {bubbles: true})); c.dispatchEvent(new Event('change', {bubbles: true})); })()`, id, change)
	}
	value := func(i int) int { return d.controls[i]["value"].(int) }
	tab.Eval(set("control-0", "c.value = 200"))
	tab.Eval(set("control-1", "c.checked = false"))
	tab.Eval(set("control-2", "c.value = 0"))
	eventually(t, "the settings are made", func() bool {
		return d.peek(func() bool { return value(0) == 200 && value(1) == 0 && value(2) == 0 })
	})
	tab.Eval(set("control-2", "c.value = 2"))
	tab.Wait("what the camera refuses is told and taken back", `document.getElementById('controls-error').textContent === 'Not changed: the camera refuses 60 Hz' && document.getElementById('control-2').value === '0'`, patience)
	tab.Do(click("defaults"))
	eventually(t, "the defaults", func() bool {
		return d.peek(func() bool { return value(0) == 128 && value(1) == 1 && value(2) == 1 })
	})
	tab.Wait("they are shown", `document.getElementById('control-0').value === '128' && document.getElementById('control-1').checked`, patience)
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func (d *device) viewers() int { return len(d.live.Status().Viewers) }

func TestNobodyIsServedWhoDoesNotLook(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front", "yard")
	tab := open(t, d, 390, 844, "aim", "")
	shows(tab)
	hide := func(v bool) {
		tab.Eval(fmt.Sprintf(`(() => { Object.defineProperty(document, 'hidden', {value: %v, configurable: true}); document.dispatchEvent(new Event('visibilitychange')); })()`, v))
	}
	for _, away := range []struct {
		what      string
		go_, back func()
	}{
		{"hidden", func() { hide(true) }, func() { hide(false) }},
		{"at another part, on a phone", func() { tab.Do(click("tab-device")) }, func() { tab.Do(click("tab-motion")) }},
		{"left", func() { tab.Do(chromedp.Navigate("about:blank")) }, func() { tab.Do(chromedp.Navigate(d.url)) }},
	} {
		away.go_()
		eventually(t, away.what+": the session ends", func() bool { return d.viewers() == 0 })
		away.back()
		shows(tab)
	}
	tab.Eval(`(() => { const c = document.getElementById('camera'); c.value = 'yard'; c.onchange(); })()`)
	eventually(t, "the other camera is watched, and it alone", func() bool {
		v := d.live.Status().Viewers
		return len(v) == 1 && v[0].Camera == "yard"
	})
	shows(tab)
}

func TestThePictureComesBack(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	tab := open(t, d, 390, 844, "aim", "409")
	shows(tab)
	d.scenes["front"].gone.Store(true)
	tab.Wait("no picture is said, with the camera's reason", `document.getElementById('link').textContent === 'No picture' && document.getElementById('veil').textContent.includes('no pictures')`, 2*patience)
	d.scenes["front"].gone.Store(false)
	shows(tab)
}

func TestAnICERestartKeepsTheSession(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	tab := open(t, d, 390, 844, "device", "")
	tab.Eval(`(import('/page/live.js').then(({Live}) => {
		window.states = [];
		window.it = new Live({track: (s) => { const v = document.getElementById('video'); v.srcObject = s; }, message: () => {}, state: (name) => states.push(name)});
		it.watch('front');
	}), 0)`)
	tab.Wait("live", `window.states?.join() === 'connecting,live' && document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames > 5`, patience)
	tab.Eval(`(window.before = it.pc.localDescription.sdp.match(/ice-ufrag:.*/)[0], it.restart(), 0)`)
	tab.Wait("live again, with other credentials", `states.join() === 'connecting,live,connecting,live' && !it.pc.localDescription.sdp.includes(before)`, patience)
	tab.Eval(`(window.frames0 = document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames, 0)`)
	tab.Wait("the pictures go on", `document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames > frames0 + 5`, patience)
	if n := d.viewers(); n != 1 || !d.peek(func() bool { return d.offers == 1 }) {
		t.Errorf("%d viewers, and another offer than the first, perhaps; want 1 of each", n)
	}
}

func TestWithoutWebRTCThereIsMJPEGAndThePageSaysSo(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	d.noLive = true
	tab := open(t, d, 390, 844, "motion", "501")
	tab.Wait("the picture by MJPEG", `document.getElementById('mjpeg').naturalWidth === 640 && document.getElementById('link').textContent === 'MJPEG'`, patience)
	if s := tab.Eval(`document.getElementById('why').innerText`); !strings.Contains(s, "no H.264 encoder") || !strings.Contains(s, "MJPEG") {
		t.Errorf("the page says %q", s)
	}
	tab.Wait("the score comes by the status", `document.getElementById('score').textContent.startsWith('3.1 %')`, patience)
	tab.Shot("mjpeg")
	d.change(func() { d.noLive = false })
	tab.Do(click("again"))
	shows(tab)
}
