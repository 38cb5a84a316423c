package ftpstore

import (
	"errors"
	"fmt"
	"net"
	"time"

	"camward/camio"
	"camward/internal/transport"
)

// TLS says how a connection is encrypted (RFC 4217).
type TLS string

// The modes. Both kinds of TLS cover control and data connections, and the server's certificate is checked.
const (
	None     TLS = "none"     // not at all
	Explicit TLS = "explicit" // AUTH TLS on the ordinary port, usually 21
	Implicit TLS = "implicit" // from the first byte, usually on port 990
)

// Config says where and how to upload. Default gives the values of what is optional.
type Config struct {
	Address  string       // host:port
	TLS      TLS          // default Explicit
	User     camio.Secret // upload token of the account
	Password camio.Secret // default "camio", the literal of the Camio service

	Transport transport.Config // whom to trust; FTP knows no proxy

	// Directory is where a file goes, under the directory of the login, and File its name there. Elements of
	// Directory are separated by "/" and made when missing. Both may hold these fields:
	//
	//	{camera}     configured name of the camera
	//	{camera_id}  bare upper-case MAC for the first camera, MAC.1, MAC.2 for the next
	//	{mac}        bare upper-case MAC
	//	{name}       upload name: time and extension
	//	{stem}       upload name without its extension
	//	{ext}        extension with its dot: .mp4 or .jpeg
	//	{year} {month} {day} {hour} {minute} {second}
	//	             of the first picture, in UTC, with leading zeros; all zeros if it was never known
	//
	// The two together must tell every recording from every other: File holds {name}, or {stem} and
	// {ext}; one of them holds {camera} or {camera_id}. Defaults {camera} and {name}.
	Directory string
	File      string

	Connect time.Duration // to the end of TCP, of control and of data connections. Default 10s
	Idle    time.Duration // without any progress or answer. Default 30s
	Total   time.Duration // of one attempt. Default 1h
	Keep    time.Duration // of an unused connection. Default 45s: servers rarely allow less than 60
}

// defaultPassword is the service's literal. It is no secret, so it need not be hidden.
const defaultPassword = "camio"

// Default returns a configuration that lacks only Address and User.
func Default() Config {
	return Config{
		TLS:       Explicit,
		Password:  defaultPassword,
		Directory: "{camera}",
		File:      "{name}",
		Connect:   10 * time.Second,
		Idle:      30 * time.Second,
		Total:     time.Hour,
		Keep:      45 * time.Second,
	}
}

// Validate reports every fault at once. An empty User is none: a camera may be told it later.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if host, port, err := net.SplitHostPort(c.Address); err != nil || host == "" || port == "" {
		bad("ftp.address: %q is not like ftp.example.com:21", c.Address)
	}
	if c.TLS != None && c.TLS != Explicit && c.TLS != Implicit {
		bad("ftp.tls: %q is not none, explicit or implicit", string(c.TLS))
	}
	// What ends a command on the wire (RFC 854: CR, LF; NUL and IAC have meanings of their own).
	for _, s := range []struct {
		name string
		text camio.Secret
	}{{"user", c.User}, {"password", c.Password}} {
		if !plain(s.text.Reveal()) {
			bad("ftp.%s: holds control characters", s.name)
		}
	}
	errs = append(errs, validateTemplates(c.Directory, c.File)...)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"connect", c.Connect}, {"idle", c.Idle}, {"total", c.Total}, {"keep", c.Keep}} {
		if d.value <= 0 {
			bad("ftp: %s timeout: %v is not above 0", d.name, d.value)
		}
	}
	return errors.Join(errs...)
}

// plain reports whether s can be an argument of a command as it is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f || s[i] == 0xff {
			return false
		}
	}
	return true
}
