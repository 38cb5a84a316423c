// Package board says who this device is and drives what belongs to it: the MAC address the cloud knows it by, maker, model,
// serial number and firmware; the vendor's own firmware, whose CGI the cloud's commands call; the status light and the watchdogs.
//
// The identity is read from the kernel's files or taken from the configuration; what is missing is
// replaced by something stable, so that a device without a network card still has an identity. Hardware that a board
// lacks is passed over in silence.
package board

import (
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"unicode"
)

// Config overrides what would be found. Every field may be empty.
type Config struct {
	MAC       string `yaml:"mac"`       // 12 hex digits, with or without separators
	Interface string `yaml:"interface"` // network interface whose MAC is used; default: the board's own first one, wired before wireless
	Maker     string `yaml:"maker"`     // default camward
	Model     string `yaml:"model"`     // default: the board's own name
	Serial    string `yaml:"serial"`    // default: the board's own
	// FirmwareVersion is by default the operating system's.
	FirmwareVersion string `yaml:"firmware_version"`
}

// Identity is who the device is.
type Identity struct {
	MAC   string `json:"mac"` // 12 upper-case hex digits
	Maker string `json:"maker"`
	Model string `json:"model"`

	Serial   string `json:"serial,omitempty"`   // of the board; empty: unknown
	Firmware string `json:"firmware,omitempty"` // name and version of the system image; empty: unknown
}

// CameraID is the camera_id of the n-th camera, counted from 0: the MAC, then MAC.1, MAC.2.
func (id Identity) CameraID(n int) string {
	if n == 0 {
		return id.MAC
	}
	return fmt.Sprintf("%s.%d", id.MAC, n)
}

var hexMAC = regexp.MustCompile(`^[0-9A-F]{12}$`)

// ParseMAC brings a MAC address into the bare upper-case form. Colons, dashes and dots are dropped.
func ParseMAC(s string) (string, error) {
	m := strings.ToUpper(strings.NewReplacer(":", "", "-", "", ".", "").Replace(s))
	if !hexMAC.MatchString(m) {
		return "", fmt.Errorf("MAC address %q is not 12 hex digits", s)
	}
	return m, nil
}

// Validate reports every fault of the configuration.
func (c Config) Validate() error {
	if c.MAC == "" {
		return nil
	}
	if _, err := ParseMAC(c.MAC); err != nil {
		return fmt.Errorf("board.mac: %w", err)
	}
	return nil
}

// Identify finds the device's identity. root is the file system ("/" as os.DirFS); local is the
// address that packets to the cloud leave from, nil if unknown. The MAC has to be the same after every start, whatever is plugged
// in and whichever network is up, since the cloud's claims hang on it; so it is that of the board's own hardware if it can be,
// and local decides only where there is none, as in a container. A device without any lasting MAC gets a locally administered
// one made from its machine-id.
func Identify(cfg Config, root fs.FS, local net.IP) (Identity, error) {
	id := Identity{Maker: cfg.Maker, Model: cfg.Model, Serial: cfg.Serial, Firmware: cfg.FirmwareVersion}
	if id.Maker == "" {
		id.Maker = "camward"
	}
	if id.Model == "" {
		id.Model = model(root)
	}
	if id.Serial == "" {
		id.Serial = serial(root)
	}
	if id.Firmware == "" {
		id.Firmware = firmware(root)
	}
	var err error
	switch {
	case cfg.MAC != "":
		id.MAC, err = ParseMAC(cfg.MAC)
	case cfg.Interface != "":
		if id.MAC, err = netInterfaces(root).named(cfg.Interface); err != nil {
			err = fmt.Errorf("board.interface: %w", err)
		}
	default:
		id.MAC = netInterfaces(root).mac(interfaceOf(local), machineID(root))
	}
	return id, err
}

// LocalAddress is the address from which packets to host (name or address) leave, nil if there is no
// route. No packet is sent.
func LocalAddress(host string) net.IP {
	c, err := net.Dial("udp", net.JoinHostPort(host, "9"))
	if err != nil {
		return nil
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).IP
}

// model is the device tree's, then that of the firmware of a PC.
func model(root fs.FS) string {
	if s := firstLine(root, "proc/device-tree/model", "sys/firmware/devicetree/base/model", "sys/class/dmi/id/product_name"); s != "" {
		return s
	}
	return "linux-" + runtime.GOARCH
}

func serial(root fs.FS) string {
	if s := firstLine(root, "proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number"); s != "" {
		return s
	}
	if s := cpuSerial(root); s != "" {
		return s
	}
	return firstLine(root, "sys/class/dmi/id/product_serial", "sys/class/dmi/id/board_serial")
}

// cpuSerial reads the line that ARM kernels have in /proc/cpuinfo.
func cpuSerial(root fs.FS) string {
	b, err := fs.ReadFile(root, "proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "Serial" {
			return filled(value)
		}
	}
	return ""
}

// firmware names the system image: os-release(5) has fields for images, which vendors' builds and Yocto's fill, and for the
// distribution otherwise. Without that file it is the kernel's release.
func firmware(root fs.FS) string {
	f := osRelease(root)
	for _, s := range []string{join(f["IMAGE_ID"], f["IMAGE_VERSION"]), f["PRETTY_NAME"], join(f["NAME"], f["VERSION_ID"])} {
		if s != "" {
			return s
		}
	}
	return join("Linux", firstLine(root, "proc/sys/kernel/osrelease"))
}

// join gives "name version", or nothing if there is no version.
func join(name, version string) string {
	if version == "" {
		return ""
	}
	return strings.TrimSpace(name + " " + version)
}

func osRelease(root fs.FS) map[string]string {
	f := map[string]string{}
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if ok && !strings.HasPrefix(key, "#") {
				f[key] = filled(strings.Trim(value, `"'`))
			}
		}
		break // the second is the default of the first, not an addition
	}
	return f
}

// machineID is that of machine-id(5), empty if there is none.
func machineID(root fs.FS) string {
	if s := readLine(root, "etc/machine-id"); len(s) == 32 {
		return s
	}
	return readLine(root, "var/lib/dbus/machine-id")
}

// firstLine is the first line of the first of these files that says anything.
func firstLine(root fs.FS, names ...string) string {
	for _, n := range names {
		if s := filled(readLine(root, n)); s != "" {
			return s
		}
	}
	return ""
}

// What makers of PCs leave in fields that they don't fill, in lower case.
var unfilled = []string{
	"to be filled by o.e.m.", "default string", "not specified", "not applicable", "system product name", "system serial number", "unknown", "none", "n/a", "o.e.m.",
}

// filled is s without what surrounds it, or empty if it says nothing. Device trees hold bytes that were never meant for a screen;
// only printable ones pass, and at most 128 of them.
func filled(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
	if strings.Trim(s, "0.- ") == "" || slices.Contains(unfilled, strings.ToLower(s)) {
		return ""
	}
	if r := []rune(s); len(r) > 128 {
		s = string(r[:128])
	}
	return s
}

// readLine gives the first line of a kernel file, without the NUL that device-tree strings end in; "" if
// it cannot be read.
func readLine(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	s, _, _ := strings.Cut(string(b), "\n")
	s, _, _ = strings.Cut(s, "\x00")
	return strings.TrimSpace(s)
}
