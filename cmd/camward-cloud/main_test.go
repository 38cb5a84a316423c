package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"camward/cloud"
)

// TestMain runs the program itself where a test starts this binary with RUN_CLOUD set.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_CLOUD") != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "RUN_CLOUD=1")
	return cmd
}

// result runs the program to its end.
func result(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

// startServer runs serve as a process and returns it with its address.
func startServer(t *testing.T, data string, more ...string) (*exec.Cmd, string, *bytes.Buffer) {
	t.Helper()
	cmd := command(t, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "debug", "--ftp-host", "127.0.0.1"}, more...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "camward-cloud listens on ")
	if err != nil || !ok {
		t.Fatalf("serve printed %q, %v", line, err)
	}
	return cmd, addr, &log
}

func TestServeAndTheVerbsBesideIt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	cmd, addr, log := startServer(t, data)

	code, out, errs := result(t, "user", "add", "test@example.com", "--json", "--data", data, "--base-url", addr)
	var acc map[string]string
	if err := json.Unmarshal([]byte(out), &acc); code != 0 || err != nil {
		t.Fatalf("user add: %d %s %s", code, out, errs)
	}
	for _, k := range []string{"email", "oauth_token", "upload_token", "api_key", "signin_url"} {
		if acc[k] == "" {
			t.Errorf("user add prints no %s: %s", k, out)
		}
	}
	if !strings.HasPrefix(acc["signin_url"], addr+"/signin/") {
		t.Errorf("sign-in link %s is not below %s", acc["signin_url"], addr)
	}
	get := func(path string) (int, string) {
		res, err := http.Get(addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	if status, body := get("/api/users/me/tokens/upload?access_token=" + acc["oauth_token"]); status != 200 || body != `"`+acc["upload_token"]+`"` {
		t.Errorf("the running server does not know the new account: %d %s", status, body)
	}
	get("/api/cameras/00:E0:4C:C2:7C:C5?maker=Sharx&model=SCNC3904")
	steps := []struct {
		args string
		code int
		want string // in either output
	}{
		{"camera list", 0, "(unclaimed)"},
		{"camera claim 00:E0:4C:C2:7C:C5 --user test@example.com --name front", 0, "claimed"},
		{"camera list", 0, "00E04CC27CC5"},
		{"camera list --json", 0, `"mac":"00E04CC27CC5"`},
		{"camera claim nonsense --user test@example.com --name front", 1, "not a MAC address"},
		{"camera claim 00:E0:4C:C2:7C:C6 --user nobody@example.com --name front", 1, "no such user"},
		{"camera release 00:E0:4C:C2:7C:C5", 0, "released"},
		{"camera release 00:E0:4C:C2:7C:C5", 1, "nobody has claimed it"},
		{"camera release x", 1, "not a MAC address"},
		{"camera list", 0, "(unclaimed)"},
		{"camera claim 00:E0:4C:C2:7C:C5 --user test@example.com --name front", 0, "claimed"},
		{"user list", 0, "test@example.com"},
		{"user list --json", 0, `"email":"test@example.com"`},
		{"user link test@example.com", 0, "/signin/"},
		{"user add test@example.com", 1, "already exists; for a new sign-in link: camward-cloud user link"},
		{"user add nonsense", 1, "not an e-mail address"},
	}
	for _, s := range steps {
		code, out, errs := result(t, append(strings.Fields(s.args), "--data", data)...)
		if code != s.code || !strings.Contains(out+errs, s.want) {
			t.Errorf("%s: %d %s%s, want %d and %q", s.args, code, out, errs, s.code, s.want)
		}
	}
	if status, body := get("/api/cameras/00E04CC27CC5"); status != 200 || !strings.Contains(body, "USERNAME="+acc["upload_token"]) {
		t.Errorf("poll after the claim: %d %s", status, body)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	for _, k := range []string{"oauth_token", "upload_token", "api_key"} {
		if strings.Contains(log.String(), acc[k]) {
			t.Errorf("the log holds the %s", k)
		}
	}
}

func TestTokenIsReplacedBesideTheRunningServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "makers.yml")
	more := "profiles:\n  - maker: Acme\n    auth: basic\n    success: OK\n    endpoints:\n      - path: /cgi/time\n        query: {server: \"@host\"}\n" +
		"    commands:\n      - id: time\n        path: /cgi/time?server={{ntp_server}}\n"
	if err := os.WriteFile(file, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, addr, _ := startServer(t, data, "--profiles", file, "--ntp", "ntp.example.org", "--poll-period", "45s", "--claim-from", "anywhere", "--token-to-first-address",
		"--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8")
	_, out, _ := result(t, "user", "add", "test@example.com", "--json", "--data", data)
	var acc, shown, replaced cloud.Account
	if err := json.Unmarshal([]byte(out), &acc); err != nil {
		t.Fatal(err)
	}
	token(t, &shown, data)
	token(t, &replaced, data, "--rotate")
	if shown.UploadToken != acc.UploadToken || replaced.UploadToken == acc.UploadToken || replaced.UploadToken == "" || replaced.OAuthToken != "" {
		t.Errorf("shown %q, replaced %q, at first %q", shown.UploadToken, replaced.UploadToken, acc.UploadToken)
	}
	for path, want := range map[string]string{
		"/api/tokens/" + acc.UploadToken + "/hint":      "No account",
		"/api/tokens/" + replaced.UploadToken + "/hint": "test@...",
		"/api/cameras/00E04CC27CC5?maker=acme":          "/cgi/time?server=ntp.example.org",
		"/api/cameras/00E04CC27CC6?maker=Sharx":         "MIN=0&SEC=45",
	} {
		res, err := http.Get(addr + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s %v, want %s", path, b, err, want)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func token(t *testing.T, into *cloud.Account, data string, args ...string) {
	t.Helper()
	code, out, errs := result(t, append([]string{"user", "token", "test@example.com", "--json", "--data", data}, args...)...)
	if err := json.Unmarshal([]byte(out), into); code != 0 || err != nil {
		t.Fatalf("user token: %d %s %s", code, out, errs)
	}
}

func TestAcknowledgedUploadsSurviveAKill(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	cmd, addr, _ := startServer(t, data)
	_, out, _ := result(t, "user", "add", "test@example.com", "--json", "--data", data)
	var acc cloud.Account
	if err := json.Unmarshal([]byte(out), &acc); err != nil {
		t.Fatal(err)
	}
	jpeg, err := exec.Command("sh", "-c", `printf 'P6 32 32 255\n%3072s' x | cjpeg`).Output()
	if err != nil {
		t.Fatal("cjpeg: ", err)
	}
	acked := make(chan string, 10_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		client := &http.Client{Timeout: 10 * time.Second}
		for i := range 10_000 {
			name := time.Unix(int64(1_700_000_000+60*i), 0).UTC().Format("2006-01-02T15:04:05.000-0700")
			req, err := http.NewRequest("PUT", addr+"/api/users/"+acc.UploadToken+"/cameras/front/content/"+name+".jpeg?camera_id=1", bytes.NewReader(jpeg))
			if err != nil {
				return
			}
			res, err := client.Do(req)
			if err != nil {
				return // killed
			}
			var up struct{ ID string }
			err = json.NewDecoder(res.Body).Decode(&up)
			res.Body.Close()
			if err != nil || res.StatusCode != 200 {
				return
			}
			acked <- up.ID
		}
	}()
	for len(acked) < 20 {
		select {
		case <-done:
			t.Fatal("uploads ended by themselves")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	<-done
	close(acked)

	again, addr, _ := startServer(t, data)
	n := 0
	for id := range acked {
		n++
		res, err := http.Get(addr + "/api/users/me/cameras/front/content/" + id + "?access_token=" + acc.OAuthToken)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !bytes.Equal(b, jpeg) {
			t.Errorf("acknowledged upload %s: %d, %d bytes, %v", id, res.StatusCode, len(b), err)
		}
	}
	t.Logf("%d acknowledged uploads", n)
	if err := again.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
}

func TestWrongCommandLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{nil, 0, "Examples:"},
		{[]string{"--help"}, 0, "camera claim"},
		{[]string{"serve", "--help"}, 0, "--listen"},
		{[]string{"version"}, 0, "camward-cloud "},
		{[]string{"nonsense"}, 2, "--help"},
		{[]string{"camera", "claim", "x"}, 2, "missing flags"},
		{[]string{"user", "list", "--data", filepath.Join(filepath.Dir(file), "nowhere")}, 1, "no data in"},
		{[]string{"serve", "--data", file}, 1, "not a directory"},
		{[]string{"serve", "--data", t.TempDir(), "--listen", "256.0.0.1:x"}, 1, "listen on 256.0.0.1:x"},
		{[]string{"serve", "--data", t.TempDir(), "--base-url", "nonsense"}, 1, "base URL"},
		{[]string{"serve", "--data", t.TempDir(), "--ntp", "a&b"}, 1, "NTP server"},
		{[]string{"serve", "--data", t.TempDir(), "--ftp-host", "ftp://x"}, 1, "FTP host"},
		{[]string{"serve", "--data", t.TempDir(), "--poll-period", "1s"}, 1, "poll period"},
		{[]string{"serve", "--data", t.TempDir(), "--claim-from", "mars"}, 2, "nearby"},
		{[]string{"serve", "--data", t.TempDir(), "--trusted-proxy", "nginx"}, 2, "nginx"},
		{[]string{"serve", "--data", t.TempDir(), "--profiles", file + ".yml"}, 1, "no such file"},
		{[]string{"user", "token", "test@example.com", "--data", filepath.Join(filepath.Dir(file), "nowhere")}, 1, "no data in"},
	}
	for _, tt := range tests {
		code, out, errs := result(t, tt.args...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%v: %d %s%s, want %d and %q", tt.args, code, out, errs, tt.code, tt.want)
		}
	}
}
