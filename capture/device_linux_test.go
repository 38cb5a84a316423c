package capture

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"camward/video"
)

const aJPEG = "\xff\xd8\xff\xdb and so on"

// cameraOn makes a camera whose device is the driver.
func cameraOn(t *testing.T, d *driver, c Config) (*Camera, *Subscription) {
	t.Helper()
	c.Source = "/dev/null" // there, so that it is looked for no further
	hub := NewHub()
	cam, err := New(c, hub, video.NewPool(8<<20), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	cam.host.open, cam.host.watch = d.open, nil
	s := hub.Subscribe("test", 100)
	t.Cleanup(s.Close)
	return cam, s
}

func TestDeviceTellsWhatWasGrantedNotWhatWasAsked(t *testing.T) {
	jpeg := func(c video.FourCC) []DeviceFormat { return []DeviceFormat{{FourCC: c.String(), Usable: true}} }
	tests := []struct {
		name   string
		config Config
		change func(*driver)
		want   video.Format
	}{
		{name: "as asked", config: Default(), want: video.Format{FourCC: video.MJPEG, Width: 640, Height: 480, Rate: 30, FullRange: true}},
		{
			name: "another size", config: Config{Rate: 15, Size: Size{1000, 1000}},
			change: func(d *driver) { d.grant = func(p *v4l2PixFormat) { p.width, p.height = 1280, 720 } },
			want:   video.Format{FourCC: video.MJPEG, Width: 1280, Height: 720, Rate: 30, FullRange: true},
		},
		{
			name: "MJPG turns out to be another format", config: Default(),
			change: func(d *driver) {
				d.grant = func(p *v4l2PixFormat) { p.pixelformat = uint32(video.YUYV) }
			},
			want: video.Format{FourCC: video.YUYV, Width: 640, Height: 480, Stride: 1280, Rate: 30},
		},
		{
			name: "padded lines, full range", config: Config{Rate: 15, Format: "YUYV"},
			change: func(d *driver) {
				d.grant = func(p *v4l2PixFormat) { p.bytesperline, p.quantization = 1344, quantizationFullRange }
			},
			want: video.Format{FourCC: video.YUYV, Width: 640, Height: 480, Stride: 1344, Rate: 30, FullRange: true},
		},
		{
			name: "called JPEG", config: Default(), change: func(d *driver) { d.offered = jpeg(fourccJPEG) },
			want: video.Format{FourCC: video.MJPEG, Width: 640, Height: 480, Rate: 30, FullRange: true},
		},
		{
			name: "no rates", config: Default(), change: func(d *driver) { d.fail[vidiocGParm] = unix.ENOTTY },
			want: video.Format{FourCC: video.MJPEG, Width: 640, Height: 480, FullRange: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDriver()
				d.script = []fill{{data: aJPEG + strings.Repeat("x", 1344*480)}}
				d.after, d.gone = unix.POLLERR|unix.POLLHUP, unix.ENODEV
				if tt.change != nil {
					tt.change(d)
				}
				cam, s := cameraOn(t, d, tt.config)
				err := cam.attempt(t.Context())
				if !errors.Is(err, ErrAbsent) {
					t.Fatal(err)
				}
				f := <-s.Frames()
				defer f.Release()
				if f.Format != tt.want {
					t.Errorf("got %+v, want %+v", f.Format, tt.want)
				}
				if n, err := f.Format.RawSize(); err == nil && len(f.Data) != n {
					t.Errorf("a raw frame holds %d bytes, want %d", len(f.Data), n)
				}
			})
		})
	}
}

