package m2m

import (
	"bytes"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/codec/h264"
	"camward/video"
)

// A driver is an encoder behind the seam of the system calls: a small real implementation of the kernel's side of
// stateful encoders, which complains of whatever a kernel would, and of whatever is not given back.
type driver struct {
	t *testing.T

	caps    uint32
	coded   []video.FourCC
	raw     []video.FourCC
	align   uint32         // the raw size is rounded up to
	pad     uint32         // bytes beyond a line
	noCrop  bool           // S_SELECTION is not there
	lacks   map[uint32]int // control -> any: answers EINVAL
	sets    []byte         // SPS and PPS with start codes
	apart   bool           // SPS and PPS come in a buffer of their own
	keyUnit []byte         // sets and idr
	once    bool           // SPS and PPS come only once
	late    bool           // an input buffer is given back with the next picture
	again   bool           // an input buffer that was given back is given back without end
	deaf    bool           // force key is not obeyed
	encode  func(d *driver, memories [][]byte, key bool) []byte
	mangle  func(b *v4l2Buffer, p *v4l2Plane) // changes a result as it is dequeued
	stalled bool

	calls  int // ioctl, mmap and poll so far
	failAt int // the call that fails; 0 for none
	with   unix.Errno
	failed string // what failed

	opened, closed int
	mapped         map[*byte]int
	queues         map[uint32]*queue
	controls       map[uint32]int32
	crop           v4l2Selection
	rate           [2]uint32
	pictures       int
	forced         bool
	log            []string // the order of releasing
}

// A queue is one side of the driver.
type queue struct {
	pix       v4l2PixFormatMplane
	memories  [][][]byte
	streaming bool
	queued    []uint32 // owned by the driver
	done      []result
}

type result struct {
	index uint32
	stamp unix.Timeval
	used  uint32
}

// newDriver is like the encoder of a Raspberry Pi for pictures of that size.
func newDriver(t *testing.T, width, height int) *driver {
	d := &driver{
		t: t, caps: capM2MMplane | capStreaming, coded: []video.FourCC{video.H264}, raw: []video.FourCC{video.NV12, video.YU12},
		align: 2, sets: parameterSets(width, height, 66),
	}
	d.reset()
	return d
}

func (d *driver) reset() {
	d.mapped = map[*byte]int{}
	d.queues = map[uint32]*queue{bufOutput: {}, bufCapture: {}}
	d.controls = map[uint32]int32{}
	d.pictures, d.forced, d.log = 0, false, nil
}

// host gives a machine on which d is video11 and video10 is something else.
func (d *driver) host() host {
	dir := d.t.TempDir()
	for _, n := range []string{"video10", "video11", "video2x", "media0"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	return host{dir: dir, open: func(path string) (device, error) {
		if filepath.Base(path) != "video11" {
			return &other{}, nil
		}
		if err := d.fail("open"); err != nil {
			return nil, err
		}
		d.reset()
		d.opened++
		return d, nil
	}}
}

// other is a node that is not an encoder.
type other struct{}

func (*other) ioctl(uintptr, unsafe.Pointer) error      { return unix.ENOTTY }
func (*other) mmap(int64, int) ([]byte, error)          { return nil, unix.ENODEV }
func (*other) munmap([]byte) error                      { return unix.EINVAL }
func (*other) poll(int16, time.Duration) (int16, error) { return unix.POLLERR, nil }
func (*other) close() error                             { return nil }

func (d *driver) encoder(cfg h264.Config) (*Encoder, error) {
	return (&Hardware{host: d.host()}).New(cfg)
}

func (d *driver) complain(format string, args ...any) {
	d.t.Helper()
	d.t.Errorf("driver: "+format, args...)
}

// fail counts a call and fails the one that was chosen.
func (d *driver) fail(what string) error {
	d.calls++
	if d.calls == d.failAt {
		d.failed = what
		return d.with
	}
	return nil
}

// idle checks that everything was given back, in the right order.
func (d *driver) idle() {
	d.t.Helper()
	if d.opened != d.closed {
		d.complain("opened %d times, closed %d times", d.opened, d.closed)
	}
	if len(d.mapped) > 0 {
		d.complain("%d mappings left", len(d.mapped))
	}
	for typ, q := range d.queues {
		if len(q.memories) > 0 || q.streaming {
			d.complain("queue %d closed with %d buffers, streaming %v", typ, len(q.memories), q.streaming)
		}
	}
	order := []string{"streamoff", "munmap", "reqbufs0", "close"}
	if !slices.IsSortedFunc(d.log, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }) {
		d.complain("released in the order %v", d.log)
	}
}

