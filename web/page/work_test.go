//go:build cgo

package page_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestAreasAreChangedUndoneAndRefused(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	square := [][2]float64{{0.2, 0.2}, {0.6, 0.2}, {0.6, 0.6}, {0.2, 0.6}}
	d.detection["front"] = detection{Include: [][][2]float64{square}, Exclude: [][][2]float64{}, MinArea: 0.001, MinContrast: 6, From: "cloud"}
	tab := open(t, d, 1280, 800, "motion", "422")
	shows(tab)
	tab.Wait("the area is told", `document.getElementById('areas').textContent === '1 watched area.' && document.getElementById('detection-state').textContent.includes('cloud')`, patience)
	p := pointer(mouse)
	puts := func() (list []detection) {
		d.change(func() { list = slices.Clone(d.puts) })
		return list
	}
	last := func() detection { return puts()[len(puts())-1] }
	save := func(what string, n int) {
		t.Helper()
		tab.Do(click("save"))
		tab.Wait(what, `document.getElementById('tools').hidden`, patience)
		if got := len(puts()); got != n {
			t.Fatalf("%s: %d PUTs, want %d", what, got, n)
		}
	}
	tab.Do(click("draw"))
	p.tap(t, tab, [2]float64{0.6, 0.6})
	tab.Do(click("delete"))
	p.drag(t, tab, [2]float64{0.2, 0.6}, [2]float64{0.5, 0.9})
	tab.Do(click("undo"))
	p.drag(t, tab, [2]float64{0.3, 0.3}, [2]float64{0.4, 0.5}) // the whole area
	save("a corner less, moved", 1)
	if got := last().Include; len(got) != 1 || !sameShape(got[0], [2]float64{0.3, 0.4}, [2]float64{0.7, 0.4}, [2]float64{0.3, 0.8}) {
		t.Errorf("include %v", got)
	}
	// By keyboard alone.
	tab.Do(chromedp.Focus("#draw"), chromedp.KeyEvent(kb.Enter), chromedp.Focus("#add-exclude"), chromedp.KeyEvent(kb.Enter))
	tab.Do(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.PageDown), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	tab.Wait("the canvas has the focus", `document.activeElement.id === 'overlay'`, patience)
	save("an area by keyboard", 2)
	if got := last().Exclude; len(got) != 1 || !sameShape(got[0], [2]float64{0.29, 0.32}, [2]float64{0.69, 0.3}, [2]float64{0.69, 0.7}, [2]float64{0.29, 0.7}) {
		t.Errorf("exclude %v", got)
	}
	// What the camera refuses is told, and nothing is lost.
	tab.Do(click("draw"), click("add-exclude"))
	p.tap(t, tab, [2]float64{0.01, 0.01}, [2]float64{0.99, 0.01}, [2]float64{0.99, 0.99}, [2]float64{0.01, 0.99})
	tab.Do(click("save"))
	tab.Wait("the refusal", `document.getElementById('zone-error').textContent === 'Not saved: include and exclude together leave no part of the picture'`, patience)
	tab.Do(click("cancel"))
	tab.Wait("as it was", `document.getElementById('tools').hidden && document.getElementById('areas').textContent === '1 watched area, 1 ignored area.'`, patience)
	tab.Do(click("configured"))
	tab.Wait("the configuration's", `document.getElementById('areas').textContent === 'The whole picture is watched.'`, patience)
}

