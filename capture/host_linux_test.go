package capture

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A usbDevice is a USB device with video nodes.
type usbDevice struct {
	port, usb, serial, card string
	nodes                   []string // by index
}

// sysfs makes the part of /sys that these devices show, laid out as the kernel does.
func sysfs(devices ...usbDevice) fstest.MapFS {
	tree := fstest.MapFS{}
	file := func(p, s string) { tree[p] = &fstest.MapFile{Data: []byte(s + "\n"), Mode: 0o444} }
	for _, d := range devices {
		usb := "devices/platform/soc/3f980000.usb/usb1/" + d.port
		vendor, product, _ := strings.Cut(d.usb, ":")
		if d.usb != "" {
			file(usb+"/idVendor", vendor)
			file(usb+"/idProduct", product)
		}
		if d.serial != "" {
			file(usb+"/serial", d.serial)
		}
		for i, n := range d.nodes {
			dir := usb + "/" + d.port + ":1.0/video4linux/" + n
			if d.usb == "" {
				dir = "devices/platform/soc/camera/video4linux/" + n
			}
			file(dir+"/name", d.card)
			file(dir+"/index", string(rune('0'+i)))
			file(dir+"/uevent", "MAJOR=81\nMINOR=0\nDEVNAME="+n)
			tree["class/video4linux/"+n] = &fstest.MapFile{Data: []byte("../../" + dir), Mode: fs.ModeSymlink | 0o777}
		}
	}
	return tree
}

// usbTree has two webcams, each with a metadata node.
func usbTree() fstest.MapFS {
	return sysfs(
		usbDevice{"1-1.2", "046d:0825", "A1B2", "HD Webcam", []string{"video0", "video1"}},
		usbDevice{"1-1.3", "0c45:6366", "", "USB 2.0 Camera", []string{"video10", "video2"}})
}

