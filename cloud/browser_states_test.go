package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"go.uber.org/zap"

	"camward/camio"
	"camward/cloud/cloudtest"
	"camward/internal/browser"
	"camward/live"
	"camward/live/relay"
)

// pictureless is an agent's live view that has nothing to show.
type pictureless struct{}

func (pictureless) Open(context.Context, string, string, ...live.ICEServer) (live.Answer, error) {
	return live.Answer{}, live.ErrNoPicture
}

func (pictureless) Patch(context.Context, string, string, string, string) (live.Answer, error) {
	return live.Answer{}, live.ErrNoSession
}

func (pictureless) End(string, string) error { return nil }
func (pictureless) Ready(string) error       { return nil }

// newLine is the line that the agent has to the cloud.
func newLine(t *testing.T, c *cloudtest.Cloud, camera string) *relay.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	line := relay.New("front", pictureless{}, &http.Client{Transport: tr}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- line.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	line.SetTarget(relay.Target{URL: u, Token: camio.Secret(c.Account.UploadToken), Camera: camera})
	return line
}

// lostCamera is a server with a claimed camera whose agent is connected.
func lostCamera(t *testing.T, name string) (*cloudtest.Cloud, *relay.Client) {
	t.Helper()
	c := cloudtest.New(t)
	pollAs(t, c, frontMAC, somePi)
	if err := c.Server.Claim(t.Context(), frontMAC, "test@example.com", name); err != nil {
		t.Fatal(err)
	}
	sendEvent(t, c, name, frontMAC, 10*time.Minute)
	told := pollAs(t, c, frontMAC, somePi)
	pollAs(t, c, frontMAC, somePi, reports(told, camio.StateApplied, 200, "000 Success")...)
	return c, newLine(t, c, name)
}

const frontMAC = "B827EB00AA01"

func TestInTheBrowserWhoeverLooksSeesWithinSecondsThatTheCameraIsLost(t *testing.T) {
	c, line := lostCamera(t, "front door")
	line.Report(true, time.Now(), "USB camera (usb-0000:00:14.0-1), MJPEG 1280x720, 30/s")
	b := browser.Open(t, 1280, 900, "")
	b.Do(chromedp.Navigate(c.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".camera"))
	pages := []struct{ name, path, lost, found string }{
		{"device", "/devices/" + frontMAC, `document.querySelector('.verdict.bad .fault')?.innerText.includes('no such device') && document.querySelector('.outages .open')`,
			`document.querySelector('.verdict.good') && !document.querySelector('.fault') && !document.querySelector('.outages .open')`},
		{"live", "/live/front%20door", `document.querySelector('#lost').innerText.includes('no such device') && document.querySelector('.outages .open')`, `document.querySelector('#lost').innerText === '' && !document.querySelector('.outages .open')`},
		{"home", "/", `document.querySelector('.camera .dot.bad') && document.querySelector('.camera').innerText.includes('camera lost')`, `document.querySelector('.camera .dot.on') && !document.querySelector('.camera').innerText.includes('lost')`},
	}
	for _, p := range pages {
		b.Do(chromedp.Navigate(c.URL + p.path))
		b.Wait("the page shows the camera", p.found, patience)
		b.Do(chromedp.Evaluate[chromedp.Void](`window.sameDocument = true`))
		began := time.Now()
		line.Report(false, time.Now(), "no such device")
		b.Wait(p.name+": lost", `window.sameDocument && `+p.lost, patience)
		t.Logf("%s: shown %v after it was reported", p.name, time.Since(began).Round(100*time.Millisecond))
		b.Shot("states-" + p.name + "-lost")
		line.Report(true, time.Now(), "USB camera (usb-0000:00:14.0-1), MJPEG 1280x720, 30/s")
		b.Wait(p.name+": found", `window.sameDocument && `+p.found, patience)
		b.Shot("states-" + p.name + "-found")
	}
}

// colours has the browser prefer light or dark.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

func TestLossesFitAPhoneAndAreReadableInTheDark(t *testing.T) {
	c, line := lostCamera(t, "front door")
	for i := range 14 {
		at := time.Now().Add(-time.Duration(20-i) * 10 * time.Second)
		line.Report(false, at, "read picture: no such device (the camera was unplugged or its USB bus has reset)")
		line.Report(true, at.Add(2*time.Second), "USB camera (usb-0000:00:14.0-1), MJPEG 1280x720, 30/s")
	}
	line.Report(false, time.Now(), "<b>"+fmt.Sprintf("%0150d", 0))
	until(t, "all is told", func() bool { return line.Status().ReportsWaiting == 0 })
	b := browser.Open(t, 390, 844, "")
	b.Do(chromedp.Navigate(c.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".camera"))
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1280} {
			b.Do(chromedp.EmulateViewport(width, 844), colours(scheme))
			for name, page := range map[string]string{"device": "/devices/" + frontMAC, "live": "/live/front%20door", "home": "/"} {
				b.Do(chromedp.Navigate(c.URL+page), chromedp.WaitVisible("main"))
				if s := b.Eval(`document.documentElement.scrollWidth`); s != fmt.Sprint(width) {
					t.Errorf("%s is %s pixels wide on a screen of %d", page, s, width)
				}
				b.Shot(fmt.Sprintf("states-%d-%s-%s", width, scheme, name))
				if name == "device" {
					b.Do(chromedp.Evaluate[chromedp.Void](`document.getElementById('changes').scrollIntoView()`))
					b.Shot(fmt.Sprintf("states-%d-%s-list", width, scheme))
				}
			}
		}
	}
}

func TestInTheBrowserChangesOfTheWholePictureAreListed(t *testing.T) {
	c, line := lostCamera(t, "front door")
	line.Report(true, time.Now().Add(-time.Hour), "USB camera (usb-0000:00:14.0-1), MJPEG 1280x720, 30/s")
	line.ReportScene("covered", time.Now().Add(-time.Minute), "3 times since it was told last")
	line.ReportScene("struck-by-lightning", time.Now(), "")
	b := browser.Open(t, 1000, 800, "")
	b.Do(chromedp.Navigate(c.Account.SigninURL), chromedp.WaitVisible("main button"), chromedp.Click("main button"), chromedp.WaitVisible(".camera"),
		chromedp.Navigate(c.URL+"/live/front%20door"))
	b.Wait("both stand on the page", `(t => t.includes('Camera covered') && t.includes('3 times since') && t.includes('Picture changed: struck-by-lightning'))(document.getElementById('changes').innerText)`, patience)
	b.Wait("they are no loss", `document.querySelectorAll('#changes section')[0].querySelectorAll('li').length === 1 && document.getElementById('lost').innerText === ''`, patience)
	b.Do(chromedp.Evaluate[chromedp.Void](`document.getElementById('changes').scrollIntoView()`))
	b.Shot("scenes")
}
