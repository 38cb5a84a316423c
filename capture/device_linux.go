package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

const (
	bufferCount = 4 // one being filled, one full, and two for the time that copying or scheduling takes

	pollSlice  = 100 * time.Millisecond // the longest that the end of ctx goes unseen
	stallAfter = 2 * time.Second        // without a picture, or four intervals where those are longer
	firstAfter = 5 * time.Second        // before the first picture: exposure and firmware take their time
	clockSlack = 5 * time.Second        // a driver's stamp farther than this from now is not believed
)

// A device is an open V4L2 node that streams. close undoes whatever was done so far, in the order that
// leaves the node free: STREAMOFF, unmap, REQBUFS(0), close.
type device struct {
	k         kernel
	path      string
	card      string
	form      video.Format
	raw       int // bytes that a raw picture needs; 0 when compressed
	maps      [][]byte
	requested bool
	streaming bool
	seq       uint64 // of the last buffer, extended to 64 bits
	lastRaw   uint32
	started   bool

	// What the ioctls of each frame point at; on the stack it would escape and be allocated anew.
	filled, empty v4l2Buffer
}

// runDevice opens the camera, streams until ctx ends or something fails, and closes it.
func (c *Camera) runDevice(ctx context.Context) error {
	path, err := c.host.resolve(c.src.path, c.known)
	if err != nil {
		return err
	}
	d, err := c.openDevice(path)
	if err != nil {
		return err
	}
	defer d.close()
	c.opened(d)
	defer c.closing()
	c.known = c.host.identity(path)
	c.granted(path, d.card, d.form)
	return d.stream(ctx, c.pool, c)
}

// openDevice opens path and brings it to streaming. On failure all is released again, before the
// cause is looked for: our own descriptor must not be found among those that keep it busy.
func (c *Camera) openDevice(path string) (*device, error) {
	d := &device{path: path}
	op, err := d.start(c)
	if err != nil {
		d.close()
		return nil, c.host.explain(path, op, d.form, err)
	}
	return d, nil
}

// start does each step of opening; op names the one that failed.
func (d *device) start(c *Camera) (op string, err error) {
	if d.k, err = c.host.open(d.path); err != nil {
		return "open", err
	}
	caps, err := d.capability()
	if err != nil {
		return "query", err
	}
	offered, err := c.host.enumerate(d.path, false)
	if err := judge(caps, offered); err != nil {
		return "query", err
	}
	if err != nil {
		return "enumerate formats", err
	}
	d.card = caps.card
	if err := d.setFormat(c.formats, offered, c.cfg.Size.or(defaultSize)); err != nil {
		return "set format", err
	}
	if d.form.Rate, err = d.setRate(c.cfg.Rate); err != nil {
		return "set rate", err
	}
	if err := d.mapBuffers(); err != nil {
		return "request buffers", err
	}
	typ := int32(bufTypeVideoCapture)
	if err := d.k.ioctl(vidiocStreamon, unsafe.Pointer(&typ)); err != nil {
		return "start streaming", err
	}
	d.streaming = true
	return "", nil
}

