package cloud_test

import (
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/internal/browser"
)

// goesOn is true once the video has painted so many pictures.
const goesOn = `(v => v.videoWidth === 320 && !v.paused && v.getVideoPlaybackQuality().totalVideoFrames > 20)(document.querySelector('.watch video'))`

// looks collects the different pictures that are painted, by a few points of each, into window.looks.
const looks = `(() => {
	const v = document.querySelector('.watch video'), c = new OffscreenCanvas(32, 24).getContext('2d', {willReadFrequently: true});
	window.looks = new Set();
	const look = () => { c.drawImage(v, 0, 0, 32, 24); window.looks.add(c.getImageData(0, 0, 32, 24).data.join()); v.requestVideoFrameCallback(look); };
	v.requestVideoFrameCallback(look);
})()`

func TestInTheBrowserAPersonWatchesACameraLive(t *testing.T) {
	r := newLiveRig(t, withTURN)
	r.runTURN()
	b := browser.Open(t, 1280, 800, "Failed to load resource")
	const mac = "00E04CC27CC5"
	if err := r.Server.Claim(t.Context(), mac, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	pollAs(t, r.Cloud, mac, somePi)
	b.Do(chromedp.Navigate(r.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".camera"))
	if s := b.Eval(`document.querySelectorAll('.camera .live').length`); s != "0" {
		t.Errorf("%s cameras can be watched before they are connected", s)
	}
	b.Do(chromedp.Navigate(r.URL+"/devices/"+mac), chromedp.WaitVisible(".watch .begin"))
	b.Shot("live-absent")
	b.Do(chromedp.Click(".watch .begin"))
	b.Wait("it says that the camera is not connected", `document.querySelector('.watch .fault')?.textContent.includes('not connected') && !document.querySelector('.watch .begin').hidden`, patience)

	p := r.connectPeer(false)
	b.Do(chromedp.Click(".watch .begin"))
	b.Wait("the picture moves", goesOn, patience)
	b.Wait("the fault is gone", `document.querySelector('.watch [role=status]').textContent === ''`, patience)
	b.Shot("live-desktop")
	b.Do(chromedp.Evaluate[chromedp.Void](looks))
	b.Wait("picture after picture is another", `window.looks.size > 20`, patience)
	b.Wait("the page renews itself around it", goesOn, patience)

	// The connection breaks: a way is found again, by itself.
	p.breakAll()
	b.Wait("the loss is told", `document.querySelector('.watch [role=status]').textContent.includes('lost')`, 40*time.Second)
	b.Wait("the picture is back", `document.querySelector('.watch [role=status]').textContent === '' && `+goesOn, 60*time.Second)

	// The camera's connection breaks too, and comes back.
	p.close()
	p.breakAll()
	b.Wait("the loss is told", `document.querySelector('.watch [role=status]').textContent.includes('Trying again')`, 40*time.Second)
	p = r.connectPeer(false)
	b.Wait("the picture is back once the camera is", `document.querySelector('.watch [role=status]').textContent === '' && `+goesOn, 60*time.Second)

	b.Do(chromedp.Click(".watch .end"))
	until(t, "the session is ended", func() bool { return p.sessions() == 0 })
	if s := b.Eval(`document.querySelector('.watch video').hidden && !document.querySelector('.watch .begin').hidden`); s != "true" {
		t.Error("the picture stays")
	}
}

func TestInTheBrowserLiveViewStopsWhileThePageIsHidden(t *testing.T) {
	r := newLiveRig(t)
	p := r.connectPeer(false)
	b := browser.Open(t, 390, 844, "")
	b.Do(chromedp.Navigate(r.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".camera .live"))
	b.Shot("phone-live-home")
	b.Do(chromedp.Click(".camera .live"), chromedp.WaitVisible(".watch .begin"))
	b.Shot("phone-live-before")
	b.Do(chromedp.Click(".watch .begin"))
	b.Wait("the picture moves", goesOn, patience)
	if s := b.Eval(`document.documentElement.scrollWidth`); s != "390" {
		t.Errorf("the page is %s pixels wide on a phone of 390", s)
	}
	b.Shot("phone-live")
	hide := func(hidden bool) {
		b.Do(chromedp.Evaluate[chromedp.Void](`Object.defineProperty(document, 'hidden', {value: ` + strconv.FormatBool(hidden) + `, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))`))
	}
	hide(true)
	until(t, "the session is ended", func() bool { return p.sessions() == 0 })
	hide(false)
	b.Wait("the picture moves again", goesOn, patience)
	b.Do(chromedp.Navigate(r.URL + "/account"))
	until(t, "leaving the page ends the session", func() bool { return p.sessions() == 0 })
}

func TestInTheBrowserLiveViewPassesThroughTheRelay(t *testing.T) {
	r := newLiveRig(t, withTURN)
	r.runTURN()
	put(t, r.Cloud, "back yard/näht", stamp(2, ".jpeg"), "camera_id=9", picture(t, 64, 48, 1))
	r.camera = "back yard/näht"
	r.connectPeer(true)
	b := browser.Open(t, 1280, 800, "")
	b.Do(chromedp.Navigate(r.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".camera"))
	b.Do(chromedp.Navigate(r.URL+"/live/"+url.PathEscape(r.camera)), chromedp.Click(".watch .begin"))
	b.Wait("the picture moves", goesOn, patience)
	if st := r.Server.Status(); st.Relays == 0 || st.Relayed < 10_000 {
		t.Errorf("status: %+v", st)
	}
	b.Shot("live-page")
	b.Do(chromedp.Click(".watch .end"))
}

// sessions is how many viewers the camera has.
func (p *peerCamera) sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.peers)
}

// breakAll ends all peer connections without a word to the viewers.
func (p *peerCamera) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, pc := range p.peers {
		pc.GracefulClose()
		delete(p.peers, id)
	}
}
