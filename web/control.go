package web

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"camward/internal/atomicfile"
)

// ErrNotRunning says that no camward with this state directory answers.
var ErrNotRunning = errors.New("no camward is running here")

// Control is how a program on the device finds the running agent and proves that it may ask: a file in the state
// directory, readable by its owner alone, new at each start.
type Control struct {
	Address string `json:"address"` // host:port that reaches the server from the device itself
	Key     string `json:"key"`
}

func controlFile(stateDir string) string { return filepath.Join(stateDir, "control.json") }

// leaveControl writes the file once the address is bound.
func (s *Server) leaveControl() error {
	if s.cfg.StateDir == "" {
		return nil
	}
	a := *s.Address()
	if a.IP.IsUnspecified() {
		a.IP = net.IPv4(127, 0, 0, 1)
	}
	b, err := json.Marshal(Control{Address: a.String(), Key: s.key})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.cfg.StateDir, 0o700); err != nil {
		return err
	}
	return atomicfile.Write(controlFile(s.cfg.StateDir), b, 0o600)
}

// hasKey says whether the request carries the control key.
func (s *Server) hasKey(r *http.Request) bool {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) == 1
}

// FindControl reads what the agent that uses stateDir has left. It may be gone all the same: Do tells.
func FindControl(stateDir string) (*Control, error) {
	b, err := os.ReadFile(controlFile(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	}
	var c Control
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("find the running camward: %w", err)
	}
	return &c, nil
}

// Do asks the running agent. An answer other than 200 is an error with the server's words; the caller closes the
// body. ErrNotRunning means that nobody listens there any more.
func (c *Control) Do(method, path string) (*http.Response, error) {
	req, err := http.NewRequest(method, "http://"+c.Address+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	client := http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 10 * time.Second, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNotRunning
	case err != nil:
		return nil, fmt.Errorf("ask the running camward: %w", err)
	case resp.StatusCode != http.StatusOK:
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return resp, nil
}
