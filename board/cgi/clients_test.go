package cgi

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"camward/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a real client and gives its standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("%s (install it with scripts/deps.sh): %v", name, err)
	}
	return string(out)
}

func TestPeopleAndScriptsSetTheDeviceWithCurlAndWget(t *testing.T) {
	dir := t.TempDir()
	password, secret, err := web.LoadPassword(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := web.New(web.Config{Listen: "127.0.0.1:0"}, password, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	d := &device{}
	s.HandleDigest("/form/", New(d, zap.NewNop()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for s.Address() == nil {
		time.Sleep(time.Millisecond)
	}
	t.Cleanup(func() { cancel(); <-done })
	base := "http://" + s.Address().String()
	zones := filepath.Join(dir, "zones.json")
	if err := os.WriteFile(zones, []byte(`[{"name":"door","polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":0,"y":1}]}]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) []string {
		return append([]string{"curl", "-sg", "--digest", "-u", "admin:" + secret}, args...)
	}
	wget := func(args ...string) []string {
		return append([]string{"wget", "-q", "-O-", "--content-on-error", "--user=admin", "--password=" + secret}, args...)
	}
	tests := []struct {
		args []string
		want string
	}{
		{curl(base + docPing), success},
		{curl(base + docTime), success},
		{curl(base + docFTP), success},
		{curl(base + "/" + docPing), success},
		{curl("-d", "ENABLE=1&SERVER=a.example", base+"/form/setNtp"), success},
		{curl("-G", "-d", "ENABLE=1", "-d", "SEC=30", "--data-urlencode", "URL=https://h.example/api/cameras/$(hwaddr)/?a=b&c=d", base+"/form/setHttpPeriodSending"), success},
		{curl("--data-binary", "@"+zones, base+"/form/setMotionZones/"), success},
		{curl("-H", "Content-Type: application/json", "-d", "@"+zones, base+"/form/setMotionZones"), success},
		{curl(base + "/form/getHttpPeriodSending"), success + "ENABLE=1\nSCHED=0\nSCHEDID=0\nHOUR=0\nMIN=0\nSEC=30\nURL=https://h.example/api/cameras/$(hwaddr)/?a=b&c=d\nAUTH=0\nUSERNAME=\nPASSWORD=\n"},
		{curl(base + "/form/setNtp?ENABLE=1&SERVER=h&PORT=1&ENABLE=0"), "201 ENABLE: given twice\n"},
		{wget(base + docPing), success},
		{wget(base + docTime), success},
		{wget(base + docFTP), success},
		{wget("--post-file="+zones, base+"/form/setMotionZones"), success},
		{wget("--post-data=ENABLE=1&SERVER=b.example", base+"/form/setNtp/"), success},
		{wget(base + "/form/getNtp"), success + "ENABLE=1\nSERVER=b.example\n"},
		{wget(base + "/form/setNtp?ENABLE=1&SERVER=h&SERVER=i"), "201 SERVER: given twice\n"},
		{[]string{"curl", "-s", "--basic", "-u", "admin:" + secret, base + docTime}, success}, // from the device itself
		{curl("-A", "Mozilla/5.0", "-e", "http://evil.example/", base+docTime), "103 this request comes from another site's page; set the camera from its own page, or by curl --digest\n"},
	}
	for _, tt := range tests {
		if got := run(t, tt.args[0], tt.args[1:]...); got != tt.want {
			t.Errorf("%q:\n got %q\nwant %q", tt.args, got, tt.want)
		}
	}
	if got := run(t, "curl", "-sg", base+docTime); !strings.HasPrefix(got, "sign in as admin") {
		t.Errorf("without the password: %q", got)
	}
	for i, from := range d.sender {
		if from != "127.0.0.1" {
			t.Errorf("setting %d came from %q", i, from)
		}
	}
}