func TestFramesCarryTheDriversStampAndNumber(t *testing.T) {
	now := video.Now().Truncate(time.Microsecond) // as a driver's stamp is
	d := newDriver()
	const mono = bufFlagMonotonic
	d.script = []fill{
		{data: aJPEG, flags: mono, seq: 7, at: now - 40*time.Millisecond},
		{data: aJPEG, flags: mono, seq: 8, at: now - 30*time.Millisecond},
		{data: aJPEG, flags: mono | bufFlagError, seq: 9},
		{data: "", flags: mono, seq: 10},
		{data: "\x00\x00garbage", flags: mono, seq: 11},
		{data: aJPEG, flags: mono, seq: 14, at: now - 20*time.Millisecond},
		{data: aJPEG, flags: 0, seq: 15, at: now - 10*time.Millisecond}, // not monotonic
		{data: aJPEG, flags: mono, seq: 16, at: now - time.Hour},        // not believed
		{data: aJPEG, flags: mono, seq: 0, at: now},                     // the driver began anew; behind a picture that came later
	}
	d.every, d.after, d.gone = 0, unix.POLLERR|unix.POLLHUP, unix.ENODEV
	cam, s := cameraOn(t, d, Default())
	if err := cam.attempt(t.Context()); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("Run = %v", err)
	}
	want := []struct {
		seq uint64
		at  time.Duration // 0: taken when it came
	}{{7, now - 40*time.Millisecond}, {8, now - 30*time.Millisecond}, {14, now - 20*time.Millisecond}, {15, 0}, {16, 0}, {17, 0}}
	for _, w := range want {
		f := <-s.Frames()
		if f.Seq != w.seq || w.at != 0 && f.Mono != w.at || w.at == 0 && f.Mono < now {
			t.Errorf("Seq %d at %v, want %d at %v (now %v)", f.Seq, f.Mono, w.seq, w.at, now)
		}
		if string(f.Data) != aJPEG {
			t.Errorf("frame %d holds %q", f.Seq, f.Data)
		}
		f.Release()
	}
	if st := cam.Status(); st.Frames != 6 || st.Errored != 3 || st.Drops != 2 || st.Running || !strings.Contains(st.LastError, "gone") {
		t.Errorf("status %+v, want 6 frames, 3 errored, 2 drops (12 and 13)", st)
	}
	if !d.released() || d.order() != "STREAMOFF munmap REQBUFS(0) close" {
		t.Errorf("released %v, by %s", d.released(), d.order())
	}
}

func TestStalledDriverIsAnError(t *testing.T) {
	tests := []struct {
		name   string
		change func(*driver)
		after  time.Duration // at least
		want   string
	}{
		{"from the start", func(d *driver) {}, firstAfter, "no picture for 5s: it hangs"},
		{"after a picture", func(d *driver) { d.script = []fill{{data: aJPEG}} }, stallAfter, "no picture for 2s: it hangs"},
		{"slow camera", func(d *driver) { d.script, d.rate = []fill{{data: aJPEG}}, v4l2Fract{1, 1} }, 4 * time.Second, "no picture for 4s: it hangs"},
		{"broken pictures only", func(d *driver) {
			for range 200 {
				d.script = append(d.script, fill{data: "x"})
			}
		}, firstAfter, "broken pictures and no good one for 5s: it hangs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDriver()
				tt.change(d)
				cam, _ := cameraOn(t, d, Default())
				start := time.Now()
				err := cam.attempt(t.Context())
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Run = %v, want %q", err, tt.want)
				}
				if took := time.Since(start); took < tt.after || took > tt.after+time.Second {
					t.Errorf("after %v, want %v", took, tt.after)
				}
				if !d.released() {
					t.Error("the device is not free")
				}
			})
		})
	}
}

func TestEndOfContextFreesTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver()
		cam, _ := cameraOn(t, d, Default())
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		time.AfterFunc(time.Second, func() { cancel(enough) })
		start := time.Now()
		if err := cam.attempt(ctx); err != enough {
			t.Errorf("Run = %v", err)
		}
		if took := time.Since(start); took > time.Second+pollSlice {
			t.Errorf("took %v", took)
		}
		if !d.released() || cam.Status().LastError != "" {
			t.Errorf("released %v, status %+v", d.released(), cam.Status())
		}
		d.script = []fill{{data: aJPEG}} // and it can be opened again
		if err := cam.attempt(t.Context()); err == nil || cam.Status().Frames != 1 {
			t.Errorf("second Run = %v, status %+v", err, cam.Status())
		}
	})
}

