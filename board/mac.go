package board

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"path"
	"slices"
	"strings"
)

// assignRandom as addr_assign_type (Documentation/ABI/testing/sysfs-class-net) tells a MAC that is another at each boot; USB
// gadgets and boards without a MAC of their own have such.
const assignRandom = "1"

// netDir is /sys/class/net.
type netDir struct{ root fs.FS }

func netInterfaces(root fs.FS) netDir { return netDir{root} }

func (d netDir) line(name, file string) string {
	return readLine(d.root, path.Join("sys/class/net", name, file))
}

func (d netDir) has(name, file string) bool {
	_, err := fs.Stat(d.root, path.Join("sys/class/net", name, file))
	return err == nil
}

func (d netDir) names() []string {
	entries, _ := fs.ReadDir(d.root, "sys/class/net")
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.SortFunc(names, byNumber)
	return names
}

// byNumber sorts eth2 before eth10.
func byNumber(a, b string) int {
	stem := func(s string) string { return strings.TrimRight(s, "0123456789") }
	if stem(a) == stem(b) {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}

// mac chooses the device's MAC. towards is the interface that packets to the cloud leave by; empty: unknown.
func (d netDir) mac(towards, machineID string) string {
	var best string
	var bestRank int
	for _, n := range d.names() {
		if m, rank := d.hardware(n); rank > bestRank {
			best, bestRank = m, rank
		}
	}
	if best != "" {
		return best
	}
	if m, err := d.named(d.below(towards)); err == nil && d.line(towards, "addr_assign_type") != assignRandom {
		return m
	}
	if machineID != "" {
		return madeMAC(machineID)
	}
	for _, n := range d.names() {
		if m, err := d.named(n); err == nil {
			return m
		}
	}
	return madeMAC("")
}

// hardware gives the lasting MAC of a piece of hardware, and how well it suits as the device's: 0 if not at all. A MAC that the
// maker got from the IEEE comes before a locally administered one, what is built in before what can be unplugged, and wired
// before wireless, as the label on the box has it. Whether a cable is in makes no difference.
func (d netDir) hardware(name string) (mac string, rank int) {
	if !d.has(name, "device") {
		return "", 0
	}
	mac, err := d.named(name)
	if err != nil {
		return "", 0
	}
	wireless := d.has(name, "phy80211") || d.has(name, "wireless") || d.line(name, "uevent") == "DEVTYPE=wlan"
	if d.line(name, "addr_assign_type") == assignRandom && !d.has(name, "phy80211/macaddress") {
		return "", 0
	}
	rank = 1
	if !local(mac) {
		rank += 8
	}
	if !d.pluggable(name) {
		rank += 4
	}
	if !wireless {
		rank += 2
	}
	return mac, rank
}

// pluggable tells USB adapters from Ethernet chips that sit on a USB bus within the board (Raspberry Pi 1 to 3): those are in the
// device tree.
func (d netDir) pluggable(name string) bool {
	return d.has(name, "device/bInterfaceNumber") && !d.has(name, "device/of_node")
}

// local tells a MAC that no maker got from the IEEE: the second-lowest bit of the first octet is set (IEEE 802 8.2).
func local(mac string) bool { return strings.ContainsRune("2367ABEF", rune(mac[1])) }

// below is the hardware under a bridge, VLAN or bond, or the interface itself.
func (d netDir) below(name string) string {
	for range 4 { // a VLAN on a bridge on a bond
		next := ""
		entries, _ := fs.ReadDir(d.root, path.Join("sys/class/net", name))
		ports, _ := fs.ReadDir(d.root, path.Join("sys/class/net", name, "brif"))
		for _, e := range ports {
			if next == "" || d.has(e.Name(), "device") && !d.has(next, "device") {
				next = e.Name()
			}
		}
		for _, e := range entries {
			if lower, ok := strings.CutPrefix(e.Name(), "lower_"); ok && next == "" {
				next = lower
			}
		}
		if next == "" || name == "" {
			return name
		}
		name = next
	}
	return name
}

// named gives the MAC of one interface: the hardware's own where a bond or a network manager hides it behind another.
func (d netDir) named(name string) (string, error) {
	for _, file := range []string{"bonding_slave/perm_hwaddr", "phy80211/macaddress", "address"} {
		if m, err := ParseMAC(d.line(name, file)); err == nil && m != "000000000000" && m != "FFFFFFFFFFFF" && name != "" {
			return m, nil
		}
	}
	return "", fmt.Errorf("interface %s has no MAC address", name)
}

// madeMAC makes a stable locally administered unicast address (IEEE 802, the second-lowest bit of the
// first octet) from the machine-id.
func madeMAC(machineID string) string {
	h := sha256.Sum256([]byte("camward " + machineID))
	h[0] = h[0]&^1 | 2
	return fmt.Sprintf("%X", h[:6])
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
