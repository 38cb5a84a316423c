package capture

import (
	"bytes"
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

// A device is an open V4L2 node that streams. close undoes whatever was done so far, in the order that
// leaves the node free: STREAMOFF, unmap, REQBUFS(0), close.
type device struct {
	k         kernel
	path      string
	card, bus string
	typ       uint32         // of its buffers
	offered   []DeviceFormat // without sizes
	code      video.FourCC   // granted, in the driver's words
	form      video.Format
	raw       int    // bytes that a raw picture needs; 0 when compressed
	planes    int    // memories of a buffer; 0 with the interface that has one
	parts     []part // of a picture in several memories
	reduced   string // Status.Reduced
	maps      [][]byte
	requested bool
	streaming bool
	seq       uint64 // of the last buffer, extended to 64 bits
	lastRaw   uint32
	started   bool
	first     time.Duration // that the first picture may take
	gate      keyGate       // with H.264

	// What the ioctls of each frame point at; on the stack it would escape and be allocated anew.
	filled, empty v4l2Buffer
	memories      [maxPlanes]v4l2Plane
}

// multi reports whether the device has the interface for several planes.
func (d *device) multi() bool { return d.typ == bufTypeVideoCaptureMplane }

// openDevice opens path and brings it to streaming. On failure all is released again, before the
// cause is looked for: our own descriptor must not be found among those that keep it busy.
func (h host) openDevice(path string, w wish) (*device, error) {
	d := &device{path: path, first: firstAfter}
	op, err := d.start(h, w)
	if err != nil {
		d.close()
		return nil, h.explain(path, op, d.form, err)
	}
	return d, nil
}

// opStream is the step of start that takes the USB bus's bandwidth.
const opStream = "start streaming"

// start does each step of opening; op names the one that failed.
func (d *device) start(h host, w wish) (op string, err error) {
	if d.k, err = h.open(d.path); err != nil {
		return "open", err
	}
	if _, op, err := d.look(); err != nil {
		return op, err
	}
	if err := d.setFormat(&w); err != nil {
		return "set format", err
	}
	if w.small {
		w.rate = d.lowRate(w.rate)
	}
	op, err = d.begin(w.rate)
	if op == opStream && errors.Is(err, unix.ENOSPC) {
		return d.stepDown(w.rate, op, err)
	}
	return op, err
}

// look asks an open node what it is and offers. An error says that it is of no use.
func (d *device) look() (c capability, op string, err error) {
	if c, err = d.capability(); err != nil {
		return c, "query", err
	}
	d.card, d.typ = c.card, bufTypeVideoCapture
	if c.caps&capVideoCapture == 0 {
		d.typ = bufTypeVideoCaptureMplane
	}
	if c.caps&(capVideoCapture|capVideoCaptureMplane) != 0 {
		d.offered, err = d.formats(false)
	}
	if err := judge(c, d.offered); err != nil {
		return c, "query", err
	}
	return c, "enumerate formats", err
}

// begin streams in the format that is set.
func (d *device) begin(rate float64) (op string, err error) {
	if d.form.Rate, err = d.setRate(rate); err != nil {
		return "set rate", err
	}
	if d.form.FourCC == video.H264 {
		d.prepareKeys()
	}
	if err := d.mapBuffers(); err != nil {
		return "request buffers", err
	}
	typ := int32(d.typ)
	if err := d.k.ioctl(vidiocStreamon, unsafe.Pointer(&typ)); err != nil {
		return opStream, err
	}
	d.streaming = true
	return "", nil
}

// release undoes begin.
func (d *device) release() {
	typ := int32(d.typ)
	if d.streaming {
		_ = d.k.ioctl(vidiocStreamoff, unsafe.Pointer(&typ))
	}
	for _, m := range d.maps {
		_ = d.k.munmap(m)
	}
	if d.requested {
		_ = d.k.ioctl(vidiocReqbufs, unsafe.Pointer(&v4l2Requestbuffers{typ: d.typ, memory: memoryMmap}))
	}
	d.maps, d.streaming, d.requested = nil, false, false
}

// close releases everything. Errors are not reported: a camera that was pulled out answers ENODEV to each.
func (d *device) close() {
	if d.k == nil {
		return
	}
	d.release()
	_ = d.k.close()
	*d = device{path: d.path, form: d.form}
}

// capability is VIDIOC_QUERYCAP in Go's terms.
type capability struct {
	driver, card, bus string
	caps              uint32 // of this node
}

func (d *device) capability() (capability, error) {
	var q v4l2Capability
	if err := d.k.ioctl(vidiocQuerycap, unsafe.Pointer(&q)); err != nil {
		return capability{}, err
	}
	c := capability{cString(q.driver[:]), cString(q.card[:]), cString(q.busInfo[:]), q.capabilities}
	if q.capabilities&capDeviceCaps != 0 {
		c.caps = q.deviceCaps
	}
	return c, nil
}

// cString is the text before the first NUL.
func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(bytes.ToValidUTF8(s, []byte("?")))
}
