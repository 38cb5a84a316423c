package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"camward/web"
)

const pagePassword = "the page's password"

// A visitor is a signed-in page of an agent whose HTTP server runs.
type visitor struct {
	t    *testing.T
	a    *Agent
	base string
}

// visit makes an agent of a directory and runs its HTTP server, and its pipeline if run is true.
func visit(t *testing.T, dir string, run bool, more ...string) *visitor {
	t.Helper()
	a := testAgent(t, dir, append([]string{"listen=127.0.0.1:0", "live.udp_port=0", "live.tcp_port=0"}, more...)...)
	if err := SetPassword(filepath.Join(dir, "state"), pagePassword); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.web.Run(ctx)
	}()
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		if run {
			a.cameras[0].Run(ctx)
		}
	}()
	t.Cleanup(func() {
		stop(errors.New("the test is over"))
		<-done
		<-ran
	})
	eventually(t, "the server listens", func() bool { return a.web.Address() != nil })
	return &visitor{t, a, "http://" + a.web.Address().String()}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// do asks as the page does and gives status and answer.
func (v *visitor) do(method, path, body string) (int, string) {
	v.t.Helper()
	req, err := http.NewRequest(method, v.base+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.SetBasicAuth(User, pagePassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// json asks and reads the answer, which is to be a success.
func (v *visitor) json(method, path, body string, into any) {
	v.t.Helper()
	status, text := v.do(method, path, body)
	if status != http.StatusOK {
		v.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		v.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// refused asks for what is to be refused with a status and one sentence, and gives that.
func (v *visitor) refused(method, path, body string, want int) string {
	v.t.Helper()
	status, text := v.do(method, path, body)
	var fault struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(text), &fault); err != nil || fault.Error == "" || strings.Contains(fault.Error, "\n") || status != want {
		v.t.Errorf("%s %s %.80s: %d %s, want %d and an error of one line", method, path, body, status, text, want)
	}
	return fault.Error
}

// fill makes a path of a pattern of http.ServeMux.
var fill = strings.NewReplacer("{camera}", "front", "{name}", "front", "{session}", "x", "{id}", "x", "{$}", "")

func TestEveryRouteWantsThePassword(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	routes := v.a.web.Routes()
	for _, needed := range []string{"POST /whep", "GET /{$}", "GET /api/status", "GET /api/logs", "GET /api/support-bundle", "PUT /api/cameras/{camera}/detection",
		"GET /stream.mjpeg", "/form/", "GET /metrics", "POST /signin"} {
		if !slices.ContainsFunc(routes, func(r web.Route) bool { return r.Pattern == needed }) {
			t.Errorf("the table lacks %s", needed)
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, route := range routes {
		method, path, ok := strings.Cut(fill.Replace(route.Pattern), " ")
		if !ok {
			method, path = http.MethodGet, method
		}
		for _, accept := range []string{"*/*", "text/html"} {
			req, err := http.NewRequest(method, v.base+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", accept)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			refused := resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden ||
				resp.StatusCode == http.StatusSeeOther && strings.HasPrefix(resp.Header.Get("Location"), "/signin")
			open := route.Access == web.AccessOpen || route.Access == web.AccessSignIn
			if !refused && !open {
				t.Errorf("%s (%s) without the password: %s", route.Pattern, route.Access, resp.Status)
			}
			harmless := method == http.MethodOptions || path == "/healthz" || strings.HasPrefix(path, "/page/")
			if route.Access == web.AccessOpen && !harmless {
				t.Errorf("%s is open", route.Pattern)
			}
		}
	}
}
