package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// newSettable is a webcam with controls as uvcvideo has them.
func newSettable() (d *driver, knobs map[string]*knob) {
	d = newDriver()
	auto := newKnob(0x009a0901, ctrlTypeMenu, "Auto Exposure", 0, 3, 1, 3)
	auto.menu = map[uint32]string{1: "Manual Mode", 3: "Aperture Priority Mode"}
	exposure := newKnob(0x009a0902, ctrlTypeInteger, "Exposure Time, Absolute", 3, 2047, 1, 250)
	exposure.auto = auto
	rates := newKnob(0x009a0910, ctrlTypeIntegerMenu, "Link Rates", 0, 1, 1, 0)
	var big [8]byte
	binary.NativeEndian.PutUint64(big[:], 5_000_000_000)
	rates.menu = map[uint32]string{0: string(big[:]), 1: "\x02"}
	class := newKnob(0x00980001, 6, "User Controls", 0, 0, 0, 0)
	gone := newKnob(0x00980905, ctrlTypeInteger, "Balance", 0, 1, 1, 0)
	gone.flags = ctrlFlagDisabled
	d.controls = []*knob{ // in the order of their ids, as the kernel has them
		class,
		newKnob(0x00980900, ctrlTypeInteger, "Brightness", -64, 64, 8, 0),
		gone,
		newKnob(0x0098090c, ctrlTypeBoolean, "White Balance, Automatic", 0, 1, 1, 1),
		newKnob(0x00980913, ctrlTypeInteger, "Gain", 0, 100, 0, 0),
		newKnob(0x00980920, ctrlTypeInteger, "Gain", 0, 1, 1, 0), // a second of that name
		auto, exposure, rates,
	}
	knobs = map[string]*knob{}
	for _, k := range d.controls {
		if label := cString(k.name[:]); knobs[label] == nil {
			knobs[label] = k
		}
	}
	return d, knobs
}

// whileOpen runs a camera until do has returned.
func whileOpen(t *testing.T, cam *Camera, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		cam.Run(ctx)
	}()
	for !cam.Status().Running {
		time.Sleep(time.Millisecond)
	}
	do()
	cancel()
	<-done
}

func TestControlsAreThoseThatAPersonCanSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newSettable()
		cam, _ := cameraOn(t, d, Default())
		want := []Control{
			{ID: 0x00980900, Name: "brightness", Label: "Brightness", Type: "integer", Min: -64, Max: 64, Step: 8},
			{ID: 0x0098090c, Name: "white_balance_automatic", Label: "White Balance, Automatic", Type: "boolean", Max: 1, Step: 1, Default: 1, Value: 1},
			{ID: 0x00980913, Name: "gain", Label: "Gain", Type: "integer", Max: 100, Step: 1},
			{ID: 0x009a0901, Name: "auto_exposure", Label: "Auto Exposure", Type: "menu", Max: 3, Step: 1, Default: 3, Value: 3,
				Menu: []MenuItem{{1, "Manual Mode"}, {3, "Aperture Priority Mode"}}},
			{ID: 0x009a0902, Name: "exposure_time_absolute", Label: "Exposure Time, Absolute", Type: "integer", Min: 3, Max: 2047, Step: 1, Default: 250, Value: 250, Inactive: true},
			{ID: 0x009a0910, Name: "link_rates", Label: "Link Rates", Type: "menu", Max: 1, Step: 1, Menu: []MenuItem{{0, "5000000000"}, {1, "2"}}},
		}
		whileOpen(t, cam, func() {
			got, err := cam.Controls()
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v\n-want +got\n%s", err, diff)
			}
		})
		if _, err := cam.Controls(); !errors.Is(err, ErrAbsent) {
			t.Errorf("of a closed camera: %v", err)
		}
		if !d.released() {
			t.Error("the device is not free")
		}
	})
}

func TestACameraWithoutControlsHasNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, refusal := range []error{nil, unix.ENOTTY} {
			d := newDriver()
			d.fail[vidiocQueryctrl] = refusal
			cam, _ := cameraOn(t, d, Default())
			cam.KeepControls(map[string]int32{"brightness": 1})
			whileOpen(t, cam, func() {
				if got, err := cam.Controls(); err != nil || got == nil || len(got) > 0 {
					t.Errorf("%v, %v", got, err)
				}
				if _, err := cam.SetControls(map[string]int32{"brightness": 1}); !errors.Is(err, ErrControl) {
					t.Error(err)
				}
			})
		}
	})
	cam, err := New(Config{Source: "demo:", Rate: 15}, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cam.Controls(); err != nil || got == nil || len(got) > 0 {
		t.Errorf("demo: %v, %v", got, err)
	}
	if _, err := cam.SetControls(map[string]int32{"brightness": 1}); !errors.Is(err, ErrControl) {
		t.Error(err)
	}
}

