package capture

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"camward/video"
)

// devices is Devices.
func (h host) devices() ([]Device, error) {
	nodes, err := h.nodes()
	if err != nil {
		return nil, err
	}
	byID := h.byID()
	list := []Device{}
	for _, n := range nodes {
		d := Device{Path: h.nodePath(n), ByID: byID[n.name], Card: n.card, USB: n.usb, Serial: n.serial, Formats: []DeviceFormat{}, Controls: []Control{}}
		if h.inspect(&d, true) || d.Problem != "" && n.index == 0 {
			d.Stable = stable(n, nodes, d.ByID)
			list = append(list, d)
		}
	}
	return list, nil
}

// stable lists what a Source can say of a node that holds whatever its number is. A name or serial number means the camera, so only its
// first node has them, and only if no other camera has the same.
func stable(n sysNode, nodes []sysNode, byID string) []string {
	list := []string{}
	if byID != "" {
		list = append(list, byID)
	}
	all := cameras(nodes)
	if !slices.Contains(all, n) {
		return list
	}
	serials, names := 0, 0
	for _, o := range all {
		if strings.EqualFold(o.serial, n.serial) {
			serials++
		}
		if strings.EqualFold(o.card, n.card) {
			names++
		}
	}
	if n.serial != "" && serials == 1 {
		list = append(list, "serial:"+n.serial)
	}
	if n.card != "" && names == 1 {
		list = append(list, "name:"+n.card)
	}
	return list
}

// byID maps node names to their paths in /dev/v4l/by-id.
func (h host) byID() map[string]string {
	dir := filepath.Join(h.dev, "v4l", "by-id")
	entries, _ := os.ReadDir(dir) // absent without udev
	m := make(map[string]string)
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			m[filepath.Base(target)] = filepath.Join(dir, e.Name())
		}
	}
	return m
}

// inspect fills in what only the opened node tells, with all its sizes, rates and controls or without, and reports whether it
// captures. Problem says why it is of no use.
func (h host) inspect(d *Device, all bool) bool {
	problem := func(op string, err error) { d.Problem = h.explain(d.Path, op, video.Format{}, err).Error() }
	k, err := h.open(d.Path)
	if err != nil {
		problem("open", err)
		return false
	}
	dev := &device{k: k, path: d.Path}
	defer dev.close()
	caps, op, err := dev.look()
	if caps == (capability{}) {
		problem(op, err)
		return false
	}
	d.Card, d.Driver, d.Bus = caps.card, caps.driver, caps.bus
	if caps.caps&(capVideoCapture|capVideoCaptureMplane) == 0 {
		return false
	}
	if all && len(dev.offered) > 0 {
		if d.Formats, err = dev.formats(true); err == nil {
			d.Controls, err = dev.controls()
		}
	}
	switch {
	case err != nil:
		problem(op, err)
	case !dev.offers(formatOrder[:]):
		problem("set format", &formatError{formatOrder[:], dev.offered})
	}
	return true
}
