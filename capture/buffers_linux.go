package capture

import (
	"fmt"
	"time"
	"unsafe"

	"camward/video"
)

const (
	bufferCount = 4               // one being filled, one full, and two for the time that copying or scheduling takes
	clockSlack  = 5 * time.Second // a driver's stamp farther than this from now is not believed
)

// mapBuffers requests, maps and queues the buffers.
func (d *device) mapBuffers() error {
	req := v4l2Requestbuffers{count: bufferCount, typ: d.typ, memory: memoryMmap}
	if err := d.k.ioctl(vidiocReqbufs, unsafe.Pointer(&req)); err != nil {
		return err
	}
	d.requested = true
	if req.count == 0 || req.count > 32 { // 32 is VIDEO_MAX_FRAME
		return fmt.Errorf("the driver gave %d buffers", req.count)
	}
	for i := range req.count {
		b := v4l2Buffer{index: i, typ: d.typ, memory: memoryMmap}
		d.point(&b)
		if err := d.k.ioctl(vidiocQuerybuf, unsafe.Pointer(&b)); err != nil {
			return err
		}
		if err := d.mapBuffer(&b); err != nil {
			return fmt.Errorf("map buffer: %w", err)
		}
		if err := d.queue(i); err != nil {
			return err
		}
	}
	return nil
}

// mapBuffer maps what VIDIOC_QUERYBUF told, each plane by itself.
func (d *device) mapBuffer(b *v4l2Buffer) error {
	one := [1]v4l2Plane{{offset: b.offset, length: b.length}}
	memories := one[:]
	if d.multi() {
		memories = d.memories[:d.planes]
	}
	for _, p := range memories {
		m, err := d.k.mmap(int64(uint32(p.offset)), int(p.length))
		if err != nil {
			return err
		}
		d.maps = append(d.maps, m)
	}
	return nil
}

// point makes a buffer of several planes point to d.memories, which are on the heap with d and stay where they are.
func (d *device) point(b *v4l2Buffer) {
	if d.multi() {
		clear(d.memories[:])
		b.offset, b.length = uintptr(unsafe.Pointer(&d.memories)), uint32(d.planes)
	}
}

func (d *device) queue(index uint32) error {
	d.empty = v4l2Buffer{index: index, typ: d.typ, memory: memoryMmap}
	d.point(&d.empty)
	return d.k.ioctl(vidiocQbuf, unsafe.Pointer(&d.empty))
}

// dequeue takes the next buffer, copies it once, and gives it back to the driver at once. A nil frame without an
// error is a picture not fit to deliver, and why says so.
func (d *device) dequeue(pool *video.Pool) (f *video.Frame, why string, err error) {
	d.filled = v4l2Buffer{typ: d.typ, memory: memoryMmap}
	d.point(&d.filled)
	if err := d.k.ioctl(vidiocDqbuf, unsafe.Pointer(&d.filled)); err != nil {
		return nil, "", err
	}
	b := &d.filled
	if int(b.index) >= len(d.maps)/max(d.planes, 1) {
		return nil, "", fmt.Errorf("the driver returned buffer %d of %d", b.index, len(d.maps)/max(d.planes, 1))
	}
	seq := d.number(b.sequence)
	switch {
	case b.flags&bufFlagError != 0:
		why = "marked as broken by the driver"
	case len(d.parts) > 0:
		f, why = d.gather(pool, b.index)
	default:
		f, why = d.copyOf(pool, d.payload(b))
	}
	if f != nil {
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

// payload is what the driver wrote into a buffer of one memory.
func (d *device) payload(b *v4l2Buffer) []byte {
	if d.multi() {
		return filledPart(d.maps[b.index], &d.memories[0])
	}
	m := d.maps[b.index]
	return m[:min(int(b.bytesused), len(m))]
}

// filledPart is the part of a plane that is data.
func filledPart(m []byte, p *v4l2Plane) []byte {
	end := min(int(p.bytesused), len(m))
	return m[min(int(p.dataOffset), end):end]
}

// copyOf copies the part of data that is the picture, or says why there is none.
func (d *device) copyOf(pool *video.Pool, data []byte) (f *video.Frame, why string) {
	switch {
	case len(data) == 0:
		return nil, "empty"
	case d.raw > len(data):
		return nil, "shorter than its format"
	case d.raw > 0:
		data = data[:d.raw]
	case d.form.FourCC == video.MJPEG && !isJPEG(data):
		return nil, "not a JPEG"
	case d.form.FourCC == video.H264 && !isAnnexB(data):
		return nil, "not H.264 with start codes"
	case d.form.FourCC == video.H264 && d.gate.oversized(data, d.form):
		return nil, "its parameter sets announce larger pictures than the driver granted"
	}
	f = pool.Get(len(data))
	copy(f.Data, data)
	return f, ""
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
