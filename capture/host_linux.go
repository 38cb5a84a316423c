package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/blackjack/webcam"

	"camward/video"
)

// host is the machine as this package sees it; tests hand in trees and nodes of their own.
type host struct {
	sys  fs.FS  // /sys
	proc fs.FS  // /proc
	dev  string // /dev
	pid  int    // our own

	open      func(path string) (kernel, error)
	enumerate func(path string, sizes bool) ([]DeviceFormat, error)
}

func thisHost() host {
	return host{sys: os.DirFS("/sys"), proc: os.DirFS("/proc"), dev: "/dev", pid: os.Getpid(), open: openNode, enumerate: enumerate}
}

// A sysNode is what sysfs tells of a video node.
type sysNode struct {
	name, card string // video0, the camera's name
	index      int    // among the nodes of the same device
	identity
}

// identity is what a device is known again by when it comes back under another number.
type identity struct {
	usb    string // vendor:product
	serial string
	port   string // the USB device's place, as 1-1.2
}

// same reports whether two identities are of one device: by serial number, or by port where it
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
	usb := path.Dir(path.Dir(path.Dir(path.Join(classDir, target))))
	vendor, product := h.attribute(usb, "idVendor"), h.attribute(usb, "idProduct")
	if vendor != "" {
		n.identity = identity{usb: vendor + ":" + product, serial: h.attribute(usb, "serial"), port: path.Base(usb)}
	}
	return n
}

func (h host) attribute(dir, name string) string {
	b, _ := fs.ReadFile(h.sys, path.Join(dir, name))
	return strings.TrimSpace(string(b))
}

// identity of the device behind a path, if sysfs has one.
func (h host) identity(p string) identity { return h.node(nodeName(p)).identity }

// nodeName follows a by-id link to the node's name.
func nodeName(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		p = real
	}
	return filepath.Base(p)
}

// resolve gives the path to open: the configured one, unless the camera last seen there is now elsewhere.
func (h host) resolve(configured string, known identity) (string, error) {
	if _, err := os.Stat(configured); err == nil && (known.usb == "" || h.identity(configured).same(known)) {
		return configured, nil
	}
	nodes, _ := h.nodes() // without the list there is nothing to find
	for _, n := range nodes {
		if n.index == 0 && n.same(known) {
			return filepath.Join(h.dev, n.name), nil
		}
	}
	if _, err := os.Stat(configured); err == nil {
		return configured, nil // another camera was put in its place
	}
	return "", fmt.Errorf("camera %s: %w; %s", configured, ErrAbsent, h.choice(nodes))
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

// devices is Devices.
func (h host) devices() ([]Device, error) {
	nodes, err := h.nodes()
	if err != nil {
		return nil, err
	}
	byID := h.byID()
	list := []Device{}
	for _, n := range nodes {
		d := Device{Path: filepath.Join(h.dev, n.name), ByID: byID[n.name], Card: n.card, USB: n.usb, Serial: n.serial, Formats: []DeviceFormat{}}
		if h.inspect(&d) || d.Problem != "" && n.index == 0 {
			list = append(list, d)
		}
	}
	return list, nil
}

// inspect fills in what only the opened node tells, and reports whether it captures. Problem
// says why it is of no use.
func (h host) inspect(d *Device) bool {
	k, err := h.open(d.Path)
	if err != nil {
		d.Problem = h.explain(d.Path, "open", video.Format{}, err).Error()
		return false
	}
	dev := &device{k: k, path: d.Path}
	caps, err := dev.capability()
	dev.close()
	if err != nil {
		d.Problem = h.explain(d.Path, "query", video.Format{}, err).Error()
		return false
	}
	d.Card, d.Driver, d.Bus = caps.card, caps.driver, caps.bus
	if caps.caps&capVideoCapture == 0 && caps.caps&capVideoCaptureMplane == 0 {
		return false
	}
	if caps.caps&capVideoCapture != 0 {
		if d.Formats, err = h.enumerate(d.Path, true); err != nil {
			d.Formats, d.Problem = []DeviceFormat{}, h.explain(d.Path, "enumerate formats", video.Format{}, err).Error()
			return true
		}
	}
	if err := judge(caps, d.Formats); err != nil {
		d.Problem = h.explain(d.Path, "query", video.Format{}, err).Error()
	} else if !slices.ContainsFunc(d.Formats, func(f DeviceFormat) bool { return f.Usable }) {
		d.Problem = h.explain(d.Path, "set format", video.Format{}, &formatError{formatOrder[:], d.Formats}).Error()
	}
	return true
}

// enumerate lists formats, usable ones first, and with them their sizes and rates, which are many
// calls and not needed to open a camera.
func enumerate(p string, sizes bool) ([]DeviceFormat, error) {
	w, err := webcam.Open(p)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	list := []DeviceFormat{}
	for code, name := range w.GetSupportedFormats() {
		f := DeviceFormat{FourCC: video.FourCC(code).String(), Name: name, Usable: rank(video.FourCC(code)) < len(formatOrder)}
		if sizes {
			for _, s := range w.GetSupportedFrameSizes(code) {
				f.Sizes = append(f.Sizes, deviceSize(w, code, s))
			}
		}
		list = append(list, f)
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i].FourCC, list[j].FourCC
		ca, _ := video.ParseFourCC(a)
		cb, _ := video.ParseFourCC(b)
		if ra, rb := rank(ca), rank(cb); ra != rb {
			return ra < rb
		}
		return a < b
	})
	return list, nil
}

// rank is a format's place in formatOrder; those not in it come after.
func rank(c video.FourCC) int {
	if c == fourccJPEG {
		c = video.MJPEG
	}
	if i := slices.Index(formatOrder[:], c); i >= 0 {
		return i
	}
	return len(formatOrder)
}

func deviceSize(w *webcam.Webcam, code webcam.PixelFormat, s webcam.FrameSize) DeviceSize {
	d := DeviceSize{Size: Size{int(s.MinWidth), int(s.MinHeight)}}
	if s.MaxWidth != s.MinWidth || s.MaxHeight != s.MinHeight {
		d.Max = Size{int(s.MaxWidth), int(s.MaxHeight)}
		d.Step = Size{int(s.StepWidth), int(s.StepHeight)}
	}
	d.Rates = []float64{}
	for _, r := range w.GetSupportedFramerates(code, s.MaxWidth, s.MaxHeight) {
		for _, rate := range [2][2]uint32{{r.MinDenominator, r.MinNumerator}, {r.MaxDenominator, r.MaxNumerator}} {
			if rate[1] == 0 {
				continue
			}
			if v := float64(rate[0]) / float64(rate[1]); !slices.Contains(d.Rates, v) {
				d.Rates = append(d.Rates, v)
			}
		}
	}
	sort.Sort(sort.Reverse(sort.Float64Slice(d.Rates)))
	return d
}
