// Package board says who this device is: the MAC address the cloud knows it by, its maker and
// model, and its address on the local network.
//
// All of it is read from the kernel's files or taken from the configuration; what is missing is
// replaced by something stable, so that a device without a network card still has an identity.
package board

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"path"
	"regexp"
	"runtime"
	"sort"
	"strings"
)

// Config overrides what would be found. Every field may be empty.
type Config struct {
	MAC       string `yaml:"mac"`       // 12 hex digits, with or without separators
	Interface string `yaml:"interface"` // network interface whose MAC is used; default: the one towards the cloud
	Maker     string `yaml:"maker"`     // default camward
	Model     string `yaml:"model"`     // default: the board's own name
}

// Identity is who the device is.
type Identity struct {
	MAC   string `json:"mac"` // 12 upper-case hex digits
	Maker string `json:"maker"`
	Model string `json:"model"`
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
// address that packets to the cloud leave from, nil if unknown: its interface's MAC is
// preferred. A device without any usable MAC gets a locally administered one made from its machine-id.
func Identify(cfg Config, root fs.FS, local net.IP) (Identity, error) {
	id := Identity{Maker: cfg.Maker, Model: cfg.Model}
	if id.Maker == "" {
		id.Maker = "camward"
	}
	if id.Model == "" {
		id.Model = model(root)
	}
	var err error
	switch {
	case cfg.MAC != "":
		id.MAC, err = ParseMAC(cfg.MAC)
	case cfg.Interface != "":
		if id.MAC, err = interfaceMAC(root, cfg.Interface); err != nil {
			err = fmt.Errorf("board.interface: %w", err)
		}
	default:
		id.MAC = anyMAC(root, local)
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

func anyMAC(root fs.FS, local net.IP) string {
	if name := interfaceOf(local); name != "" {
		if m, err := interfaceMAC(root, name); err == nil {
			return m
		}
	}
	names, _ := fs.ReadDir(root, "sys/class/net")
	sort.SliceStable(names, func(i, j int) bool { // real hardware first, then by name
		hi, hj := isHardware(root, names[i].Name()), isHardware(root, names[j].Name())
		return hi && !hj
	})
	for _, n := range names {
		if m, err := interfaceMAC(root, n.Name()); err == nil {
			return m
		}
	}
	return machineMAC(root)
}

func interfaceOf(ip net.IP) string {
	if ip == nil || ip.IsLoopback() {
		return ""
	}
	ifs, _ := net.Interfaces()
	for _, i := range ifs {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
				return i.Name
			}
		}
	}
	return ""
}

func isHardware(root fs.FS, name string) bool {
	_, err := fs.Stat(root, path.Join("sys/class/net", name, "device"))
	return err == nil
}

func interfaceMAC(root fs.FS, name string) (string, error) {
	s := readLine(root, path.Join("sys/class/net", name, "address"))
	m, err := ParseMAC(s)
	if err != nil || m == "000000000000" {
		return "", fmt.Errorf("interface %s has no MAC address", name)
	}
	return m, nil
}

// machineMAC makes a stable locally administered unicast address (IEEE 802, the second-lowest bit of the
// first octet) from the machine-id.
func machineMAC(root fs.FS) string {
	h := sha256.Sum256([]byte("camward " + readLine(root, "etc/machine-id")))
	h[0] = h[0]&^1 | 2
	return fmt.Sprintf("%X", h[:6])
}

func model(root fs.FS) string {
	for _, f := range []string{"proc/device-tree/model", "sys/class/dmi/id/product_name"} {
		if s := readLine(root, f); s != "" {
			return s
		}
	}
	return "linux-" + runtime.GOARCH
}

// readLine gives the first line of a kernel file, without the NUL that device-tree strings end in; "" if
// it cannot be read.
func readLine(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	s, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(strings.TrimRight(s, "\x00"))
}
