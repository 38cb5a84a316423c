package page_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"camward/web/page"
)

func get(h http.Handler, path, etag string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestFilesComeWithTheirTypeAndAreNotSentTwice(t *testing.T) {
	for _, tt := range []struct {
		h          http.Handler
		path, kind string
	}{
		{page.Index(), "/", "text/html; charset=utf-8"},
		{page.Files(), "/page/index.html", "text/html; charset=utf-8"},
		{page.Files(), "/page/main.js", "text/javascript; charset=utf-8"},
		{page.Files(), "/page/style.css", "text/css; charset=utf-8"},
		{page.Files(), "/page/icon.svg", "image/svg+xml"},
	} {
		r := get(tt.h, tt.path, "")
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK || len(body) == 0 || r.Header.Get("Content-Type") != tt.kind || r.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v, %d bytes, %v", tt.path, r.StatusCode, r.Header, len(body), err)
		}
		if r := get(tt.h, tt.path, r.Header.Get("ETag")); r.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d, want 304", tt.path, r.StatusCode)
		}
		if r := get(tt.h, tt.path, `"another"`); r.StatusCode != http.StatusOK {
			t.Errorf("%s with another tag: %d, want 200", tt.path, r.StatusCode)
		}
	}
	for _, path := range []string{"/page/", "/page/none.js", "/page/static/main.js", "/page/../page.go"} {
		if r := get(page.Files(), path, ""); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, r.StatusCode)
		}
	}
}

func TestWhatIsServedIsWhatStandsInStatic(t *testing.T) {
	files, err := os.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		want, err := os.ReadFile("static/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(get(page.Files(), "/page/"+f.Name(), "").Body)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is served as it was before its last change; run: go generate ./web/page", f.Name())
		}
	}
	if packed, err := os.ReadDir("packed"); err != nil || len(packed) != len(files) {
		t.Errorf("%d files in packed/, %d in static/ (%v); run: go generate ./web/page", len(packed), len(files), err)
	}
}

// maxAssets bounds what the page costs the firmware and the first visit.
const maxAssets = 60 << 10

func TestThePageIsSmallAndHoldsNothingInlineOrFromElsewhere(t *testing.T) {
	files, err := os.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	forbidden := regexp.MustCompile(`<style|\bstyle=|\son\w+="|<script(?:>| [^>]*>[^<])|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style|cssText|https?://|@import|url\(`)
	size := 0
	for _, f := range files {
		b, err := os.ReadFile("static/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		size += len(b)
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "")
		if m := forbidden.FindAllString(text, -1); m != nil {
			t.Errorf("%s: %q", f.Name(), m)
		}
	}
	if size > maxAssets {
		t.Errorf("%d bytes in all, want at most %d", size, maxAssets)
	}
}
