package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// host is the machine as this package sees it; tests hand in trees and nodes of their own.
type host struct {
	sys  fs.FS  // /sys
	proc fs.FS  // /proc
	dev  string // /dev
	pid  int    // our own

	open  func(path string) (kernel, error)
	watch func(configured string) (changed <-chan struct{}, stop func(), err error) // see watchNodes; nil: cannot be done
}

func thisHost() host {
	const dev = "/dev"
	return host{sys: os.DirFS("/sys"), proc: os.DirFS("/proc"), dev: dev, pid: os.Getpid(), open: openNode,
		watch: func(configured string) (<-chan struct{}, func(), error) { return watchNodes(dev, configured) }}
}

// A sysNode is what sysfs tells of a video node.
type sysNode struct {
	name, card string // video0, the camera's name
	parent     string // folder of the device that it belongs to, and others perhaps too
	identity
}

// identity is what a device is known again by when it comes back under another number.
type identity struct {
	usb    string // vendor:product
	serial string
	port   string // the USB device's place, as 1-1.2
	index  int    // among the nodes of the same device
}

// same reports whether two identities are of one USB device: by serial number, or by port where it
// has none.
func (i identity) same(o identity) bool {
	return i.usb != "" && i.usb == o.usb && i.serial == o.serial && (i.serial != "" || i.port == o.port)
}

const classDir = "class/video4linux"

// nodes lists the video nodes by number.
func (h host) nodes() ([]sysNode, error) {
	entries, err := fs.ReadDir(h.sys, classDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no driver is loaded
	}
	if err != nil {
		return nil, fmt.Errorf("list video devices: %w", err)
	}
	var list []sysNode
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "video") {
			list = append(list, h.node(e.Name()))
		}
	}
	number := func(n sysNode) int { i, _ := strconv.Atoi(strings.TrimPrefix(n.name, "video")); return i }
	sort.Slice(list, func(i, j int) bool { return number(list[i]) < number(list[j]) })
	return list, nil
}

func (h host) node(name string) sysNode {
	dir := path.Join(classDir, name)
	n := sysNode{name: name, card: h.attribute(dir, "name")}
	n.index, _ = strconv.Atoi(h.attribute(dir, "index"))
	target, err := fs.ReadLink(h.sys, dir)
	if err != nil {
		return n
	}
	// .../1-1.2/1-1.2:1.0/video4linux/video0: three up is the USB device
	n.parent = path.Dir(path.Dir(path.Join(classDir, target)))
	usb := path.Dir(n.parent)
	if vendor := h.attribute(usb, "idVendor"); vendor != "" {
		n.parent, n.usb, n.serial, n.port = usb, vendor+":"+h.attribute(usb, "idProduct"), h.attribute(usb, "serial"), path.Base(usb)
	}
	return n
}

func (h host) attribute(dir, name string) string {
	b, _ := fs.ReadFile(h.sys, path.Join(dir, name))
	return strings.TrimSpace(string(b))
}

// nodeName follows a by-id link to the node's name.
func nodeName(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		p = real
	}
	return filepath.Base(p)
}

// choice names the cameras that there are.
func (h host) choice(nodes []sysNode) string {
	var s []string
	for _, n := range nodes {
		if n.index == 0 {
			s = append(s, fmt.Sprintf("%s (%s)", filepath.Join(h.dev, n.name), n.card))
		}
	}
	if len(s) == 0 {
		return "no camera is connected"
	}
	return "there are: " + strings.Join(s, ", ")
}
