package web

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.uber.org/zap"

	"camward/internal/browser"
)

// untrusted is a name or address of this machine that browsers hold for a place on the network, as a camera is: over plain
// HTTP they send no Sec-Fetch-Site there.
func untrusted(t *testing.T) string {
	t.Helper()
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n := a.(*net.IPNet); n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		if _, err := net.LookupHost(name); err == nil {
			return name
		}
	}
	t.Skip("not run: this machine has no address but the loopback's, and no name")
	return ""
}

func TestAPersonSignsInWithChromium(t *testing.T) {
	dir := t.TempDir()
	p, err := SetPassword(dir, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := New(Config{Listen: ":0", HTTPS: ":0", StateDir: dir}, p, zap.NewNop())
	css, err := os.ReadFile("page/static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	s.HandleOpen("GET /page/style.css", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		w.Write(css)
	}))
	s.HandleOpen("GET /page/icon.svg", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg"/>`)
	}))
	s.HandlePage("GET /{$}", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<!DOCTYPE html><title>in</title><link rel="icon" href="/page/icon.svg"><p id="in">signed in</p><form method="post" action="/signout"><button>Sign out</button></form>`)
	}))
	s.HandlePage("PUT /api/x", text("put"))
	running(t, s)
	for name, host := range map[string]string{"loopback": "127.0.0.1", "network": untrusted(t)} {
		t.Run(name, func(t *testing.T) {
			b := browser.Open(t, 390, 844, "403")
			base := fmt.Sprintf("http://%s:%d", host, s.Address().Port)
			b.Do(chromedp.Navigate(base + "/"))
			b.Wait("the form", `location.pathname === '/signin' && document.activeElement.id === 'password'`, 20*time.Second)
			b.Shot("signin-" + name)
			b.Do(chromedp.SendKeys("#password", "wrong horse\r"))
			b.Wait("the refusal", `document.querySelector('.error')?.innerText === 'This is not the password.'`, 20*time.Second)
			b.Do(chromedp.SendKeys("#password", "correct horse\r"))
			b.Wait("the page", `location.pathname === '/' && document.querySelector('#in')`, 20*time.Second)
			if got := b.Eval(`document.cookie`); got != "" {
				t.Errorf("scripts see the cookie: %s", got)
			}
			b.Do(chromedp.Evaluate[chromedp.Void](`fetch('/api/x', {method: 'PUT'}).then(r => r.text()).then(t => document.title = t)`))
			b.Wait("a change by the page", `document.title === 'put'`, 20*time.Second)
			b.Do(chromedp.Click("button"))
			b.Wait("the form again", `location.pathname === '/signin'`, 20*time.Second)
			b.Do(chromedp.Navigate(base + "/"))
			b.Wait("the form for who is not signed in", `location.pathname === '/signin'`, 20*time.Second)
			if links := b.Eval(`[...document.links].map(a => a.href).join()`); !strings.HasPrefix(links, "https://"+host+":") {
				t.Errorf("HTTPS is at %q", links)
			}
		})
	}
}
