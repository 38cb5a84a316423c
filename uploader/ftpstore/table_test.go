package ftpstore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/camio"
	"camward/uploader"
	"camward/uploader/storetest"
)

// A scripted server takes one upload after another and answers as usual, except where its script says otherwise.
// Keys of the script are a command and the beginning of its argument.
type scripted struct {
	script map[string]string
	mu     sync.Mutex
	files  map[string]int
	stored []byte // last body
}

func newScripted(t *testing.T, script map[string]string) (*scripted, string) {
	s := &scripted{script: script, files: map[string]int{}}
	return s, storetest.RawServer(t, func(c net.Conn, _ <-chan struct{}) { s.serve(c) })
}

func (s *scripted) serve(c net.Conn) {
	say := func(text string) { io.WriteString(c, text+"\r\n") }
	var data net.Listener
	defer func() {
		if data != nil {
			data.Close()
		}
	}()
	from := ""
	say("220 ready")
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, arg, _ := strings.Cut(line, " ")
		if text, ok := s.scriptFor(line); ok {
			say(text)
			continue
		}
		switch verb {
		case "USER":
			say("331 password")
		case "PASS":
			say("230 in")
		case "FEAT":
			say("211-x\r\n EPSV\r\n211 end")
		case "PWD":
			say(`257 "/"`)
		case "SIZE":
			s.mu.Lock()
			n, ok := s.files[arg]
			s.mu.Unlock()
			if !ok {
				say("550 no such file")
				continue
			}
			say("213 " + strconv.Itoa(n))
		case "EPSV":
			if data, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return
			}
			say(fmt.Sprintf("229 (|||%d|)", data.Addr().(*net.TCPAddr).Port))
		case "STOR":
			s.stor(say, data, arg)
		case "RNFR":
			from = arg
			say("350 go on")
		case "RNTO":
			s.mu.Lock()
			s.files[arg] = s.files[from]
			delete(s.files, from)
			s.mu.Unlock()
			say("250 done")
		case "DELE":
			s.mu.Lock()
			delete(s.files, arg)
			s.mu.Unlock()
			say("250 done")
		case "TYPE", "CWD":
			say(map[string]string{"TYPE": "200 ok", "CWD": "250 ok"}[verb])
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 unknown")
		}
	}
}

func (s *scripted) scriptFor(line string) (string, bool) {
	for prefix, text := range s.script {
		if strings.HasPrefix(line, prefix) && !strings.HasPrefix(text, "after ") {
			return text, true
		}
	}
	return "", false
}

func (s *scripted) stor(say func(string), data net.Listener, name string) {
	say("150 send")
	c, err := data.Accept()
	if err != nil {
		return
	}
	defer data.Close()
	body, _ := io.ReadAll(c)
	c.Close()
	if text, ok := strings.CutPrefix(s.script["STOR"], "after "); ok {
		say(text)
		return
	}
	s.mu.Lock()
	s.files[name], s.stored = len(body), body
	s.mu.Unlock()
	say("226 stored")
}

