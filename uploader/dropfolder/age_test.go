package dropfolder

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestTheTimeOfAChangeIsMonotonicTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const up, seen = time.Hour, 59 * time.Minute
	tests := map[string]struct {
		wall, modified time.Time
		synced         bool
		want           time.Duration
		sure           bool
	}{
		"in this boot":                      {now, now.Add(-10 * time.Minute), false, 50 * time.Minute, true},
		"in this boot, clock never set":     {time.Unix(3600, 0), time.Unix(3000, 0), false, 50 * time.Minute, true},
		"just now":                          {now, now, false, up, true},
		"a coarse stamp ahead":              {now, now.Add(2*time.Second - time.Millisecond), false, up, true},
		"before this boot":                  {now, now.Add(-3 * time.Hour), true, -2 * time.Hour, true},
		"before this boot, clock unsure":    {now, now.Add(-3 * time.Hour), false, -2 * time.Hour, false},
		"from the future":                   {now, now.Add(time.Hour), true, seen, true},
		"from the future, clock unsure":     {now, now.Add(time.Hour), false, seen, false},
		"by a clock never set":              {now, time.Unix(100, 0), true, 0, true},
		"by a clock never set, clock unset": {now, time.Unix(100, 0), false, 0, false},
		"as far back as can be said":        {now, time.Unix(-1<<60, 0), true, 0, true},
		"as far ahead as can be said":       {now, time.Unix(1<<60, 0), true, seen, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := clocks{
				wall: func() time.Time { return test.wall }, mono: func() time.Duration { return up },
				synced: func() bool { return test.synced },
			}
			at, sure := c.changed(test.modified, seen)
			if (at-test.want).Abs() > time.Millisecond || sure != test.sure {
				t.Errorf("%v, %v; want %v, %v", at, sure, test.want, test.sure)
			}
		})
	}
}

// Two looks at a file give times whose wall-clock time is the same to the millisecond.
func TestEqualTimesGiveEqualNames(t *testing.T) {
	c := systemClocks()
	modified := time.Now().Add(-time.Minute)
	names := map[int64]int{}
	for range 1000 {
		at, _ := c.changed(modified, 0)
		names[time.Now().Add(at-c.mono()).UnixMilli()]++
	}
	if names[modified.UnixMilli()] < 990 { // a pause between two clock readings is no fault
		t.Error(names)
	}
}

func TestEveryFaultOfTheConfigurationIsReported(t *testing.T) {
	c := Default()
	c.Dir, c.Camera = "/srv/drop", "porch"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for dir, want := range map[string]string{"": "dir: not set", "drop": "absolute", "/": "below /", "/..": "below /"} {
		if err := (&Config{Dir: dir}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", dir, err)
		}
	}
	_, err := New(Config{}, newMemory(), zap.NewNop())
	for _, key := range []string{"dir:", "camera:", "settle:", "max_bytes:", "scan:"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is missing in: %v", key, err)
		}
	}
	if _, err := New(c, nil, zap.NewNop()); err == nil {
		t.Error("no spool was accepted")
	}
}
