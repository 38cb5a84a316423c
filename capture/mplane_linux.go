package capture

import "camward/video"

// A part is one plane of a picture whose planes lie in memories of their own.
type part struct {
	stride int // bytes from one line to the next in the driver's memory
	line   int // bytes of a line that count
	lines  int
}

// size is what the driver must have written: the last line may end with its samples.
func (p part) size() int { return p.stride*(p.lines-1) + p.line }

// setPlanes takes what was granted of the planes; ok is false for a layout that is not known
// (Documentation/userspace-api/media/v4l/pixfmt-yuv-planar.rst).
func (d *device) setPlanes(mp *v4l2PixFormatMplane) (ok bool) {
	d.planes, d.parts = int(mp.numPlanes), nil
	w, h := d.form.Width, d.form.Height
	even, half, lines := (w+1)/2*2, (w+1)/2, (h+1)/2
	want := []part{{}} // one memory holds all
	switch d.code {
	case fourccNM12:
		want = []part{{line: even, lines: h}, {line: even, lines: lines}}
	case fourccYM12:
		want = []part{{line: w, lines: h}, {line: half, lines: lines}, {line: half, lines: lines}}
	}
	if len(want) != d.planes {
		return false
	}
	if d.planes == 1 {
		return true
	}
	for i := range want {
		want[i].stride = max(int(mp.planes[i].bytesperline), want[i].line)
	}
	d.parts = want
	return true
}

// gather copies the planes of a buffer into one frame without padding.
func (d *device) gather(pool *video.Pool, index uint32) (f *video.Frame, why string) {
	maps := d.maps[int(index)*d.planes:]
	for i, p := range d.parts {
		if len(filledPart(maps[i], &d.memories[i])) < p.size() {
			return nil, "shorter than its format"
		}
	}
	f = pool.Get(d.raw)
	to := f.Data
	for i, p := range d.parts {
		from := filledPart(maps[i], &d.memories[i])
		if p.stride == p.line {
			to = to[copy(to, from[:p.size()]):]
			continue
		}
		for y := range p.lines {
			to = to[copy(to, from[y*p.stride:][:p.line]):]
		}
	}
	return f, ""
}
