package m2m

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"camward/codec/h264"
	"camward/video"
)

func open(t *testing.T, d *driver, cfg h264.Config) *Encoder {
	t.Helper()
	e, err := d.encoder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(); d.idle() })
	return e
}

// encode makes n packets from picture first on and gives 'K' for each key packet, '.' for others.
func encode(t *testing.T, e h264.VideoEncoder, img *video.I420, first, n int, force ...int) string {
	t.Helper()
	var b strings.Builder
	for i := first; i < first+n; i++ {
		mono := time.Duration(i) * frame15
		p, err := e.EncodeTo(nil, img, mono, uint64(i), slices.Contains(force, i))
		if err != nil {
			t.Fatalf("picture %d: %v", i, err)
		}
		if p.Mono != mono || p.Seq != uint64(i) {
			t.Errorf("picture %d: packet has %v, %d", i, p.Mono, p.Seq)
		}
		sps, pps := h264.ParameterSets(p.Data)
		if p.Key != (sps != nil && pps != nil) || p.Key != bytes.HasPrefix(p.Data, []byte{0, 0, 0, 1, 0x67}) {
			t.Errorf("picture %d: key %v, begins with % x", i, p.Key, p.Data[:min(8, len(p.Data))])
		}
		b.WriteByte(map[bool]byte{true: 'K', false: '.'}[p.Key])
	}
	return b.String()
}

func TestNodeIsFoundByWhatItCanDo(t *testing.T) {
	tests := []struct {
		name  string
		caps  uint32
		coded []video.FourCC
		raw   []video.FourCC
		want  video.FourCC // input; 0: not an encoder
	}{
		{"encoder", capM2MMplane | capStreaming, []video.FourCC{video.MJPEG, video.H264}, []video.FourCC{video.NV12, video.YU12}, video.YU12},
		{"encoder of NV12", capM2MMplane | capStreaming, []video.FourCC{video.H264}, []video.FourCC{video.YUYV, video.NV12}, video.NV12},
		{"encoder of planes apart", capM2MMplane | capStreaming, []video.FourCC{video.H264}, []video.FourCC{nm12, ym12}, ym12},
		{"decoder", capM2MMplane | capStreaming, []video.FourCC{video.YU12}, []video.FourCC{video.H264}, 0},
		{"JPEG encoder", capM2MMplane | capStreaming, []video.FourCC{video.MJPEG}, []video.FourCC{video.YU12}, 0},
		{"encoder of RGB alone", capM2MMplane | capStreaming, []video.FourCC{video.H264}, []video.FourCC{video.YUYV}, 0},
		{"H.264 camera", 0x1 | capStreaming, []video.FourCC{video.H264}, nil, 0},
		{"single-planar encoder", 0x8000 | capStreaming, []video.FourCC{video.H264}, []video.FourCC{video.YU12}, 0},
		{"no streaming", capM2MMplane, []video.FourCC{video.H264}, []video.FourCC{video.YU12}, 0},
	}
	for _, tt := range tests {
		d := newDriver(t, 64, 48)
		d.caps, d.coded, d.raw = tt.caps, tt.coded, tt.raw
		h := d.host()
		n, err := h.find(video.H264)
		d.idle()
		switch {
		case tt.want == 0 && !errors.Is(err, ErrAbsent):
			t.Errorf("%s: found %+v, %v", tt.name, n, err)
		case tt.want != 0 && (err != nil || n.Input != tt.want || n.Path != h.dir+"/video11" || n.Driver != "fake-codec"):
			t.Errorf("%s: got %+v, %v; want input %v", tt.name, n, err, tt.want)
		}
	}
}

func TestNodeThatMayNotBeOpenedIsTold(t *testing.T) {
	d := newDriver(t, 64, 48)
	d.failAt, d.with = 1, unix.EACCES
	_, err := d.host().find(video.H264)
	if !errors.Is(err, ErrAbsent) || !errors.Is(err, unix.EACCES) {
		t.Errorf("got %v", err)
	}
}

