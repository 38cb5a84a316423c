//go:build cgo

package page_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"camward/internal/browser"
)

// patience bounds every wait; what is waited for comes much sooner.
const patience = 20 * time.Second

// A step is one that needs nothing but the target.
func step[P any](c cdp.Command[P, cdp.Empty], p P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, p)
		return err
	})
}

func phone(w, h int64) chromedp.Action[chromedp.Void] {
	return chromedp.EmulateViewport(w, h, chromedp.EmulateMobile, chromedp.EmulateTouch)
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return step(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// open shows the device's page with a part of it.
func open(t testing.TB, d *device, w, h int64, part string, ignore string) *browser.Tab {
	t.Helper()
	tab := browser.Open(t, w, h, ignore)
	tab.Do(chromedp.Navigate(d.url + "/#" + part))
	return tab
}

// shows waits until the picture is there.
func shows(tab *browser.Tab) {
	tab.Wait("the picture", `document.getElementById('link').textContent === 'Live' && document.getElementById('video').videoWidth > 0`, patience)
}

// place gives what a fraction of the picture is in the window.
func place(t testing.TB, tab *browser.Tab, x, y float64) (px, py float64) {
	t.Helper()
	s := tab.Eval(fmt.Sprintf(`(() => {
		const r = document.getElementById('video').getBoundingClientRect(), v = document.getElementById('video');
		const k = Math.min(r.width / v.videoWidth, r.height / v.videoHeight), w = v.videoWidth * k, h = v.videoHeight * k;
		return [r.left + (r.width - w) / 2 + w * %g, r.top + (r.height - h) / 2 + h * %g].join(' ');
	})()`, x, y))
	if _, err := fmt.Sscan(s, &px, &py); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return px, py
}

// A pointer draws on the picture.
type pointer func(typ string, x, y float64) chromedp.Action[chromedp.Void]

func mouse(typ string, x, y float64) chromedp.Action[chromedp.Void] {
	p := input.DispatchMouseEventParams{Type: input.DispatchMouseEventType(map[string]string{"down": "mousePressed", "move": "mouseMoved", "up": "mouseReleased"}[typ]), X: x, Y: y, Button: "left", ClickCount: 1}
	if typ != "up" {
		p.Buttons = 1
	}
	return step(input.DispatchMouseEvent, p)
}

func finger(typ string, x, y float64) chromedp.Action[chromedp.Void] {
	p := input.DispatchTouchEventParams{Type: input.DispatchTouchEventType(map[string]string{"down": "touchStart", "move": "touchMove", "up": "touchEnd"}[typ]), TouchPoints: []*input.TouchPoint{}}
	if typ != "up" {
		p.TouchPoints = []*input.TouchPoint{{X: x, Y: y, ID: ptr(0.0)}}
	}
	return step(input.DispatchTouchEvent, p)
}

func ptr[T any](v T) *T { return &v }

// tap presses and lets go at fractions of the picture, one after the other; drag goes from the first to the last.
func (p pointer) tap(t testing.TB, tab *browser.Tab, at ...[2]float64) {
	t.Helper()
	for _, q := range at {
		x, y := place(t, tab, q[0], q[1])
		tab.Do(p("down", x, y), p("up", x, y))
	}
}

func (p pointer) drag(t testing.TB, tab *browser.Tab, from, to [2]float64) {
	t.Helper()
	x, y := place(t, tab, from[0], from[1])
	u, v := place(t, tab, to[0], to[1])
	tab.Do(p("down", x, y), p("move", (x+u)/2, (y+v)/2), p("move", u, v), p("up", u, v))
}

// readMark reads the number out of what the page shows (video.ReadMark), without its check sum.
const readMark = `(() => {
	const v = document.getElementById('video'), w = v.videoWidth, h = v.videoHeight, y0 = (h - 16) & ~7;
	const c = new OffscreenCanvas(w, h).getContext('2d');
	c.drawImage(v, 0, 0);
	const d = c.getImageData(8, y0, 256, 8).data;
	let n = 0;
	for (let i = 0; i < 24; i++) {
		let sum = 0;
		for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) sum += (y < 4 ? 1 : -1) * d[(y * 256 + 8 * i + x) * 4];
		n = n * 2 + (sum > 0 ? 1 : 0);
	}
	return n;
})()`

// shown is the number in the picture that is shown now, and what it is at the camera.
func shown(t testing.TB, tab *browser.Tab, s *scene) (n, at uint32) {
	t.Helper()
	v, err := strconv.ParseUint(tab.Eval(readMark), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v), s.number.Load()
}

func TestThePictureIsTheCamerasAndMoves(t *testing.T) {
	d := newDevice(t, "front")
	tab := open(t, d, 390, 844, "aim", "")
	shows(tab)
	tab.Wait("a second of pictures", `document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames > 15`, patience)
	first, at := shown(t, tab, d.scenes["front"])
	if first > at || first+15 < at {
		t.Errorf("the page shows picture %d, the camera %d", first, at)
	}
	for n := first; n <= first; n, _ = shown(t, tab, d.scenes["front"]) {
		time.Sleep(50 * time.Millisecond)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 0.006 }

func sameShape(a [][2]float64, b ...[2]float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !near(a[i][0], b[i][0]) || !near(a[i][1], b[i][1]) {
			return false
		}
	}
	return true
}

func click(id string) chromedp.Action[chromedp.Void] { return chromedp.Click("#" + id) }

func TestAnAreaIsDrawnOnThePicture(t *testing.T) {
	for _, tt := range []struct {
		name    string
		w, h    int64
		mobile  bool
		pointer pointer
	}{
		{"by mouse in a large window", 1280, 800, false, mouse},
		{"by finger on a phone", 390, 844, true, finger},
		{"by finger on a phone held across, with bars beside the picture", 844, 390, true, finger},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t, "front")
			tab := browser.Open(t, tt.w, tt.h, "")
			if tt.mobile {
				tab.Do(phone(tt.w, tt.h))
			}
			tab.Do(chromedp.Navigate(d.url + "/#motion"))
			shows(tab)
			tab.Wait("the areas are known", `!document.getElementById('draw').disabled`, patience)
			tab.Do(click("draw"), click("add-include"))
			tt.pointer.tap(t, tab, [2]float64{0.2, 0.2}, [2]float64{0.8, 0.2}, [2]float64{0.8, 0.7}, [2]float64{0.3, 0.8}, [2]float64{0.2, 0.2})
			tt.pointer.drag(t, tab, [2]float64{0.8, 0.7}, [2]float64{0.9, 0.6})
			tt.pointer.drag(t, tab, [2]float64{0.5, 0.2}, [2]float64{0.5, 0.1}) // the middle of an edge becomes a corner
			tab.Do(click("add-exclude"))
			tt.pointer.tap(t, tab, [2]float64{0.4, 0.4}, [2]float64{0.6, 0.4}, [2]float64{0.5, 0.6})
			tab.Shot("zones " + tt.name)
			tab.Do(click("save"))
			tab.Wait("saved", `document.getElementById('tools').hidden && document.getElementById('areas').textContent === '1 watched area, 1 ignored area.'`, patience)
			d.mu.Lock()
			defer d.mu.Unlock()
			if len(d.puts) != 1 {
				t.Fatalf("%d PUTs, want 1", len(d.puts))
			}
			got := d.puts[0]
			if len(got.Include) != 1 || !sameShape(got.Include[0], [2]float64{0.2, 0.2}, [2]float64{0.5, 0.1}, [2]float64{0.8, 0.2}, [2]float64{0.9, 0.6}, [2]float64{0.3, 0.8}) {
				t.Errorf("include %v", got.Include)
			}
			if len(got.Exclude) != 1 || !sameShape(got.Exclude[0], [2]float64{0.4, 0.4}, [2]float64{0.6, 0.4}, [2]float64{0.5, 0.6}) {
				t.Errorf("exclude %v", got.Exclude)
			}
			if got.MinArea != 0.001 || got.MinContrast != 6 || got.MinDuration != 300 {
				t.Errorf("the rest became %+v", got)
			}
		})
	}
}
