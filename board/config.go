package board

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"camward/camio"
	"camward/internal/transport"
)

// FirmwareConfig says how the vendor's own firmware is reached. The zero value is a board without one: camward answers
// the commands itself.
type FirmwareConfig struct {
	// Address of the vendor's CGI: host or host:port, which is tried by HTTPS and only with AllowHTTP by HTTP as well, or
	// http://host[:port] or https://host[:port], which is taken at its word. Without a port it is the profile's for HTTP and
	// 443 for HTTPS. Empty: camward's own CGI.
	Address  string       `yaml:"address"`
	User     string       `yaml:"user"`
	Password camio.Secret `yaml:"password"`
	// CAFile is a PEM file of the only authorities to trust, or of the board's own certificate; empty: the system's.
	CAFile string `yaml:"ca_file"`
	// Pins are keys of which the board must show one. Without CAFile a pin is all that is asked for: certificates that
	// vendors sign themselves name neither an authority nor the board's address.
	Pins []transport.Pin `yaml:"pins"`
	// AllowHTTP permits HTTP, and with it Basic credentials in clear text, to an Address without a scheme.
	AllowHTTP bool `yaml:"allow_http"`
}

// Validate reports every fault of the configuration. It reads CAFile.
func (c FirmwareConfig) Validate() error {
	var errs []error
	if _, err := parseAddress(c.Address); c.Address != "" && err != nil {
		errs = append(errs, fmt.Errorf("board.firmware.address: %w", err))
	}
	if c.Password != "" && c.User == "" {
		errs = append(errs, errors.New("board.firmware.user: not set, but there is a password"))
	}
	if err := (transport.Config{CAFile: c.CAFile, Proxy: transport.Direct}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("board.firmware.%w", err))
	}
	return errors.Join(errs...)
}

// An address is where the vendor's CGI listens.
type address struct {
	scheme string // http, https, or empty if the configuration leaves it open
	host   string // name or IP, an IPv6 address without brackets
	port   string // empty: the scheme's or the profile's
}

func parseAddress(s string) (address, error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "", s
	}
	u, err := url.Parse("//" + strings.TrimSuffix(rest, "/"))
	if err != nil || u.Host == "" || u.Host != strings.TrimSuffix(rest, "/") || u.Hostname() == "" {
		// The text itself isn't shown: somebody may have put a password into it.
		return address{}, errors.New("it is not like 192.168.1.10, http://camera.lan:8080 or https://[fe80::1]")
	}
	a := address{scheme: strings.ToLower(scheme), host: u.Hostname(), port: u.Port()}
	if found && a.scheme != "http" && a.scheme != "https" {
		return address{}, errors.New("its scheme is neither http nor https")
	}
	if n, err := strconv.ParseUint(a.port, 10, 16); a.port != "" && (err != nil || n == 0) {
		return address{}, fmt.Errorf("port %q is not one of 1..65535", a.port)
	}
	return a, nil
}

// hostPort is what to connect to. byDefault is the port if the configuration names none.
func (a address) hostPort(byDefault int) string {
	if a.port != "" {
		return net.JoinHostPort(a.host, a.port)
	}
	return net.JoinHostPort(a.host, strconv.Itoa(byDefault))
}

// LEDConfig says which light shows the agent's state.
type LEDConfig struct {
	// Name of a folder in /sys/class/leds; empty: the board's status light, if it has one; "none": no light is touched.
	Name string `yaml:"name"`
}

// NoLED as LEDConfig.Name leaves all lights alone.
const NoLED = "none"

// Validate reports every fault of the configuration.
func (c LEDConfig) Validate() error {
	if strings.ContainsAny(c.Name, "/\x00") || c.Name == "." || c.Name == ".." {
		return fmt.Errorf("board.led.name: %q is not the name of a folder in /sys/class/leds", c.Name)
	}
	return nil
}

// WatchdogConfig says which watchdog restarts the board when recording has stopped. systemd's own is used whenever
// the unit asks for it (WatchdogSec=) and needs no setting.
type WatchdogConfig struct {
	Device  string        `yaml:"device"`  // like /dev/watchdog; empty: none
	Timeout time.Duration `yaml:"timeout"` // after which the board restarts unless fed, 5s to 10m; the hardware may round it
}

// DefaultWatchdog leaves the hardware alone. 30 s outlast a slow disk, and a camera that is back within a minute
// is worth a restart to its owner.
func DefaultWatchdog() WatchdogConfig { return WatchdogConfig{Timeout: 30 * time.Second} }

// Validate reports every fault of the configuration.
func (c WatchdogConfig) Validate() error {
	var errs []error
	if c.Device != "" && (!path.IsAbs(c.Device) || path.Clean(c.Device) != c.Device) {
		errs = append(errs, fmt.Errorf("board.watchdog.device: %q is not a path like /dev/watchdog", c.Device))
	}
	if c.Timeout < 5*time.Second || c.Timeout > 10*time.Minute {
		errs = append(errs, fmt.Errorf("board.watchdog.timeout: %v is outside 5s..10m", c.Timeout))
	}
	return errors.Join(errs...)
}
