package ftpd

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"USER token\r\n", "PASS camio\r\n", "CWD 00E04CC27CC5\r\n", "MKD /a/../b/./c\r\n", "EPRT |1|127.0.0.1|5000|\r\n", "EPRT |2|::1|5000|\n",
		"PORT 127,0,0,1,200,10\r\n", "STOR 2026-11-23T13:05:07.123-0000.mp4\r\n", "\xff\xf4\xff\xf2ABOR\r\n", "\xff\xfd\x01x\r\n", "CWD \xfc\xff\xff\r\n", strings.Repeat("a", 5000) + "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(strings.NewReader(string(b)))
		for {
			line, err := readLine(r)
			if err == errLineTooLong {
				continue
			}
			if err != nil {
				return
			}
			if len(line) > maxLine || strings.Contains(line, "\n") {
				t.Fatalf("line of %d bytes", len(line))
			}
			cmd, err := parseCommand(line)
			if err != nil {
				continue
			}
			if cmd.verb != strings.ToUpper(cmd.verb) || len(cmd.verb) < 3 || len(cmd.verb) > 4 {
				t.Fatalf("verb %q", cmd.verb)
			}
			checkArgument(t, cmd.arg)
		}
	})
}

// checkArgument holds for whatever a client sends: a path stays below the root, an address is one or an error.
func checkArgument(t *testing.T, arg string) {
	for _, parse := range []func([]string, string) ([]string, error){resolve, resolveFile} {
		p, err := parse([]string{"front"}, arg)
		if err != nil {
			continue
		}
		if len(p) > maxDeep || len(pathOf(p)) > maxPath || !utf8.ValidString(pathOf(p)) {
			t.Fatalf("path %q", p)
		}
		for _, e := range p {
			if e == "" || e == "." || e == ".." || strings.ContainsAny(e, "/\x00\r\n") {
				t.Fatalf("path %q", p)
			}
		}
	}
	if a, err := parsePort(arg); err == nil && !a.Addr().Is4() {
		t.Fatalf("PORT %q: %v", arg, a)
	}
	if a, err := parseEPRT(arg); err == nil && !a.IsValid() {
		t.Fatalf("EPRT %q: %v", arg, a)
	}
	if s := printable(arg); strings.ContainsAny(s, "\r\n") {
		t.Fatalf("reply %q", s)
	}
}

func TestTemporaryNames(t *testing.T) {
	for name, want := range map[string]bool{
		"2026-11-23T13:05:07.123-0000.mp4": false, "a.jpg": false, "tmp": false, "part.jpg": false,
		".a.jpg": true, "a.jpg.tmp": true, "a.jpg.PART": true, "a.jpg.filepart": true, "a~": true,
	} {
		if got := isTemporary(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func keptFile(t *testing.T, user, name string, size int64) *recentFile {
	t.Helper()
	temp := filepath.Join(t.TempDir(), "ftp-1")
	if err := os.WriteFile(temp, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	return &recentFile{key: fileKey{user, "/front/" + name}, temp: temp, size: size, at: time.Now()}
}

func exists(f *recentFile) bool {
	_, err := os.Stat(f.temp)
	return err == nil
}

func TestUnfinishedFilesAreBoundedInSize(t *testing.T) {
	r := newRecent(time.Hour, 100)
	other := keptFile(t, "other", "x", 30)
	r.add(other)
	var mine []*recentFile
	for i := range 3 {
		f := keptFile(t, "me", fmt.Sprint(i), 30)
		mine = append(mine, f)
		r.add(f)
	}
	old := mine[0].temp
	if _, err := os.Stat(old); err == nil && mine[0].temp != "" {
		t.Error("the user with most bytes kept the oldest file")
	}
	if !exists(other) || !exists(mine[2]) {
		t.Error("a file was dropped that had room")
	}
	r.add(&recentFile{key: fileKey{"me", "/front/done"}, size: 1 << 40, at: time.Now()}) // stored: takes no room
	if !exists(mine[2]) {
		t.Error("a stored file counts as bytes on disk")
	}
	r.clear()
	if r.bytes != 0 || len(r.perUser) != 0 || r.byAge.Len() != 0 {
		t.Errorf("after clear: %d bytes, %v, %d files", r.bytes, r.perUser, r.byAge.Len())
	}
}

func TestFinishedFilesAreBoundedInNumber(t *testing.T) {
	r := newRecent(time.Hour, 100)
	for i := range maxRecent + 10 {
		r.add(&recentFile{key: fileKey{"me", fmt.Sprint(i)}, size: 1, at: time.Now()})
	}
	if len(r.files) != maxRecent {
		t.Errorf("%d files are known, want %d", len(r.files), maxRecent)
	}
}

func TestRecentFilesAreForgottenAfterAWhile(t *testing.T) {
	f := keptFile(t, "me", "a", 10)
	temp := f.temp
	synctest.Test(t, func(t *testing.T) {
		r := newRecent(time.Hour, 100)
		f.at = time.Now()
		r.add(f)
		done := make(chan struct{})
		go r.expireUntil(done)
		time.Sleep(50 * time.Minute)
		if _, ok := r.look(t.Context(), f.key); !ok {
			t.Error("forgotten too early")
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if _, err := os.Stat(temp); err == nil || len(r.files) > 0 {
			t.Error("still there after its time")
		}
		close(done)
	})
}

func TestFailedLoginsAreForgivenWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoginLimit()
		a := netip.MustParseAddr("2001:db8::1")
		for range failBurst {
			if !l.allowed(a) {
				t.Fatal("refused too early")
			}
			l.fail(a)
		}
		if l.allowed(a) || l.allowed(netip.MustParseAddr("2001:db8::2")) {
			t.Error("allowed after too many failures of the network")
		}
		if !l.allowed(netip.MustParseAddr("192.0.2.1")) {
			t.Error("another address is refused")
		}
		time.Sleep(failInterval)
		if !l.allowed(a) {
			t.Error("refused after the interval")
		}
		time.Sleep(time.Hour)
		l.allowed(a)
		if len(l.failed) > 0 {
			t.Error("not forgotten")
		}
	})
}
