//go:build cgo

package page_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"camward/internal/browser"
)

// busy makes a device that has something to show everywhere.
func busy(t testing.TB) *device {
	t.Helper()
	d := newDevice(t, "front door", "yard")
	d.scenes["front door"].says(seen(true, 0.45, 0.3, 0.6, 0.75), looks(412.7, 0.41, 0.02, 0.01))
	d.detection["front door"] = detection{
		Include: [][][2]float64{{{0.1, 0.15}, {0.9, 0.15}, {0.9, 0.95}, {0.1, 0.95}}},
		Exclude: [][][2]float64{{{0.15, 0.2}, {0.35, 0.2}, {0.3, 0.45}, {0.15, 0.4}}}, MinArea: 0.001, MinContrast: 6, MinDuration: 300, From: "page",
	}
	d.queue = []obj{
		{"id": 7, "state": "sending", "kind": "clip", "camera": "0011223344AA", "name": "2026-03-01T10-11-12.mp4", "size": 2_400_000, "age_seconds": 31, "tries": 0},
		{"id": 6, "state": "waiting", "kind": "clip", "camera": "0011223344AA", "name": "2026-03-01T10-01-02.mp4", "size": 5_200_000, "age_seconds": 640, "tries": 3, "last_error": "connect cloud.example.com: connection refused"},
		{"id": 3, "state": "quarantined", "kind": "snapshot", "camera": "0011223344AA.1", "name": "2026-03-01T08-01-02.jpg", "size": 48_000, "age_seconds": 9000, "tries": 1, "last_error": "the server says 422"},
	}
	d.claimed = false
	d.commands = []obj{
		{"id": "ftp", "method": "GET", "path": "/form/setFtp?server=ftp.example.net&user=***", "state": "waiting", "needs_approval": true, "tries": 0},
		{"id": "ntp", "method": "GET", "path": "/form/setNtp?server=pool.ntp.org", "state": "applied", "tries": 1, "answer": "OK"},
	}
	for i, l := range []string{"info", "info", "warn", "info", "error", "info"} {
		d.log(l, []string{"camward starts", "listening", "transfer failed, will retry", "signed in", "the spool cannot be written", "clip finished"}[i], obj{"camera": "front door", "try": i})
	}
	return d
}

// TestLooks leaves screenshots where CAMWARD_SHOTS names a directory: every part, on a phone and a desk, by day and by night.
func TestLooks(t *testing.T) {
	if os.Getenv("CAMWARD_SHOTS") == "" {
		t.Skip("not run: CAMWARD_SHOTS names no directory for screenshots")
	}
	d := busy(t)
	for _, size := range []struct {
		name string
		w, h int64
	}{{"phone", 390, 844}, {"desk", 1280, 800}} {
		tab := browser.Open(t, size.w, size.h, "")
		for _, light := range []string{"light", "dark"} {
			tab.Do(scheme(light))
			for _, part := range []string{"aim", "motion", "upload", "device"} {
				tab.Do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.url+"/#"+part))
				tab.Wait("the status", `document.getElementById('camera').options.length === 2`, patience)
				if part == "aim" || part == "motion" {
					shows(tab)
					tab.Wait("the detector", `document.getElementById('focus').textContent === '413' && document.getElementById('badge').textContent`, patience)
				} else {
					tab.Wait("its content", `document.querySelector('#queue li, #log div') && document.querySelector('#facts div')`, patience)
				}
				tab.Shot(fmt.Sprintf("%s-%s-%s", size.name, part, light))
				if size.name == "phone" {
					tab.Do(chromedp.EmulateViewport(size.w, 1800))
					tab.Shot(fmt.Sprintf("%s-%s-%s-long", size.name, part, light))
					tab.Do(chromedp.EmulateViewport(size.w, size.h))
				}
			}
		}
	}
}