func TestAHiddenAreaIsDrawnBlackAndSavedForItself(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	tab := open(t, d, 390, 844, "motion", "400") // which is how the camera refuses
	tab.Do(phone(390, 844))
	shows(tab)
	tab.Wait("the areas", `document.getElementById('areas').textContent === 'The whole picture is watched.' && document.getElementById('unhide').hidden`, patience)
	hidden := func() (areas [][][2]float64) {
		d.change(func() { areas = d.hidden["front"] })
		return areas
	}
	isBlack := func(what string, x, y float64) {
		t.Helper()
		tab.Wait(what, fmt.Sprintf(`(() => {
			const o = document.getElementById('overlay'), c = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
			c.drawImage(o, -Math.round(o.width * %g), -Math.round(o.height * %g));
			return c.getImageData(0, 0, 1, 1).data.join() === '0,0,0,255';
		})()`, x, y), patience)
	}
	p := pointer(finger)
	save := func(what, areas string) {
		t.Helper()
		tab.Do(click("save"))
		tab.Wait(what, `document.getElementById('tools').hidden && document.getElementById('areas').textContent === '`+areas+`'`, patience)
	}
	tab.Do(click("draw"), click("add-privacy"))
	if s := tab.Eval(`document.getElementById('hint').textContent`); s != "Tap the corners of the part to hide: at least 3." {
		t.Errorf("hint %q", s)
	}
	p.tap(t, tab, [2]float64{0.01, 0.01}, [2]float64{0.5, 0.01}, [2]float64{0.5, 0.5}, [2]float64{0.01, 0.5})
	tab.Shot("hide-draft")
	save("hidden by finger", "The whole picture is watched, 1 hidden area.")
	if got := hidden(); len(got) != 1 || !sameShape(got[0], [2]float64{0, 0}, [2]float64{0.5, 0}, [2]float64{0.5, 0.5}, [2]float64{0, 0.5}) {
		t.Errorf("hidden %v", got)
	}
	isBlack("it is drawn black", 0.25, 0.25)
	// By keyboard, while it can still be changed like any other.
	tab.Do(chromedp.Focus("#draw"), chromedp.KeyEvent(kb.Enter), chromedp.Focus("#add-privacy"), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.ArrowRight))
	isBlack("black at once", 0.6, 0.6)
	tab.Shot("hide-picked")
	save("another one", "The whole picture is watched, 2 hidden areas.")
	if got := hidden(); len(got) != 2 || !sameShape(got[1], [2]float64{0.31, 0.3}, [2]float64{0.71, 0.3}, [2]float64{0.71, 0.7}, [2]float64{0.31, 0.7}) {
		t.Errorf("hidden %v", got)
	}
	tab.Do(click("draw"), chromedp.Focus("#add-privacy"), chromedp.KeyEvent(kb.Enter), click("save"))
	tab.Wait("the refusal", `document.getElementById('zone-error').textContent === 'Not saved: privacy: 3 polygons, at most 2'`, patience)
	tab.Do(click("cancel"))
	tab.Wait("as it was", `document.getElementById('areas').textContent === 'The whole picture is watched, 2 hidden areas.'`, patience)
	if d.peek(func() bool { return len(d.puts) > 0 }) {
		t.Error("the detector's settings were sent, too")
	}
	tab.Do(click("draw"), click("add-exclude"))
	p.tap(t, tab, [2]float64{0.8, 0.1}, [2]float64{0.95, 0.1}, [2]float64{0.95, 0.4})
	save("ignored is another matter", "The whole picture is watched, 1 ignored area, 2 hidden areas.")
	tab.Shot("hide-saved")
	tab.Do(click("configured"))
	tab.Wait("what is hidden stays", `document.getElementById('areas').textContent === 'The whole picture is watched, 2 hidden areas.'`, patience)
	tab.Do(click("unhide"))
	tab.Wait("the configuration's", `document.getElementById('areas').textContent === 'The whole picture is watched.' && document.getElementById('unhide').hidden`, patience)
	if hidden() != nil {
		t.Error("the camera was not told")
	}
}

func TestSensitivityIsInForceAtOnce(t *testing.T) {
	d := newDevice(t, "front")
	tab := open(t, d, 390, 844, "motion", "")
	tab.Wait("settings", `!document.getElementById('contrast').disabled`, patience)
	if s := tab.Eval(`['contrast', 'area', 'duration'].map((id) => document.getElementById(id + '-value').textContent).join('|')`); s != "6 levels|0.10 %|300 ms" {
		t.Errorf("values %s", s)
	}
	slide := func(id string, v int) {
		tab.Eval(fmt.Sprintf(`(() => { const s = document.getElementById('%s'); s.value = %d; s.dispatchEvent(new Event('input', {bubbles: true})); })()`, id, v))
	}
	slide("contrast", 12)
	slide("area", 100)
	slide("duration", 50)
	eventually(t, "all three arrive", func() bool {
		return d.peek(func() bool {
			g := d.detection["front"]
			return g.MinContrast == 12 && g.MinArea == 0.5 && g.MinDuration == 2500 && g.From == "page"
		})
	})
	tab.Wait("it is said", `document.getElementById('duration-value').textContent === '2.5 s' && document.getElementById('detection-state').textContent === 'Set on this page, in force now.'`, patience)
	tab.Do(chromedp.Focus("#contrast"), chromedp.KeyEvent(kb.ArrowRight))
	eventually(t, "a key moves it", func() bool {
		return d.peek(func() bool { return d.detection["front"].MinContrast == 12.5 && d.detection["front"].MinArea == 0.5 })
	})
}

