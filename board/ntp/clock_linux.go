package ntp

import (
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"
)

// systemClock is the kernel's realtime clock, by adjtimex(2).
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// Step adds offset to the clock (ADJ_SETOFFSET) and clears STA_UNSYNC, the mark that the kernel's clock isn't synchronised.
func (systemClock) Step(offset, uncertain time.Duration) error {
	tx := stepping(offset, uncertain)
	return adjust(&tx)
}

// Slew hands offset to the kernel's phase-locked loop, which also learns how fast the clock runs, and clears STA_UNSYNC.
func (systemClock) Slew(offset, uncertain, period time.Duration) error {
	tx := slewing(offset, uncertain, period)
	return adjust(&tx)
}

func stepping(offset, uncertain time.Duration) unix.Timex {
	tx := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO | unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR, Status: unix.STA_PLL}
	ts := unix.NsecToTimespec(int64(offset)) // its nanoseconds are never negative, as ADJ_SETOFFSET wants it
	tx.Time.Sec, tx.Time.Usec = ts.Sec, ts.Nsec
	set(&tx.Maxerror, uncertain.Microseconds())
	set(&tx.Esterror, uncertain.Microseconds())
	return tx
}

func slewing(offset, uncertain, period time.Duration) unix.Timex {
	tx := unix.Timex{
		Modes:  unix.ADJ_OFFSET | unix.ADJ_NANO | unix.ADJ_TIMECONST | unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR,
		Status: unix.STA_PLL,
	}
	set(&tx.Offset, int64(offset))
	// A loop this fast has settled when the next answer comes; systemd-timesyncd has the same.
	set(&tx.Constant, max(int64(bits.Len64(uint64(period/time.Second)))-1-4, 0))
	set(&tx.Maxerror, uncertain.Microseconds())
	set(&tx.Esterror, uncertain.Microseconds())
	return tx
}

// set is for fields that are 32 or 64 bits wide, as the machine is.
func set[T int32 | int64](field *T, v int64) { *field = T(v) }

func adjust(tx *unix.Timex) error {
	if _, err := unix.Adjtimex(tx); err != nil {
		return fmt.Errorf("adjtimex: %w", err)
	}
	return nil
}