func TestRepliesAreClassified(t *testing.T) {
	tests := []struct {
		name   string
		script map[string]string
		want   error // nil: any other fault
		ok     bool
	}{
		{name: "AsUsual", ok: true},
		{name: "UserRefused", script: map[string]string{"USER": "530 user " + token + " unknown"}, want: uploader.ErrUnauthorized},
		{name: "PasswordRefused", script: map[string]string{"PASS": "530 no " + token}, want: uploader.ErrUnauthorized},
		{name: "InvalidLogin", script: map[string]string{"PASS": "430 wrong"}, want: uploader.ErrUnauthorized},
		{name: "TooManyUsers", script: map[string]string{"USER": "421 too many"}},
		{name: "NeedsTLS", script: map[string]string{"USER": "550 TLS required"}},
		{name: "LoginForgotten", script: map[string]string{"CWD": "530 log in"}, want: uploader.ErrUnauthorized},
		{name: "NoDirectory", script: map[string]string{"CWD front": "550 no", "MKD": "550 no"}},
		{name: "NameRefused", script: map[string]string{"STOR 2026": "553 bad name"}, want: uploader.ErrPermanent},
		{name: "ItemRefused", script: map[string]string{"STOR 2026": "550 not this one"}, want: uploader.ErrPermanent},
		{name: "AllRefused", script: map[string]string{"STOR": "550 permission denied"}},
		{name: "NewNameRefused", script: map[string]string{"RNTO 2026": "553 bad name"}, want: uploader.ErrPermanent},
		{name: "RenameFails", script: map[string]string{"RNTO": "550 cannot"}},
		{name: "TemporaryFileVanishes", script: map[string]string{"RNFR": "550 no such file"}},
		{name: "DiskFull", script: map[string]string{"STOR": "452 disk full"}},
		{name: "DiskFullAtTheEnd", script: map[string]string{"STOR": "after 452 disk full"}},
		{name: "QuotaFull", script: map[string]string{"STOR 2026": "552 quota exceeded"}},
		{name: "QuotaFullAtTheEnd", script: map[string]string{"STOR": "after 552 quota exceeded"}},
		{name: "Aborted", script: map[string]string{"STOR": "after 426 aborted"}},
		{name: "SizesDiffer", script: map[string]string{"SIZE": "213 3"}},
		{name: "NoSIZE", script: map[string]string{"SIZE": "502 not implemented"}, ok: true},
		{name: "NoFEAT", script: map[string]string{"FEAT": "500 what"}, ok: true},
		{name: "NoPWD", script: map[string]string{"PWD": "500 what"}, ok: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, addr := newScripted(t, tt.script)
			c := Default()
			c.Address, c.TLS, c.User = addr, None, token
			err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, []byte("some body")))
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			for _, kind := range []error{uploader.ErrPermanent, uploader.ErrUnauthorized} {
				if errors.Is(err, kind) != (tt.want == kind) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			}
			hidesToken(t, err)
			srv.mu.Lock()
			defer srv.mu.Unlock()
			if got := maps.Clone(srv.files); tt.ok && !cmp.Equal(got, map[string]int{clipName: 9}) {
				t.Errorf("files %v", got)
			}
		})
	}
}

func TestWithoutATokenNothingIsTried(t *testing.T) {
	c := Default()
	c.Address = "127.0.0.1:1"
	s := newStore(t, c)
	it := storetest.Item("front", clipName, []byte("x"))
	if err := s.Put(t.Context(), it); !errors.Is(err, uploader.ErrNoToken) {
		t.Errorf("got %v", err)
	}
	s.SetToken(token)
	temporary(t, s.Put(t.Context(), it)) // nobody listens
}

func TestConfigFaultsAreReportedAtOnce(t *testing.T) {
	c := Config{Address: "ftp.example.com", TLS: "yes", User: "a\nb", Password: "\xff", Directory: "{mac", File: "a/{name}{nam}",
		Connect: -1}
	err := c.Validate()
	for _, want := range []string{"ftp.address", "ftp.tls", "ftp.user", "ftp.password", "ftp.directory", "ftp.file: there is no field {nam}",
		"holds a /", "connect", "idle", "total", "keep"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "a\nb") {
		t.Errorf("shows the user: %v", err)
	}
	if _, err := New(c); err == nil {
		t.Error("New takes it")
	}
	c = Default()
	c.Address, c.Transport.CAFile = "ftp.example.com:21", "/nonexistent"
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("got %v", err)
	}
}

func TestTemplatesMustTellRecordingsApart(t *testing.T) {
	tests := []struct {
		directory, file string
		ok              bool
	}{
		{"{camera}", "{name}", true},
		{"", "{camera_id}_{name}", true},
		{"{mac}", "{name}", false},
		{"{camera}/{year}-{month}-{day}", "{hour}{minute}{second}", false},
		{"{camera}", "{stem}{ext}", true},
		{"{camera}", "{stem}", false},
		{"{camera}\r\nDELE x", "{name}", false},
	}
	for _, tt := range tests {
		c := Default()
		c.Address, c.Directory, c.File = "ftp.example.com:21", tt.directory, tt.file
		if err := c.Validate(); (err == nil) != tt.ok {
			t.Errorf("%q, %q: got %v", tt.directory, tt.file, err)
		}
	}
}