func TestNodeIsLookedForAnewWhereItIsNoLonger(t *testing.T) {
	d := newDriver(t, 64, 48)
	h := &Hardware{host: d.host(), known: "/nowhere/video10"}
	e, err := h.New(config(64, 48))
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	d.idle()
	if want := h.host.dir + "/video11"; h.known != want {
		t.Errorf("remembers %s, want %s", h.known, want)
	}
}

func TestDriverIsToldTheConfiguration(t *testing.T) {
	d := newDriver(t, 640, 480)
	cfg := h264.Config{Width: 640, Height: 480, Rate: 12.5, Bitrate: 900_000, KeyInterval: 30}
	e := open(t, d, cfg)
	want := map[uint32]int32{ctrlBitrate: 900_000, ctrlProfile: profileConstrainedBaseline, ctrlLevel: 9, ctrlIPeriod: 30,
		ctrlGOPSize: 30, ctrlBFrames: 0, ctrlRepeatHeader: 1, ctrlHeaderMode: headerJoined}
	for id, v := range want {
		if got, ok := d.controls[id]; !ok || got != v {
			t.Errorf("control %#x is %d (set: %v), want %d", id, got, ok, v)
		}
	}
	if d.rate != [2]uint32{1000, 12500} {
		t.Errorf("time per frame %v", d.rate)
	}
	if err := e.SetBitrate(400_000); err != nil || d.controls[ctrlBitrate] != 400_000 {
		t.Errorf("bit rate %d, %v", d.controls[ctrlBitrate], err)
	}
	if e.SetBitrate(10) == nil || d.controls[ctrlBitrate] != 400_000 {
		t.Error("took a bit rate of 10")
	}
}

func TestLevelIsTheLowestThatFits(t *testing.T) {
	tests := []struct {
		w, h    int
		rate    float64
		bitrate int
		want    int32
	}{
		{640, 480, 30, 1e6, 9}, {1280, 720, 30, 2e6, 9}, {1280, 720, 60, 2e6, 11}, {1920, 1080, 30, 4e6, 11}, {640, 480, 15, 18e6, 11},
		{1920, 1080, 60, 8e6, 13}, {2592, 1944, 15, 8e6, 14}, {4096, 2304, 25, 8e6, 15}, {4096, 4096, 200, 8e6, 16},
	}
	for _, tt := range tests {
		got := levelOf(h264.Config{Width: tt.w, Height: tt.h, Rate: tt.rate, Bitrate: tt.bitrate})
		if got != tt.want {
			t.Errorf("%+v: got %d", tt, got)
		}
	}
}

func TestBadConfigurationIsRefusedWithEveryFault(t *testing.T) {
	_, err := new(Hardware).New(h264.Config{Width: 8, Height: 480, Rate: -1, Bitrate: 1, KeyInterval: -1})
	if n := strings.Count(errors.Join(err).Error(), "\n") + 1; n != 4 {
		t.Errorf("got %d faults: %v", n, err)
	}
}

