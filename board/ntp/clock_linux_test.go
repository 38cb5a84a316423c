package ntp

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The calls themselves would set this machine's clock; what they are given is checked against adjtimex(2).
func TestTheKernelIsGivenWhatAdjtimexWants(t *testing.T) {
	for _, tt := range []struct {
		offset          time.Duration
		sec, nanosecond int64
	}{{1500 * time.Millisecond, 1, 5e8}, {-1500 * time.Millisecond, -2, 5e8}, {-time.Hour, -3600, 0}, {57 * 365 * 24 * time.Hour, 57 * 365 * 86400, 0}} {
		tx := stepping(tt.offset, time.Millisecond)
		if int64(tx.Time.Sec) != tt.sec || int64(tx.Time.Usec) != tt.nanosecond || tx.Maxerror != 1000 || tx.Status&unix.STA_UNSYNC != 0 || tx.Modes&(unix.ADJ_SETOFFSET|unix.ADJ_STATUS) != unix.ADJ_SETOFFSET|unix.ADJ_STATUS {
			t.Errorf("%v: %+v", tt.offset, tx)
		}
	}
	for period, constant := range map[time.Duration]int64{first: 2, longest: 6, time.Second: 0} {
		tx := slewing(-3*time.Millisecond, time.Millisecond, period)
		if int64(tx.Offset) != -3e6 || int64(tx.Constant) != constant || tx.Status != unix.STA_PLL || tx.Modes&(unix.ADJ_OFFSET|unix.ADJ_STATUS|unix.ADJ_NANO) != unix.ADJ_OFFSET|unix.ADJ_STATUS|unix.ADJ_NANO {
			t.Errorf("%v: %+v", period, tx)
		}
	}
}