func TestControlsAreSetAllOrNoneAndAgainWhenTheCameraIsOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, knobs := newSettable()
		cam, _ := cameraOn(t, d, Default())
		whileOpen(t, cam, func() {
			// Exposure is refused while it is automatic, so that is switched first whatever the order of names.
			got, err := cam.SetControls(map[string]int32{"exposure_time_absolute": 40, "auto_exposure": 1, "brightness": -8})
			if err != nil || knobs["Exposure Time, Absolute"].value != 40 || knobs["Auto Exposure"].value != 1 || knobs["Brightness"].value != -8 {
				t.Errorf("%v: %+v", err, got)
			}
			for name, bad := range map[string]map[string]int32{
				"unknown":         {"brightness": 8, "contrast": 1},
				"too small":       {"brightness": 8, "gain": -1},
				"too large":       {"brightness": 8, "gain": 101},
				"between steps":   {"brightness": 7},
				"no such item":    {"brightness": 8, "auto_exposure": 2},
				"no boolean":      {"brightness": 8, "white_balance_automatic": 2},
				"driver says no":  {"brightness": 8, "auto_exposure": 3, "exposure_time_absolute": 50},
				"no name at all":  {"": 1},
				"hidden":          {"balance": 1},
				"in capitals":     {"Brightness": 8},
				"smallest number": {"brightness": -1 << 31},
			} {
				if _, err := cam.SetControls(bad); !errors.Is(err, ErrControl) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: %v", name, err)
				}
				if knobs["Brightness"].value != -8 || knobs["Auto Exposure"].value != 1 || knobs["Exposure Time, Absolute"].value != 40 {
					t.Fatalf("%s: something is set", name)
				}
			}
		})
		for label, k := range knobs { // another camera, or it lost its power
			k.value, k.sets = k.defaultValue, 0
			_ = label
		}
		whileOpen(t, cam, func() {
			if knobs["Exposure Time, Absolute"].value != 40 || knobs["Auto Exposure"].value != 1 || knobs["Brightness"].value != -8 || knobs["Gain"].sets != 0 {
				t.Error("not set again")
			}
		})
		cam.KeepControls(map[string]int32{"brightness": 16, "contrast": 5, "gain": 1000}) // what cannot be is passed over
		whileOpen(t, cam, func() {
			if knobs["Brightness"].value != 16 || knobs["Gain"].sets != 0 {
				t.Errorf("brightness %d", knobs["Brightness"].value)
			}
		})
	})
}

func TestADriverThatListsOneControlForeverIsLeft(t *testing.T) {
	d := newDriver()
	k := &rounding{driver: d}
	list, err := (&device{k: k}).controls()
	if err != nil || len(list) > 1 {
		t.Errorf("%d controls, %v", len(list), err)
	}
}

// rounding answers every query with the same control.
type rounding struct{ *driver }

func (r *rounding) ioctl(req uintptr, arg unsafe.Pointer) error {
	if req == vidiocQueryctrl {
		*(*v4l2Queryctrl)(arg) = newKnob(0x00980900, ctrlTypeInteger, "Brightness", 0, 1, 1, 0).v4l2Queryctrl
	}
	return nil
}

func TestControlsMayBeAskedForWhileTheCameraComesAndGoes(t *testing.T) {
	d, _ := newSettable()
	d.every = 0
	cam, _ := cameraOn(t, d, Default())
	stop := make(chan struct{})
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for v := int32(0); ; v = 8 - v {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := cam.SetControls(map[string]int32{"brightness": v}); err != nil && !errors.Is(err, ErrAbsent) {
				t.Error(err)
			}
			cam.KeepControls(map[string]int32{"gain": 3})
		}
	}()
	for range 50 {
		d.script, d.after, d.gone = []fill{{data: aJPEG}}, unix.POLLERR, unix.ENODEV
		if err := cam.attempt(t.Context()); !errors.Is(err, ErrAbsent) {
			t.Fatal(err)
		}
	}
	close(stop)
	<-asked
	if !d.released() {
		t.Error("the device is not free")
	}
}

// keyAsker records what is set.
type keyAsker struct {
	controller
	set []uint32
}

func (k *keyAsker) setControl(id uint32, _ int32) error {
	k.set = append(k.set, id)
	return nil
}

func TestAKeyPictureIsRequestedOfAnOpenCameraAlone(t *testing.T) {
	var c Camera
	c.RequestKey() // closed: nobody to ask
	k := &keyAsker{}
	c.settings.open = k
	c.RequestKey()
	c.settings.mu.Lock() // the driver is busy with something else
	c.RequestKey()
	c.settings.mu.Unlock()
	if len(k.set) != 1 || k.set[0] != cidForceKey {
		t.Errorf("set %#x, want V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME once", k.set)
	}
}

func TestACameraWhoseControlsHangIsNotAskedForEachOfThem(t *testing.T) {
	for _, hangs := range []uintptr{vidiocGCtrl, vidiocSCtrl} {
		synctest.Test(t, func(t *testing.T) {
			d := webcam()
			c := Default()
			c.Controls = ControlValues{}
			for id := range uint32(10) {
				k := newKnob(0x980900+id, ctrlTypeInteger, fmt.Sprintf("Knob %d", id), 0, 10, 1, 5)
				k.hangs = hangs
				d.controls = append(d.controls, k)
				c.Controls[fmt.Sprintf("knob_%d", id)] = 3
			}
			b := newBus(t)
			b.plug(logitech, d)
			c.Source = "/dev/video0"
			cam, _, changes, _ := b.camera(c)
			defer run(t, cam)()
			if ch := next(t, changes, 6*time.Second); !ch.Found {
				t.Errorf("told %+v", ch)
			}
		})
	}
}