func TestKeyPicturesComeWhenDueAndWhenForced(t *testing.T) {
	tests := []struct {
		name     string
		interval int
		setup    func(*driver)
		force    []int
		want     string
	}{
		{"only the first", 0, nil, nil, "K......"},
		{"interval", 3, nil, nil, "K..K..K"},
		{"interval although the driver does not count", 3, func(d *driver) { d.lacks = map[uint32]int{ctrlIPeriod: 0} }, nil, "K..K..K"},
		{"forced", 0, nil, []int{0, 2, 3}, "K.KK..."},
		{"interval counts from the forced one", 4, func(d *driver) { d.lacks = map[uint32]int{ctrlIPeriod: 0} }, []int{2}, "K.K...K"},
		{"parameter sets apart", 2, func(d *driver) { d.apart = true }, nil, "K.K.K.K"},
		{"parameter sets once", 2, func(d *driver) { d.once = true }, nil, "K.K.K.K"},
		{"parameter sets apart and once", 2, func(d *driver) { d.apart, d.once = true, true }, nil, "K.K.K.K"},
		{"input given back late", 3, func(d *driver) { d.late = true }, nil, "K..K..K"},
		{"optional controls are absent", 3, func(d *driver) {
			d.lacks = map[uint32]int{ctrlProfile: 0, ctrlLevel: 0, ctrlBFrames: 0, ctrlGOPSize: 0, ctrlHeaderMode: 0, ctrlRepeatHeader: 0}
		}, nil, "K..K..K"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriver(t, 64, 48)
			if tt.setup != nil {
				tt.setup(d)
			}
			cfg := config(64, 48)
			cfg.KeyInterval = tt.interval
			if got := encode(t, open(t, d, cfg), picture(64, 48, 0, false), 0, len(tt.want), tt.force...); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPicturesThatShareAStampAreToldApart(t *testing.T) {
	e := open(t, newDriver(t, 64, 48), config(64, 48))
	for i := range 4 {
		if p, err := e.EncodeTo(nil, picture(64, 48, 0, false), time.Second, uint64(i), false); err != nil || p.Mono != time.Second {
			t.Fatalf("%v, %v", p.Mono, err)
		}
	}
}

func TestPictureReachesTheDriverInItsLayout(t *testing.T) {
	for _, format := range inputs {
		for _, align := range []uint32{2, 16, 32} {
			for _, pad := range []uint32{0, 32} {
				for _, size := range [][2]int{{70, 50}, {65, 35}, {128, 64}} {
					w, h := size[0]&^1, size[1]&^1
					d := newDriver(t, w, h)
					d.align, d.pad, d.raw = align, pad, []video.FourCC{format}
					img := picture(size[0], size[1], 3, false)
					var seen bool
					d.encode = func(d *driver, memories [][]byte, key bool) []byte {
						seen = true
						checkLayout(t, d.queues[bufOutput].pix, memories, img, w, h)
						return slices.Concat(d.sets, idr)
					}
					e := open(t, d, config(size[0], size[1]))
					if encode(t, e, img, 0, 1); !seen {
						t.Fatal("nothing encoded")
					}
					if p := d.queues[bufOutput].pix; (int(p.width) != w || int(p.height) != h) && (d.crop.width != uint32(w) || d.crop.height != uint32(h)) {
						t.Errorf("driver works on %d x %d, cropped to %d x %d", p.width, p.height, d.crop.width, d.crop.height)
					}
				}
			}
		}
	}
}

// checkLayout reads each sample where the kernel's description of the formats puts it.
func checkLayout(t *testing.T, p v4l2PixFormatMplane, memories [][]byte, img *video.I420, w, h int) {
	t.Helper()
	stride, lines := int(p.planes[0].bytesperline), int(p.height)
	at := func(plane, x, y int) byte {
		switch format := video.FourCC(p.pixelformat); {
		case plane == 0:
			return memories[0][y*stride+x]
		case format == video.YU12:
			return memories[0][stride*lines+(plane-1)*(stride/2)*(lines/2)+y*(stride/2)+x]
		case format == video.NV12:
			return memories[0][stride*lines+y*stride+2*x+plane-1]
		case format == nm12:
			return memories[1][y*stride+2*x+plane-1]
		}
		return memories[plane][y*(stride/2)+x]
	}
	for y := range h {
		for x := range w {
			if got, want := at(0, x, y), img.Y[y*img.YStride+x]; got != want {
				t.Fatalf("%v luma at %d,%d: got %d, want %d", video.FourCC(p.pixelformat), x, y, got, want)
			}
		}
	}
	for y := range h / 2 {
		for x := range w / 2 {
			if u, v := at(1, x, y), at(2, x, y); u != img.U[y*img.CStride+x] || v != img.V[y*img.CStride+x] {
				t.Fatalf("%v chroma at %d,%d: got %d, %d", video.FourCC(p.pixelformat), x, y, u, v)
			}
		}
	}
}

func TestUnfitDriverIsRefusedAndReleased(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*driver)
	}{
		{"cannot crop to the picture", func(d *driver) { d.align, d.noCrop = 32, true }},
		{"no bit rate", func(d *driver) { d.lacks = map[uint32]int{ctrlBitrate: 0} }},
	}
	for _, tt := range tests {
		d := newDriver(t, 72, 48)
		tt.setup(d)
		if _, err := d.encoder(config(72, 48)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", tt.name, err)
		}
		d.idle()
	}
}

func TestFaultyResultEndsTheEncoder(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*driver)
		want  string
	}{
		{"of another picture", func(d *driver) { d.mangle = func(b *v4l2Buffer, _ *v4l2Plane) { b.timestamp.Usec++ } }, "stamped"},
		{"marked as broken", func(d *driver) { d.mangle = func(b *v4l2Buffer, _ *v4l2Plane) { b.flags = bufFlagError } }, "broken"},
		{"marked as the last", func(d *driver) { d.mangle = func(b *v4l2Buffer, _ *v4l2Plane) { b.flags = bufFlagLast } }, "ended"},
		{"longer than its memory", func(d *driver) { d.mangle = func(_ *v4l2Buffer, p *v4l2Plane) { p.bytesused = 1 << 30 } }, "filled"},
		{"that ends before it begins", func(d *driver) { d.mangle = func(_ *v4l2Buffer, p *v4l2Plane) { p.dataOffset = p.bytesused + 1 } }, "filled"},
		{"in a buffer that is not there", func(d *driver) { d.mangle = func(b *v4l2Buffer, _ *v4l2Plane) { b.index = 99 } }, "buffer 99"},
		{"of another size", func(d *driver) { d.sets = parameterSets(64, 32, 66) }, "64 x 32"},
		{"of another profile", func(d *driver) { d.sets = parameterSets(64, 48, 77) }, "profile 77"},
		{"with broken parameter sets", func(d *driver) { d.sets = []byte{0, 0, 1, 0x67, 66, 0, 0, 0, 1, 0x68, 1} }, "parameter set"},
		{"without parameter sets", func(d *driver) { d.sets = nil }, "without parameter sets"},
		{"that is no key picture", func(d *driver) {
			d.encode = func(*driver, [][]byte, bool) []byte { return delta }
		}, "not a key picture"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriver(t, 64, 48)
			tt.setup(d)
			e := open(t, d, config(64, 48))
			_, err := e.EncodeTo(nil, picture(64, 48, 0, false), 0, 0, false)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q in it", err, tt.want)
			}
			calls := d.calls
			if _, again := e.EncodeTo(nil, picture(64, 48, 0, false), 0, 0, false); again != err || d.calls != calls || e.SetBitrate(50_000) != err {
				t.Errorf("the driver was asked again: %v", again)
			}
		})
	}
}

