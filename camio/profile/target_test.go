package profile

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"camward/board/boardtest"
	"camward/camio"
)

// serve hands a command to a simulated firmware without a network. It tells whether the firmware took it.
func serve(b *boardtest.Board, p *Profile, method, path, body string) (string, bool) {
	if p.Auth == AuthQuery {
		path += "&" + p.UserParam + "=" + escapePath(b.User) + "&" + p.PasswordParam + "=" + escapePath(b.Password)
	}
	r := &http.Request{Method: method, URL: &url.URL{}, RequestURI: path, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	r.SetBasicAuth(b.User, b.Password)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Body.String(), w.Code == http.StatusOK
}

// What is confirmed must be the server that the firmware will use: whoever makes the two differ points a camera elsewhere and keeps it
// there.
func FuzzTargetIsWhatTheFirmwareUnderstands(f *testing.F) {
	for _, maker := range Builtin().Makers() {
		commands, err := builtinProfile(f, maker).Commands(everything())
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range commands {
			f.Add(maker, c.Method, c.Path, c.Body)
			f.Add(maker, c.Method, strings.Replace(c.Path, "ftp.camio.com", "ftp.camio.com%26SERVER=evil", 1), strings.Replace(c.Body, "<hostName>", "<hostName>evil</hostName><hostName>", 1))
			f.Add(maker, c.Method, c.Path+"&SERVER=evil", strings.Replace(c.Body, "<portNo>", "<ipAddress>6.6.6.6</ipAddress><portNo>", 1))
		}
	}
	f.Fuzz(func(t *testing.T, maker, method, path, body string) {
		p, ok := Builtin().Find(maker, "", "")
		if !ok || p.Allows(method, path) != nil || method == "GET" && body != "" {
			return
		}
		b, err := boardtest.Handler(p.Maker, boardtest.Basic())
		if err != nil {
			t.Fatal(err)
		}
		c := camio.Command{ID: "x", Method: method, Path: path, Body: body}
		if m, ok := p.Merge(c); ok {
			settings, _ := serve(b, p, "GET", m.Read, "")
			if c, err = m.Apply(c, []byte(settings)); err != nil {
				return // such a command isn't sent
			}
		}
		before := b.Settings()
		if _, ok := serve(b, p, c.Method, c.Path, c.Body); !ok {
			return
		}
		after := b.Settings()
		target, _ := p.Target(camio.Command{ID: "x", Method: method, Path: path, Body: body})
		switch {
		case after.FTP && (after.FTPServer != before.FTPServer || !before.FTP) && maker != "D-Link": // there the switch is another command
			if target.Kind != TargetFTP || target.Host != "" && target.Host != strings.Trim(after.FTPServer, "[]") {
				t.Fatalf("%s %s %s: the firmware sends to %q, the target is %+v", maker, path, body, after.FTPServer, target)
			}
		case after.FTPServer != before.FTPServer && target.Host != "" && target.Host != strings.Trim(after.FTPServer, "[]"):
			t.Fatalf("%s %s: the firmware keeps %q, the target is %+v", maker, path, after.FTPServer, target)
		case after.Poll && (target.Kind != TargetPoll || target.Host != "" && target.URL != after.PollURL):
			t.Fatalf("%s %s: the firmware polls %q, the target is %+v", maker, path, after.PollURL, target)
		case after.Upload && (target.Kind != TargetUpload || target.Host != "" && target.URL != after.UploadURL):
			t.Fatalf("%s %s: the firmware uploads to %q, the target is %+v", maker, path, after.UploadURL, target)
		}
	})
}
