package uploader

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTransfersTogetherKeepWithinTheBandwidth(t *testing.T) {
	for _, tt := range []struct {
		limit    Bytes
		parallel int
		want     time.Duration
	}{
		{limit: 0, parallel: 2, want: 0},
		{limit: 100 * KiB, parallel: 1, want: 10 * time.Second},
		{limit: 100 * KiB, parallel: 3, want: 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			th := &throttle{limit: func(time.Time) Bytes { return tt.limit }}
			body := make([]byte, 1000*KiB)
			start := time.Now()
			var wg sync.WaitGroup
			for range tt.parallel {
				wg.Go(func() {
					got, err := io.ReadAll(th.reader(io.NopCloser(bytes.NewReader(body))))
					if err != nil || len(got) != len(body) {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				})
			}
			wg.Wait()
			if took := time.Since(start); took < tt.want-time.Second || took > tt.want+time.Second {
				t.Errorf("%d transfers at %v a second took %v, want %v", tt.parallel, tt.limit, took, tt.want)
			}
		})
	}
}

func TestBandwidthFollowsTheHour(t *testing.T) {
	c := Default()
	c.Bandwidth = MiB
	c.BandwidthByHour = []Window{{Hours{22, 6}, 0}, {Hours{8, 18}, 100 * KiB}}
	for hour, want := range map[int]Bytes{23: 0, 0: 0, 5: 0, 6: MiB, 8: 100 * KiB, 17: 100 * KiB, 18: MiB, 22: 0} {
		if got := c.bandwidthNow(time.Date(2026, 1, 1, hour, 30, 0, 0, time.Local)); got != want {
			t.Errorf("%d:30: %v, want %v", hour, got, want)
		}
	}
}

func TestHoursAreReadStrictly(t *testing.T) {
	for text, want := range map[string]Hours{"8-18": {8, 18}, "22-6": {22, 6}, "18-24": {18, 0}, " 0 - 6 ": {0, 6}} {
		var h Hours
		if err := h.UnmarshalText([]byte(text)); err != nil || h != want {
			t.Errorf("%q: %v, %v", text, h, err)
		}
	}
	for _, text := range []string{"", "8", "8-8", "0-24", "8-25", "-1-5", "eight-nine", "8-18-20"} {
		var h Hours
		if err := h.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