// close releases everything. Errors are not reported: a camera that was pulled out answers ENODEV to each.
func (d *device) close() {
	if d.k == nil {
		return
	}
	typ := int32(bufTypeVideoCapture)
	if d.streaming {
		_ = d.k.ioctl(vidiocStreamoff, unsafe.Pointer(&typ))
	}
	for _, m := range d.maps {
		_ = d.k.munmap(m)
	}
	if d.requested {
		_ = d.k.ioctl(vidiocReqbufs, unsafe.Pointer(&v4l2Requestbuffers{typ: bufTypeVideoCapture, memory: memoryMmap}))
	}
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

// fourccJPEG is V4L2_PIX_FMT_JPEG, which some drivers call what others call MJPG.
const fourccJPEG = video.FourCC('J' | 'P'<<8 | 'E'<<16 | 'G'<<24)

// setFormat sets the first of want that the device offers and then really grants.
func (d *device) setFormat(want []video.FourCC, offered []DeviceFormat, size Size) error {
	for _, w := range want {
		for _, o := range offered {
			code, err := video.ParseFourCC(o.FourCC)
			if err != nil || code != w && (w != video.MJPEG || code != fourccJPEG) {
				continue
			}
			ok, err := d.tryFormat(code, size)
			if ok || err != nil {
				return err
			}
		}
	}
	return &formatError{want: want, offered: offered}
}

// tryFormat sets one format and reads back what was granted: drivers adjust the size, and some
// answer an unknown code with another.
func (d *device) tryFormat(code video.FourCC, size Size) (bool, error) {
	f := v4l2Format{typ: bufTypeVideoCapture}
	f.pix.width, f.pix.height = uint32(size.Width), uint32(size.Height)
	f.pix.pixelformat, f.pix.field = uint32(code), fieldNone
	if err := d.k.ioctl(vidiocSFmt, unsafe.Pointer(&f)); err == unix.EINVAL {
		return false, nil
	} else if err != nil {
		return false, err
	}
	f = v4l2Format{typ: bufTypeVideoCapture}
	if err := d.k.ioctl(vidiocGFmt, unsafe.Pointer(&f)); err != nil {
		return false, err
	}
	got := video.FourCC(f.pix.pixelformat)
	if got != code || f.pix.width == 0 || f.pix.height == 0 || f.pix.width > 1<<14 || f.pix.height > 1<<14 {
		return false, nil
	}
	d.form = video.Format{FourCC: got, Width: int(f.pix.width), Height: int(f.pix.height)}
	if got == fourccJPEG {
		d.form.FourCC = video.MJPEG
	}
	d.form.FullRange = d.form.FourCC == video.MJPEG || f.pix.quantization == quantizationFullRange ||
		f.pix.quantization == 0 && f.pix.colorspace == colorspaceJPEG
	if d.form.FourCC.Compressed() {
		return true, nil
	}
	d.form.Stride = max(int(f.pix.bytesperline), d.form.TightStride())
	var err error
	d.raw, err = d.form.RawSize()
	return err == nil, err
}

// setRate asks for a rate and reads back what the device runs at; 0 if it does not say.
func (d *device) setRate(rate float64) (float64, error) {
	p := v4l2Streamparm{typ: bufTypeVideoCapture}
	if err := d.k.ioctl(vidiocGParm, unsafe.Pointer(&p)); err != nil {
		return 0, optional(err)
	}
	if p.capability&capTimePerFrame != 0 {
		p = v4l2Streamparm{typ: bufTypeVideoCapture}
		p.timeperframe = v4l2Fract{1000, uint32(rate*1000 + 0.5)}
		if err := d.k.ioctl(vidiocSParm, unsafe.Pointer(&p)); optional(err) != nil {
			return 0, err
		}
		p = v4l2Streamparm{typ: bufTypeVideoCapture}
		if err := d.k.ioctl(vidiocGParm, unsafe.Pointer(&p)); err != nil {
			return 0, optional(err)
		}
	}
	if p.timeperframe.numerator == 0 || p.timeperframe.denominator == 0 {
		return 0, nil
	}
	return float64(p.timeperframe.denominator) / float64(p.timeperframe.numerator), nil
}

// optional forgives what a driver answers that does not have the ioctl.
func optional(err error) error {
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// mapBuffers requests, maps and queues the buffers.
func (d *device) mapBuffers() error {
	req := v4l2Requestbuffers{count: bufferCount, typ: bufTypeVideoCapture, memory: memoryMmap}
	if err := d.k.ioctl(vidiocReqbufs, unsafe.Pointer(&req)); err != nil {
		return err
	}
	d.requested = true
	if req.count == 0 || req.count > 32 { // 32 is VIDEO_MAX_FRAME
		return fmt.Errorf("the driver gave %d buffers", req.count)
	}
	for i := range req.count {
		b := v4l2Buffer{index: i, typ: bufTypeVideoCapture, memory: memoryMmap}
		if err := d.k.ioctl(vidiocQuerybuf, unsafe.Pointer(&b)); err != nil {
			return err
		}
		m, err := d.k.mmap(int64(uint32(b.offset)), int(b.length))
		if err != nil {
			return fmt.Errorf("map buffer: %w", err)
		}
		d.maps = append(d.maps, m)
		if err := d.queue(i); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) queue(index uint32) error {
	d.empty = v4l2Buffer{index: index, typ: bufTypeVideoCapture, memory: memoryMmap}
	return d.k.ioctl(vidiocQbuf, unsafe.Pointer(&d.empty))
}

// stream delivers frames until ctx ends, the device fails, or none comes in time.
func (d *device) stream(ctx context.Context, pool *video.Pool, out output) error {
	limit := firstAfter
	last := time.Now() // of the last good picture
	broken := 0        // buffers discarded since
	for ctx.Err() == nil {
		if silent := time.Since(last); silent > limit {
			return d.stalled(silent, broken)
		}
		revents, err := d.k.poll(pollSlice)
		if err != nil {
			return fmt.Errorf("camera %s: wait for a picture: %w", d.path, err)
		}
		if revents == 0 {
			continue
		}
		f, why, err := d.dequeue(pool)
		switch {
		case errors.Is(err, unix.EAGAIN) && revents&unix.POLLIN != 0:
			continue // woken for nothing
		case err != nil:
			return d.failed(revents, err)
		case f == nil:
			broken++
			out.discard(why)
			continue
		}
		last, broken = time.Now(), 0
		limit = stallAfter
		if d.form.Rate > 0 {
			limit = max(limit, time.Duration(4*float64(time.Second)/d.form.Rate))
		}
		if err := out.deliver(f); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

func (d *device) stalled(silent time.Duration, broken int) error {
	what := "no picture"
	if broken > 0 {
		what = fmt.Sprintf("%d broken pictures and no good one", broken)
	}
	return fmt.Errorf("camera %s: %s for %.1f s: the camera hangs or its cable is bad", d.path, what, silent.Seconds())
}

// failed explains what dequeueing or requeueing answered.
func (d *device) failed(revents int16, err error) error {
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("camera %s is gone: it was unplugged or fell off the bus: %w: %w", d.path, ErrAbsent, err)
	case errors.Is(err, unix.EAGAIN): // POLLERR alone: waiting again would spin
		return fmt.Errorf("camera %s: the driver reports a fault (poll events %#x)", d.path, revents)
	}
	return fmt.Errorf("camera %s: read a picture: %w", d.path, err)
}

// dequeue takes the next buffer, copies it once, and gives it back to the driver at once. A nil frame without an
// error is a picture not fit to deliver, and why says so.
func (d *device) dequeue(pool *video.Pool) (f *video.Frame, why string, err error) {
	d.filled = v4l2Buffer{typ: bufTypeVideoCapture, memory: memoryMmap}
	if err := d.k.ioctl(vidiocDqbuf, unsafe.Pointer(&d.filled)); err != nil {
		return nil, "", err
	}
	b := &d.filled
	if int(b.index) >= len(d.maps) {
		return nil, "", fmt.Errorf("the driver returned buffer %d of %d", b.index, len(d.maps))
	}
	m := d.maps[b.index]
	data := m[:min(int(b.bytesused), len(m))]
	seq := d.number(b.sequence)
	if data, why = d.usable(data, b.flags); why == "" {
		f = pool.Get(len(data))
		copy(f.Data, data)
		f.Format, f.Seq, f.Mono = d.form, seq, stamp(b)
	}
	if err := d.queue(b.index); err != nil {
		if f != nil {
			f.Release()
		}
		return nil, "", err
	}
	return f, why, nil
}

// usable gives the part of a buffer that is the picture, or why there is none.
func (d *device) usable(data []byte, flags uint32) ([]byte, string) {
	switch {
	case flags&bufFlagError != 0:
		return nil, "marked as broken by the driver"
	case len(data) == 0:
		return nil, "empty"
	case d.raw > 0 && len(data) < d.raw:
		return nil, "shorter than its format"
	case d.raw > 0:
		return data[:d.raw], ""
	case !isJPEG(data):
		return nil, "not a JPEG"
	}
	return data, ""
}

// number extends the driver's 32-bit sequence number. A driver that does not count is counted for.
func (d *device) number(raw uint32) uint64 {
	switch step := raw - d.lastRaw; {
	case !d.started:
		d.seq, d.started = uint64(raw), true
	case step == 0 || step > 1<<31: // not counting, or beginning anew
		d.seq++
	default:
		d.seq += uint64(step)
	}
	d.lastRaw = raw
	return d.seq
}

// stamp is the buffer's time on CLOCK_MONOTONIC: the driver's if it says so and it can be true,
// else now.
func stamp(b *v4l2Buffer) time.Duration {
	now := video.Now()
	t := time.Duration(b.timestamp.Nano())
	if b.flags&bufFlagTimestampMask != bufFlagMonotonic || t <= 0 || t-now > clockSlack || now-t > clockSlack {
		return now
	}
	return min(t, now)
}
