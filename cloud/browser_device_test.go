package cloud_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
	"camward/internal/browser"
)

// pollAs polls as a camera does, with results if there are any, and returns the answer.
func pollAs(t testing.TB, c *cloudtest.Cloud, mac, query string, results ...camio.Result) camio.PollReply {
	t.Helper()
	method, body := "GET", ""
	if len(results) > 0 {
		b, err := json.Marshal(camio.Results{Results: results})
		if err != nil {
			t.Fatal(err)
		}
		method, body = "POST", string(b)
	}
	r := send(t, method, c.URL+"/api/cameras/"+mac+"/?"+query, body, "User-Agent: camward")
	if r.Status != 200 {
		t.Fatalf("poll of %s: %d %s", mac, r.Status, r.Body)
	}
	return decode[camio.PollReply](t, r.Body)
}

// reports makes one result of each command.
func reports(p camio.PollReply, state string, status int, answer string) []camio.Result {
	var list []camio.Result
	for _, k := range p.Commands {
		list = append(list, camio.Result{ID: k.ID, DateUpdated: k.DateUpdated, State: state, HTTPStatus: status, Answer: answer, At: camio.Time{Time: time.Now()}})
	}
	return list
}

const somePi = "maker=camward&model=Raspberry+Pi+Zero+2+W&ip_address_local=192.168.1.51"

func TestInTheBrowserAPersonClaimsACameraAndSeesItSetUp(t *testing.T) {
	c := cloudtest.New(t, func(cfg *cloud.Config) { cfg.FTPHost = "ftp.example.org" })
	b := browser.Open(t, 1280, 800, "")
	const mac = "B827EB00AA01"
	// The code that the agent shows leads to a visitor who is signed out; signing in leads back.
	b.Do(chromedp.Navigate(c.URL+"/claim/b8:27:eb:00:aa:01"), chromedp.WaitVisible("input[type=password]"), chromedp.Navigate(c.Account.SigninURL), chromedp.Click("main button"))
	b.Wait("back on the claim page", `location.pathname.startsWith('/claim/') && document.body.innerText.includes('Not heard of yet')`, patience)
	b.Shot("claim-unheard")
	pollAs(t, c, mac, somePi)
	b.Wait("the page refreshes itself", `document.querySelector('input[name=name]')`, patience)
	b.Shot("claim-ready")
	b.Do(chromedp.Navigate(c.URL+"/"), chromedp.WaitVisible(".found"))
	b.Shot("home-waiting")
	b.Do(chromedp.Click(".found .button"), chromedp.WaitVisible("input[name=name]"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector('input[name=name]').value = 'front door'`), chromedp.Click("main form button"))
	b.Wait("the camera's page", `location.pathname === '/devices/`+mac+`'`, patience)

	told := pollAs(t, c, mac, somePi)
	b.Wait("what it was told", `document.querySelectorAll('.command').length === 4`, patience)
	pollAs(t, c, mac, somePi, reports(told, camio.StateApplied, 200, "000 Success")...)
	b.Wait("all in force", `document.querySelector('.verdict.good') && document.querySelectorAll('.command.good').length === 4`, patience)
	if page := b.Eval(`document.documentElement.outerHTML`); strings.Contains(page, c.Account.UploadToken) || !strings.Contains(page, "***") {
		t.Error("the page shows the upload token")
	}
	b.Shot("device-good")

	fail := reports(told, camio.StateApplied, 200, "000 Success")
	fail[2] = camio.Result{ID: told.Commands[2].ID, DateUpdated: told.Commands[2].DateUpdated, State: camio.StateRolledBack, HTTPStatus: 200,
		Answer: "ftp.example.org:21: connection refused", At: camio.Time{Time: time.Now()}}
	fail[3].State, fail[3].HTTPStatus, fail[3].Answer = camio.StateWaiting, 0, ""
	pollAs(t, c, mac, somePi, fail...)
	b.Wait("what went wrong", `document.querySelector('.verdict.bad') && document.body.innerText.includes('rolled back') && document.body.innerText.includes('connection refused')`, patience)
	b.Shot("device-bad")
	b.Do(chromedp.Navigate(c.URL+"/claim/"+mac), chromedp.WaitVisible(".claim .button"))
	b.Shot("claim-mine")
	b.Do(chromedp.Navigate(c.URL+"/"), chromedp.WaitVisible(".camera .device"))
	b.Shot("home-device")
	b.Do(chromedp.Click(".camera .device"), chromedp.WaitVisible("button.danger"), chromedp.Click("button.danger"))
	b.Wait("released", `location.pathname === '/'`, patience)
	if p := pollAs(t, c, mac, somePi); len(p.Commands) != 2 {
		t.Errorf("after the release it is told %d commands, want ping and time", len(p.Commands))
	}
}

func TestClaimAndSetupPagesFitAPhone(t *testing.T) {
	c := cloudtest.New(t, func(cfg *cloud.Config) { cfg.FTPHost = "ftp.example.org" })
	const mac, fresh = "00E04CC27CC5", "00E04CC27CC6"
	b := browser.Open(t, 390, 844, "")
	b.Do(chromedp.Navigate(c.Account.SigninURL), chromedp.Click("main button"), chromedp.WaitVisible(".intro"))
	pollAs(t, c, mac, "maker=Sharx&model=SCNC3904&ip_address_local=192.168.1.52")
	pollAs(t, c, fresh, "maker=Hikvision&model=DS-2CD2042WD-I&ip_address_local=192.168.1.64")
	if err := c.Server.Claim(t.Context(), mac, "test@example.com", "a camera with a rather long name behind the house"); err != nil {
		t.Fatal(err)
	}
	if r := send(t, "POST", c.URL+"/api/users/me/cameras/"+url.PathEscape("a camera with a rather long name behind the house")+"/zones/door", `{"polygons":[{"points":[{"x":0.1,"y":0.1},{"x":0.9,"y":0.1},{"x":0.5,"y":0.9}]}]}`,
		"Authorization: token "+c.Account.OAuthToken); r.Status != 200 {
		t.Fatal(r.Status, r.Body)
	}
	told := pollAs(t, c, mac, "maker=camward&model=SCNC3904")
	results := reports(told, camio.StateApplied, 200, "000 Success")
	results[4].State, results[4].Answer, results[4].HTTPStatus = camio.StatePending, strings.Repeat("<b>nonsense\u202e ", 30), 500
	pollAs(t, c, mac, "maker=camward", results...)
	for name, page := range map[string]string{"claim": "/claim/" + fresh, "mine": "/claim/" + mac, "unheard": "/claim/00E04CC27CC7", "device": "/devices/" + mac, "home-found": "/"} {
		b.Do(chromedp.Navigate(c.URL+page), chromedp.WaitVisible("main"))
		if s := b.Eval(`document.documentElement.scrollWidth`); s != "390" {
			t.Errorf("%s is %s pixels wide on a phone of 390", page, s)
		}
		b.Shot("phone-" + name)
	}
	b.Do(chromedp.Navigate(c.URL+"/devices/"+mac), chromedp.WaitVisible(".command"), chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-id=zones]').scrollIntoView()`))
	b.Shot("phone-device-end")
	b.Do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(c.URL+"/account"), chromedp.Click(".rotate summary"), chromedp.WaitVisible(".rotate button"))
	b.Shot("account-rotate")
	b.Do(chromedp.Click(".rotate button"), chromedp.WaitVisible(".good"))
	b.Shot("account-rotated")
	if s := b.Eval(`document.getElementById('token').textContent`); s == c.Account.UploadToken || len(s) != 26 {
		t.Errorf("the token after its replacement: %s", s)
	}
}