func TestAPictureGivenBackTwiceEndsTheEncoder(t *testing.T) {
	d := newDriver(t, 64, 48)
	d.again, d.late = true, true
	e := open(t, d, config(64, 48))
	var err error
	for i := 0; i < 8 && err == nil; i++ {
		_, err = e.EncodeTo(nil, picture(64, 48, 0, false), time.Duration(i)*time.Millisecond, uint64(i), false)
	}
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

func TestRequestForAKeyPictureIsRepeatedForAWhile(t *testing.T) {
	d := newDriver(t, 64, 48)
	e := open(t, d, config(64, 48))
	encode(t, e, picture(64, 48, 0, false), 0, 2)
	d.deaf = true
	if got := encode(t, e, picture(64, 48, 0, false), 2, 3, 2); got != "..." {
		t.Errorf("got %s", got)
	}
	d.deaf = false
	if got := encode(t, e, picture(64, 48, 0, false), 5, 3); got != "K.." {
		t.Errorf("got %s", got)
	}
	d.deaf = true
	encode(t, e, picture(64, 48, 0, false), 8, keyPatience-1, 8)
	if _, err := e.EncodeTo(nil, picture(64, 48, 0, false), time.Hour, 99, false); err == nil {
		t.Error("no end to the patience")
	}
}

func TestPictureThatDoesNotFitIsRefusedAndHarmsNothing(t *testing.T) {
	e := open(t, newDriver(t, 64, 48), config(64, 48))
	short := picture(64, 48, 0, false)
	short.V = short.V[:len(short.V)-1]
	for _, img := range []*video.I420{picture(64, 50, 0, false), short} {
		if _, err := e.EncodeTo(nil, img, 0, 0, false); err == nil {
			t.Error("took it")
		}
	}
	encode(t, e, picture(64, 48, 0, false), 0, 2)
}

func TestStallIsNoticedAfterOneSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, pictures := range []int{0, 1, 2, 7} {
			for _, late := range []bool{false, true} {
				d := newDriver(t, 64, 48)
				d.late = late
				e := open(t, d, config(64, 48))
				encode(t, e, picture(64, 48, 0, false), 0, pictures)
				d.stalled = true
				began := time.Now()
				_, err := e.EncodeTo(nil, picture(64, 48, 0, false), time.Hour, 99, false)
				if took := time.Since(began); !errors.Is(err, ErrStalled) || took != StallAfter {
					t.Errorf("after %d pictures: %v after %v", pictures, err, took)
				}
				e.Close()
				d.idle()
			}
		}
	})
}

