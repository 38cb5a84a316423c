package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"camward/board"
	"camward/camio"
	"camward/web"
)

// Values of Config.ListenHTTPS and Config.FirstPassword.
const (
	autoHTTPS      = "auto"
	httpsPort      = "8443"
	randomPassword = "random"
	serialPassword = "serial"
)

// httpsAddress is where HTTPS listens; empty: nowhere.
func (c Config) httpsAddress() string {
	if c.ListenHTTPS != autoHTTPS {
		return c.ListenHTTPS
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || (web.Config{Listen: c.Listen}).Loopback() {
		return ""
	}
	return net.JoinHostPort(host, httpsPort)
}

// validateListen checks what belongs to the agent's own HTTP server.
func (c Config) validateListen() error {
	err := web.Config{Listen: c.Listen, HTTPS: c.httpsAddress()}.Validate()
	switch p := c.FirstPassword; {
	case p == randomPassword, p == serialPassword, filepath.IsAbs(p):
		return err
	default:
		return errors.Join(err, fmt.Errorf("first_password: %q is not %s, %s or the absolute path of a file", p, randomPassword, serialPassword))
	}
}

// password is what the server asks for. On a loopback address there is none unless one was made or a first one is configured.
func (a *Agent) password(cfg web.Config) (p *web.Password, err error) {
	var first camio.Secret
	switch known := web.HasPassword(a.cfg.StateDir); {
	case cfg.Listen == "", !known && cfg.Loopback() && a.cfg.FirstPassword == randomPassword:
		return nil, nil
	case !known:
		if first, err = a.cfg.firstPassword(a.id); err != nil {
			return nil, err
		}
	}
	p, fresh, err := web.LoadPassword(a.cfg.StateDir, first)
	switch {
	case err == nil:
		a.FreshPassword = fresh
	case first != "":
		err = fmt.Errorf("first_password: %s: %w", a.cfg.FirstPassword, err)
	}
	return p, err
}

// maxPasswordFile bounds the file that holds the first password, in bytes.
const maxPasswordFile = 4 << 10

// firstPassword is what the page's first password is to be; empty: one made at random.
func (c Config) firstPassword(id board.Identity) (camio.Secret, error) {
	switch c.FirstPassword {
	case randomPassword:
		return "", nil
	case serialPassword:
		if id.Serial == "" {
			return "", errors.New("first_password: serial: this board has no serial number; set board.serial")
		}
		return camio.Secret(id.Serial), nil
	}
	f, err := os.Open(c.FirstPassword)
	if err != nil {
		return "", fmt.Errorf("first_password: %w", err)
	}
	defer f.Close()
	b := make([]byte, maxPasswordFile)
	n, err := f.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("first_password: %w", err)
	}
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", fmt.Errorf("first_password: the first line of %s is empty", c.FirstPassword)
	}
	return camio.Secret(line), nil
}
