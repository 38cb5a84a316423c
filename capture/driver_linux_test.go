package capture

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

// A driver is a small V4L2 driver in memory: it grants formats, fills buffers as scripted, and
// notes what was called, so that a test sees whether everything was given back.
type driver struct {
	caps    v4l2Capability
	offered []DeviceFormat
	grant   func(*v4l2PixFormat) // adjusts what S_FMT asks
	rate    v4l2Fract            // time per frame that it runs at whatever is asked; zero: none
	fail    map[uintptr]error    // ioctl -> what it answers
	script  []fill               // the buffers to come
	after   int16                // poll events once the script is through: 0 is a stall
	gone    error                // what DQBUF answers then
	every   time.Duration        // between buffers

	opens, maps, buffers int
	streaming            bool
	format               v4l2PixFormat
	queued               []uint32
	memory               [][]byte
	calls                []string

	mu       sync.Mutex // controls are asked for while pictures flow
	controls []*knob
}

// A knob is a control of the driver.
type knob struct {
	v4l2Queryctrl
	value int32
	menu  map[uint32]string
	auto  *knob // while that is not 1, setting this one is refused
	sets  int
}

func newKnob(id, typ uint32, label string, lo, hi, step, def int32) *knob {
	return &knob{v4l2Queryctrl: v4l2Queryctrl{id: id, typ: typ, name: cBytes[[32]byte](label), minimum: lo, maximum: hi, step: step, defaultValue: def}, value: def}
}

// control answers the ioctls of controls.
func (d *driver) control(req uintptr, arg unsafe.Pointer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	find := func(id uint32) *knob {
		for _, k := range d.controls {
			if k.id == id || id&ctrlFlagNext != 0 && k.id > id&^ctrlFlagNext {
				return k
			}
		}
		return nil
	}
	k := find(*(*uint32)(arg)) // each struct begins with it
	if k == nil {
		return unix.EINVAL
	}
	switch req {
	case vidiocQueryctrl:
		q := k.v4l2Queryctrl
		if k.auto != nil && k.auto.value != 1 {
			q.flags |= ctrlFlagInactive
		}
		*(*v4l2Queryctrl)(arg) = q
	case vidiocQuerymenu:
		m := (*v4l2Querymenu)(arg)
		text, ok := k.menu[m.index]
		if !ok {
			return unix.EINVAL
		}
		m.name = cBytes[[32]byte](text)
	case vidiocGCtrl:
		(*v4l2Control)(arg).value = k.value
	case vidiocSCtrl:
		if k.auto != nil && k.auto.value != 1 {
			return unix.EACCES
		}
		k.sets++
		k.value = (*v4l2Control)(arg).value
	}
	return nil
}

// fill is what a buffer gets.
type fill struct {
	data  string
	flags uint32
	seq   uint32
	at    time.Duration // since boot
}

func cBytes[T [16]byte | [32]byte](s string) (b T) {
	for i := range min(len(s), len(b)) {
		b[i] = s[i]
	}
	return b
}

// newDriver is a webcam with MJPG and YUYV at 30 pictures per second.
func newDriver() *driver {
	d := &driver{rate: v4l2Fract{1, 30}, fail: map[uintptr]error{}, every: 33 * time.Millisecond}
	d.caps.driver, d.caps.card, d.caps.busInfo = cBytes[[16]byte]("uvcvideo"), cBytes[[32]byte]("HD Webcam"), cBytes[[32]byte]("usb-1")
	d.caps.capabilities = capVideoCapture | capStreaming | capDeviceCaps
	d.caps.deviceCaps = capVideoCapture | capStreaming
	d.offered = []DeviceFormat{{FourCC: "MJPG", Usable: true}, {FourCC: "YUYV", Usable: true}}
	return d
}

func (d *driver) open(string) (kernel, error) {
	d.opens++
	return d, nil
}

func (d *driver) enumerate(string, bool) ([]DeviceFormat, error) { return d.offered, nil }

