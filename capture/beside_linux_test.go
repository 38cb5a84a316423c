package capture

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"camward/video"
)

// Access units of one byte of picture each; only the start codes and NAL types are looked at.
const (
	unitKey  = "\x00\x00\x00\x01\x67\x42\x00\x1e\x00\x00\x00\x01\x68\xce\x00\x00\x01\x65\x88"
	unitNext = "\x00\x00\x00\x01\x41\x9a"
	unitSets = "\x00\x00\x00\x01\x67\x42\x00\x1e\x00\x00\x00\x01\x68\xce"
	unitIDR  = "\x00\x00\x01\x65\x88"
)

// dual is a camera that has H.264 on a second interface.
func dual() (u usbDevice, still, coded *driver) {
	still, coded = webcam(), webcam()
	still.offered = []DeviceFormat{
		{FourCC: "MJPG", Sizes: []DeviceSize{
			{Size: Size{1280, 720}, Rates: []float64{30, 15}}, {Size: Size{640, 360}, Rates: []float64{30, 20, 10, 5}}, {Size: Size{320, 240}, Rates: []float64{30}},
		}},
		{FourCC: "YUYV", Sizes: []DeviceSize{{Size: Size{640, 480}, Rates: []float64{30}}}},
	}
	still.obeys = true
	coded.offered, coded.film = []DeviceFormat{{FourCC: "H264"}}, unitKey
	return usbDevice{"1-1.2", "05a3:9422", "X", "H264 USB Camera", []string{"video0", "video1", "video2"}}, still, coded
}

func TestH264IsRecordedWhereASecondNodeGivesPicturesForDetection(t *testing.T) {
	tests := []struct {
		name                   string
		change                 func(*Config)
		coded                  func(*driver) // the H.264 interface
		noDetection            bool
		device, format, detect string
	}{
		{name: "by name", change: func(c *Config) { c.Source = "name:H264 USB Camera" }, device: "video2", format: "H264", detect: "video0"},
		{name: "auto", change: func(c *Config) { c.Source = "auto" }, device: "video2", format: "H264", detect: "video0"},
		{name: "a node stays the node", change: func(c *Config) {}, device: "video0", format: "MJPG"},
		{name: "the H.264 node", change: func(c *Config) { c.Source = "/dev/video2" }, device: "video2", format: "H264", detect: "video0"},
		{name: "H264 asked for of the camera", change: func(c *Config) { c.Format = "H264" }, device: "video2", format: "H264", detect: "video0"},
		{name: "MJPG asked for", change: func(c *Config) { c.Source, c.Format = "auto", "MJPG" }, device: "video0", format: "MJPG"},
		{name: "no second node wanted", change: func(c *Config) { c.Source, c.DetectSource = "auto", "none" }, device: "video0", format: "MJPG"},
		{name: "H264 without a second node", change: func(c *Config) { c.Source, c.Format, c.DetectSource = "auto", "H264", "none" }, device: "video2", format: "H264"},
		{name: "nobody detects", change: func(c *Config) { c.Source = "auto" }, noDetection: true, device: "video0", format: "MJPG"},
		{name: "a privacy mask", change: func(c *Config) {
			c.Source, c.Privacy = "auto", []video.Polygon{{{0, 0}, {1, 0}, {1, 1}}}
		}, device: "video0", format: "MJPG"},
		{name: "H.264 cannot be had", change: func(c *Config) { c.Source = "auto" }, coded: func(d *driver) { d.fail[vidiocStreamon] = unix.EIO }, device: "video0", format: "MJPG"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBus(t)
				u, still, coded := dual()
				if tt.coded != nil {
					tt.coded(coded)
				}
				b.plug(u, still, nil, coded)
				c := Default()
				c.Source = "/dev/video0"
				tt.change(&c)
				cam, _, changes, _ := b.camera(c)
				if !tt.noDetection {
					cam.SetDetection(NewHub())
				}
				stop := run(t, cam)
				for ch := (Change{}); !ch.Found && tt.name != "a privacy mask"; {
					ch = next(t, changes, 5*time.Second)
				}
				time.Sleep(time.Second)
				st := cam.Status()
				if st.Device != b.node(tt.device) || st.Format.FourCC.String() != tt.format || strings.TrimPrefix(st.Detect, b.dev+"/") != tt.detect {
					t.Errorf("%+v", st)
				}
				stop()
				if !still.released() || !coded.released() || cam.Status().Detect != "" {
					t.Error("not everything is let go")
				}
			})
		})
	}
}

