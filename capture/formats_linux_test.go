package capture

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"camward/video"
)

// plane makes lines of letters, padded with dots to the stride, behind so many bytes of something else.
func plane(letter byte, line, lines, stride int) string {
	l := bytes.Repeat([]byte{letter}, line)
	return strings.Repeat(string(l)+strings.Repeat(".", stride-line), lines)
}

func TestPlanesInSeveralMemoriesBecomeOneTightFrame(t *testing.T) {
	const w, h = 22, 6
	tests := []struct {
		name   string
		code   string
		planes []planeOf
		fill   fill
		want   string
		stride int
	}{
		{name: "NM12 padded", code: "NM12", planes: []planeOf{{32, 32*6 + 100, 0}, {64, 64*3 + 7, 7}},
			fill: fill{data: plane('y', w, h, 32), more: []string{plane('c', w, h/2, 64)}}, want: plane('y', w, h, w) + plane('c', w, h/2, w), stride: w},
		{name: "YM12 with data offsets", code: "YM12", planes: []planeOf{{w, w*h + 128, 128}, {16, 16 * 3, 0}, {11, 11*3 + 1, 1}},
			fill: fill{data: plane('y', w, h, w), more: []string{plane('u', 11, h/2, 16), plane('v', 11, h/2, 11)}},
			want: plane('y', w, h, w) + plane('u', 11, h/2, 11) + plane('v', 11, h/2, 11), stride: w},
		{name: "the last line ends with its samples", code: "NM12", planes: []planeOf{{32, 32 * 6, 0}, {32, 32 * 3, 0}},
			fill: fill{data: plane('y', w, h, 32)[:32*6-10], more: []string{plane('c', w, h/2, 32)[:32*3-10]}}, want: plane('y', w, h, w) + plane('c', w, h/2, w), stride: w},
		{name: "a plane is short", code: "NM12", planes: []planeOf{{w, w * h, 0}, {w, w * 3, 0}},
			fill: fill{data: plane('y', w, h, w), more: []string{plane('c', w, h/2, w)[1:]}}},
		{name: "NV12 in one memory keeps its stride", code: "NV12", planes: []planeOf{{32, 32*9 + 5, 5}},
			fill: fill{data: plane('y', w, h, 32) + plane('c', w, h/2, 32)}, want: plane('y', w, h, 32) + plane('c', w, h/2, 32), stride: 32},
		{name: "YUYV in one memory", code: "YUYV", planes: []planeOf{{44, 44 * 6, 0}}, fill: fill{data: plane('y', 44, h, 44)}, want: plane('y', 44, h, 44), stride: 44},
		{name: "MJPG in one memory", code: "MJPG", planes: []planeOf{{0, 9999, 3}}, fill: fill{data: aJPEG}, want: aJPEG},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriver()
			d.caps.deviceCaps = capVideoCaptureMplane | capStreaming
			d.offered = []DeviceFormat{{FourCC: tt.code}}
			d.planes, d.script = tt.planes, []fill{tt.fill}
			d.every, d.after, d.gone = 0, unix.POLLERR|unix.POLLHUP, unix.ENODEV
			c := Default()
			c.Size = Size{w, h + 10} // any
			d.grant = func(p *v4l2PixFormat) { p.width, p.height = w, h }
			cam, s := cameraOn(t, d, c)
			if err := cam.attempt(t.Context()); !errors.Is(err, ErrAbsent) {
				t.Fatal(err)
			}
			if !d.released() || d.order() != "STREAMOFF munmap REQBUFS(0) close" {
				t.Errorf("released %v, by %s", d.released(), d.order())
			}
			if tt.want == "" {
				if st := cam.Status(); st.Errored != 1 || st.Frames != 0 {
					t.Errorf("%+v", st)
				}
				return
			}
			f := <-s.Frames()
			defer f.Release()
			if string(f.Data) != tt.want || f.Format.Stride != tt.stride || f.Format.FourCC != canonical(d.offered[0].code()) {
				t.Errorf("%+v holds\n%q, want\n%q", f.Format, f.Data, tt.want)
			}
		})
	}
}

func TestALayoutOfPlanesThatIsUnknownIsNotTaken(t *testing.T) {
	d := newDriver()
	d.caps.deviceCaps = capVideoCaptureMplane | capStreaming
	d.offered = []DeviceFormat{{FourCC: "NM12"}}
	d.planes = []planeOf{{640, 640 * 720, 0}}
	cam, _ := cameraOn(t, d, Default())
	var fe *formatError
	if err := cam.attempt(t.Context()); !errors.As(err, &fe) || !d.released() {
		t.Errorf("%v, released %v", err, d.released())
	}
}

