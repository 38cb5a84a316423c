package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/camio"
	"camward/internal/browser"
	"camward/internal/porttest"
)

// A plug is a network camera that can be pulled and put back.
type plug struct {
	t       *testing.T
	addr    string
	picture []byte
	srv     *http.Server
}

func newPlug(t *testing.T) *plug {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 320, 240))
	for i := range img.Pix {
		img.SetGray(i%320, i/320, color.Gray{Y: uint8(i % 251)})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	p := &plug{t: t, addr: porttest.Address(t), picture: b.Bytes()}
	t.Cleanup(p.pull)
	return p
}

func (p *plug) put() {
	p.t.Helper()
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(p.picture)
	})}
	go p.srv.Serve(ln) //nolint:errcheck // pulled
}

func (p *plug) pull() {
	if p.srv != nil {
		_ = p.srv.Close()
	}
}

// states waits until the cloud's API tells n changes of the camera, and gives them, the newest first.
func (c *cloud) states(t *testing.T, n int) (list []camio.CameraChange) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		list = nil
		if err := json.Unmarshal(c.get(t, "/api/users/me/cameras/front/states"), &list); err != nil {
			return err
		}
		if len(list) < n {
			return fmt.Errorf("%d changes, want %d: %+v", len(list), n, list)
		}
		return nil
	})
	if len(list) != n {
		t.Errorf("%d changes, want %d: %+v", len(list), n, list)
	}
	return list
}

// TestWhoeverWatchesTheCloudSeesWithinSecondsThatACameraIsLost pulls a camera from the real agent: the API's user and the page's
// see it, also what happened while the cloud was away.
func TestWhoeverWatchesTheCloudSeesWithinSecondsThatACameraIsLost(t *testing.T) {
	t.Parallel()
	p := newPlug(t)
	p.put()
	c := startCloud(t)
	d := startDevice(t, "camward", c, fmt.Sprintf("  - {name: front, source: %q}", "http://"+p.addr+"/snapshot.jpg"))
	eventually(t, 30*time.Second, func() error {
		if !strings.Contains(string(c.get(t, "/api/users/me/cameras")), `"front"`) {
			return fmt.Errorf("the cloud does not know the camera")
		}
		return nil
	})
	if l := c.states(t, 1); !l[0].IsFound || !strings.Contains(l[0].Reason, "320x240") {
		t.Errorf("at the start: %+v", l)
	}
	b := browser.Open(t, 390, 844, "ERR_CONNECTION_REFUSED") // while the cloud is away
	b.Do(chromedp.Navigate(c.account.SigninURL), chromedp.WaitVisible("main button"), chromedp.Click("main button"), chromedp.WaitVisible(".camera"), chromedp.Navigate(c.url+"/live/front"))
	b.Wait("nothing is lost", `document.querySelector('#changes').innerText.includes('Found') && !document.querySelector('#lost').innerText`, 30*time.Second)

	pulled := time.Now()
	p.pull()
	l := c.states(t, 2)
	api := time.Since(pulled)
	if l[0].IsFound || l[0].Reason == "" || l[0].Date.Before(pulled.Add(-2*time.Second)) {
		t.Errorf("after it was pulled: %+v", l[0])
	}
	b.Wait("the page says so", `document.querySelector('#lost').innerText.includes('Camera lost')`, 30*time.Second)
	t.Logf("the API told after %v, the page after %v: %q", api.Round(100*time.Millisecond), time.Since(pulled).Round(100*time.Millisecond), b.Eval(`document.querySelector('#lost').innerText`))
	b.Shot("e2e-lost")

	// It comes back while the cloud is away.
	c.stop()
	p.put()
	eventually(t, 60*time.Second, func() error {
		if s := d.status(t).Cameras[0]; s.Relay.ReportsWaiting == 0 {
			return fmt.Errorf("nothing waits for the cloud: %+v", s.Capture)
		}
		return nil
	})
	found := time.Now()
	c.start(t)
	l = c.states(t, 3)
	if !l[0].IsFound || l[0].Date.After(found) || l[0].Date.Before(pulled) || l[0].Received.Before(found.Add(-time.Second)) {
		t.Errorf("after it was put back: %+v", l)
	}
	b.Wait("the page has it back", `!document.querySelector('#lost').innerText && document.querySelector('#changes').innerText.includes('found')`, 30*time.Second)
	if text := c.get(t, "/api/users/me/cameras/front"); !strings.Contains(string(text), `"state":{"is_found":true`) {
		t.Errorf("the camera: %s", text)
	}
	b.Shot("e2e-found")
}