func TestUploadsCommandsAndTokensAreLookedAfter(t *testing.T) {
	t.Parallel()
	d := busy(t)
	tab := open(t, d, 390, 844, "upload", "")
	tab.Wait("the queue", `document.querySelectorAll('#queue li').length === 3 && document.getElementById('queue-state').textContent.includes('connection refused')`, patience)
	tab.Wait("how to claim", `document.getElementById('pin').textContent === '4711' && document.getElementById('qr').naturalWidth > 0 && document.getElementById('claim-url').href === 'https://cloud.example.com/claim/0011223344AA'`, patience)
	tab.Do(click("retry"))
	tab.Wait("they are sent", `[...document.querySelectorAll('#queue .pill')].map((e) => e.textContent).join() === 'is being sent,is being sent,is being sent'`, patience)
	tab.Do(chromedp.Click(`#commands button[aria-label="Approve ftp"]`))
	tab.Wait("the command is applied", `document.querySelector('#commands .pill').textContent === 'applied' && !document.querySelector('#commands button')`, patience)
	d.change(func() {
		if got := strings.Join(d.decided, ","); got != "approve ftp" || d.retried != 1 {
			t.Errorf("decided %q, %d retries", got, d.retried)
		}
	})
	d.change(func() { d.commands[0]["needs_approval"], d.commands[0]["state"] = true, "waiting" })
	tab.Do(chromedp.Click(`#commands button[aria-label="Refuse ftp"]`))
	tab.Wait("the command is refused", `document.querySelector('#commands .pill').textContent === 'refused'`, patience)

	tab.Do(chromedp.SendKeys("#token", "wrong"), chromedp.Click("#token-form button"))
	tab.Wait("the hint", `document.getElementById('token-result').textContent.startsWith('wrong token. The server is right')`, patience)
	tab.Eval(`document.getElementById('token').value = ''`)
	tab.Do(chromedp.Click("#token-form button"))
	tab.Wait("whose it is", `document.getElementById('token-result').textContent.endsWith('te...@example.com')`, patience)
	d.change(func() {
		if got := strings.Join(d.tokens, ","); got != "wrong," {
			t.Errorf("tokens checked: %q", got)
		}
	})
	d.change(func() { d.claimed, d.queue = true, nil })
	tab.Wait("claimed, and nothing waits", `document.getElementById('claim-how').hidden && document.getElementById('queue-state').textContent === 'Nothing waits.'`, patience)
}

func TestTheLogIsFollowedAndFiltered(t *testing.T) {
	t.Parallel()
	d := busy(t)
	for i := range 100 {
		d.log("debug", fmt.Sprint("picture ", i), nil)
		d.log("info", fmt.Sprint("step ", i), nil)
	}
	tab := open(t, d, 390, 844, "device", "")
	tab.Wait("the log's end", `document.querySelectorAll('#log div').length === 206 && document.getElementById('log').lastChild.textContent.endsWith('step 99')`, patience)
	d.log("warn", "the newest", obj{"camera": "front"})
	tab.Wait("it goes on", `document.getElementById('log').lastChild.textContent.endsWith('uploader the newest camera=front') && document.getElementById('log').scrollTop + document.getElementById('log').clientHeight + 2 > document.getElementById('log').scrollHeight`, patience)
	tab.Do(chromedp.SetValue("#log-level", "3"))
	tab.Eval(`document.getElementById('log-level').onchange()`)
	tab.Wait("only what is worth a look", `document.querySelectorAll('#log div').length === 3`, patience)
	tab.Do(click("copy"))
	tab.Wait("copied", `document.getElementById('log-state').textContent === 'Copied.'`, patience)
	d.change(func() { d.lines = nil })
	d.log("error", "after a restart", nil)
	tab.Wait("a camera that started anew", `document.getElementById('log').textContent.includes('after a restart') && document.querySelectorAll('#log div').length === 1`, patience)
	tab.Wait("who it is", `document.getElementById('facts').textContent.includes('00:11:22:33:44:AA') && document.getElementById('facts').textContent.includes('3A:5F:77')`, patience)
}