func TestTemplatesGivePaths(t *testing.T) {
	item := func(camera, name string, started time.Time) uploader.Item {
		u := camio.Upload{Camera: camera, CameraID: "00A0B1C2D3E4.1", Name: name, SHA256: []byte{1, 2, 0xab, 0xcd, 5}}
		return uploader.NewItem(u, camio.KindClip, started, nil)
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("", 3600))
	tests := []struct {
		directory, file string
		item            uploader.Item
		want            string
	}{
		{"{camera}", "{name}", item("front", clipName, at), "front/" + clipName},
		{"/a//{camera_id}/{mac}/", "{stem}-x{ext}", item("front", "n.1.mp4", at), "a/00A0B1C2D3E4.1/00A0B1C2D3E4/n.1-x.mp4"},
		{"{camera}/{year}/{month}{day}", "{hour}{minute}{second}_{name}", item("front", "n.mp4", at), "front/2026/0304/040607_n.mp4"},
		{"{camera}/{year}/{month}{day}", "{name}", item("front", "n.mp4", time.Time{}), "front/0000/0000/n.mp4"},
		{"{camera}", "{name}", item("../etc", "n\r\nDELE x", at), "..%2Fetc/n%0D%0ADELE x"},
		{"{camera}", "{name}", item("..", "~n", at), "%2E%2E/%7En"},
		{"{camera}", "{name}", item("a\xffb\\c", " n", at), "a%FFb%5Cc/%20n"},
		{"{camera}", "{name}", item("Küche 50%", "-n ", at), "Küche 50%/%2Dn%20"},
	}
	for _, tt := range tests {
		c := Default()
		c.Address, c.Directory, c.File = "ftp.example.com:21", tt.directory, tt.file
		to := newStore(t, c).target(tt.item)
		if got := strings.Join(append(to.dirs, to.name), "/"); got != tt.want || to.temp != to.name+".0102abcd.part" {
			t.Errorf("%q, %q: got %q, temporary %q; want %q", tt.directory, tt.file, got, to.temp, tt.want)
		}
	}
}

func FuzzPathElementsAreSafe(f *testing.F) {
	for _, s := range []string{"front", "..", "~", "-a", "a/b", "\xff\xf4", "Küche ", "�"} {
		f.Add(s)
	}
	dir, _ := parseTemplate("{camera}")
	f.Fuzz(func(t *testing.T, camera string) {
		s := &Store{directory: dir, file: dir}
		to := s.target(uploader.NewItem(camio.Upload{Camera: camera}, camio.KindClip, time.Time{}, nil))
		for _, e := range append(to.dirs, to.name, to.temp) {
			if !plain(e) || strings.ContainsAny(e, "/\\\r\n") || e == "." || e == ".." || strings.HasPrefix(e, "~") {
				t.Errorf("%q gives %q", camera, e)
			}
		}
	})
}

func FuzzLastReplyCode(f *testing.F) {
	f.Add([]byte("220 hello\r\n331 user\r\n530 no\r\n"))
	f.Add([]byte("211-x\r\n EPSV\r\n211 end\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		want := 0
		for line := range bytes.Lines(text) {
			if len(line) > 3 && line[3] == ' ' && !bytes.ContainsFunc(line[:3], func(r rune) bool { return r < '0' || r > '9' }) {
				want, _ = strconv.Atoi(string(line[:3]))
			}
		}
		var w codeWatch
		if _, err := io.Copy(&w, iotest.OneByteReader(bytes.NewReader(text))); err != nil || w.last != want {
			t.Errorf("%q: got %d, want %d", text, w.last, want)
		}
	})
}
