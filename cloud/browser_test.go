package cloud_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/camio"
	"camward/cloud/cloudtest"
)

// tab is a headless Chromium window.
type tab struct {
	t       *testing.T
	ctx     context.Context
	console []string
}

// openTab starts Debian's Chromium with a window of w x h pixels; it ends with the test.
func openTab(t *testing.T, w, h int64) *tab {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	b.do(chromedp.EmulateViewport(w, h)) // the first run must not have a timeout
	// Whatever the console reports is a fault of ours: exceptions, blocked by the policy, not found.
	listening, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		messages := chromedp.Console(ctx)
		close(listening)
		for m, err := range messages {
			if err != nil {
				return
			}
			b.console = append(b.console, fmt.Sprint(m.Type, ": ", m.Text, " ", m.URL))
		}
	}()
	<-listening
	t.Cleanup(func() {
		cancel()
		<-done
		for _, m := range b.console {
			if !strings.Contains(m, "/nothing") {
				t.Errorf("console: %s", m)
			}
		}
	})
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// wait asks until an expression is true on a page that is loaded and whose script has run, also while it reloads.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	var ok bool
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if ok, err = chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.readyState === 'complete' && !!(`+expression+`)`)); ok && err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond) // the browser gives no sign to wait for
	}
	page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.t.Fatalf("%s: not within 30 s (%v); the page says\n%s", what, err, page)
}

func (b *tab) eval(expression string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`String(`+expression+`)`))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// shot keeps a screenshot in the directory that CAMWARD_SHOTS names, for a person to look at.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("CAMWARD_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// still is a large test picture made by ffmpeg.
func still(t *testing.T, second string) []byte {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-ss", second, "-f", "lavfi", "-i", "testsrc2=s=640x480:r=15:d=9", "-frames:v", "1", "-f", "mjpeg", "-").Output()
	if err != nil {
		t.Fatal("ffmpeg: ", err)
	}
	return out
}

// sendEvent uploads a snapshot and a clip of an event that began so long ago.
func sendEvent(t *testing.T, c *cloudtest.Cloud, camera, id string, ago time.Duration) {
	t.Helper()
	at := time.Now().Add(-ago)
	put(t, c, camera, camio.FormatTime(at.Add(2*time.Second))+".jpeg", "upload_mode=video&camera_id="+id, still(t, "2"))
	put(t, c, camera, camio.FormatTime(at)+".mp4", "upload_mode=video&camera_id="+id, movie(t, 4))
}

func TestInTheBrowserAPersonSignsInSeesEventsAndPlaysAClip(t *testing.T) {
	c := cloudtest.New(t)
	b := openTab(t, 1280, 800)
	b.do(chromedp.Navigate(c.Account.SigninURL), chromedp.WaitVisible("main button"))
	b.shot("link")
	b.do(chromedp.Click("main button"), chromedp.WaitVisible(".intro"))
	b.shot("empty")

	// The first event brings its camera and shows up by itself.
	sendEvent(t, c, "front", "1", time.Minute)
	b.wait("the first event arrives", `document.querySelectorAll('.event').length === 1 && !!document.querySelector('.filter')`)
	b.do(chromedp.Evaluate[chromedp.Void](`window.sameDocument = true`))
	sendEvent(t, c, "back yard", "2", 3*time.Second)
	b.wait("the second arrives on the same page, above the first", `window.sameDocument && document.querySelectorAll('.event').length === 2 &&
		document.querySelector('.event b').textContent === 'back yard' && document.querySelectorAll('.camera').length === 2`)
	b.wait("pictures load", `[...document.images].every(i => i.complete && i.naturalWidth > 0)`)
	if s := b.eval(`document.querySelector('.event time').textContent`); len(s) < 8 || s[:5] != "Today" {
		t.Errorf("the event's time reads %q", s)
	}

	b.do(chromedp.Click(".event video"))
	b.wait("the clip plays", `document.querySelector('.event video').currentTime > 1.5`)
	if s := b.eval(`document.querySelector('.event video').videoWidth`); s != "160" {
		t.Errorf("the clip is %s pixels wide, want 160", s)
	}
	b.shot("home")

	b.do(chromedp.Evaluate[chromedp.Void](`(f => { f.camera.value = 'front'; f.camera.dispatchEvent(new Event('change', {bubbles: true})); })(document.forms.filter)`))
	b.wait("the filter shows one camera's events", `location.search === '?camera=front' && document.querySelectorAll('.event').length === 1`)
	b.do(chromedp.Evaluate[chromedp.Void](`(f => { f.day.value = '2001-01-01'; f.day.dispatchEvent(new Event('change', {bubbles: true})); })(document.forms.filter)`))
	b.wait("a day without events says so", `location.search.includes('day=2001-01-01') && document.body.innerText.includes('No events here')`)
	b.shot("filtered")
}

func TestPagesFitAPhone(t *testing.T) {
	c := cloudtest.New(t)
	for i := range 3 {
		sendEvent(t, c, "front door", "1", time.Duration(i+1)*time.Minute)
		sendEvent(t, c, "garage", "2", time.Duration(i+1)*30*time.Hour)
	}
	put(t, c, "garage", "", "camera_id=2&img_type=h", still(t, "5"))
	b := openTab(t, 390, 844)
	b.do(chromedp.Navigate(c.URL+"/signin"), chromedp.WaitVisible("form"))
	b.shot("phone-signin")
	b.do(chromedp.Navigate(c.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".event"))
	for _, page := range []string{"/", "/account", "/?all=1", "/nothing"} {
		b.do(chromedp.Navigate(c.URL + page))
		b.wait("pictures load", `[...document.images].filter(i => i.getBoundingClientRect().top < innerHeight).every(i => i.complete && i.naturalWidth > 0)`)
		if s := b.eval(`document.documentElement.scrollWidth`); s != "390" {
			t.Errorf("%s is %s pixels wide on a phone of 390", page, s)
		}
		b.shot("phone-" + map[string]string{"/": "home", "/account": "account", "/?all=1": "all", "/nothing": "problem"}[page])
	}
	b.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(c.URL+"/account"), chromedp.Click("summary"))
	b.wait("the token shows", `document.getElementById('token').checkVisibility() && document.getElementById('token').innerText === '`+c.Account.UploadToken+`'`)
	b.shot("account")
	b.do(chromedp.Navigate(c.URL + "/"))
	b.wait("pictures load", `[...document.images].every(i => i.complete && i.naturalWidth > 0)`)
	b.shot("home-many")
}
