package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// testCloud is a camward-cloud process on the host's loopback.
type testCloud struct {
	url, data   string
	OAuthToken  string `json:"oauth_token"`
	UploadToken string `json:"upload_token"`
}

// cloudProgram is the server as make build leaves it.
const cloudProgram = "../../bin/camward-cloud"

// startCloud runs the built server on a port of its choice, with one account and further flags of serve.
func startCloud(t *testing.T, flags ...string) *testCloud {
	t.Helper()
	data := t.TempDir()
	cmd := exec.Command(cloudProgram, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "warn"}, flags...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make build makes it)", err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("camward-cloud: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("camward-cloud said no address: %v", err)
	}
	c := &testCloud{data: data, url: strings.TrimSpace(line[strings.LastIndex(line, " ")+1:])}
	add := exec.Command(cloudProgram, "user", "add", "lab@example.com", "--json", "--data", data, "--base-url", c.url)
	add.Stderr = os.Stderr
	account, err := add.Output()
	if err == nil {
		err = json.Unmarshal(account, c)
	}
	if err != nil {
		t.Fatalf("user add: %v\n%s", err, account)
	}
	return c
}

// inGuest is the cloud's address as the guest sees it: QEMU's user network has the host at 10.0.2.2.
func (c *testCloud) inGuest() string { return strings.Replace(c.url, "127.0.0.1", "10.0.2.2", 1) }

// get fetches an API path with the account's token.
func (c *testCloud) get(t *testing.T, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+c.OAuthToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v\n%.300s", path, resp.Status, err, body)
	}
	return body
}

// clips fetches what the cloud holds of a camera, oldest first: each event's clips and how many
// snapshots it has.
func (c *testCloud) clips(t *testing.T, camera string) (clips [][]byte, snapshots int) {
	t.Helper()
	var reply struct {
		Result struct {
			Buckets []struct {
				Images []struct{ ID string }
				Videos []struct{ ID string }
			}
			MoreResults bool `json:"more_results"`
		}
	}
	q := url.Values{"sort": {"asc"}, "date": {"2000-01-01T00:00:00"}, "motion_type": {"all"}, "num_results": {"100"}, "sources": {camera}}
	if err := json.Unmarshal(c.get(t, "/api/search?"+q.Encode()), &reply); err != nil {
		t.Fatal(err)
	}
	if reply.Result.MoreResults {
		t.Fatal("more events than a page")
	}
	for _, b := range reply.Result.Buckets {
		snapshots += len(b.Images)
		for _, v := range b.Videos {
			clips = append(clips, c.get(t, fmt.Sprintf("/api/users/me/cameras/%s/content/%s", camera, url.PathEscape(v.ID))))
		}
	}
	return clips, snapshots
}
