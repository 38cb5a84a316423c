package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"time"
)

// A RandomAccess is an open file; an *os.File opened for reading and writing is one.
type RandomAccess interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
}

// Repair makes a file of size bytes, as a crash left it, complete: what follows its last
// whole fragment is cut off and its header gets the duration. It returns the file as it then
// is; one without samples holds nothing worth keeping. Repairing an intact file changes
// nothing, so an interrupted Repair can be repeated. It does not sync.
func Repair(f RandomAccess, size int64) (*File, error) {
	file, err := Read(f, size)
	if err != nil {
		return nil, err
	}
	if !file.fragmented {
		return nil, fmt.Errorf("repair mp4: it is not fragmented")
	}
	if file.Whole < size {
		if err := f.Truncate(file.Whole); err != nil {
			return nil, fmt.Errorf("repair mp4: %w", err)
		}
	}
	for _, d := range file.durations {
		if err := d.write(f, file.Duration, file.timescale); err != nil {
			return nil, fmt.Errorf("repair mp4: %w", err)
		}
	}
	return file, nil
}

// write puts length into the field, in ticks rounded to the nearest; one that does not fit
// becomes 0.
func (d durationField) write(w io.WriterAt, length time.Duration, timescale uint32) error {
	hi, lo := bits.Mul64(uint64(length), uint64(timescale))
	lo, carry := bits.Add64(lo, uint64(time.Second)/2, 0)
	var ticks uint64
	if hi += carry; hi < uint64(time.Second) { // else the quotient has more than 64 bits
		ticks, _ = bits.Div64(hi, lo, uint64(time.Second))
	}
	var b [8]byte
	if d.size == 4 {
		if ticks >= math.MaxUint32 {
			ticks = 0
		}
		ticks <<= 32
	}
	binary.BigEndian.PutUint64(b[:], ticks)
	_, err := w.WriteAt(b[:d.size], d.off)
	return err
}