func TestWhoIsSignedOutIsLedToTheForm(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "front")
	tab := open(t, d, 390, 844, "aim", "401")
	shows(tab)
	d.change(func() { d.out = true })
	tab.Wait("the form", `location.pathname === '/signin'`, patience)
	tab.Shot("signin")
	d.change(func() { d.out = false })
	tab.Do(chromedp.Navigate(d.url))
	shows(tab)
	tab.Do(chromedp.Click(".top form button"))
	tab.Wait("signed out", `location.pathname === '/signin'`, patience)
	if !d.peek(func() bool { return d.out }) {
		t.Error("the camera was not told")
	}
}

func TestForeignTextStaysText(t *testing.T) {
	const evil = `<img src=x onerror="window.owned=1"><script>window.owned=1</script>"'&`
	d := busy(t)
	d.version = evil
	d.names[1] = evil
	d.scenes[evil], d.detection[evil] = d.scenes["yard"], configured()
	d.log("error", evil, obj{evil: evil})
	d.queue[0]["name"], d.queue[1]["last_error"] = evil, evil
	d.commands[0]["path"], d.commands[0]["id"], d.commands[0]["state"], d.commands[1]["answer"] = evil, evil, evil, evil
	d.controls[0]["label"] = evil
	d.controls[2]["menu"] = []obj{{"value": 1, "label": evil}}
	tab := open(t, d, 1280, 800, "upload", "404") // the live view knows no camera of this name
	tab.Wait("commands", `document.querySelectorAll('#commands li').length === 2`, patience)
	for _, part := range []string{"device", "aim", "upload"} {
		tab.Do(click("tab-" + part))
		tab.Wait(part+" has it as text", fmt.Sprintf(`document.getElementById('panel-%s').textContent.includes('<img src=x onerror=')`, part), patience)
	}
	tab.Eval(`(() => { const c = document.getElementById('camera'); c.selectedIndex = 1; c.onchange(); })()`)
	tab.Wait("no such camera", `document.title.includes('<img') && document.getElementById('link').textContent === 'No picture'`, patience)
	if s := tab.Eval(`document.querySelectorAll('img[src=x], main script').length + ' ' + window.owned`); s != "0 undefined" {
		t.Errorf("foreign text became part of the page: %s", s)
	}
}

func TestEverythingHasANameAndRoomForAThumb(t *testing.T) {
	d := busy(t)
	tab := open(t, d, 390, 844, "aim", "")
	for _, part := range []string{"aim", "motion", "upload", "device"} {
		tab.Do(click("tab-" + part))
		tab.Wait(part, fmt.Sprintf(`!document.getElementById('panel-%s').hidden && document.querySelector('#controls input') && document.getElementById('facts').firstChild`, part), patience)
		bad := tab.Eval(`[...document.querySelectorAll('button, input, select, a[href], summary')].filter((e) => e.checkVisibility() && e.offsetParent !== null).filter((e) => {
			const r = (e.type === 'checkbox' ? e.closest('label') : e).getBoundingClientRect();
			const named = e.labels?.length || e.ariaLabel || e.textContent.trim();
			return !named || (r.height < 43.5 && e.id !== 'claim-url') || r.right > innerWidth || r.left < 0;
		}).map((e) => e.outerHTML + JSON.stringify(e.getBoundingClientRect())).join('\n')`)
		if bad != "" {
			t.Errorf("%s: without a name, too small, or out of the window:\n%s", part, bad)
		}
		if s := tab.Eval(`document.documentElement.scrollWidth <= innerWidth`); s != "true" {
			t.Errorf("%s is wider than the window", part)
		}
	}
	tab.Do(chromedp.Focus("#tab-device"), chromedp.KeyEvent(kb.ArrowRight))
	tab.Wait("arrows go from part to part", `!document.getElementById('panel-aim').hidden && document.activeElement.id === 'tab-aim'`, patience)
}
