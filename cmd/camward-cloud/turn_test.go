package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"camward/cloud"
)

func TestServeRelaysLiveView(t *testing.T) {
	_, addr, _ := startServer(t, filepath.Join(t.TempDir(), "data"), "--turn", "127.0.0.1:0", "--turn-ports", "39750-39760", "--turn-allow", "127.0.0.0/8")
	req, err := http.NewRequest("GET", addr+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	for {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var st cloud.Status
		err = json.NewDecoder(res.Body).Decode(&st)
		res.Body.Close()
		if err != nil || st.Status != "ok" {
			t.Fatalf("%+v, %v", st, err)
		}
		if st.TURN {
			return // the test's own limit ends a wait in vain
		}
	}
}

func TestTURNFlagsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--turn :3478", 1, "TURN public address"},
		{"--turn nonsense", 1, "TURN address"},
		{"--turn :3478 --turn-public cam.example.org", 2, "cam.example.org"},
		{"--turn :3478 --turn-public 203.0.113.9 --turn-ports 9-8", 2, "9-8"},
		{"--turn :3478 --turn-public 203.0.113.9 --turn-allow here", 2, "here"},
		{"--turn 203.0.113.9:3478", 1, "TURN on 203.0.113.9:3478"},
	} {
		code, _, errs := result(t, append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("serve %s: %d %s, want %d and %q", tt.args, code, errs, tt.code, tt.want)
		}
	}
}
