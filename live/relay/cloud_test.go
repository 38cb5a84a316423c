package relay

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"camward/camio"
	"camward/cloud/cloudtest"
	"camward/live"
)

// TestViewersReachTheCameraThroughTheRealCloud speaks WHEP with camward-cloud's own server, which hands it on to the camera.
func TestViewersReachTheCameraThroughTheRealCloud(t *testing.T) {
	v := &viewers{}
	v.open = func(_ context.Context, camera, offer string, _ ...live.ICEServer) (live.Answer, error) {
		if camera != "front" || offer != "v=0\r\noffer" {
			return live.Answer{}, live.ErrOffer
		}
		return live.Answer{Session: "SESSION", ETag: "TAG", SDP: "v=0\r\nanswer"}, nil
	}
	v.patch = func(_, id, etag, fragment string) (live.Answer, error) {
		if id != "SESSION" || etag != "TAG" {
			return live.Answer{}, live.ErrPrecondition
		}
		return live.Answer{Session: id, ETag: "NEXT", SDP: "own " + fragment}, nil
	}
	c := cloudtest.New(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	client, _ := run(t, v, &http.Client{Transport: tr})
	target := targetAt(t, c.URL)
	target.Token = camio.Secret(c.Account.UploadToken)
	client.SetTarget(target)

	const at = "/api/users/me/cameras/front%20door/live"
	ready := func(want bool) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			status, text := c.Do(t, "GET", at, "")
			if status == 200 && strings.Contains(text, fmt.Sprintf(`"web_rtc":%v`, want)) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d %s, %+v", status, text, client.Status())
			}
		}
	}
	ask := func(method, path, kind, body string, header ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, c.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "token "+c.Account.OAuthToken)
		req.Header.Set("Content-Type", kind)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	ready(true)
	resp, text := ask("POST", at, "application/sdp", "v=0\r\noffer")
	if resp.StatusCode != 201 || text != "v=0\r\nanswer" || resp.Header.Get("Location") != at+"/SESSION" || resp.Header.Get("ETag") != `"TAG"` {
		t.Fatalf("POST: %d %q %v", resp.StatusCode, text, resp.Header)
	}
	if resp, text := ask("POST", at, "application/sdp", "another"); resp.StatusCode != 400 {
		t.Errorf("POST of nonsense: %d %q", resp.StatusCode, text)
	}
	session := resp.Header.Get("Location")
	if resp, text := ask("PATCH", session, "application/trickle-ice-sdpfrag", "fragment", "If-Match", `"TAG"`); resp.StatusCode != 200 || text != "own fragment" || resp.Header.Get("ETag") != `"NEXT"` {
		t.Errorf("PATCH: %d %q %v", resp.StatusCode, text, resp.Header)
	}
	if resp, _ := ask("PATCH", session, "application/trickle-ice-sdpfrag", "fragment", "If-Match", `"OLD"`); resp.StatusCode != 412 {
		t.Errorf("PATCH of a replaced session: %d", resp.StatusCode)
	}
	if resp, _ := ask("DELETE", session, "", ""); resp.StatusCode != 200 || len(v.ended) != 1 || v.ended[0] != "front/SESSION" {
		t.Errorf("DELETE: %d, ended %v", resp.StatusCode, v.ended)
	}
	v.setReady(live.ErrNoPicture)
	ready(false)
	client.SetTarget(Target{})
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		resp, text := ask("POST", at, "application/sdp", "v=0\r\noffer")
		if resp.StatusCode == 503 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("POST without a camera: %d %q", resp.StatusCode, text)
		}
	}
}
