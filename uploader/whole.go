package uploader

import (
	"errors"
	"fmt"
	"os"
	"time"

	"camward/camio"
	"camward/codec/mp4"
)

// headerRoom is more than the header of a clip takes: a cut file below it holds no picture.
const headerRoom = 4 << 10

// errNothing says that a cut file holds no picture at all, which is nobody's loss.
var errNothing = errors.New("nothing was recorded yet")

// repair makes a cut file usable: a clip is trimmed to its last whole fragment, a picture must be whole. It
// returns what is left; errNothing if that holds no picture, another error if it cannot be used.
func (d *files) repair(f *os.File, size int64, kind camio.Kind) (whole int64, length time.Duration, err error) {
	if size == 0 {
		return 0, 0, errNothing
	}
	if kind == camio.KindClip {
		return repairClip(watched{d, f}, size)
	}
	if size >= 4 {
		var ends [4]byte
		if _, err := f.ReadAt(ends[:2], 0); err != nil {
			return 0, 0, err
		}
		if _, err := f.ReadAt(ends[2:], size-2); err != nil {
			return 0, 0, err
		}
		// SOI and EOI, ITU-T T.81 B.1.1.3.
		if ends == [4]byte{0xff, 0xd8, 0xff, 0xd9} {
			return size, 0, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: a picture without its end", errUseless)
}

// errUseless says that the bytes are readable but are no recording.
var errUseless = errors.New("cannot be saved")

func repairClip(f watched, size int64) (int64, time.Duration, error) {
	file, err := mp4.Repair(f, size)
	pe := (*os.PathError)(nil)
	switch {
	case errors.As(err, &pe):
		return 0, 0, err
	case errors.Is(err, mp4.ErrNoHeader) && size < headerRoom:
		return 0, 0, errNothing
	case err != nil:
		return 0, 0, fmt.Errorf("%w: %w", errUseless, err)
	case len(file.Samples) == 0:
		return 0, 0, errNothing
	}
	return file.Whole, file.Duration, nil
}

// watched is a file whose changes go through the spool's files.
type watched struct {
	files *files
	*os.File
}

func (w watched) WriteAt(b []byte, offset int64) (int, error) {
	return w.files.writeAt(w.File, b, offset)
}

func (w watched) Truncate(size int64) error { return w.files.truncate(w.File, size) }