func (d *driver) close() error {
	d.log = append(d.log, "close")
	d.closed++
	return nil
}

func (d *driver) mmap(offset int64, length int) ([]byte, error) {
	if err := d.fail("mmap"); err != nil {
		return nil, err
	}
	q := d.queues[uint32(offset>>16)]
	m := q.memories[offset>>8&0xff][offset&0xff]
	if len(m) != length {
		d.complain("mapped %d of %d bytes", length, len(m))
	}
	d.mapped[unsafe.SliceData(m)]++
	return m, nil
}

func (d *driver) munmap(b []byte) error {
	d.log = append(d.log, "munmap")
	if d.mapped[unsafe.SliceData(b)]--; d.mapped[unsafe.SliceData(b)] < 0 {
		d.complain("unmapped what was not mapped")
	}
	if d.mapped[unsafe.SliceData(b)] == 0 {
		delete(d.mapped, unsafe.SliceData(b))
	}
	return nil
}

func (d *driver) poll(events int16, timeout time.Duration) (int16, error) {
	if err := d.fail("poll"); err != nil {
		return 0, err
	}
	in, out := d.queues[bufOutput], d.queues[bufCapture]
	var seen int16
	if len(out.done) > 0 {
		seen |= unix.POLLIN
	}
	if len(in.done) > 0 {
		seen |= unix.POLLOUT
	}
	if seen &= events; seen == 0 && !d.stalled && len(in.queued) == 0 && len(out.queued) == 0 {
		return unix.POLLERR, nil
	}
	if seen == 0 {
		time.Sleep(timeout) // in a synctest bubble
	}
	return seen, nil
}

var names = map[uintptr]string{
	vidiocQuerycap: "querycap", vidiocEnumFmt: "enum_fmt", vidiocGFmt: "g_fmt", vidiocSFmt: "s_fmt", vidiocReqbufs: "reqbufs",
	vidiocQuerybuf: "querybuf", vidiocQbuf: "qbuf", vidiocDqbuf: "dqbuf", vidiocStreamon: "streamon", vidiocStreamoff: "streamoff",
	vidiocSParm: "s_parm", vidiocSCtrl: "s_ctrl", vidiocSSelection: "s_selection",
}

func (d *driver) ioctl(req uintptr, arg unsafe.Pointer) error {
	if d.opened == d.closed {
		d.complain("%s after close", names[req])
	}
	injected := d.fail(names[req])
	switch req {
	case vidiocStreamoff: // takes effect although it fails, as that of a device which is gone
		d.streamoff(*(*int32)(arg))
		return injected
	case vidiocReqbufs:
		if r := (*v4l2Requestbuffers)(arg); r.count == 0 {
			d.freeBuffers(r)
			return injected
		}
	}
	if injected != nil {
		return injected
	}
	switch req {
	case vidiocQuerycap:
		c := (*v4l2Capability)(arg)
		copy(c.driver[:], "fake-codec")
		copy(c.card[:], "fake-codec-encode")
		c.capabilities, c.deviceCaps = d.caps|capDeviceCaps|1, d.caps
	case vidiocEnumFmt:
		return d.enumerate((*v4l2Fmtdesc)(arg))
	case vidiocGFmt:
		f := (*v4l2Format)(arg)
		f.pix = d.queues[f.typ].pix
	case vidiocSFmt:
		return d.setFormat((*v4l2Format)(arg))
	case vidiocSSelection:
		if d.noCrop {
			return unix.ENOTTY
		}
		d.crop = *(*v4l2Selection)(arg)
	case vidiocSParm:
		d.rate = (*v4l2Streamparm)(arg).timeperframe
	case vidiocSCtrl:
		return d.setControl((*v4l2Control)(arg))
	case vidiocReqbufs:
		return d.allocate((*v4l2Requestbuffers)(arg))
	case vidiocQuerybuf:
		return d.query((*v4l2Buffer)(arg))
	case vidiocStreamon:
		d.queues[uint32(*(*int32)(arg))].streaming = true
	case vidiocQbuf:
		return d.enqueue((*v4l2Buffer)(arg))
	case vidiocDqbuf:
		return d.dequeue((*v4l2Buffer)(arg))
	default:
		d.complain("unknown ioctl %#x", req)
		return unix.ENOTTY
	}
	return nil
}

