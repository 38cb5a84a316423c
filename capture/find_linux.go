package capture

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"camward/video"
)

// A place is where a camera was found.
type place struct {
	path  string
	node  sysNode // zero where sysfs knows nothing of it
	other bool    // it is not the camera that was looked for, but one that stands where that stood
	moved bool    // it has the camera's serial number, at another port
}

// find looks for a camera: the one last seen, wherever it is now, else what the source says.
func (h host) find(src source, known identity) (place, error) {
	nodes, err := h.nodes()
	if err != nil && src.by != byPath {
		return place{}, err
	}
	if p, ok := h.again(nodes, src, known); ok {
		return p, nil
	}
	p, err := h.said(nodes, src)
	p.other = known.usb != ""
	return p, err
}

// again finds a USB camera that was seen before. Where several have its serial number, as cheap ones do, it is the one at the
// same port, or one that this program does not have open.
func (h host) again(nodes []sysNode, src source, known identity) (place, bool) {
	if known.usb == "" {
		return place{}, false
	}
	if src.by == byPath && h.exists(src.path) { // a link that stays keeps its name
		if n := h.node(nodeName(src.path)); n.same(known) && n.port == known.port && n.index == known.index {
			return place{path: src.path, node: n}, true
		}
	}
	var found place
	for _, n := range nodes {
		p := h.nodePath(n)
		switch {
		case !n.same(known) || n.index != known.index || !h.exists(p):
		case n.port == known.port:
			return place{path: p, node: n}, true
		case found.path == "" && !h.ours(p):
			found = place{path: p, node: n, moved: true}
		}
	}
	return found, found.path != ""
}

// said finds what the source says.
func (h host) said(nodes []sysNode, src source) (place, error) {
	switch src.by {
	case byOrder:
		return h.firstUsable(nodes)
	case byName, bySerial:
		return h.match(nodes, src)
	}
	if !h.exists(src.path) {
		return place{}, fmt.Errorf("camera %s: %w; %s", src.path, ErrAbsent, h.choice(nodes))
	}
	return place{path: src.path, node: h.node(nodeName(src.path))}, nil
}

// firstUsable opens cameras until one can be used, those on USB first.
func (h host) firstUsable(nodes []sysNode) (place, error) {
	var fault error
	for _, usb := range [2]bool{true, false} {
		for _, n := range nodes {
			p := h.nodePath(n)
			if (n.usb != "") != usb || !h.exists(p) || h.ours(p) {
				continue
			}
			d, err := h.probe(p)
			if err == nil && d.offers(formatOrder[:]) {
				return place{path: p, node: n}, nil
			}
			if err == nil {
				err = h.explain(p, "set format", d.form, &formatError{formatOrder[:], d.offered})
			}
			if fault == nil && n.index == 0 {
				fault = err
			}
		}
	}
	if fault != nil {
		return place{}, fault
	}
	return place{}, fmt.Errorf("camera auto: %w; %s", ErrAbsent, h.choice(nodes))
}

// probe opens a node, asks what it is and offers, and closes it. An error says why it is of no use.
func (h host) probe(p string) (*device, error) {
	d := &device{path: p}
	k, err := h.open(p)
	if err != nil {
		return nil, h.explain(p, "open", d.form, err)
	}
	d.k = k
	c, op, err := d.look()
	_ = k.close()
	if err != nil {
		return nil, h.explain(p, op, d.form, err)
	}
	d.k, d.bus = nil, c.bus
	return d, nil
}

// offers reports whether a device has one of the formats.
func (d *device) offers(formats []video.FourCC) bool {
	for _, f := range formats {
		for _, o := range d.offered {
			if canonical(o.code()) == f {
				return true
			}
		}
	}
	return false
}

// An ambiguous source matches several cameras.
const errAmbiguous = nodeError("several cameras match")

// match finds a camera by its name or serial number.
func (h host) match(nodes []sysNode, src source) (place, error) {
	whole, partly := []sysNode(nil), []sysNode(nil)
	for _, n := range cameras(nodes) {
		have := n.card
		if src.by == bySerial {
			have = n.serial
		}
		switch {
		case !h.exists(h.nodePath(n)):
		case strings.EqualFold(have, src.text):
			whole = append(whole, n)
		case src.by == byName && strings.Contains(strings.ToLower(have), strings.ToLower(src.text)):
			partly = append(partly, n)
		}
	}
	if len(whole) == 0 {
		whole = partly
	}
	if len(whole) > 1 {
		whole = h.capturing(whole)
	}
	switch len(whole) {
	case 0:
		return place{}, fmt.Errorf("camera %s: %w; %s", src.path, ErrAbsent, h.choice(nodes))
	case 1:
		return place{path: h.nodePath(whole[0]), node: whole[0]}, nil
	}
	return place{}, fmt.Errorf("camera %s: %w; %s", src.path, errAmbiguous, h.choice(whole))
}

// cameras leaves one node of each USB device, its first.
func cameras(nodes []sysNode) (list []sysNode) {
	for _, n := range nodes {
		first := true
		for _, o := range nodes {
			if o.usb != "" && o.parent == n.parent && o.index < n.index {
				first = false
			}
		}
		if first {
			list = append(list, n)
		}
	}
	return list
}

// capturing leaves out what is known to be no camera, as the codecs whose names begin like those of the camera beside them.
func (h host) capturing(nodes []sysNode) (list []sysNode) {
	for _, n := range nodes {
		if d := (Device{Path: h.nodePath(n)}); h.inspect(&d, false) || d.Problem != "" {
			list = append(list, n)
		}
	}
	return list
}

func (h host) nodePath(n sysNode) string { return filepath.Join(h.dev, n.name) }

func (h host) exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// ours reports whether this program has the node open.
func (h host) ours(p string) bool {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		p = real
	}
	return h.holds(strconv.Itoa(h.pid), p)
}
