// Package page is the camera's own page: what an installer aims the camera with, and its owner looks after it with, in any
// browser of the last years, also one that has no way to the internet.
//
// It is plain HTML, CSS and JavaScript modules, in static/; what is embedded is packed/, the same compressed, which "go generate"
// makes after each change. Everything that they show and change goes through
// the device's API; nothing is fetched from elsewhere, and nothing is inline, so that the strictest content security
// policy holds. Text from cameras, logs and clouds is only ever set as text.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:generate go run pack.go

//go:embed packed
var packed embed.FS

// types are the kinds of files there are. The system's own table is not asked: small boards have none.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// A file is one that is served, with the headers that go with it.
type file struct {
	data       []byte
	kind, etag string
}

// files reads all that is embedded, by name, once.
var files = sync.OnceValue(func() map[string]file {
	all := map[string]file{}
	err := fs.WalkDir(packed, "packed", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := unpack(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		name = strings.TrimSuffix(path.Base(name), ".gz")
		all[name] = file{data, types[path.Ext(name)], `"` + hex.EncodeToString(sum[:8]) + `"`}
		return nil
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return all
})

func unpack(name string) ([]byte, error) {
	f, err := packed.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// serve answers with the file, or with 304 where the browser has it (RFC 9110, 13.1.2).
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
}

// Files serves what the page consists of, for the pattern "GET /page/". It holds no secret; the sign-in page uses
// /page/style.css before anyone has signed in. Browsers ask each time and get 304 unless the firmware is another.
func Files() http.Handler {
	all := files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := all[strings.TrimPrefix(r.URL.Path, "/page/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

// Index serves the page itself, for the pattern "GET /{$}". Who may see it is decided before.
func Index() http.Handler { return http.HandlerFunc(files()["index.html"].serve) }