func (d *driver) streamoff(typ int32) {
	d.log = append(d.log, "streamoff")
	q := d.queues[uint32(typ)]
	q.streaming, q.queued, q.done = false, nil, nil
}

func (d *driver) freeBuffers(r *v4l2Requestbuffers) {
	d.log = append(d.log, "reqbufs0")
	q := d.queues[r.typ]
	for _, b := range q.memories {
		for _, m := range b {
			if d.mapped[unsafe.SliceData(m)] > 0 {
				d.complain("buffers freed while they are mapped")
			}
		}
	}
	q.memories = nil
}

func (d *driver) enumerate(f *v4l2Fmtdesc) error {
	all := d.raw
	if f.typ == bufCapture {
		all = d.coded
	}
	if int(f.index) >= len(all) {
		return unix.EINVAL
	}
	f.pixelformat = uint32(all[f.index])
	return nil
}

func (d *driver) setFormat(f *v4l2Format) error {
	p := f.pix
	if f.typ == bufCapture {
		p.numPlanes = 1
		p.planes[0].sizeimage = max(p.planes[0].sizeimage, 4096)
	} else {
		p.width = (p.width + d.align - 1) / d.align * d.align
		p.height = (p.height + d.align - 1) / d.align * d.align
		p.planes, p.numPlanes = [maxPlanes]v4l2PlanePixFormat{}, 1
		stride := p.width + d.pad
		luma := stride * p.height
		p.planes[0] = v4l2PlanePixFormat{bytesperline: stride, sizeimage: luma * 3 / 2}
		switch video.FourCC(p.pixelformat) {
		case ym12:
			p.numPlanes, p.planes[0].sizeimage = 3, luma
			p.planes[1] = v4l2PlanePixFormat{bytesperline: stride / 2, sizeimage: luma / 4}
			p.planes[2] = p.planes[1]
		case nm12:
			p.numPlanes, p.planes[0].sizeimage = 2, luma
			p.planes[1] = v4l2PlanePixFormat{bytesperline: stride, sizeimage: luma / 2}
		}
	}
	d.queues[f.typ].pix, f.pix = p, p
	return nil
}

func (d *driver) setControl(c *v4l2Control) error {
	if _, ok := d.lacks[c.id]; ok {
		return unix.EINVAL
	}
	d.controls[c.id] = c.value
	d.forced = d.forced || c.id == ctrlForceKey && !d.deaf
	return nil
}

func (d *driver) allocate(r *v4l2Requestbuffers) error {
	q := d.queues[r.typ]
	for range r.count {
		var b [][]byte
		for i := range int(q.pix.numPlanes) {
			b = append(b, bytes.Repeat([]byte{0xEE}, int(q.pix.planes[i].sizeimage)))
		}
		q.memories = append(q.memories, b)
	}
	return nil
}

func (d *driver) query(b *v4l2Buffer) error {
	q := d.queues[b.typ]
	if int(b.index) >= len(q.memories) || b.length < uint32(q.pix.numPlanes) {
		return unix.EINVAL
	}
	b.length = uint32(q.pix.numPlanes)
	for i, m := range q.memories[b.index] {
		b.planes[i].length = uint32(len(m))
		b.planes[i].memOffset = uintptr(b.typ<<16 | b.index<<8 | uint32(i))
	}
	return nil
}

func (d *driver) enqueue(b *v4l2Buffer) error {
	q := d.queues[b.typ]
	if int(b.index) >= len(q.memories) || slices.Contains(q.queued, b.index) || b.length != uint32(q.pix.numPlanes) || b.memory != memoryMmap {
		d.complain("buffer %d of queue %d queued wrongly", b.index, b.typ)
		return unix.EINVAL
	}
	q.queued = append(q.queued, b.index)
	if b.typ == bufOutput {
		for i, m := range q.memories[b.index] {
			if b.planes[i].bytesused == 0 || int(b.planes[i].bytesused) > len(m) {
				d.complain("plane %d queued with %d bytes", i, b.planes[i].bytesused)
			}
		}
		d.work(b.index, b.timestamp)
	}
	return nil
}

