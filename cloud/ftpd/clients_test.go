package ftpd_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"camward/cloud/ftpd"
)

// runTool runs a real FTP client.
func runTool(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func bodyFile(t *testing.T, body []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(p, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCurlUploads(t *testing.T) {
	body := blob(300_000)
	file := bodyFile(t, body)
	tests := []struct {
		name string
		args []string
	}{
		{"EPSV", nil},
		{"PASV", []string{"--disable-epsv"}},
		{"EPRT", []string{"-P", "-"}},
		{"PORT", []string{"-P", "-", "--disable-eprt"}},
		{"one CWD", []string{"--ftp-method", "singlecwd"}},
		{"no CWD", []string{"--ftp-method", "nocwd"}},
	}
	for _, tt := range tests {
		for _, secure := range []string{"plain", "TLS 1.2", "TLS 1.3"} {
			if secure != "plain" && slices.Contains(tt.args, "-P") {
				continue // Debian 12's curl 7.88 starts no TLS on active data connections; Python's ftplib does
			}
			t.Run(tt.name+"/"+secure, func(t *testing.T) {
				s := start(t)
				args := append([]string{"-sS", "--ftp-create-dirs", "-u", "token:camio", "-T", file, "ftp://" + s.addr + "/Garage%20L/2026/a.jpg"}, tt.args...)
				switch secure {
				case "TLS 1.2":
					args = append(args, "--ssl-reqd", "--cacert", s.pem, "--tls-max", "1.2")
				case "TLS 1.3":
					args = append(args, "--ssl-reqd", "--cacert", s.pem, "--tlsv1.3")
				}
				runTool(t, "", "curl", args...)
				s.want(t, "token:/Garage L/2026/a.jpg", body)
			})
		}
	}
}

func TestCurlUploadsOverIPv6(t *testing.T) {
	for _, mode := range []string{"", "-P-"} {
		s := start(t, func(c *ftpd.Config) { c.Listen = "[::1]:0" })
		args := []string{"-sS", "-g", "--ftp-create-dirs", "-u", "token:camio", "-T", "-", "ftp://" + s.addr + "/front/a.jpg"}
		if mode != "" {
			args = append(args, mode)
		}
		runTool(t, "six", "curl", args...)
		s.want(t, "token:/front/a.jpg", []byte("six"))
	}
}

func TestCurlResumesAPartialUpload(t *testing.T) {
	s := start(t)
	body := blob(200_000)
	c := enter(t, s)
	_, raw := c.begin("STOR a.mp4", string(body[:70_000]))
	s.waitTemp(t, 70_000)
	cut(t, raw)
	c.expect("426")
	runTool(t, "", "curl", "-sS", "-C", "-", "-u", "token:camio", "-T", bodyFile(t, body), "ftp://"+s.addr+"/front/a.mp4")
	s.want(t, "token:/front/a.mp4", body)
}

func TestCurlSeesRefusals(t *testing.T) {
	s := start(t)
	cmd := exec.Command("curl", "-sS", "-u", "wrong:camio", "-T", "-", "ftp://"+s.addr+"/front/a.jpg")
	if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("530")) {
		t.Errorf("wrong token: %v %s", err, out)
	}
	s.wantNothing(t)
}

const pythonClient = `
import ftplib, io, os, ssl, sys
host, port = os.environ["HOST"], int(os.environ["PORT"])
body = open(os.environ["BODY"], "rb").read()
if os.environ["SECURE"]:
    f = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=os.environ["SECURE"]))
else:
    f = ftplib.FTP()
f.connect(host, port, timeout=20)
f.login("token", "camio")
if os.environ["SECURE"]:
    f.prot_p()
f.set_pasv(os.environ["PASSIVE"] == "1")
assert "UTF8" in f.sendcmd("FEAT")
try:
    f.cwd("front")
except ftplib.error_perm:
    f.mkd("front"); f.cwd("front")
assert f.pwd() == "/front", f.pwd()
assert f.nlst() == []
f.storbinary("STOR .a.jpg.part", io.BytesIO(body))
assert f.size(".a.jpg.part") == len(body)
f.rename(".a.jpg.part", "a.jpg")
assert f.size("a.jpg") == len(body)
try:
    f.retrbinary("RETR a.jpg", lambda b: None); sys.exit("RETR worked")
except ftplib.error_perm as e:
    assert str(e).startswith("550"), e
f.quit()
`

func TestPythonFtplibUploadsAndRenames(t *testing.T) {
	body := blob(150_000)
	file := bodyFile(t, body)
	for _, secure := range []bool{false, true} {
		for _, passive := range []string{"0", "1"} {
			t.Run(fmt.Sprintf("tls=%v/passive=%s", secure, passive), func(t *testing.T) {
				s := start(t)
				s.env(t, file)
				t.Setenv("PASSIVE", passive)
				if secure {
					t.Setenv("SECURE", s.pem)
				}
				runTool(t, pythonClient, "python3", "-")
				s.want(t, "token:/front/a.jpg", body)
			})
		}
	}
}

// env hands a script what it needs.
func (s *server) env(t *testing.T, body string) {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"HOST": host, "PORT": port, "BODY": body, "SECURE": "", "PASSIVE": "1"} {
		t.Setenv(k, v)
	}
}

// Python sends the last byte of ABOR as urgent data.
func TestPythonFtplibAborts(t *testing.T) {
	s := start(t)
	s.env(t, "")
	runTool(t, `
import ftplib, os
f = ftplib.FTP(); f.connect(os.environ["HOST"], int(os.environ["PORT"]), timeout=20); f.login("token", "camio"); f.cwd("front")
f.voidcmd("TYPE I")
d = f.transfercmd("STOR a.jpg"); d.sendall(b"half")
r = f.abort()
assert r.startswith("426"), r
r = f.getmultiline()
assert r.startswith("226"), r
d.close()
f.quit()
`, "python3", "-")
	s.wantNothing(t)
}

func TestAKilledClientsFileIsNotAnUpload(t *testing.T) {
	s := start(t)
	s.env(t, "")
	cmd := exec.Command("python3", "-c", `
import ftplib, os
f = ftplib.FTP(); f.connect(os.environ["HOST"], int(os.environ["PORT"]), timeout=20); f.login("token", "camio"); f.cwd("front")
d = f.transfercmd("STOR a.jpg"); d.sendall(b"half")
os.kill(os.getpid(), 9)
`)
	if err := cmd.Run(); err == nil {
		t.Fatal("the client was not killed")
	}
	enter(t, s).do("SIZE a.jpg", "213 4")
	s.wantNothing(t)
}

func TestPerlNetFTPUploads(t *testing.T) {
	body := blob(150_000)
	file := bodyFile(t, body)
	for _, passive := range []string{"0", "1"} {
		t.Run("passive="+passive, func(t *testing.T) {
			s := start(t)
			s.env(t, file)
			t.Setenv("PASSIVE", passive)
			runTool(t, `
use strict; use Net::FTP;
my $f = Net::FTP->new($ENV{HOST}, Port => $ENV{PORT}, Passive => $ENV{PASSIVE}, Timeout => 20) or die $@;
$f->login("token", "camio") or die $f->message;
$f->cwd("front") or die $f->message;
$f->binary;
$f->put($ENV{BODY}, "a.jpg") or die $f->message;
$f->size("a.jpg") == -s $ENV{BODY} or die $f->message;
$f->mdtm("a.jpg") > time - 3600 or die $f->message;
$f->delete("a.jpg") and die "deleted";
$f->quit;
`, "perl", "-")
			s.want(t, "token:/front/a.jpg", body)
		})
	}
}
