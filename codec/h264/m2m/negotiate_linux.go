package m2m

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

// setFormats sets the coded side first, as the kernel's description of stateful encoders has it, then the raw one.
func (s *session) setFormats() error {
	j := &s.job
	coded := v4l2PixFormatMplane{width: uint32(j.width), height: uint32(j.height), pixelformat: uint32(j.coded), field: fieldNone, numPlanes: 1}
	coded.planes[0].sizeimage = uint32(max(j.width*j.height*3/4, 64<<10)) // half of the raw picture
	got, err := s.setFormat(bufCapture, coded)
	if err != nil {
		return err
	}
	if got.numPlanes != 1 {
		return fmt.Errorf("%w: %v in %d planes", ErrUnsupported, j.coded, got.numPlanes)
	}
	raw := v4l2PixFormatMplane{width: coded.width, height: coded.height, pixelformat: uint32(j.input), field: fieldNone,
		colorspace: colorspaceSMPTE170M, quantization: quantizationLimRange}
	if got, err = s.setFormat(bufOutput, raw); err != nil {
		return err
	}
	if got.width < raw.width || got.height < raw.height || got.width > 1<<14 || got.height > 1<<14 || got.numPlanes > 3 {
		return fmt.Errorf("%w: it takes %d x %d of %d x %d", ErrUnsupported, got.width, got.height, j.width, j.height)
	}
	var strides [3]int
	for i := range strides {
		strides[i] = int(got.planes[i].bytesperline)
	}
	if s.layout, err = layoutOf(j.input, j.width, int(got.height), strides[:got.numPlanes]); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if got.width == raw.width && got.height == raw.height {
		return nil
	}
	// The driver works in whole blocks; what is beyond the picture must not be shown.
	crop := v4l2Selection{typ: bufOutput, target: selTargetCrop, width: raw.width, height: raw.height}
	if err := s.d.ioctl(vidiocSSelection, unsafe.Pointer(&crop)); err != nil {
		return refusal(err, fmt.Errorf("crop %d x %d to %d x %d: %w", got.width, got.height, j.width, j.height, err))
	}
	if crop.left != 0 || crop.top != 0 || crop.width != raw.width || crop.height != raw.height {
		return fmt.Errorf("%w: it crops to %d x %d of %d x %d", ErrUnsupported, crop.width, crop.height, j.width, j.height)
	}
	return nil
}

// setFormat sets the format of one side and reads back what was granted.
func (s *session) setFormat(typ uint32, want v4l2PixFormatMplane) (v4l2PixFormatMplane, error) {
	what := video.FourCC(want.pixelformat)
	f := v4l2Format{typ: typ, pix: want}
	if err := s.d.ioctl(vidiocSFmt, unsafe.Pointer(&f)); err != nil {
		return f.pix, refusal(err, fmt.Errorf("set format %v %dx%d: %w", what, want.width, want.height, err))
	}
	f = v4l2Format{typ: typ}
	if err := s.d.ioctl(vidiocGFmt, unsafe.Pointer(&f)); err != nil {
		return f.pix, fmt.Errorf("get format %v: %w", what, err)
	}
	if f.pix.pixelformat != want.pixelformat {
		return f.pix, fmt.Errorf("%w: %v, it takes %v", ErrUnsupported, what, video.FourCC(f.pix.pixelformat))
	}
	return f.pix, nil
}

// refusal marks what a driver answers to a request that it will never fulfil.
func refusal(errno, err error) error {
	if optional(errno) == nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return err
}

// optional forgives what a driver answers that does not have the ioctl, the control or the value.
func optional(err error) error {
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ERANGE) {
		return nil
	}
	return err
}

// setRate tells the rate for rate control; a driver without it counts bits per picture by its own default.
func (s *session) setRate() error {
	p := v4l2Streamparm{typ: bufOutput, timeperframe: [2]uint32{1000, uint32(max(s.job.rate*1000+0.5, 1))}}
	return optional(s.d.ioctl(vidiocSParm, unsafe.Pointer(&p)))
}

func (s *session) setFirst(c control) error {
	var err error
	for _, v := range c.values {
		if err = s.setControl(c.id, v); err == nil {
			return nil
		}
		if optional(err) != nil {
			break
		}
	}
	switch {
	case optional(err) != nil:
		return err
	case c.required:
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

func (s *session) setControl(id uint32, value int32) error {
	s.ctrl = v4l2Control{id: id, value: value}
	if err := s.d.ioctl(vidiocSCtrl, unsafe.Pointer(&s.ctrl)); err != nil {
		return fmt.Errorf("set control %#x to %d: %w", id, value, err)
	}
	return nil
}