func TestDetectionLooksAtTheSecondNodeWhileItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		u, still, coded := dual()
		b.plug(u, still, nil, coded)
		c := Default()
		c.Source = "auto"
		cam, main, _, logs := b.camera(c)
		hub := NewHub()
		detect := hub.Subscribe("detect", 1)
		defer detect.Close()
		cam.SetDetection(hub)
		defer run(t, cam)()
		format := func(s *Subscription) video.Format {
			queued(s) // what is old
			f := <-s.Frames()
			defer f.Release()
			return f.Format
		}
		time.Sleep(time.Second)
		// 640x360 is the largest that is not above 640x480, 20 the lowest rate that is not below 15.
		if got := format(detect); got.FourCC != video.MJPEG || got.Width != 640 || got.Height != 360 || got.Rate != 20 {
			t.Errorf("detection gets %v", got)
		}
		if got := format(main); got.FourCC != video.H264 {
			t.Errorf("recorded is %v", got)
		}
		still.silent.Store(true)
		time.Sleep(4 * time.Second)
		if got := format(detect); got.FourCC != video.H264 {
			t.Errorf("with a dead second node detection gets %v", got)
		}
		if st := cam.Status(); st.Detect != "" || !st.Running || !still.released() {
			t.Errorf("status %+v", st)
		}
		if logs.FilterMessage("detection has no second device").Len() != 1 {
			t.Errorf("log %v", logs.All())
		}
		still.silent.Store(false)
		coded.silent.Store(true) // with the camera the second node is opened again
		time.Sleep(3 * time.Second)
		coded.silent.Store(false)
		time.Sleep(3 * time.Second)
		if got := format(detect); got.FourCC != video.MJPEG {
			t.Errorf("after the camera was opened again detection gets %v", got)
		}
	})
}

func TestBothNodesAreLetGoWhenTheCameraIsUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		c := Default()
		c.Source = "name:h264"
		cam, _, changes, _ := b.camera(c)
		cam.SetDetection(NewHub())
		defer run(t, cam)()
		next(t, changes, time.Second)
		for _, nodes := range [][]string{{"video0", "video1", "video2"}, {"video4", "video5", "video6"}} {
			u, still, coded := dual()
			b.plug(u.at(nodes...), still, nil, coded)
			if ch := next(t, changes, 2*time.Second); !ch.Found || ch.Device != b.node(nodes[2]) {
				t.Errorf("told %+v", ch)
			}
			time.Sleep(time.Second)
			if got := cam.Status().Detect; got != b.node(nodes[0]) {
				t.Errorf("detection looks at %q", got)
			}
			b.unplug(u.port)
			if ch := next(t, changes, 2*pollSlice); ch.Found {
				t.Errorf("told %+v", ch)
			}
			synctest.Wait()
			if !still.released() || !coded.released() {
				t.Error("not everything is let go")
			}
		}
	})
}

func TestAConfiguredSecondNodeIsAlwaysLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		b.plug(logitech, webcam())
		second := webcam()
		second.offered = second.offered[1:] // YUYV
		second.film = strings.Repeat("x", 2*640*480)
		b.plug(generic.at("video2"), second)
		c := Default()
		c.Source, c.DetectSource = "/dev/video0", "/dev/video2"
		cam, _, changes, _ := b.camera(c)
		cam.cfg.DetectSource = b.node("video2")
		hub := NewHub()
		s := hub.Subscribe("detect", 1)
		defer s.Close()
		cam.SetDetection(hub)
		defer run(t, cam)()
		next(t, changes, time.Second)
		time.Sleep(time.Second)
		queued(s)
		f := <-s.Frames()
		defer f.Release()
		if f.Format.FourCC != video.YUYV {
			t.Errorf("detection gets %v", f.Format)
		}
	})
}

func TestH264ThatFailedOnceIsTakenAgain(t *testing.T) {
	for _, format := range []string{"auto", "H264"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBus(t)
			u, still, coded := dual()
			var full atomic.Bool
			full.Store(true)
			coded.room = func(int, int) bool { return !full.Load() }
			b.plug(u, still, nil, coded)
			c := Default()
			c.Source, c.Format = "name:h264", format
			cam, _, _, _ := b.camera(c)
			cam.SetDetection(NewHub())
			defer run(t, cam)()
			time.Sleep(5 * time.Second)
			full.Store(false)
			still.silent.Store(true) // what is taken instead
			time.Sleep(3 * time.Second)
			still.silent.Store(false)
			time.Sleep(40 * time.Second)
			if st := cam.Status(); st.Device != b.node("video2") || !st.Running {
				t.Errorf("%s: %+v", format, st)
			}
		})
	}
}

func TestH264WithoutAPictureIsDoneWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		u, still, coded := dual()
		coded.silent.Store(true)
		b.plug(u, still, nil, coded)
		c := Default()
		c.Source = "auto"
		cam, _, changes, _ := b.camera(c)
		cam.SetDetection(NewHub())
		defer run(t, cam)()
		next(t, changes, 10*time.Second) // lost
		if ch := next(t, changes, 10*time.Second); !ch.Found || ch.Device != b.node("video0") {
			t.Errorf("told %+v", ch)
		}
	})
}

func TestAMaskThatIsSetLaterLeavesH264WithTheNextOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		u, still, coded := dual()
		b.plug(u, still, nil, coded)
		c := Default()
		c.Source = "auto"
		cam, _, changes, _ := b.camera(c)
		cam.SetDetection(NewHub())
		defer run(t, cam)()
		if ch := next(t, changes, time.Second); ch.Device != b.node("video2") {
			t.Fatalf("told %+v", ch)
		}
		if err := cam.SetPrivacy(hidden); err != nil {
			t.Fatal(err)
		}
		b.unplug(u.port)
		time.Sleep(time.Second)
		u, still, coded = dual()
		b.plug(u, still, nil, coded)
		time.Sleep(3 * time.Second)
		if st := cam.Status(); st.Device != b.node("video0") || st.Format.FourCC != video.MJPEG {
			t.Errorf("%+v", st)
		}
	})
}
