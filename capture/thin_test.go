package capture

import (
	"math/rand"
	"testing"
	"time"
)

func TestAFasterStreamIsThinnedEvenly(t *testing.T) {
	tests := []struct {
		comes, wanted float64
		jitter        float64 // of an interval of what comes
		least, most   float64 // kept a second
		gap           float64 // the longest, in intervals of what is wanted
	}{
		{comes: 30, wanted: 15, least: 14.9, most: 15.1, gap: 1.01},
		{comes: 30, wanted: 15, jitter: 0.2, least: 14.5, most: 15.5, gap: 1.7},
		{comes: 25, wanted: 15, least: 14.5, most: 15.5, gap: 1.6},
		{comes: 60, wanted: 1, least: 0.95, most: 1.05, gap: 1.05},
		{comes: 15.5, wanted: 15, jitter: 0.3, least: 15.4, most: 15.6, gap: 2}, // near enough: all
		{comes: 8, wanted: 15, least: 7.9, most: 8.1, gap: 2.2},
	}
	for _, tt := range tests {
		random := rand.New(rand.NewSource(1))
		var n thinner
		const seconds = 60
		kept, longest, last := 0, time.Duration(0), time.Duration(-1)
		for i := range int(seconds * tt.comes) {
			at := time.Duration((float64(i) + tt.jitter*random.Float64()) / tt.comes * float64(time.Second))
			if !n.keep(time.Hour+at, tt.wanted) || at < 2*time.Second { // the rate must be seen first
				continue
			}
			kept++
			if last >= 0 {
				longest = max(longest, at-last)
			}
			last = at
		}
		rate, gap := float64(kept)/(seconds-2), longest.Seconds()*tt.wanted
		if rate < tt.least || rate > tt.most || gap > tt.gap {
			t.Errorf("%v of %v pictures a second, jitter %v: %.2f kept, longest gap %.2f intervals", tt.wanted, tt.comes, tt.jitter, rate, gap)
		}
	}
}

func TestAThinnedStreamGoesOnAfterASilence(t *testing.T) {
	var n thinner
	at := time.Hour
	for range 100 {
		at += time.Second / 30
		n.keep(at, 15)
	}
	at += time.Minute
	kept := 0
	for range 90 {
		if n.keep(at, 15) {
			kept++
		}
		at += time.Second / 30
	}
	if kept < 44 || kept > 75 { // until the rate is known again, all of them
		t.Errorf("%d of 90 kept", kept)
	}
}
