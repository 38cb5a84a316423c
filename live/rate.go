package live

import (
	"math"
	"time"

	"camward/video"
)

const (
	// defaultRate serves sources that do not tell theirs.
	defaultRate = 15
	// useful is how much of a viewer's bandwidth pictures may take, in percent: the rest is headers and retransmission.
	useful = 85
	// leastBits per pixel are what a picture needs to be worth sending. With less, fewer pictures are sent.
	leastBits = 0.04
)

// A plan is what the encoder is to make.
type plan struct {
	bitrate int     // bits per second
	rate    float64 // pictures per second
}

// ceiling is the bit rate on a line that carries everything: 1.2 Mbit/s for 640x480 at 15 pictures a second, 2.7 for
// 1280x720. It grows slower than the number of pixels, since larger pictures hold less per pixel that changes.
func ceiling(cfg Config, f video.Format) int {
	switch {
	case cfg.MaxBitrate != 0:
		return cfg.MaxBitrate
	case f.Width <= 0 || f.Height <= 0:
		return max(cfg.MinBitrate, 1_200_000)
	}
	b := 12 * math.Pow(float64(f.Width*f.Height)*sourceRate(cfg, f), 0.75)
	return max(cfg.MinBitrate, int(min(b, 15_000_000)))
}

// sourceRate is the picture rate on such a line.
func sourceRate(cfg Config, f video.Format) float64 {
	r := f.Rate
	if !(r > 0 && r <= 1000) {
		r = defaultRate
	}
	if cfg.MaxRate != 0 {
		r = min(r, cfg.MaxRate)
	}
	return r
}

// makePlan shares out what the worst viewer's line carries, bits per second: as many pictures as there are, as good as
// possible; where they would get less than leastBits, fewer, down to MinRate. The picture rate stays as it was unless
// the change is worth seeing.
func makePlan(cfg Config, f video.Format, line int, before plan) plan {
	top, full := ceiling(cfg, f), sourceRate(cfg, f)
	p := plan{bitrate: min(max(line/100*useful, cfg.MinBitrate), top), rate: full}
	if pixels := f.Width * f.Height; pixels > 0 {
		p.rate = min(full, max(float64(p.bitrate)/(leastBits*float64(pixels)), min(cfg.MinRate, full)))
	}
	if before.rate > 0 && p.rate < full && math.Abs(p.rate-before.rate) < 0.2*before.rate {
		p.rate = min(before.rate, full)
	}
	return p
}

// A thinner leaves out pictures, evenly, so that a rate remains. Its zero value takes the next picture.
type thinner struct{ next time.Duration }

// due reports whether a picture is to be sent. A quarter of an interval of jitter does not cost it its turn.
func (t *thinner) due(mono time.Duration, rate float64) bool {
	if !(rate > 0) {
		return true
	}
	interval := time.Duration(float64(time.Second) / rate)
	if mono < t.next-interval/4 && mono > t.next-2*interval {
		return false
	}
	if t.next += interval; t.next < mono-interval || t.next > mono+2*interval {
		t.next = mono + interval // the first, or after a hole
	}
	return true
}

// A timeline makes stamps that only grow of a source's clock, which may begin anew.
type timeline struct {
	shift, last time.Duration
	begun       bool
}

// at is the stamp of a picture.
func (t *timeline) at(mono time.Duration) time.Duration {
	stamp := mono + t.shift
	if t.begun && stamp <= t.last {
		if t.last-stamp > 100*time.Millisecond {
			t.shift += t.last + 40*time.Millisecond - stamp // another clock
			stamp = mono + t.shift
		} else {
			stamp = t.last + time.Millisecond
		}
	}
	t.last, t.begun = stamp, true
	return stamp
}

// again is the stamp of a picture that may have been sent already.
func (t *timeline) again(mono time.Duration) time.Duration {
	if stamp := mono + t.shift; t.begun && stamp <= t.last {
		t.last += time.Millisecond
		return t.last
	}
	return t.at(mono)
}

// rtpTime is a stamp on the 90 kHz clock of RTP video (RFC 6184 8.1), which wraps.
func rtpTime(d time.Duration) uint32 { return uint32(uint64(d) * 9 / 100_000) }
