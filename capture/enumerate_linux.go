package capture

import (
	"slices"
	"sort"
	"unsafe"

	"camward/video"
)

// What is listed at most, should a driver never come to an end.
const (
	maxFormats = 128
	maxSizes   = 128 // of a format
	maxRates   = 64  // of a size
)

// formats lists what the device offers, usable formats first, and with sizes also those and their rates, which are many calls and not
// needed to open a camera (Documentation/userspace-api/media/v4l/vidioc-enum-fmt.rst).
func (d *device) formats(sizes bool) ([]DeviceFormat, error) {
	list := []DeviceFormat{}
	for i := uint32(0); i < maxFormats; i++ {
		q := v4l2Fmtdesc{index: i, typ: d.typ}
		if err := d.k.ioctl(vidiocEnumFmt, unsafe.Pointer(&q)); optional(err) != nil {
			return list, err
		} else if err != nil {
			break
		}
		code := video.FourCC(q.pixelformat)
		f := DeviceFormat{FourCC: code.String(), Name: cString(q.description[:]), Usable: rank(code) < len(formatOrder)}
		if sizes {
			f.Sizes = d.sizes(code)
			for i, z := range f.Sizes {
				f.Sizes[i].Rates = d.rates(code, z.largest())
			}
		}
		list = append(list, f)
	}
	sort.SliceStable(list, func(i, j int) bool { return rank(list[i].code()) < rank(list[j].code()) })
	return list, nil
}

// code is the format's FourCC; 0 where it does not print.
func (f *DeviceFormat) code() video.FourCC {
	c, _ := video.ParseFourCC(f.FourCC)
	return c
}

// largest is the size, or the largest of a range.
func (z *DeviceSize) largest() Size { return z.Max.or(z.Size) }

// sizes lists the sizes of a format; none where the driver does not tell.
func (d *device) sizes(code video.FourCC) (list []DeviceSize) {
	for i := uint32(0); i < maxSizes; i++ {
		q := v4l2Frmsizeenum{index: i, pixelformat: uint32(code)}
		if d.k.ioctl(vidiocEnumFramesizes, unsafe.Pointer(&q)) != nil {
			break
		}
		if q.typ == frameDiscrete {
			list = append(list, DeviceSize{Size: Size{int(q.minWidth), int(q.maxWidth)}})
			continue
		}
		return append(list, DeviceSize{
			Size: Size{int(q.minWidth), int(q.minHeight)}, Max: Size{int(q.maxWidth), int(q.maxHeight)},
			Step: Size{max(int(q.stepWidth), 1), max(int(q.stepHeight), 1)},
		})
	}
	return list
}

// rates lists the pictures per second of a format and size, highest first; of a range its ends. It is empty where the driver does not
// tell.
func (d *device) rates(code video.FourCC, z Size) []float64 {
	list := []float64{}
	add := func(f v4l2Fract) {
		if f.numerator == 0 || f.denominator == 0 {
			return
		}
		if r := float64(f.denominator) / float64(f.numerator); !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	for i := uint32(0); i < maxRates; i++ {
		q := v4l2Frmivalenum{index: i, pixelformat: uint32(code), width: uint32(z.Width), height: uint32(z.Height)}
		if d.k.ioctl(vidiocEnumFrameintervals, unsafe.Pointer(&q)) != nil {
			break
		}
		add(q.min)
		if q.typ != frameDiscrete {
			add(q.max)
			break
		}
	}
	sort.Sort(sort.Reverse(sort.Float64Slice(list)))
	return list
}
