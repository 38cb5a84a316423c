package m2m

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

// How many buffers are asked for. One picture is in the encoder at a time; the second input buffer is for a
// driver that gives the first back late, the third output buffer for parameter sets sent apart.
const (
	inputBuffers  = 2
	outputBuffers = 3
)

// A job is what a session is opened for. The coded format is a parameter because the streaming is the same
// for every stateful encoder.
type job struct {
	coded, input  video.FourCC
	width, height int     // even
	rate          float64 // pictures per second
	controls      []control
}

// A control is set before streaming: to the first of its values that the driver takes.
type control struct {
	id       uint32
	values   []int32
	required bool
}

// A side is one of the two queues of a memory-to-memory device.
type side struct {
	typ       uint32
	buffers   [][][]byte // by buffer, then memory plane: the driver's memory
	requested bool
	streaming bool
}

// A session is an open encoder that streams. close undoes whatever was done so far, in the order that leaves
// the node free: STREAMOFF, unmap, REQBUFS(0), close.
type session struct {
	d       device
	job     job
	in, out side
	layout  inputLayout
	free    uint32 // bit set of the input buffers that we hold
	last    int64  // microseconds: the stamp given last
	data    []byte // what get returned last

	// What the ioctls of each picture point at; on the stack it would escape and be allocated anew.
	buf    v4l2Buffer
	planes [maxPlanes]v4l2Plane
	ctrl   v4l2Control
}

