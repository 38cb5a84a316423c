// Package cloudtest runs the real camward-cloud on loopback for the tests of other packages: no canned replies, its own
// temporary data directory, gone when the test ends.
package cloudtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/cloud"
)

// Cloud is a running server with one account.
type Cloud struct {
	URL     string        // http://127.0.0.1:port
	Account cloud.Account // of test@example.com
	Server  *cloud.Server
}

// Option changes the server's configuration before it is made.
type Option func(*cloud.Config)

// MaxUpload limits an upload to n bytes.
func MaxUpload(n int64) Option { return func(c *cloud.Config) { c.MaxUpload = n } }

// Clock replaces time.Now.
func Clock(now func() time.Time) Option { return func(c *cloud.Config) { c.Now = now } }

// Log takes the server's log; without it the log is dropped.
func Log(l *zap.Logger) Option { return func(c *cloud.Config) { c.Log = l } }

// New starts a server on a free port of 127.0.0.1. The test's cleanup closes it after its requests have ended.
func New(t testing.TB, options ...Option) *Cloud {
	t.Helper()
	cfg := cloud.Config{Data: t.TempDir(), Log: zap.NewNop()}
	// It listens before it serves: links and commands carry the address.
	srv := httptest.NewUnstartedServer(nil)
	url := "http://" + srv.Listener.Addr().String()
	cfg.BaseURL = url
	for _, o := range options {
		o(&cfg)
	}
	s, err := cloud.New(cfg)
	if err != nil {
		srv.Close()
		t.Fatal(err)
	}
	srv.Config.Handler = s.Handler()
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	acc, err := s.AddUser(t.Context(), "test@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return &Cloud{URL: url, Account: acc, Server: s}
}

// Do sends a request with the account's OAuth token and returns the status and body. The path begins with a slash.
func (c *Cloud) Do(t testing.TB, method, path, body string) (status int, reply string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+c.Account.OAuthToken)
	res, err := http.DefaultClient.Do(req)
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