func (d *driver) close() error {
	d.calls = append(d.calls, "close")
	d.opens--
	return nil
}

func (d *driver) mmap(offset int64, length int) ([]byte, error) {
	d.maps++
	return d.memory[offset/4096][:length], nil
}

func (d *driver) munmap([]byte) error {
	d.calls = append(d.calls, "munmap")
	d.maps--
	return nil
}

func (d *driver) poll(timeout time.Duration) (int16, error) {
	switch {
	case len(d.script) == 0 && d.after == 0:
		time.Sleep(timeout)
		return 0, nil
	case len(d.script) == 0:
		return d.after, nil
	}
	time.Sleep(d.every)
	return unix.POLLIN, nil
}

func (d *driver) ioctl(req uintptr, arg unsafe.Pointer) error {
	if err := d.fail[req]; err != nil {
		return err
	}
	switch req {
	case vidiocQueryctrl, vidiocQuerymenu, vidiocGCtrl, vidiocSCtrl:
		return d.control(req, arg)
	case vidiocQuerycap:
		*(*v4l2Capability)(arg) = d.caps
	case vidiocSFmt:
		if d.buffers > 0 {
			return unix.EBUSY
		}
		f := (*v4l2Format)(arg)
		if d.grant != nil {
			d.grant(&f.pix)
		}
		if c := video.FourCC(f.pix.pixelformat); c == video.YUYV && f.pix.bytesperline == 0 {
			f.pix.bytesperline = 2 * f.pix.width
		}
		f.pix.sizeimage = max(2*f.pix.width, f.pix.bytesperline) * f.pix.height
		d.format = f.pix
	case vidiocGFmt:
		(*v4l2Format)(arg).pix = d.format
	case vidiocGParm:
		p := (*v4l2Streamparm)(arg)
		p.timeperframe = d.rate
		p.capability = capTimePerFrame
	case vidiocSParm: // grants what it likes
	case vidiocReqbufs:
		d.request((*v4l2Requestbuffers)(arg).count)
	case vidiocQuerybuf:
		b := (*v4l2Buffer)(arg)
		b.offset, b.length = uintptr(b.index)*4096, uint32(len(d.memory[b.index]))
	case vidiocQbuf:
		d.queued = append(d.queued, (*v4l2Buffer)(arg).index)
	case vidiocDqbuf:
		return d.dequeue((*v4l2Buffer)(arg))
	case vidiocStreamon:
		d.streaming = true
	case vidiocStreamoff:
		d.calls = append(d.calls, "STREAMOFF")
		d.streaming = false
	default:
		return unix.ENOTTY
	}
	return nil
}

func (d *driver) request(n uint32) {
	if n == 0 {
		d.calls = append(d.calls, "REQBUFS(0)")
		if d.maps > 0 {
			panic("buffers are given up while mapped")
		}
	}
	d.buffers, d.queued, d.memory = int(n), nil, nil
	for range n {
		d.memory = append(d.memory, make([]byte, d.format.sizeimage))
	}
}

func (d *driver) dequeue(b *v4l2Buffer) error {
	if len(d.script) == 0 {
		return d.gone
	}
	if len(d.queued) < bufferCount {
		return unix.EINVAL // the last one was not given back at once
	}
	f := d.script[0]
	d.script = d.script[1:]
	b.index = d.queued[0]
	d.queued = slices.Delete(d.queued, 0, 1)
	b.bytesused = uint32(copy(d.memory[b.index], f.data))
	b.flags, b.sequence = f.flags, f.seq
	b.timestamp = unix.NsecToTimeval(int64(f.at))
	return nil
}

// released reports that nothing is left open, mapped, requested or streaming.
func (d *driver) released() bool {
	return d.opens == 0 && d.maps == 0 && d.buffers == 0 && !d.streaming
}

// order is the calls of the end, repeated ones once.
func (d *driver) order() string { return strings.Join(slices.Compact(d.calls), " ") }
