package capture

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	grant   func(*v4l2PixFormat)       // adjusts what S_FMT asks
	rate    v4l2Fract                  // time per frame that it runs at, until obedient takes another; zero: none
	obeys   bool                       // S_PARM is obeyed
	room    func(pixels, fps int) bool // of the USB bus; nil: enough
	planes  []planeOf                  // of a picture; none: the interface for one
	fail    map[uintptr]error          // ioctl -> what it answers
	script  []fill                     // the buffers to come
	after   int16                      // poll events once the script is through: 0 is a stall
	gone    error                      // what DQBUF answers then
	every   time.Duration              // between buffers
	film    string                     // what buffers get when the script is through; empty: see after
	pulled  atomic.Bool                // from the bus
	silent  atomic.Bool                // the film has stopped

	opens, maps, buffers int
	streaming            bool
	shown                uint32 // buffers filled
	format               v4l2PixFormat
	queued               []uint32
	memory               [][]byte // by buffer, and plane
	calls                []string
	tried                []string // what STREAMON was tried with

	mu       sync.Mutex // controls are asked for while pictures flow
	controls []*knob
}

// A planeOf is one plane of a driver with the interface for several.
type planeOf struct{ stride, size, before int } // before: data_offset

// A knob is a control of the driver.
type knob struct {
	v4l2Queryctrl
	value int32
	menu  map[uint32]string
	auto  *knob   // while that is not 1, setting this one is refused
	hangs uintptr // the ioctl that times out
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
	if k.hangs == req {
		time.Sleep(5 * time.Second) // UVC_CTRL_CONTROL_TIMEOUT
		return unix.ETIMEDOUT
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
	more  []string // of the planes after the first
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
	if len(d.script) == 0 && d.film != "" && !d.silent.Load() {
		d.script = append(d.script, fill{data: d.film, seq: d.shown})
	}
	switch {
	case d.pulled.Load():
		return unix.POLLERR | unix.POLLHUP, nil
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
	if d.pulled.Load() {
		if req == vidiocReqbufs {
			d.buffers = 0
		}
		d.streaming = d.streaming && req != vidiocStreamoff
		return unix.ENODEV
	}
	if err := d.fail[req]; err != nil {
		return err
	}
	switch req {
	case vidiocQueryctrl, vidiocQuerymenu, vidiocGCtrl, vidiocSCtrl:
		return d.control(req, arg)
	case vidiocQuerycap:
		*(*v4l2Capability)(arg) = d.caps
	case vidiocEnumFmt, vidiocEnumFramesizes, vidiocEnumFrameintervals:
		return d.enumerate(req, arg)
	case vidiocSFmt, vidiocGFmt:
		return d.negotiate(req, (*v4l2Format)(arg))
	case vidiocGParm:
		p := (*v4l2Streamparm)(arg)
		p.timeperframe = d.rate
		p.capability = capTimePerFrame
	case vidiocSParm:
		if p := (*v4l2Streamparm)(arg); d.obeys {
			d.rate = v4l2Fract{p.timeperframe.numerator, p.timeperframe.denominator}
		}
	case vidiocReqbufs:
		d.request((*v4l2Requestbuffers)(arg).count)
	case vidiocQuerybuf:
		b := (*v4l2Buffer)(arg)
		for i := range max(len(d.planes), 1) {
			at := int(b.index)*max(len(d.planes), 1) + i
			if len(d.planes) == 0 {
				b.offset, b.length = uintptr(at)*4096, uint32(len(d.memory[at]))
				break
			}
			p := &planesOf(b)[i]
			p.offset, p.length = uintptr(at)*4096, uint32(len(d.memory[at]))
		}
	case vidiocQbuf:
		d.queued = append(d.queued, (*v4l2Buffer)(arg).index)
	case vidiocDqbuf:
		return d.dequeue((*v4l2Buffer)(arg))
	case vidiocStreamon:
		fps := 0
		if d.rate.numerator > 0 {
			fps = int(d.rate.denominator / d.rate.numerator)
		}
		d.tried = append(d.tried, fmt.Sprintf("%dx%d@%d", d.format.width, d.format.height, fps))
		if d.room != nil && !d.room(int(d.format.width*d.format.height), fps) {
			return unix.ENOSPC
		}
		d.streaming = true
	case vidiocStreamoff:
		d.calls = append(d.calls, "STREAMOFF")
		d.streaming = false
	default:
		return unix.ENOTTY
	}
	return nil
}

// planesOf is what a buffer's pointer points to.
func planesOf(b *v4l2Buffer) *[maxPlanes]v4l2Plane {
	return *(**[maxPlanes]v4l2Plane)(unsafe.Pointer(&b.offset))
}

// enumerate answers what is offered.
func (d *driver) enumerate(req uintptr, arg unsafe.Pointer) error {
	sizes := func(code uint32) []DeviceSize {
		for _, f := range d.offered {
			if uint32(f.code()) == code {
				return f.Sizes
			}
		}
		return nil
	}
	switch req {
	case vidiocEnumFmt:
		q := (*v4l2Fmtdesc)(arg)
		if int(q.index) >= len(d.offered) {
			return unix.EINVAL
		}
		q.pixelformat, q.description = uint32(d.offered[q.index].code()), cBytes[[32]byte](d.offered[q.index].Name)
	case vidiocEnumFramesizes:
		q := (*v4l2Frmsizeenum)(arg)
		list := sizes(q.pixelformat)
		if int(q.index) >= len(list) {
			return unix.EINVAL
		}
		z := list[q.index]
		q.typ, q.minWidth, q.maxWidth = frameDiscrete, uint32(z.Size.Width), uint32(z.Size.Height)
		if z.Max.Width > 0 {
			q.typ, q.maxWidth, q.stepWidth = 3, uint32(z.Max.Width), uint32(z.Step.Width)
			q.minHeight, q.maxHeight, q.stepHeight = uint32(z.Size.Height), uint32(z.Max.Height), uint32(z.Step.Height)
		}
	case vidiocEnumFrameintervals:
		q := (*v4l2Frmivalenum)(arg)
		for _, z := range sizes(q.pixelformat) {
			if l := z.largest(); l == (Size{int(q.width), int(q.height)}) && int(q.index) < len(z.Rates) {
				q.typ, q.min = frameDiscrete, v4l2Fract{1000, uint32(z.Rates[q.index] * 1000)}
				return nil
			}
		}
		return unix.EINVAL
	}
	return nil
}

// negotiate sets and tells the format, in the words of the interface that the node has.
func (d *driver) negotiate(req uintptr, f *v4l2Format) error {
	if req == vidiocSFmt {
		if d.buffers > 0 {
			return unix.EBUSY
		}
		if d.grant != nil {
			d.grant(&f.pix)
		}
		if c := video.FourCC(f.pix.pixelformat); c == video.YUYV && f.pix.bytesperline == 0 {
			f.pix.bytesperline = 2 * f.pix.width
		}
		f.pix.sizeimage = max(2*f.pix.width, f.pix.bytesperline) * f.pix.height
		d.format = f.pix
		return nil
	}
	if f.pix = d.format; len(d.planes) == 0 {
		return nil
	}
	mp := f.mplane()
	*mp = v4l2PixFormatMplane{width: d.format.width, height: d.format.height, pixelformat: d.format.pixelformat, numPlanes: uint8(len(d.planes)), quantization: uint8(d.format.quantization)}
	for i, p := range d.planes {
		mp.planes[i].bytesperline, mp.planes[i].sizeimage = uint32(p.stride), uint32(p.size)
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
		if len(d.planes) == 0 {
			d.memory = append(d.memory, make([]byte, d.format.sizeimage))
		}
		for _, p := range d.planes {
			d.memory = append(d.memory, make([]byte, p.size))
		}
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
	d.shown++
	b.index = d.queued[0]
	d.queued = slices.Delete(d.queued, 0, 1)
	if len(d.planes) == 0 {
		b.bytesused = uint32(copy(d.memory[b.index], f.data))
	}
	for i, p := range d.planes {
		data := f.data
		if i > 0 {
			data = f.more[i-1]
		}
		m := d.memory[int(b.index)*len(d.planes)+i]
		to := &planesOf(b)[i]
		to.dataOffset, to.bytesused = uint32(p.before), uint32(p.before+copy(m[p.before:], data))
	}
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
