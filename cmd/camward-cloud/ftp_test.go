package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestPassivePortsOnTheCommandLine(t *testing.T) {
	for in, want := range map[string]ports{"40000-40100": {40000, 40100}, "2121": {2121, 2121},
		"": {}, "0-5": {}, "5-4": {}, "1-65536": {}, "a-b": {}, "-5": {}, "5-": {}} {
		var got ports
		err := got.UnmarshalText([]byte(in))
		if got != want || (err == nil) != (want != ports{}) {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
	code, _, errs := result(t, "serve", "--ftp-ports", "5-4")
	if code != 2 || !strings.Contains(errs, "5-4") {
		t.Errorf("serve --ftp-ports 5-4: %d %s", code, errs)
	}
}

func TestServeTakesUploadsOverFTP(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	code, out, errs := result(t, "user", "add", "test@example.com", "--json", "--data", data)
	var acc map[string]string
	if err := json.Unmarshal([]byte(out), &acc); code != 0 || err != nil {
		t.Fatalf("user add: %d %s %s", code, out, errs)
	}
	cmd := command(t, "serve", "--data", data, "--listen", "127.0.0.1:0", "--ftp", "127.0.0.1:0", "--ftp-ports", "39720-39740", "--ftp-public", "127.0.0.1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	address := regexp.MustCompile(`FTP.*"address": "([0-9.:]+)"`)
	for in := bufio.NewScanner(stderr); in.Scan(); {
		m := address.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		curl := exec.Command("curl", "-sS", "-v", "--disable-epsv", "--ftp-create-dirs", "-u", acc["upload_token"]+":camio", "-T", "-", "ftp://"+m[1]+"/front/a.mpg")
		curl.Stdin = strings.NewReader("neither picture nor video")
		if out, err := curl.CombinedOutput(); err == nil || !strings.Contains(string(out), "< 553 ") {
			t.Errorf("curl: %v, want 553\n%s", err, out)
		}
		return
	}
	t.Fatal("serve ended without an FTP address in its log")
}