// work encodes a picture at once, or never.
func (d *driver) work(index uint32, stamp unix.Timeval) {
	in := d.queues[bufOutput]
	if d.stalled {
		return
	}
	if !d.late || len(in.queued) == 2 {
		in.done = append(in.done, result{index: in.queued[0]})
		in.queued = in.queued[:copy(in.queued, in.queued[1:])]
	}
	key := d.pictures == 0 || d.forced
	if period := d.controls[ctrlIPeriod]; period > 0 && d.pictures%int(period) == 0 {
		key = true
	}
	d.forced = false
	if key && (!d.once || d.pictures == 0) && d.apart {
		d.deliver(d.sets, unix.Timeval{})
	}
	d.pictures++
	data := d.picture(in.memories[index], key)
	d.deliver(data, stamp)
}

var (
	idr   = []byte{0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21, 0x43}
	delta = []byte{0, 0, 0, 1, 0x41, 0x9a, 0x21, 0x43}
)

func (d *driver) picture(memories [][]byte, key bool) []byte {
	if d.encode != nil {
		return d.encode(d, memories, key)
	}
	switch {
	case !key:
		return delta
	case d.apart || d.once && d.pictures > 1:
		return idr
	}
	if d.keyUnit == nil {
		d.keyUnit = slices.Concat(d.sets, idr)
	}
	return d.keyUnit
}

func (d *driver) deliver(data []byte, stamp unix.Timeval) {
	out := d.queues[bufCapture]
	if len(out.queued) == 0 {
		d.complain("no output buffer")
		return
	}
	index := out.queued[0]
	out.queued = out.queued[:copy(out.queued, out.queued[1:])]
	n := copy(out.memories[index][0], data)
	out.done = append(out.done, result{index, stamp, uint32(n)})
}

func (d *driver) dequeue(b *v4l2Buffer) error {
	q := d.queues[b.typ]
	if len(q.done) == 0 {
		return unix.EAGAIN
	}
	r := q.done[0]
	if !d.again || b.typ != bufOutput {
		q.done = q.done[:copy(q.done, q.done[1:])]
	}
	b.index, b.timestamp, b.length = r.index, r.stamp, uint32(q.pix.numPlanes)
	b.planes[0].bytesused = r.used
	if d.mangle != nil && b.typ == bufCapture {
		d.mangle(b, &b.planes[0])
	}
	return nil
}

// parameterSets makes an SPS for pictures of that size, and a PPS, with start codes.
func parameterSets(width, height int, profile byte) []byte {
	var w bitWriter
	w.bits(uint64(profile), 8)
	w.bits(0xe0, 8) // constraint_set0..2
	w.bits(31, 8)   // level 3.1
	w.ue(0)         // seq_parameter_set_id
	w.ue(0)         // log2_max_frame_num_minus4
	w.ue(2)         // pic_order_cnt_type
	w.ue(1)         // max_num_ref_frames
	w.bits(0, 1)
	mbw, mbh := (width+15)/16, (height+15)/16
	w.ue(uint64(mbw - 1))
	w.ue(uint64(mbh - 1))
	w.bits(0b111, 3) // frame_mbs_only_flag, direct_8x8_inference_flag, frame_cropping_flag
	w.ue(0)
	w.ue(uint64(16*mbw-width) / 2)
	w.ue(0)
	w.ue(uint64(16*mbh-height) / 2)
	w.bits(0b01, 2) // vui_parameters_present_flag, rbsp_stop_one_bit
	return slices.Concat(startCode, []byte{0x67}, w.b, startCode, []byte{0x68, 0xce, 0x3c, 0x80})
}

// A bitWriter writes u(n) and ue(v), without emulation prevention.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) bits(v uint64, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (7 - w.n%8)
		w.n++
	}
}

func (w *bitWriter) ue(v uint64) {
	n := bits.Len64(v + 1)
	w.bits(0, n-1)
	w.bits(v+1, n)
}
