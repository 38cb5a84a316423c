// Package browser drives a headless Chromium in tests, so that pages are judged by what a person would see.
//
// It wants Debian's chromium at /usr/bin/chromium, which scripts/deps.sh installs. Where CAMWARD_SHOTS names a
// directory, Shot leaves screenshots there for a person to look at.
package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A Tab is a browser window. Its methods fail the test they belong to.
type Tab struct {
	t       testing.TB
	ctx     context.Context
	ignore  string
	console []string
}

// OwnAddresses has the browser tell its addresses to whom it makes a peer connection with, instead of names that only multicast DNS
// resolves. A camera behind NAT could not reach it otherwise.
var OwnAddresses = chromedp.Flag("disable-features", "site-per-process,Translate,BlinkGenPropertyTrees,WebRtcHideLocalIpsWithMdns")

// Open starts a browser with a window of w x h pixels; it ends with the test. Whatever the page's console reports
// (exceptions, what the policy blocked, what was not found) fails the test, but for messages that contain ignore, if
// that is not empty. More are further options, such as OwnAddresses.
func Open(t testing.TB, w, h int64, ignore string, more ...chromedp.ExecAllocatorOption) *Tab {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(opts, more...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Tab{t: t, ctx: ctx, ignore: ignore}
	b.Do(chromedp.EmulateViewport(w, h)) // the first run must not have a timeout
	b.listen(cancel)
	return b
}

func (b *Tab) listen(cancel func()) {
	listening, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		messages := chromedp.Console(b.ctx)
		close(listening)
		for m, err := range messages {
			if err != nil {
				return
			}
			b.console = append(b.console, fmt.Sprint(m.Type, ": ", m.Text, " ", m.URL))
		}
	}()
	<-listening
	b.t.Cleanup(func() {
		cancel()
		<-done
		for _, m := range b.console {
			if b.ignore == "" || !strings.Contains(m, b.ignore) {
				b.t.Errorf("console: %s", m)
			}
		}
	})
}

// Do runs steps one after the other.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// Wait asks until a JavaScript expression is true on a page that is loaded and whose script has run, also while it
// reloads, at most for limit.
func (b *Tab) Wait(what, expression string, limit time.Duration) {
	b.t.Helper()
	var ok bool
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if ok, err = chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.readyState === 'complete' && !!(`+expression+`)`)); ok && err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond) // the browser gives no sign to wait for
	}
	page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.t.Fatalf("%s: not within %v (%v); the page says\n%s", what, limit, err, page)
}

// Eval gives the value of a JavaScript expression as text.
func (b *Tab) Eval(expression string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`String(`+expression+`)`))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// Shot keeps a screenshot.
func (b *Tab) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("CAMWARD_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
