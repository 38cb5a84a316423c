package live

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"camward/video"
)

var vga = video.Format{FourCC: video.MJPEG, Width: 640, Height: 480, Rate: 15}

func TestThePlanLowersTheBitrateFirstAndThenThePictureRate(t *testing.T) {
	cfg := Default()
	capped := cfg
	capped.MaxBitrate, capped.MaxRate = 300_000, 10
	tests := []struct {
		name   string
		cfg    Config
		format video.Format
		line   int
		want   plan
	}{
		{"no limit", cfg, vga, highest, plan{ceiling(cfg, vga), 15}},
		{"half", cfg, vga, 500_000, plan{425_000, 15}},
		{"little", cfg, vga, 200_000, plan{170_000, 170_000 / (leastBits * 640 * 480)}},
		{"floor", cfg, vga, 0, plan{150_000, 150_000 / (leastBits * 640 * 480)}},
		{"floor of the rate", cfg, video.Format{Width: 1920, Height: 1080, Rate: 30}, 0, plan{150_000, 5}},
		{"slow camera", cfg, video.Format{Width: 1920, Height: 1080, Rate: 2}, 0, plan{150_000, 2}},
		{"configured", capped, vga, highest, plan{300_000, 10}},
		{"unknown size and rate", cfg, video.Format{}, highest, plan{1_200_000, 15}},
	}
	for _, tt := range tests {
		if got := makePlan(tt.cfg, tt.format, tt.line, plan{}); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestThePictureRateStaysForSmallChangesOfTheLine(t *testing.T) {
	cfg := Default()
	before := makePlan(cfg, vga, 200_000, plan{})
	if got := makePlan(cfg, vga, 210_000, before); got.rate != before.rate {
		t.Errorf("rate went from %v to %v", before.rate, got.rate)
	}
	if got := makePlan(cfg, vga, highest, before); got.rate != 15 {
		t.Errorf("on a full line the rate is %v", got.rate)
	}
}

func TestThePlanStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Default()
		cfg.MaxBitrate = rapid.SampledFrom([]int{0, 150_000, 1_000_000}).Draw(t, "max")
		f := video.Format{Width: rapid.IntRange(0, 4096).Draw(t, "w"), Height: rapid.IntRange(0, 4096).Draw(t, "h"), Rate: rapid.Float64Range(-1, 200).Draw(t, "rate")}
		p := makePlan(cfg, f, rapid.IntRange(0, highest).Draw(t, "line"), plan{rate: rapid.Float64Range(0, 60).Draw(t, "before")})
		if p.bitrate < cfg.MinBitrate || p.bitrate > ceiling(cfg, f) || !(p.rate > 0) || p.rate > sourceRate(cfg, f) {
			t.Fatalf("%+v: %+v", f, p)
		}
	})
}

func TestPicturesAreLeftOutEvenly(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		want int // of 300 pictures in 10 s
	}{{30, 300}, {60, 300}, {15, 150}, {10, 100}, {7, 70}, {5, 50}} {
		var th thinner
		got, longest, last := 0, time.Duration(0), time.Duration(0)
		for i := range 300 {
			jitter := time.Duration(i*7%5-2) * time.Millisecond
			at := time.Hour + time.Duration(i)*time.Second/30 + jitter
			if th.due(at, tt.rate) {
				if got++; last > 0 {
					longest = max(longest, at-last)
				}
				last = at
			}
		}
		limit := time.Duration(float64(time.Second)/tt.rate) + 45*time.Millisecond
		if got < tt.want*97/100-1 || got > tt.want*103/100+1 || longest > limit {
			t.Errorf("rate %v: %d pictures, want %d; longest gap %v, want at most %v", tt.rate, got, tt.want, longest, limit)
		}
	}
}

func TestAHoleOrANewClockDoesNotStopThePictures(t *testing.T) {
	var th thinner
	for _, at := range []time.Duration{time.Hour, 2 * time.Hour, time.Second} {
		if !th.due(at, 5) {
			t.Errorf("picture at %v is left out", at)
		}
	}
}

func TestStampsOnlyGrowAndKeepTheCapturesIntervals(t *testing.T) {
	var l timeline
	ms := time.Millisecond
	var got []time.Duration
	for _, m := range []time.Duration{1000, 1040, 1040, 1035, 1080} {
		got = append(got, l.at(m*ms)/ms)
	}
	got = append(got, l.again(1080*ms)/ms, l.at(1120*ms)/ms)
	got = append(got, l.at(5*ms)/ms, l.at(45*ms)/ms) // the clock began anew
	want := []time.Duration{1000, 1040, 1041, 1042, 1080, 1081, 1120, 1160, 1200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %d, want %d", got, want)
		}
	}
	if a, b := rtpTime(13*time.Hour), rtpTime(13*time.Hour+time.Second); b-a != 90000 {
		t.Errorf("a second is %d on the RTP clock", b-a)
	}
}
