package dropfolder

import (
	"time"

	"camward/uploader"
	"camward/video"
)

// slack is how far a file's time may be ahead of the clock: FAT counts in steps of 2 s.
const slack = 2 * time.Second

// unset is before every time that a clock shows which was ever set: clocks without a battery begin at 1970,
// 2000 or the day that their firmware was made.
var unset = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// clocks are the device's: the wall clock, which stamps files, the monotonic clock that recordings are on, and
// whether the first is known to be right.
type clocks struct {
	wall   func() time.Time
	mono   func() time.Duration
	synced func() bool
}

func systemClocks() clocks {
	kernel := uploader.NewClock()
	return clocks{wall: time.Now, mono: video.Now, synced: func() bool {
		_, trusted := kernel.Wall(0)
		return trusted
	}}
}

// changed turns the time of a file's last change into monotonic time, which is negative for one before this
// boot; seen is when the file was first seen so. sure says that the result can be relied on; if not, a later
// call may know better. Names have milliseconds; the middle of one is taken, so that the same file gets the
// same name again.
func (c clocks) changed(modified time.Time, seen time.Duration) (at time.Duration, sure bool) {
	modified = modified.Truncate(time.Millisecond).Add(time.Millisecond / 2)
	now := c.mono()
	age := c.wall().Sub(modified)
	switch {
	case age < -slack: // the clock of a server, or this one before it was set
		return seen, c.synced()
	case age <= now: // in this boot, as far as can be known
		return min(now-age, now), true
	case modified.Before(unset):
		return 0, c.synced()
	}
	return now - age, c.synced()
}