// coded is a camera with H.264 alone.
func codedCamera(t *testing.T, script []fill) (*driver, *Camera, *Subscription) {
	d := newDriver()
	d.offered = []DeviceFormat{{FourCC: "H264"}}
	d.script, d.every, d.after, d.gone = script, 0, unix.POLLERR|unix.POLLHUP, unix.ENODEV
	cam, s := cameraOn(t, d, Default())
	return d, cam, s
}

func TestH264IsHeldBackFromALossToTheNextKeyPicture(t *testing.T) {
	d, cam, s := codedCamera(t, []fill{
		{data: unitNext, seq: 0}, // before the first key picture
		{data: unitKey, seq: 1},
		{data: unitNext, seq: 2},
		{data: unitNext, seq: 4}, // 3 is missing
		{data: unitNext, seq: 5},
		{data: unitKey, seq: 6},
		{data: unitNext, seq: 7},
		{data: unitNext, seq: 8, flags: bufFlagError},
		{data: unitNext, seq: 9},
		{data: unitKey, seq: 10},
		{data: "no start code", seq: 11},
		{data: unitNext, seq: 12},
		{data: unitKey, seq: 13},
		{data: unitKey, seq: 15}, // a gap that ends with a key picture costs nothing more
	})
	force := newKnob(cidForceKey, 4, "Force Key Frame", 0, 0, 0, 0) // a button
	period := newKnob(cidIPeriod, ctrlTypeInteger, "H264 I-Frame Period", 1, 600, 1, 250)
	sets := newKnob(cidRepeatHeader, ctrlTypeBoolean, "Repeat Sequence Header", 0, 1, 1, 0)
	d.controls = []*knob{sets, force, period}
	if err := cam.attempt(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Fatal(err)
	}
	if got, want := queued(s), []uint64{1, 2, 6, 7, 10, 13, 15}; !slices.Equal(got, want) {
		t.Errorf("passed on: %v, want %v", got, want)
	}
	if force.sets != 4 || period.value != 30 || sets.value != 1 {
		t.Errorf("key picture asked for %d times, period %d, sets repeated %d", force.sets, period.value, sets.value)
	}
	// Held back is lost: 3 4 5, 9 (8 is errored), 12 (11 is errored), 14.
	if st := cam.Status(); st.Drops != 6 || st.Errored != 2 {
		t.Errorf("status %+v", st)
	}
}

func TestParameterSetsThatComeByThemselvesAreJoinedToTheirPicture(t *testing.T) {
	_, cam, s := codedCamera(t, []fill{
		{data: unitSets, seq: 0}, {data: unitIDR, seq: 1}, {data: unitNext, seq: 2}, {data: unitSets, seq: 3}, {data: unitIDR, seq: 4}, {data: unitNext, seq: 5},
	})
	if err := cam.attempt(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Fatal(err)
	}
	for i, want := range []string{unitSets + unitIDR, unitNext, unitSets + unitIDR, unitNext} {
		f := <-s.Frames()
		if string(f.Data) != want {
			t.Errorf("frame %d: %q", i, f.Data)
		}
		f.Release()
	}
	if st := cam.Status(); st.Drops != 0 || st.Frames != 4 {
		t.Errorf("status %+v", st)
	}
}

func TestAStreamWithoutKeyPicturesIsOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, cam, _ := codedCamera(t, nil)
		d.film, d.every = unitNext, 33*time.Millisecond
		began := time.Now()
		err := cam.attempt(t.Context())
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "no H.264 key picture for 10s") || took > keyWithin+time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestAStreamOfParameterSetsAloneIsOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, before := range []string{unitSets, unitKey} {
			d, cam, _ := codedCamera(t, []fill{{data: before}})
			d.film, d.every, d.shown = unitSets, 33*time.Millisecond, 1
			began := time.Now()
			err := cam.attempt(t.Context())
			if took := time.Since(began); err == nil || took > keyWithin+time.Second {
				t.Errorf("%v after %v", err, took)
			}
		}
	})
}

func TestParameterSetsInSeveralBuffersAreAllJoined(t *testing.T) {
	sps, pps := unitSets[:8], unitSets[8:]
	_, cam, s := codedCamera(t, []fill{{data: sps, seq: 0}, {data: pps, seq: 1}, {data: unitIDR, seq: 2}})
	if err := cam.attempt(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Fatal(err)
	}
	f := <-s.Frames()
	defer f.Release()
	if string(f.Data) != unitSets+unitIDR || f.Seq != 0 {
		t.Errorf("picture %d: %q", f.Seq, f.Data)
	}
}

