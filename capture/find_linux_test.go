package capture

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"camward/video"
)

func TestSourceFindsItsCameraByNameSerialOrOrder(t *testing.T) {
	b := newBus(t)
	csi := newDriver()
	csi.offered = []DeviceFormat{{FourCC: "YU12"}}
	hevc := newDriver()
	hevc.offered = []DeviceFormat{{FourCC: "HEVC"}}
	b.plug(usbDevice{"", "", "", "mmal service 16.1", []string{"video0"}}, csi) // on no USB bus
	b.plug(usbDevice{"1-1.1", "1111:2222", "", "Encoder Box", []string{"video1"}}, hevc)
	b.plug(logitech.at("video2", "video3"), webcam())
	b.plug(generic.at("video4"), webcam())
	b.plug(usbDevice{"1-1.4", "0c45:6366", "", "USB 2.0 Camera", []string{"video5"}}, webcam())
	b.plug(usbDevice{"1-1.5", "046d:0826", "C3", "HD Webcam Pro", []string{"video6", "video7"}}, webcam())
	tests := []struct {
		source, want string // node
		fault        error
		says         string
	}{
		{source: "auto", want: "video2"},
		{source: "name:hd webcam", want: "video2"}, // exact before part
		{source: "name: Webcam PRO ", want: "video6"},
		{source: "name:mmal", want: "video0"},
		{source: "name:webcam", fault: errAmbiguous, says: "video2 (HD Webcam), "},
		{source: "name:USB 2.0 Camera", fault: errAmbiguous, says: "video4 (USB 2.0 Camera), "},
		{source: "name:gone", fault: ErrAbsent, says: "there are: "},
		{source: "serial:a1b2", want: "video2"},
		{source: "serial:A1", fault: ErrAbsent},
		{source: "serial:C3", want: "video6"},
	}
	for _, tt := range tests {
		src, err := parseSource(tt.source)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.host().find(src, identity{})
		if tt.want != "" && (err != nil || got.path != b.node(tt.want) || got.other) {
			t.Errorf("%s: %+v, %v; want %s", tt.source, got, err, tt.want)
		}
		if tt.fault != nil && (!errors.Is(err, tt.fault) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), src.path)) {
			t.Errorf("%s: %v; want %v", tt.source, err, tt.fault)
		}
	}
	b.unplug("1-1.2")
	b.unplug("1-1.3")
	b.unplug("1-1.4")
	b.unplug("1-1.5")
	auto := source{kind: kindDevice, by: byOrder, path: "auto"}
	if got, err := b.host().find(auto, identity{}); err != nil || got.path != b.node("video0") {
		t.Errorf("without a usable USB camera: %+v, %v", got, err)
	}
	b.drivers["video0"].caps.driver = cBytes[[16]byte]("bcm2835-isp")
	if got, err := b.host().find(auto, identity{}); err == nil || classify(err) != faultBarren {
		t.Errorf("without a usable camera: %+v, %v", got, err)
	}
	for node, d := range b.drivers {
		if d.opens != 0 {
			t.Errorf("%s is still open", node)
		}
	}
}

func TestCamerasThatShareASerialNumberAreToldApartByTheirPort(t *testing.T) {
	twin := usbDevice{"1-1.1", "0c45:6366", "200901010001", "USB Camera", []string{"video0"}}
	other := twin.at("video2")
	other.port = "1-1.2"
	known := identity{usb: twin.usb, serial: twin.serial, port: "1-1.2"}
	tests := []struct {
		name string
		tree fstest.MapFS
		held string
		want string
	}{
		{"both are there", sysfs(twin, other), "", "video2"},
		{"it moved to another port", sysfs(twin), "", "video0"},
		{"the other one is ours", sysfs(twin), "video0", ""},
	}
	for _, tt := range tests {
		dev := devRoot(t, "video0", "video2")
		h := host{sys: tt.tree, dev: dev, pid: 99, proc: fstest.MapFS{}}
		if tt.held != "" {
			h.proc = fstest.MapFS{"99/fd/7": {Data: []byte(filepath.Join(dev, tt.held)), Mode: 0o777 | 1<<27}}
		}
		src := source{kind: kindDevice, by: bySerial, text: "none", path: "serial:none"}
		got, err := h.find(src, known)
		if tt.want == "" {
			if !errors.Is(err, ErrAbsent) {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
		} else if err != nil || got.path != filepath.Join(dev, tt.want) {
			t.Errorf("%s: %+v, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestFaultsAreToldApart(t *testing.T) {
	h := host{sys: fstest.MapFS{}, proc: fstest.MapFS{}}
	for err, want := range map[error]faultKind{
		unix.ENODEV: faultAbsent, unix.ENOENT: faultAbsent, unix.EACCES: faultDenied, unix.EBUSY: faultBarren, unix.ENOSPC: faultBarren,
		errNotCapture: faultBarren, errNoStream: faultBarren, unix.EIO: faultOther, unix.EPROTO: faultOther, unix.ETIMEDOUT: faultOther,
	} {
		if got := classify(h.explain("/dev/video0", opStream, video.Format{}, err)); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