// openSession brings d to streaming; it owns d from here on, and closes it on failure.
func openSession(d device, j job) (*session, error) {
	s := &session{d: d, job: j, in: side{typ: bufOutput}, out: side{typ: bufCapture}}
	if err := s.start(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) start() error {
	if err := s.setFormats(); err != nil {
		return err
	}
	if err := s.setRate(); err != nil {
		return fmt.Errorf("set rate: %w", err)
	}
	for _, c := range s.job.controls {
		if err := s.setFirst(c); err != nil {
			return err
		}
	}
	if err := s.mapSide(&s.in, inputBuffers, s.layout.memories); err != nil {
		return fmt.Errorf("input buffers: %w", err)
	}
	if err := s.checkInput(); err != nil {
		return err
	}
	if err := s.mapSide(&s.out, outputBuffers, 1); err != nil {
		return fmt.Errorf("output buffers: %w", err)
	}
	for i := range s.out.buffers {
		if err := s.queue(&s.out, uint32(i), 0); err != nil {
			return fmt.Errorf("queue output buffer: %w", err)
		}
	}
	for _, q := range []*side{&s.in, &s.out} {
		typ := int32(q.typ)
		if err := s.d.ioctl(vidiocStreamon, unsafe.Pointer(&typ)); err != nil {
			return fmt.Errorf("start streaming: %w", err)
		}
		q.streaming = true
	}
	return nil
}

// close releases everything. Errors are not reported: hardware that failed may answer one to each.
func (s *session) close() {
	if s.d == nil {
		return
	}
	for _, q := range []*side{&s.in, &s.out} {
		if q.streaming {
			typ := int32(q.typ)
			_ = s.d.ioctl(vidiocStreamoff, unsafe.Pointer(&typ))
		}
	}
	for _, q := range []*side{&s.in, &s.out} {
		for _, b := range q.buffers {
			for _, m := range b {
				_ = s.d.munmap(m)
			}
		}
	}
	for _, q := range []*side{&s.in, &s.out} {
		if q.requested {
			_ = s.d.ioctl(vidiocReqbufs, unsafe.Pointer(&v4l2Requestbuffers{typ: q.typ, memory: memoryMmap}))
		}
	}
	_ = s.d.close()
	*s = session{}
}

// mapSide requests and maps the buffers of a side.
func (s *session) mapSide(q *side, count uint32, planes int) error {
	req := v4l2Requestbuffers{count: count, typ: q.typ, memory: memoryMmap}
	if err := s.d.ioctl(vidiocReqbufs, unsafe.Pointer(&req)); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	q.requested = true
	if req.count == 0 || req.count > maxBuffers {
		return fmt.Errorf("the driver gave %d buffers", req.count)
	}
	q.buffers = make([][][]byte, req.count)
	for i := range q.buffers {
		s.describe(q, uint32(i), maxPlanes)
		if err := s.d.ioctl(vidiocQuerybuf, unsafe.Pointer(&s.buf)); err != nil {
			return fmt.Errorf("query: %w", err)
		}
		if s.buf.length != uint32(planes) {
			return fmt.Errorf("a buffer has %d memory planes, want %d", s.buf.length, planes)
		}
		for _, p := range s.planes[:planes] {
			m, err := s.d.mmap(int64(uint32(p.memOffset)), int(p.length))
			if err != nil {
				return fmt.Errorf("map: %w", err)
			}
			q.buffers[i] = append(q.buffers[i], m)
		}
	}
	return nil
}

// checkInput makes sure that a picture never exceeds the driver's memory, and that the driver may have all buffers.
func (s *session) checkInput() error {
	for i, b := range s.in.buffers {
		for n, m := range b {
			if need := s.layout.size(n); len(m) < need {
				return fmt.Errorf("an input buffer of the driver has %d bytes, its format needs %d", len(m), need)
			}
		}
		s.free |= 1 << i
	}
	return nil
}

// describe fills s.buf for an ioctl on a buffer.
func (s *session) describe(q *side, index uint32, planes int) {
	s.planes = [maxPlanes]v4l2Plane{}
	s.buf = v4l2Buffer{index: index, typ: q.typ, memory: memoryMmap, field: fieldNone, planes: &s.planes, length: uint32(planes)}
}

// queue gives a buffer to the driver; an input buffer with its stamp in microseconds.
func (s *session) queue(q *side, index uint32, stamp int64) error {
	memories := q.buffers[index]
	s.describe(q, index, len(memories))
	for i, m := range memories {
		s.planes[i].length = uint32(len(m))
		if q.typ == bufOutput {
			s.planes[i].bytesused = uint32(s.layout.size(i))
		}
	}
	s.buf.timestamp = unix.NsecToTimeval(stamp * 1000)
	return s.d.ioctl(vidiocQbuf, unsafe.Pointer(&s.buf))
}

// dequeue takes a buffer from the driver; EAGAIN if it has none.
func (s *session) dequeue(q *side) (memories [][]byte, err error) {
	s.describe(q, 0, maxPlanes)
	if err := s.d.ioctl(vidiocDqbuf, unsafe.Pointer(&s.buf)); err != nil {
		return nil, err
	}
	switch {
	case int(s.buf.index) >= len(q.buffers):
		return nil, fmt.Errorf("the driver returned buffer %d of %d", s.buf.index, len(q.buffers))
	case s.buf.flags&bufFlagError != 0:
		return nil, errors.New("the driver marked a buffer as broken")
	}
	return q.buffers[s.buf.index], nil
}

// put gives a picture to the encoder and returns the stamp by which its result is known, which grows from
// picture to picture.
func (s *session) put(img *video.I420, mono time.Duration, deadline time.Time) (stamp int64, err error) {
	index, err := s.inputBuffer(deadline)
	if err != nil {
		return 0, err
	}
	s.layout.copyIn(s.in.buffers[index], img, s.job.width, s.job.height)
	s.last = max(mono.Microseconds(), s.last+1)
	if err := s.queue(&s.in, index, s.last); err != nil {
		return 0, fmt.Errorf("queue picture: %w", err)
	}
	s.free &^= 1 << index
	return s.last, nil
}

// inputBuffer takes back what the driver is done with, and waits if that is nothing.
func (s *session) inputBuffer(deadline time.Time) (uint32, error) {
	for {
		for s.free != 1<<len(s.in.buffers)-1 {
			_, err := s.dequeue(&s.in)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if err != nil {
				return 0, fmt.Errorf("take back a picture: %w", err)
			}
			if s.free&(1<<s.buf.index) != 0 { // a driver that does so without end would keep us here
				return 0, fmt.Errorf("the driver gave picture buffer %d back twice", s.buf.index)
			}
			s.free |= 1 << s.buf.index
		}
		for i := range uint32(len(s.in.buffers)) {
			if s.free&(1<<i) != 0 {
				return i, nil
			}
		}
		if err := s.wait(unix.POLLOUT, deadline); err != nil {
			return 0, err
		}
	}
}

// get returns the next buffer that the encoder made and its stamp; data is valid until the next call and may
// be empty.
func (s *session) get(deadline time.Time) (data []byte, stamp int64, err error) {
	for {
		if err := s.wait(unix.POLLIN, deadline); err != nil {
			return nil, 0, err
		}
		memories, err := s.dequeue(&s.out)
		if errors.Is(err, unix.EAGAIN) {
			continue // woken for nothing; the deadline ends this
		}
		if err != nil {
			return nil, 0, fmt.Errorf("take result: %w", err)
		}
		return s.result(memories[0])
	}
}

// result copies what was dequeued, which is read once only since it may be memory that no cache holds, and
// gives the buffer back.
func (s *session) result(memory []byte) ([]byte, int64, error) {
	b, p := &s.buf, &s.planes[0]
	if b.flags&bufFlagLast != 0 {
		return nil, 0, errors.New("the driver ended the stream")
	}
	if p.dataOffset > p.bytesused || int(p.bytesused) > len(memory) {
		return nil, 0, fmt.Errorf("the driver filled %d..%d of %d bytes", p.dataOffset, p.bytesused, len(memory))
	}
	s.data = append(s.data[:0], memory[p.dataOffset:p.bytesused]...)
	stamp := b.timestamp.Nano() / 1000
	if err := s.queue(&s.out, b.index, 0); err != nil {
		return nil, 0, fmt.Errorf("give back an output buffer: %w", err)
	}
	return s.data, stamp, nil
}

// wait waits for an event until the deadline.
func (s *session) wait(event int16, deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return ErrStalled
		}
		seen, err := s.d.poll(event, left)
		switch {
		case err != nil:
			return fmt.Errorf("wait for the driver: %w", err)
		case seen&event != 0:
			return nil
		case seen != 0: // POLLERR alone: waiting again would spin
			return fmt.Errorf("the driver reports a fault (poll events %#x)", seen)
		}
	}
}
