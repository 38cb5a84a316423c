package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/blackjack/webcam/ioctl"
	"golang.org/x/sys/unix"
)

// The part of linux/videodev2.h that controls take (Documentation/userspace-api/media/v4l/control.rst and vidioc-queryctrl.rst).
// None of these structs depends on the word size.

const (
	ctrlTypeInteger     = 1 // V4L2_CTRL_TYPE_INTEGER
	ctrlTypeBoolean     = 2 // V4L2_CTRL_TYPE_BOOLEAN
	ctrlTypeMenu        = 3 // V4L2_CTRL_TYPE_MENU
	ctrlTypeIntegerMenu = 9 // V4L2_CTRL_TYPE_INTEGER_MENU

	ctrlFlagDisabled  = 0x0001     // V4L2_CTRL_FLAG_DISABLED
	ctrlFlagReadOnly  = 0x0004     // V4L2_CTRL_FLAG_READ_ONLY
	ctrlFlagInactive  = 0x0010     // V4L2_CTRL_FLAG_INACTIVE
	ctrlFlagWriteOnly = 0x0040     // V4L2_CTRL_FLAG_WRITE_ONLY
	ctrlFlagNext      = 0x80000000 // V4L2_CTRL_FLAG_NEXT_CTRL: the control after this one

	maxControls = 256 // of a camera, and items of a menu
)

// v4l2Queryctrl is struct v4l2_queryctrl, 68 bytes.
type v4l2Queryctrl struct {
	id           uint32    // 0
	typ          uint32    // 4
	name         [32]byte  // 8
	minimum      int32     // 40
	maximum      int32     // 44
	step         int32     // 48
	defaultValue int32     // 52
	flags        uint32    // 56
	_            [2]uint32 // 60
}

// v4l2Querymenu is struct v4l2_querymenu, 44 bytes: it is packed, so the value of an integer menu is bytes here.
type v4l2Querymenu struct {
	id    uint32   // 0
	index uint32   // 4
	name  [32]byte // 8: or, in its first eight bytes, the value
	_     uint32   // 40
}

// v4l2Control is struct v4l2_control, 8 bytes.
type v4l2Control struct {
	id    uint32
	value int32
}

var (
	vidiocGCtrl     = ioctl.IoRW('V', 27, unsafe.Sizeof(v4l2Control{}))
	vidiocSCtrl     = ioctl.IoRW('V', 28, unsafe.Sizeof(v4l2Control{}))
	vidiocQueryctrl = ioctl.IoRW('V', 36, unsafe.Sizeof(v4l2Queryctrl{}))
	vidiocQuerymenu = ioctl.IoRW('V', 37, unsafe.Sizeof(v4l2Querymenu{}))
)

// controls implements controller. A device without any answers ENOTTY or EINVAL.
func (d *device) controls() ([]Control, error) {
	list := []Control{}
	for id := uint32(0); len(list) < maxControls; {
		q := v4l2Queryctrl{id: id | ctrlFlagNext}
		if err := d.k.ioctl(vidiocQueryctrl, unsafe.Pointer(&q)); optional(err) != nil {
			return nil, err
		} else if err != nil || q.id <= id { // the end, or a driver that would have us go round
			return list, nil
		}
		id = q.id
		c, ok, err := d.control(&q)
		if err != nil {
			return nil, err
		}
		if ok && !slices.ContainsFunc(list, func(o Control) bool { return o.Name == c.Name }) {
			list = append(list, c)
		}
	}
	return list, nil
}

// control describes one control; ok is false for one that a person cannot set, or not by a number.
func (d *device) control(q *v4l2Queryctrl) (c Control, ok bool, err error) {
	if q.flags&(ctrlFlagDisabled|ctrlFlagReadOnly|ctrlFlagWriteOnly) != 0 {
		return c, false, nil
	}
	c = Control{ID: q.id, Label: cString(q.name[:]), Min: q.minimum, Max: q.maximum, Step: max(q.step, 1), Default: q.defaultValue, Inactive: q.flags&ctrlFlagInactive != 0}
	if c.Name = controlName(c.Label); c.Name == "" {
		c.Name = fmt.Sprintf("control_%08x", q.id)
	}
	switch q.typ {
	case ctrlTypeInteger:
		c.Type = ControlInteger
	case ctrlTypeBoolean:
		c.Type = ControlBoolean
	case ctrlTypeMenu, ctrlTypeIntegerMenu:
		c.Type = ControlMenu
		if c.Menu, err = d.menu(q); err != nil || len(c.Menu) == 0 {
			return c, false, err
		}
	default: // buttons, strings, classes, 64 bits
		return c, false, nil
	}
	value := v4l2Control{id: q.id}
	began := time.Now()
	if err := d.k.ioctl(vidiocGCtrl, unsafe.Pointer(&value)); errors.Is(err, unix.ENODEV) || err != nil && time.Since(began) >= mute {
		return c, false, err
	} else if err != nil { // some drivers list what the device behind them does not answer for
		return c, false, nil
	}
	c.Value = value.value
	return c, true, nil
}

// menu lists a menu's items; the numbers between them that the driver refuses are none.
func (d *device) menu(q *v4l2Queryctrl) (items []MenuItem, err error) {
	for i := max(q.minimum, 0); i <= q.maximum && i < maxControls; i++ {
		m := v4l2Querymenu{id: q.id, index: uint32(i)}
		if err := d.k.ioctl(vidiocQuerymenu, unsafe.Pointer(&m)); optional(err) != nil {
			return nil, err
		} else if err != nil {
			continue
		}
		label := cString(m.name[:])
		if q.typ == ctrlTypeIntegerMenu {
			label = strconv.FormatInt(int64(binary.NativeEndian.Uint64(m.name[:])), 10)
		}
		items = append(items, MenuItem{i, label})
	}
	return items, nil
}

// setControl implements controller.
func (d *device) setControl(id uint32, value int32) error {
	c := v4l2Control{id, value}
	err := d.k.ioctl(vidiocSCtrl, unsafe.Pointer(&c))
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE), errors.Is(err, unix.EACCES), errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: the driver refuses it, perhaps because another control is automatic: %w", ErrControl, err)
	}
	return err
}