// devRoot makes a folder with these nodes, and by-id links.
func devRoot(t *testing.T, nodes ...string) string {
	t.Helper()
	dev := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dev, "v4l", "by-id"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if err := os.WriteFile(filepath.Join(dev, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../video0", filepath.Join(dev, "v4l/by-id/usb-046d_HD_Webcam_A1B2-video-index0")); err != nil {
		t.Fatal(err)
	}
	return dev
}

func TestDevicesListsCaptureNodesAndSaysWhyOneIsOfNoUse(t *testing.T) {
	dev := devRoot(t, "video0", "video1", "video2", "video10")
	drivers := map[string]*driver{"video0": newDriver(), "video1": newDriver(), "video2": newDriver()}
	drivers["video1"].caps.deviceCaps = 0x00800000 // metadata
	drivers["video2"].caps.deviceCaps = 0x00800000
	h := host{sys: usbTree(), proc: fstest.MapFS{}, dev: dev}
	h.open = func(p string) (kernel, error) {
		if d := drivers[filepath.Base(p)]; d != nil {
			return d.open(p)
		}
		return nil, unix.EACCES
	}
	got, err := h.devices()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !strings.Contains(got[1].Problem, "usermod") {
		t.Fatalf("got %+v, want video0 and video10 without permission", got)
	}
	got[1].Problem = ""
	want := []Device{
		{Path: dev + "/video0", ByID: dev + "/v4l/by-id/usb-046d_HD_Webcam_A1B2-video-index0", Card: "HD Webcam", Driver: "uvcvideo",
			Bus: "usb-1", USB: "046d:0825", Serial: "A1B2", Formats: drivers["video0"].offered, Controls: []Control{},
			Stable: []string{dev + "/v4l/by-id/usb-046d_HD_Webcam_A1B2-video-index0", "serial:A1B2", "name:HD Webcam"}},
		{Path: dev + "/video10", Card: "USB 2.0 Camera", USB: "0c45:6366", Formats: []DeviceFormat{}, Controls: []Control{}, Stable: []string{"name:USB 2.0 Camera"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for name, d := range drivers {
		if !d.released() {
			t.Errorf("%s is still open", name)
		}
	}
}

func TestMachineWithoutVideoDriversHasNoDevices(t *testing.T) {
	h := host{sys: fstest.MapFS{}, proc: fstest.MapFS{}, dev: t.TempDir()}
	if got, err := h.devices(); err != nil || got == nil || len(got) != 0 {
		t.Errorf("got %v, %v, want an empty list", got, err)
	}
}

func TestCameraIsFoundAgainUnderAnotherNumber(t *testing.T) {
	logitech := usbDevice{"1-1.2", "046d:0825", "A1B2", "HD Webcam", []string{"video0", "video1"}}
	known := identity{usb: "046d:0825", serial: "A1B2", port: "1-1.2"}
	plain := identity{usb: "0c45:6366", port: "1-1.3"}
	moved := logitech
	moved.port, moved.nodes = "1-1.4", []string{"video4", "video5"}
	other := usbDevice{"1-1.3", "0c45:6366", "", "USB 2.0 Camera", []string{"video0"}}
	otherPort := other
	otherPort.port, otherPort.nodes = "1-1.5", []string{"video3"}
	tests := []struct {
		name  string
		tree  fstest.MapFS
		there []string
		known identity
		want  string // node; empty: absent
	}{
		{"first start", sysfs(logitech), []string{"video0"}, identity{}, "video0"},
		{"unchanged", sysfs(logitech), []string{"video0"}, known, "video0"},
		{"came back elsewhere", sysfs(moved), []string{"video4"}, known, "video4"},
		{"its number taken by another camera", sysfs(moved, other), []string{"video0", "video4"}, known, "video4"},
		{"replaced by another camera", sysfs(other), []string{"video0"}, known, "video0"},
		{"unplugged", sysfs(otherPort), []string{"video3"}, known, ""},
		{"without a serial number the port counts", sysfs(otherPort), []string{"video3"}, plain, ""},
	}
	for _, tt := range tests {
		dev := devRoot(t, tt.there...)
		h := host{sys: tt.tree, proc: fstest.MapFS{}, dev: dev}
		at, err := h.find(source{kind: kindDevice, path: filepath.Join(dev, "video0")}, tt.known)
		got := at.path
		if tt.want == "" {
			if !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "video3 (USB 2.0 Camera)") {
				t.Errorf("%s: got %v, %v", tt.name, got, err)
			}
			continue
		}
		if err != nil || got != filepath.Join(dev, tt.want) {
			t.Errorf("%s: got %v, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestBusyCameraNamesItsHolders(t *testing.T) {
	dev := devRoot(t, "video0")
	node := filepath.Join(dev, "video0")
	link := func(to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
	}
	h := host{sys: fstest.MapFS{}, dev: dev, pid: 99, proc: fstest.MapFS{
		"1/comm": {Data: []byte("init\n")}, "1/fd/0": link("/dev/null"),
		"4711/comm": {Data: []byte("motion\n")}, "4711/fd/3": link("/dev/null"), "4711/fd/7": link(node),
		"uptime": {Data: []byte("1 1")},
	}}
	byID := filepath.Join(dev, "v4l/by-id/usb-046d_HD_Webcam_A1B2-video-index0")
	if got := h.holders(byID); got != "held by pid 4711 (motion)" {
		t.Errorf("got %q", got)
	}
	h.pid = 4711
	if got := h.holders(node); !strings.Contains(got, "this program itself") {
		t.Errorf("got %q", got)
	}
	h.proc = fstest.MapFS{}
	if got := h.holders(node); !strings.Contains(got, "only root can see") {
		t.Errorf("got %q", got)
	}
}

func TestRealHolderIsFoundThroughProc(t *testing.T) {
	p := filepath.Join(t.TempDir(), "video0")
	f, err := os.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := thisHost()
	h.pid = 0
	if got := h.holders(p); !strings.Contains(got, "(capture.test)") {
		t.Errorf("got %q", got)
	}
}
