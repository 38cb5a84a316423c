package ftpd_test

import (
	"bytes"
	"crypto/tls"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

// The agent's own FTP library: a temporary name, SIZE, rename, and going on where a lost connection stopped.
func TestJlaffayeFTPUploadsResumesAndRenames(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := start(t)
		body := blob(300_000)
		options := []ftp.DialOption{ftp.DialWithTimeout(patience), ftp.DialWithShutTimeout(patience)}
		if secure {
			options = append(options, ftp.DialWithExplicitTLS(&tls.Config{RootCAs: s.pool, ServerName: "localhost"}))
		}
		k := enter(t, s)
		data, raw := k.begin("STOR .a.mp4.part", string(body[:100_000]))
		s.waitTemp(t, 100_000)
		cut(t, raw)
		k.expect("426")
		_ = data.Close()

		c, err := ftp.Dial(s.addr, options...)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("tls=%v: %s: %v", secure, what, err)
			}
		}
		check("login", c.Login("token", "camio"))
		check("directory", c.ChangeDir("front"))
		n, err := c.FileSize(".a.mp4.part")
		check("size", err)
		check("resume", c.StorFrom(".a.mp4.part", bytes.NewReader(body[n:]), uint64(n)))
		if n, err := c.FileSize(".a.mp4.part"); err != nil || n != int64(len(body)) {
			t.Errorf("size %d, %v; want %d", n, err, len(body))
		}
		check("rename", c.Rename(".a.mp4.part", "a.mp4"))
		if at, err := c.GetTime("a.mp4"); err != nil || time.Since(at) > time.Minute {
			t.Errorf("time %v, %v", at, err)
		}
		check("quit", c.Quit())
		s.want(t, "token:/front/a.mp4", body)
	}
}