func TestPollErrorWithoutAPictureDoesNotSpin(t *testing.T) {
	d := newDriver()
	d.after, d.gone = unix.POLLERR, unix.EAGAIN
	cam, _ := cameraOn(t, d, Default())
	if err := cam.attempt(t.Context()); err == nil || !strings.Contains(err.Error(), "poll events 0x8") {
		t.Errorf("Run = %v", err)
	}
}

func TestEachFailureToOpenIsToldApartAndFreesTheDevice(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Camera, *driver)
		want   []string
	}{
		{"gone while opening", func(c *Camera, d *driver) {
			c.host.open = func(string) (kernel, error) { return nil, unix.ENODEV }
		}, []string{"no such camera", "there are: "}},
		{"no permission", func(c *Camera, d *driver) {
			c.host.open = func(string) (kernel, error) { return nil, unix.EACCES }
		}, []string{"may not open it", "belongs to group", "usermod -aG"}},
		{"not a V4L2 device", func(c *Camera, d *driver) { d.fail[vidiocQuerycap] = unix.ENOTTY }, []string{"not a V4L2 device"}},
		{"metadata node", func(c *Camera, d *driver) { d.caps.deviceCaps = 0x00800000 | capStreaming }, []string{"not a capture device", "there are: "}},
		{"codec node", func(c *Camera, d *driver) { d.caps.deviceCaps = capVideoM2M | capStreaming }, []string{"not a capture device"}},
		{"image processor", func(c *Camera, d *driver) { d.caps.driver = cBytes[[16]byte]("bcm2835-isp") }, []string{"libcamera", "bcm2835-isp", "USB camera"}},
		{"CSI camera", func(c *Camera, d *driver) {
			d.caps.driver, d.offered = cBytes[[16]byte]("unicam"), []DeviceFormat{{FourCC: "RG10"}}
		}, []string{"libcamera", "unicam"}},
		{"media controller", func(c *Camera, d *driver) {
			d.caps.driver = cBytes[[16]byte]("rkisp1")
			d.caps.deviceCaps |= capIOMC
		}, []string{"libcamera", "rkisp1"}},
		{"no format of ours", func(c *Camera, d *driver) { d.offered = []DeviceFormat{{FourCC: "HEVC"}, {FourCC: "RGB3"}} }, []string{"no supported format", "HEVC, RGB3", "MJPG"}},
		{"format taken by another", func(c *Camera, d *driver) { d.fail[vidiocSFmt] = unix.EBUSY }, []string{"is busy", "held by"}},
		{"buffers taken by another", func(c *Camera, d *driver) { d.fail[vidiocReqbufs] = unix.EBUSY }, []string{"is busy"}},
		{"USB bandwidth", func(c *Camera, d *driver) { d.fail[vidiocStreamon] = unix.ENOSPC }, []string{"bandwidth", "MJPG 640x480 30 fps"}},
		{"I/O error at the start", func(c *Camera, d *driver) { d.fail[vidiocStreamon] = unix.EIO }, []string{"start streaming", "input/output error"}},
		{"a buffer that cannot be had", func(c *Camera, d *driver) { d.fail[vidiocQuerybuf] = unix.EINVAL }, []string{"request buffers"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriver()
			cam, _ := cameraOn(t, d, Default())
			cam.host.sys = usbTree()
			tt.change(cam, d)
			err := cam.attempt(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(tt.want, "camera /dev/null") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %q, want %q in it", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if !d.released() {
				t.Errorf("left behind: %d open, %d mapped, %d buffers", d.opens, d.maps, d.buffers)
			}
		})
	}
}

func TestReadingAFrameDoesNotAllocate(t *testing.T) {
	d := newDriver()
	d.every = 0
	cam, _ := cameraOn(t, d, Default())
	dev, err := cam.host.openDevice("/dev/null", wish{formats: formatOrder[:], size: defaultSize, rate: 15})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.close()
	d.script = make([]fill, 200)
	for i := range d.script {
		d.script[i] = fill{data: aJPEG, seq: uint32(i)}
	}
	n := testing.AllocsPerRun(100, func() {
		f, _, err := dev.dequeue(cam.pool)
		if err != nil || f == nil {
			t.Fatal(f, err)
		}
		f.Release()
	})
	if n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
}