func TestParameterSetsThatAreSentOnceAreWithEachKeyPicture(t *testing.T) {
	for _, script := range [][]fill{
		{{data: unitKey, seq: 0}, {data: unitIDR, seq: 1}, {data: unitNext, seq: 2}, {data: unitIDR, seq: 3}},
		{{data: unitSets, seq: 0}, {data: unitIDR, seq: 1}, {data: unitIDR, seq: 2}, {data: unitNext, seq: 3}, {data: unitIDR, seq: 4}},
	} {
		_, cam, s := codedCamera(t, script)
		if err := cam.attempt(t.Context()); !errors.Is(err, ErrAbsent) {
			t.Fatal(err)
		}
		for _, want := range []string{unitSets + unitIDR, unitSets + unitIDR, unitNext, unitSets + unitIDR} {
			f := <-s.Frames()
			if string(f.Data) != want {
				t.Errorf("picture %d: %q", f.Seq, f.Data)
			}
			f.Release()
		}
	}
}

func TestStampsGoForward(t *testing.T) {
	now := video.Now()
	d := newDriver()
	for i, ago := range []time.Duration{3, 2, 4, 2, 1} { // as of a webcam whose clock is read wrongly
		d.script = append(d.script, fill{data: aJPEG, seq: uint32(i), at: now - ago*time.Second, flags: bufFlagMonotonic})
	}
	d.every, d.after, d.gone = 0, unix.POLLERR, unix.ENODEV
	cam, s := cameraOn(t, d, Default())
	cam.status.Last = now - 5*time.Second/2 // of the run before
	if err := cam.attempt(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Fatal(err)
	}
	last := now - 5*time.Second/2
	for range 5 {
		f := <-s.Frames()
		if f.Mono <= last || f.Mono > now {
			t.Errorf("picture %d is of %v, after one of %v", f.Seq, f.Mono-now, last-now)
		}
		last = f.Mono
		f.Release()
	}
}

func TestPatienceWithASlowCameraHasAnEnd(t *testing.T) {
	for rate, want := range map[float64]time.Duration{0: stallAfter, 30: stallAfter, 1: 4 * time.Second, 1e-7: longestPatience} {
		d := device{form: video.Format{Rate: rate}}
		if got := d.patience(); got != want {
			t.Errorf("%v pictures a second: %v, want %v", rate, got, want)
		}
	}
}

func TestStartCodesTellH264(t *testing.T) {
	for s, want := range map[string]bool{
		"\x00\x00\x01\x09\x10": true, "\x00\x00\x00\x01\x67": true, "\x00\x00\x00\x00\x00\x01\x67": true,
		"": false, "\x00\x00": false, "\x00\x00\x00\x05\x65": false, "\x00\x01\x65": false, "\xff\xd8\xff": false, "x\x00\x00\x01": false,
	} {
		if got := isAnnexB([]byte(s)); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func FuzzContentOfAccessUnits(f *testing.F) {
	for _, s := range []string{unitKey, unitNext, unitSets, unitIDR, ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if picture, key := content(b); key && !picture {
			t.Error("a key picture is a picture")
		}
		isAnnexB(b)
	})
}

func TestTooLittleBandwidthStepsDownRateThenSize(t *testing.T) {
	discrete := []DeviceSize{
		{Size: Size{1280, 720}, Rates: []float64{30, 15, 10, 5, 2}}, {Size: Size{320, 240}, Rates: []float64{30, 15}},
		{Size: Size{640, 480}, Rates: []float64{30, 14, 5}}, {Size: Size{1920, 1080}, Rates: []float64{30}},
	}
	ranges := []DeviceSize{{Size: Size{64, 48}, Max: Size{1280, 720}, Step: Size{16, 16}, Rates: nil}}
	tests := []struct {
		name    string
		sizes   []DeviceSize
		room    int // pixels a second
		asked   float64
		tried   string
		reduced string
	}{
		{"enough", discrete, 1280 * 720 * 30, 30, "1280x720@30", ""},
		{"rate", discrete, 1280 * 720 * 10, 30, "1280x720@30 1280x720@15 1280x720@10", "MJPG 1280x720 30 fps was asked for, the USB bus has room for MJPG 1280x720 10 fps"},
		{"size", discrete, 640 * 480 * 14, 30, "1280x720@30 1280x720@15 1280x720@10 1280x720@5 640x480@30 640x480@14",
			"MJPG 1280x720 30 fps was asked for, the USB bus has room for MJPG 640x480 14 fps"},
		{"a rate that is low already", discrete, 320 * 240 * 5, 5, "1280x720@5 640x480@5 320x240@5", "MJPG 1280x720 5 fps was asked for, the USB bus has room for MJPG 320x240 5 fps"},
		{"ranges", ranges, 640 * 352 * 16, 30, "1280x720@30 1280x720@15 1280x720@7 640x352@30 640x352@15",
			"MJPG 1280x720 30 fps was asked for, the USB bus has room for MJPG 640x352 15 fps"},
		{"none at all", discrete, 1, 15, "1280x720@15 1280x720@10 1280x720@5 640x480@15 640x480@14 640x480@5 320x240@15", "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriver()
			d.offered = []DeviceFormat{{FourCC: "MJPG", Sizes: tt.sizes}}
			d.obeys, d.room = true, func(pixels, fps int) bool { return pixels*fps <= tt.room }
			d.script, d.after, d.gone = []fill{{data: aJPEG}}, unix.POLLERR|unix.POLLHUP, unix.ENODEV
			cam, _ := cameraOn(t, d, Config{Rate: tt.asked, Size: Size{1280, 720}})
			err := cam.attempt(t.Context())
			if got := strings.Join(d.tried, " "); !strings.HasPrefix(got, tt.tried) || tt.reduced != "-" && got != tt.tried {
				t.Errorf("tried %s", got)
			}
			if tt.reduced == "-" {
				if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "bandwidth for MJPG 1280x720 15 fps") || classify(err) != faultBarren {
					t.Errorf("%v", err)
				}
			} else if st := cam.Status(); st.Reduced != tt.reduced || st.Frames != 1 {
				t.Errorf("%v: status %+v", err, st)
			}
			if !d.released() {
				t.Error("the device is not free")
			}
		})
	}
}

