package uploader

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Config says where recordings wait for their upload, how much room they may take, and how they
// are sent. Default gives the values that hold when a key is absent.
type Config struct {
	// Dir is the spool's directory, made if absent. Default /var/lib/camward/spool. In memory (tmpfs, for instance
	// /run/camward/spool) it spares the flash; what waits there is lost with the power, and it takes at most a
	// quarter of the machine's memory.
	Dir string `yaml:"dir"`
	// MaxBytes is the room for everything in the spool. Default 512MiB, at least 16MiB.
	MaxBytes Bytes `yaml:"max_bytes"`
	// MaxPercent is how full the disk may be, counting everything on it, before old items are
	// dropped. 1..100, default 80. However full others make the disk, the spool keeps the
	// use of a sixteenth of MaxBytes as long as there is any room at all.
	MaxPercent int `yaml:"max_percent"`
	// DailyWrites is how much may be written to the disk in 24 hours before a warning. Default 4GiB: 7 TiB in five
	// years, about what a small memory card stands. 0: no warning.
	DailyWrites Bytes `yaml:"daily_writes"`
	// ClockWait is how long an item waits for a trusted clock before it is sent without a time in
	// its name. 0s..24h, default 10m.
	ClockWait time.Duration `yaml:"clock_wait"`
	// Parallel is the number of transfers at a time. 1..16, default 1.
	Parallel int `yaml:"parallel"`
	// BacklogShare is the percentage of transfers that goes to older items while new ones
	// keep coming. 1..99, default 25.
	BacklogShare int `yaml:"backlog_share"`
	// Bandwidth is what all transfers together may use, in bytes a second. 0, the default: no limit; at least 4KiB.
	Bandwidth Bytes `yaml:"bandwidth"`
	// BandwidthByHour overrides Bandwidth at certain hours; the first window that holds counts.
	BandwidthByHour []Window `yaml:"bandwidth_by_hour"`
}

// Default returns the configuration of an absent section.
func Default() Config {
	return Config{
		Dir:          "/var/lib/camward/spool",
		MaxBytes:     512 * MiB,
		MaxPercent:   80,
		DailyWrites:  4 * GiB,
		ClockWait:    10 * time.Minute,
		Parallel:     1,
		BacklogShare: 25,
	}
}

const minBytes = 16 * MiB

// Validate reports every fault at once, each under its key.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !filepath.IsAbs(c.Dir) {
		bad("spool.dir: %q is not an absolute path", c.Dir)
	}
	if c.MaxBytes < minBytes {
		bad("spool.max_bytes: %v is less than %v", c.MaxBytes, minBytes)
	}
	if c.MaxPercent < 1 || c.MaxPercent > 100 {
		bad("spool.max_percent: %d is outside 1..100", c.MaxPercent)
	}
	if c.DailyWrites < 0 {
		bad("spool.daily_writes: %v is below 0", c.DailyWrites)
	}
	if c.ClockWait < 0 || c.ClockWait > 24*time.Hour {
		bad("spool.clock_wait: %v is outside 0s..24h", c.ClockWait)
	}
	if c.Parallel < 1 || c.Parallel > 16 {
		bad("spool.parallel: %d is outside 1..16", c.Parallel)
	}
	if !validBandwidth(c.Bandwidth) {
		bad("spool.bandwidth: %v a second is less than %v, and not 0", c.Bandwidth, minBandwidth)
	}
	for i, w := range c.BandwidthByHour {
		if w.Hours == (Hours{}) {
			bad("spool.bandwidth_by_hour[%d].hours: not set; a part of the day such as 8-18", i)
		}
		if !validBandwidth(w.Limit) {
			bad("spool.bandwidth_by_hour[%d].limit: %v a second is less than %v, and not 0", i, w.Limit, minBandwidth)
		}
	}
	if c.BacklogShare < 1 || c.BacklogShare > 99 {
		bad("spool.backlog_share: %d is outside 1..99", c.BacklogShare)
	}
	return errors.Join(errs...)
}
