package cloud_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"camward/camio"
	"camward/cloud/cloudtest"
)

// call is one request and what came back.
type call struct {
	Status int
	Header http.Header
	Body   string
}

// send makes a request without credentials; header lines are "Name: value".
func send(t testing.TB, method, url, body string, header ...string) call {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return call{res.StatusCode, res.Header, string(b)}
}

// put uploads with the account's upload token and expects 200.
func put(t testing.TB, c *cloudtest.Cloud, camera, name, query string, body []byte) camio.Uploaded {
	t.Helper()
	r := send(t, "PUT", uploadURL(c, camera, name, query), string(body))
	if r.Status != 200 {
		t.Fatalf("upload %s: %d %s", name, r.Status, r.Body)
	}
	return decode[camio.Uploaded](t, r.Body)
}

func uploadURL(c *cloudtest.Cloud, camera, name, query string) string {
	return c.URL + "/api/users/" + c.Account.UploadToken + "/cameras/" + url.PathEscape(camera) + "/content/" + url.PathEscape(name) + "?" + query
}

func decode[T any](t testing.TB, s string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("decode %T from %s: %v", v, s, err)
	}
	return v
}

// get sends the account's OAuth token.
func get(t testing.TB, c *cloudtest.Cloud, path string) call {
	t.Helper()
	return send(t, "GET", c.URL+path, "", "Authorization: token "+c.Account.OAuthToken)
}

func search(t testing.TB, c *cloudtest.Cloud, query string) camio.SearchReply {
	t.Helper()
	r := get(t, c, "/api/search?"+query)
	if r.Status != 200 {
		t.Fatalf("search %s: %d %s", query, r.Status, r.Body)
	}
	return decode[camio.SearchReply](t, r.Body)
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// stamp is a file name for a time so many seconds after noon.
func stamp(seconds float64, ext string) string {
	return camio.FormatTime(noon.Add(time.Duration(seconds*1000)*time.Millisecond)) + ext
}