// Each call of the kernel fails in turn, once with what a busy device answers and once as if it were gone.
func TestFailureOfAnyCallLeavesNothingBehind(t *testing.T) {
	for _, with := range []unix.Errno{unix.EBUSY, unix.ENODEV, unix.EINVAL, unix.ENOMEM} {
		kinds := map[string]int{}
		for at := 1; ; at++ {
			d := newDriver(t, 64, 48)
			d.align, d.late = 32, true // crop, and give back late, so that all is called
			d.failAt, d.with = at, with
			e, err := d.encoder(config(64, 48))
			for i := range 4 {
				if err == nil {
					_, err = e.EncodeTo(nil, picture(64, 48, 0, false), time.Duration(i)*frame15, uint64(i), i == 2)
				}
			}
			if err == nil {
				err = e.SetBitrate(500_000)
			}
			if e != nil {
				e.Close()
				e.Close()
			}
			d.idle()
			if d.failed == "" {
				if at < 40 || err != nil {
					t.Fatalf("%d calls, %v", at, err)
				}
				break
			}
			kinds[d.failed]++
			forgiven := d.failed == "enum_fmt" || with == unix.EINVAL && (d.failed == "s_parm" || d.failed == "s_ctrl")
			if atClose := d.failed == "streamoff" || d.failed == "reqbufs" && e != nil; !forgiven && !atClose && err == nil {
				t.Errorf("call %d (%s) failed with %v, and nobody noticed", at, d.failed, with)
			}
		}
		for _, name := range names {
			if kinds[name] == 0 {
				t.Errorf("%s was never made to fail", name)
			}
		}
		if kinds["mmap"] == 0 || kinds["poll"] == 0 || kinds["open"] == 0 {
			t.Error("mmap, poll or open was never made to fail")
		}
	}
}

func TestUseAfterCloseIsAnError(t *testing.T) {
	d := newDriver(t, 64, 48)
	e := open(t, d, config(64, 48))
	e.Close()
	if _, err := e.EncodeTo(nil, picture(64, 48, 0, false), 0, 0, false); !errors.Is(err, errClosed) {
		t.Errorf("Encode: %v", err)
	}
	if err := e.SetBitrate(500_000); !errors.Is(err, errClosed) {
		t.Errorf("SetBitrate: %v", err)
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	d := newDriver(t, 320, 240)
	allocatesNothing(t, open(t, d, config(320, 240)), picture(320, 240, 0, true))
}

func TestRealNodeThatIsNoEncoderIsNotTaken(t *testing.T) {
	d, err := openNode("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	if n, err := judge(d, "/dev/null", video.H264); err == nil {
		t.Errorf("got %+v, %v", n, err)
	}
	if seen, err := d.poll(unix.POLLOUT, time.Millisecond); err != nil || seen&unix.POLLOUT == 0 {
		t.Errorf("poll: %#x, %v", seen, err)
	}
}
