package capture

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

// A wish is what a device is asked for.
type wish struct {
	formats []video.FourCC // best first
	size    Size
	rate    float64
	small   bool // size is the most that is wanted, and rate the least
}

// setFormat sets the first of the formats wanted that the device offers and then really grants.
func (d *device) setFormat(w *wish) error {
	for _, code := range w.formats {
		for _, o := range d.offered {
			c := o.code()
			if canonical(c) != code {
				continue
			}
			size := w.size
			if w.small {
				size = within(d.sizes(c), size)
			}
			if ok, err := d.tryFormat(c, size); ok || err != nil {
				return err
			}
		}
	}
	return &formatError{want: w.formats, offered: d.offered}
}

// within gives the largest size on offer that is not above most in either direction, else the smallest; most where none is listed.
func within(offered []DeviceSize, most Size) Size {
	var best, least Size
	for _, z := range offered {
		if z.Max != (Size{}) {
			return Size{fit(most.Width, z.Size.Width, z.Max.Width, z.Step.Width), fit(most.Height, z.Size.Height, z.Max.Height, z.Step.Height)}
		}
		if z.Size.Width <= most.Width && z.Size.Height <= most.Height && z.Size.area() > best.area() {
			best = z.Size
		}
		if least == (Size{}) || z.Size.area() < least.area() {
			least = z.Size
		}
	}
	return best.or(least).or(most)
}

// fit brings v into a range, and down to one of its steps.
func fit(v, lo, hi, step int) int {
	v = max(min(v, hi), lo)
	return v - (v-lo)%step
}

func (s Size) area() int { return s.Width * s.Height }

// tryFormat sets one format and reads back what was granted: drivers adjust the size, and some
// answer an unknown code with another.
func (d *device) tryFormat(code video.FourCC, size Size) (bool, error) {
	f := v4l2Format{typ: d.typ}
	f.pix.width, f.pix.height = uint32(size.Width), uint32(size.Height) // the same place with several planes
	f.pix.pixelformat, f.pix.field = uint32(code), fieldNone
	if err := d.k.ioctl(vidiocSFmt, unsafe.Pointer(&f)); err == unix.EINVAL {
		return false, nil
	} else if err != nil {
		return false, err
	}
	f = v4l2Format{typ: d.typ}
	if err := d.k.ioctl(vidiocGFmt, unsafe.Pointer(&f)); err != nil {
		return false, err
	}
	got := video.FourCC(f.pix.pixelformat)
	if got != code || f.pix.width == 0 || f.pix.height == 0 || f.pix.width > 1<<14 || f.pix.height > 1<<14 {
		return false, nil
	}
	d.code = got
	d.form = video.Format{FourCC: canonical(got), Width: int(f.pix.width), Height: int(f.pix.height)}
	colorspace, quantization, stride := f.pix.colorspace, f.pix.quantization, f.pix.bytesperline
	if d.multi() {
		mp := f.mplane()
		colorspace, quantization, stride = mp.colorspace, uint32(mp.quantization), mp.planes[0].bytesperline
		if ok := d.setPlanes(mp); !ok {
			return false, nil
		}
	}
	d.form.FullRange = d.form.FourCC == video.MJPEG || quantization == quantizationFullRange || quantization == 0 && colorspace == colorspaceJPEG
	d.raw = 0
	if d.form.FourCC.Compressed() {
		return true, nil
	}
	d.form.Stride = max(int(stride), d.form.TightStride())
	if len(d.parts) > 0 {
		d.form.Stride = d.form.TightStride() // they are put together
	}
	var err error
	d.raw, err = d.form.RawSize()
	return err == nil, err
}

// setRate asks for a rate and reads back what the device runs at; 0 if it does not say.
func (d *device) setRate(rate float64) (float64, error) {
	p := v4l2Streamparm{typ: d.typ}
	if err := d.k.ioctl(vidiocGParm, unsafe.Pointer(&p)); err != nil {
		return 0, optional(err)
	}
	if p.capability&capTimePerFrame != 0 {
		p = v4l2Streamparm{typ: d.typ}
		p.timeperframe = v4l2Fract{1000, uint32(rate*1000 + 0.5)}
		if err := d.k.ioctl(vidiocSParm, unsafe.Pointer(&p)); optional(err) != nil {
			return 0, err
		}
		p = v4l2Streamparm{typ: d.typ}
		if err := d.k.ioctl(vidiocGParm, unsafe.Pointer(&p)); err != nil {
			return 0, optional(err)
		}
	}
	if p.timeperframe.numerator == 0 || p.timeperframe.denominator == 0 {
		return 0, nil
	}
	return float64(p.timeperframe.denominator) / float64(p.timeperframe.numerator), nil
}

// lowRate gives the lowest rate on offer that is not below least, else the highest; least where none is listed.
func (d *device) lowRate(least float64) float64 {
	rate := least
	for i, r := range d.rates(d.code, Size{d.form.Width, d.form.Height}) { // highest first
		if i == 0 || r >= least {
			rate = r
		}
	}
	return rate
}

// optional forgives what a driver answers that does not have the ioctl.
func optional(err error) error {
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
