package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"camward/video"
)

const (
	pollSlice       = 100 * time.Millisecond // the longest that the end of ctx goes unseen
	stallAfter      = 2 * time.Second        // without a picture, or four intervals where those are longer
	longestPatience = time.Minute            // whatever rate a driver claims

	firstAfter = 5 * time.Second // before the first picture of a device that is new: exposure and firmware take their time
)

// stream delivers frames until ctx ends, the device fails, or none comes in time.
func (d *device) stream(ctx context.Context, pool *video.Pool, out output) error {
	limit := max(d.first, d.patience())
	last := time.Now() // of the last good picture
	broken := false    // there was a buffer since that had to be discarded
	for ctx.Err() == nil {
		left := limit - time.Since(last)
		if left <= 0 {
			return d.stalled(limit, broken)
		}
		revents, err := d.k.poll(min(pollSlice, left))
		if err != nil {
			return fmt.Errorf("camera %s: wait for a picture: %w", d.path, err)
		}
		if revents == 0 {
			continue
		}
		f, why, err := d.dequeue(pool)
		switch {
		case errors.Is(err, unix.EAGAIN) && revents&unix.POLLIN != 0:
			continue // woken for nothing
		case err != nil:
			return d.failed(revents, err)
		case f == nil:
			broken = true
			d.gate.close()
			out.discard(why)
			continue
		}
		if d.form.FourCC == video.H264 {
			if f, err = d.key(f, pool); err != nil {
				return err
			} else if f == nil {
				if !d.gate.open {
					last = time.Now() // it works, and waits for a key picture, which has its own end
				}
				continue
			}
		}
		last, broken, limit = time.Now(), false, d.patience()
		if err := out.deliver(f); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// patience is how long the device may be silent between two pictures.
func (d *device) patience() time.Duration {
	if d.form.Rate <= 0 {
		return stallAfter
	}
	return max(stallAfter, time.Duration(min(4/d.form.Rate, longestPatience.Seconds())*float64(time.Second)))
}

// stalled says the same each time, so that it is logged once.
func (d *device) stalled(limit time.Duration, broken bool) error {
	what := "no picture"
	if broken {
		what = "broken pictures and no good one"
	}
	return fmt.Errorf("camera %s: %s for %v: %w", d.path, what, limit.Round(100*time.Millisecond), errStalled)
}

var errStalled = errors.New("it hangs or its cable is bad")

// failed explains what dequeueing or requeueing answered.
func (d *device) failed(revents int16, err error) error {
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("camera %s is gone: it was unplugged or fell off the bus: %w: %w", d.path, ErrAbsent, err)
	case errors.Is(err, unix.EAGAIN): // POLLERR alone: waiting again would spin
		return fmt.Errorf("camera %s: the driver reports a fault (poll events %#x)", d.path, revents)
	}
	return fmt.Errorf("camera %s: read a picture: %w", d.path, err)
}
