package capture

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

// BenchmarkFrame is the way of one frame from the driver's buffer to a subscriber and back to the pool, less what the kernel does;
// yardstick=copy is the one copy in it that cannot be done without.
func BenchmarkFrame(b *testing.B) {
	const w, h = 640, 480
	tests := []struct {
		name, code string
		fill       fill
		planes     []planeOf
	}{
		{name: "MJPG", code: "MJPG", fill: fill{data: aJPEG + strings.Repeat("x", 37_000)}},
		{name: "YUYV", code: "YUYV", fill: fill{data: strings.Repeat("x", 2*w*h)}},
		{name: "NM12", code: "NM12", fill: fill{data: strings.Repeat("x", w*h), more: []string{strings.Repeat("x", w*h/2)}}, planes: []planeOf{{w, w * h, 0}, {w, w * h / 2, 0}}},
		{name: "NM12padded", code: "NM12", fill: fill{data: strings.Repeat("x", 704*h), more: []string{strings.Repeat("x", 704*h/2)}}, planes: []planeOf{{704, 704 * h, 0}, {704, 704 * h / 2, 0}}},
	}
	for _, tt := range tests {
		d := newDriver()
		d.offered, d.planes, d.every = []DeviceFormat{{FourCC: tt.code}}, tt.planes, 0
		if tt.planes != nil {
			d.caps.deviceCaps = capVideoCaptureMplane | capStreaming
		}
		k := &still{driver: d}
		hub := NewHub()
		pool := video.NewPool(8 << 20)
		s := hub.Subscribe("x", 1)
		dev, err := host{open: func(string) (kernel, error) { return k, nil }}.openDevice("x", wish{formats: formatOrder[:], size: Size{w, h}, rate: 15})
		if err != nil {
			b.Fatal(err)
		}
		d.script = []fill{tt.fill}
		if _, _, err := dev.dequeue(pool); err != nil { // fills the first buffer
			b.Fatal(err)
		}
		k.b = dev.filled
		for i, p := range tt.planes {
			k.planes[i].bytesused = uint32(p.size)
		}
		size := len(tt.fill.data)
		for _, m := range tt.fill.more {
			size += len(m)
		}
		b.Run("format="+tt.name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				f, why, err := dev.dequeue(pool)
				if err != nil || f == nil {
					b.Fatal(why, err)
				}
				hub.Publish(f)
				f.Release()
				(<-s.Frames()).Release()
			}
		})
		b.Run("yardstick=copy/format="+tt.name, func(b *testing.B) {
			from, to := make([]byte, size), make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				copy(to, from)
			}
		})
		s.Close()
		dev.close()
	}
}

// still is a driver whose buffer is full again at once.
type still struct {
	*driver
	b      v4l2Buffer
	planes [maxPlanes]v4l2Plane
}

func (s *still) ioctl(req uintptr, arg unsafe.Pointer) error {
	if req != vidiocDqbuf || s.b.memory == 0 {
		if req == vidiocQbuf && s.b.memory != 0 {
			return nil
		}
		return s.driver.ioctl(req, arg)
	}
	b := (*v4l2Buffer)(arg)
	if len(s.driver.planes) > 0 {
		*planesOf(b) = s.planes
		at := b.offset
		*b = s.b
		b.offset = at
	} else {
		*b = s.b
	}
	b.sequence++
	b.timestamp = unix.Timeval{}
	return nil
}
