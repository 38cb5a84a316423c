package cloud_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/camio"
	"camward/cloud/cloudtest"
	"camward/internal/browser"
)

// patience is how long a page may take to show what it should.
const patience = 30 * time.Second

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
	b := browser.Open(t, 1280, 800, "")
	b.Do(chromedp.Navigate(c.Account.SigninURL), chromedp.WaitVisible("main button"))
	b.Shot("link")
	b.Do(chromedp.Click("main button"), chromedp.WaitVisible(".intro"))
	b.Shot("empty")

	// The first event brings its camera and shows up by itself.
	sendEvent(t, c, "front", "1", time.Minute)
	b.Wait("the first event arrives", `document.querySelectorAll('.event').length === 1 && !!document.querySelector('.filter')`, patience)
	b.Do(chromedp.Evaluate[chromedp.Void](`window.sameDocument = true`))
	sendEvent(t, c, "back yard", "2", 3*time.Second)
	b.Wait("the second arrives on the same page, above the first", `window.sameDocument && document.querySelectorAll('.event').length === 2 &&
		document.querySelector('.event b').textContent === 'back yard' && document.querySelectorAll('.camera').length === 2`, patience)
	b.Wait("pictures load", `[...document.images].every(i => i.complete && i.naturalWidth > 0)`, patience)
	if s := b.Eval(`document.querySelector('.event time').textContent`); len(s) < 8 || s[:5] != "Today" {
		t.Errorf("the event's time reads %q", s)
	}

	b.Do(chromedp.Click(".event video"))
	b.Wait("the clip plays", `document.querySelector('.event video').currentTime > 1.5`, patience)
	if s := b.Eval(`document.querySelector('.event video').videoWidth`); s != "160" {
		t.Errorf("the clip is %s pixels wide, want 160", s)
	}
	b.Shot("home")

	b.Do(chromedp.Evaluate[chromedp.Void](`(f => { f.camera.value = 'front'; f.camera.dispatchEvent(new Event('change', {bubbles: true})); })(document.forms.filter)`))
	b.Wait("the filter shows one camera's events", `location.search === '?camera=front' && document.querySelectorAll('.event').length === 1`, patience)
	b.Do(chromedp.Evaluate[chromedp.Void](`(f => { f.day.value = '2001-01-01'; f.day.dispatchEvent(new Event('change', {bubbles: true})); })(document.forms.filter)`))
	b.Wait("a day without events says so", `location.search.includes('day=2001-01-01') && document.body.innerText.includes('No events here')`, patience)
	b.Shot("filtered")
}

func TestPagesFitAPhone(t *testing.T) {
	c := cloudtest.New(t)
	for i := range 3 {
		sendEvent(t, c, "front door", "1", time.Duration(i+1)*time.Minute)
		sendEvent(t, c, "garage", "2", time.Duration(i+1)*30*time.Hour)
	}
	put(t, c, "garage", "", "camera_id=2&img_type=h", still(t, "5"))
	b := browser.Open(t, 390, 844, "/nothing")
	b.Do(chromedp.Navigate(c.URL+"/signin"), chromedp.WaitVisible("form"))
	b.Shot("phone-signin")
	b.Do(chromedp.Navigate(c.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".event"))
	for _, page := range []string{"/", "/account", "/?all=1", "/nothing"} {
		b.Do(chromedp.Navigate(c.URL + page))
		b.Wait("pictures load", `[...document.images].filter(i => i.getBoundingClientRect().top < innerHeight).every(i => i.complete && i.naturalWidth > 0)`, patience)
		if s := b.Eval(`document.documentElement.scrollWidth`); s != "390" {
			t.Errorf("%s is %s pixels wide on a phone of 390", page, s)
		}
		b.Shot("phone-" + map[string]string{"/": "home", "/account": "account", "/?all=1": "all", "/nothing": "problem"}[page])
	}
	b.Do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(c.URL+"/account"), chromedp.Click("summary"))
	b.Wait("the token shows", `document.getElementById('token').checkVisibility() && document.getElementById('token').innerText === '`+c.Account.UploadToken+`'`, patience)
	b.Shot("account")
	b.Do(chromedp.Navigate(c.URL + "/"))
	b.Wait("pictures load", `[...document.images].every(i => i.complete && i.naturalWidth > 0)`, patience)
	b.Shot("home-many")
}