// From the driver's buffer to both hubs, and back to the pool.
func TestNothingIsAllocatedFromTheDriverToTheHubs(t *testing.T) {
	jpeg := fill{data: aJPEG + strings.Repeat("x", 3000)}
	yuyv := fill{data: strings.Repeat("y", 640*480*2)}
	planes := fill{data: strings.Repeat("y", 640*480), more: []string{strings.Repeat("c", 640*240)}}
	tests := []struct {
		name  string
		fill  fill
		setup func(*driver)
	}{
		{"MJPG", jpeg, func(*driver) {}},
		{"YUYV", yuyv, func(d *driver) { d.offered = d.offered[1:] }},
		{"H264", fill{data: unitKey}, func(d *driver) { d.offered = []DeviceFormat{{FourCC: "H264"}} }},
		{"NM12", planes, func(d *driver) {
			d.offered, d.caps.deviceCaps = []DeviceFormat{{FourCC: "NM12"}}, capVideoCaptureMplane|capStreaming
			d.planes = []planeOf{{640, 640 * 480, 0}, {640, 640 * 240, 0}}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriver()
			tt.setup(d)
			d.every = 0
			cam, s := cameraOn(t, d, Default())
			detect := NewHub()
			look := detect.Subscribe("detect", 1)
			defer look.Close()
			cam.SetDetection(detect)
			dev, err := cam.host.openDevice("/dev/null", wish{formats: formatOrder[:], size: defaultSize, rate: 15})
			if err != nil {
				t.Fatal(err)
			}
			defer dev.close()
			cam.lastSeq = noSeq
			d.script = slices.Repeat([]fill{tt.fill}, 200)
			for i := range d.script {
				d.script[i].seq, d.script[i].flags, d.script[i].at = uint32(i), bufFlagMonotonic, video.Now()
			}
			n := testing.AllocsPerRun(100, func() {
				f, why, err := dev.dequeue(cam.pool)
				if err == nil && f != nil && dev.form.FourCC == video.H264 {
					f, err = dev.key(f, cam.pool)
				}
				if err != nil || f == nil {
					t.Fatal(f, why, err)
				}
				if err := cam.deliver(f); err != nil {
					t.Fatal(err)
				}
				(<-s.Frames()).Release()
				(<-look.Frames()).Release()
			})
			if st := cam.Status(); n != 0 || st.Frames != 101 || st.Drops != 0 {
				t.Errorf("%v allocations a frame, want 0; %+v", n, st)
			}
		})
	}
}

func TestControlsOfTheConfigurationAreSetAndWeakerThanThoseOfThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, knobs := newSettable()
		c := Default()
		c.Controls = ControlValues{"auto_exposure": 1, "exposure_time_absolute": 40, "brightness": -8, "white_balance_automatic": 0, "contrast": 3}
		cam, _ := cameraOn(t, d, c)
		cam.KeepControls(map[string]int32{"brightness": 16})
		got := func() string {
			return fmt.Sprint(knobs["Auto Exposure"].value, knobs["Exposure Time, Absolute"].value, knobs["Brightness"].value, knobs["White Balance, Automatic"].value)
		}
		for range 2 {
			whileOpen(t, cam, func() {
				if got() != "1 40 16 0" {
					t.Error(got())
				}
			})
			for _, k := range knobs { // unplugged and plugged in again
				k.value = k.defaultValue
			}
		}
		if c.Controls["brightness"] != -8 {
			t.Error("the configuration is changed")
		}
	})
}
