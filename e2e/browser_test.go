package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/internal/browser"
)

// TestAPersonWatchesTheEventInTheBrowser signs in by the link that user add prints, sees the demo scene's first event appear and plays
// its clip until the picture has really advanced.
func TestAPersonWatchesTheEventInTheBrowser(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	startDevice(t, "camward", c, `  - {name: front, source: "demo:?first=4s&every=0s", clip: {post_roll: 2s}}`)
	b := browser.Open(t, 1280, 800, "")
	b.Do(chromedp.Navigate(c.account.SigninURL), chromedp.WaitVisible("main button"), chromedp.Click("main button"))
	b.Wait("the event with its clip appears by itself", `!!document.querySelector('.event video')`, 150*time.Second)
	b.Do(chromedp.Click(".event video"))
	b.Wait("the clip plays", `document.querySelector('.event video').currentTime > 2`, 60*time.Second)
	if s := b.Eval(`document.querySelector('.event video').videoWidth + 'x' + document.querySelector('.event video').videoHeight`); s != "640x480" {
		t.Errorf("the clip is %s pixels, want 640x480", s)
	}
	b.Shot("e2e-event")
}
