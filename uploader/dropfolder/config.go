package dropfolder

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"camward/uploader"
)

// Config says what is watched. Begin with Default; the zero value is not valid.
type Config struct {
	// Dir is the directory, an absolute path; its subdirectories belong to it. It may come later or go for
	// a while. No default.
	Dir string `yaml:"dir"`
	// Camera is the name of the camera whose recordings these are. No default.
	Camera string `yaml:"camera"`
	// Settle is how long a file must have been unchanged where the kernel cannot tell that it was
	// closed: 1s to 10m, default 5s.
	Settle time.Duration `yaml:"settle"`
	// MaxBytes is the largest file taken: 64KiB to 512MiB, default 128MiB. A larger one stays where it is. The spool
	// drops older recordings to make room for a file, so this belongs well below spool.max_bytes.
	MaxBytes uploader.Bytes `yaml:"max_bytes"`
	// Scan is how often the directory is looked through although the file system notifies of changes: 10s
	// to 24h, default 1m. Where it does not, that happens every 10s, or less often if it takes long.
	Scan time.Duration `yaml:"scan"`
}

// Default gives the settings that suit most folders; Dir and Camera are still to be set.
func Default() Config {
	return Config{Settle: 5 * time.Second, MaxBytes: 128 * uploader.MiB, Scan: time.Minute}
}

const (
	minBytes = 64 * uploader.KiB
	maxBytes = 512 * uploader.MiB // what camward-cloud accepts as one upload
)

// Validate reports every fault at once, each under its key within this section.
func (c *Config) Validate() error {
	var errs []error
	switch {
	case c.Dir == "":
		errs = append(errs, errors.New("dir: not set; the directory that the other firmware writes to"))
	case !filepath.IsAbs(c.Dir) || filepath.Clean(c.Dir) == "/":
		errs = append(errs, fmt.Errorf("dir: %q is not an absolute path below /", c.Dir))
	}
	if c.Camera == "" {
		errs = append(errs, errors.New("camera: not set; the name of the camera whose recordings these are"))
	}
	if c.Settle < time.Second || c.Settle > 10*time.Minute {
		errs = append(errs, fmt.Errorf("settle: %v is outside 1s..10m", c.Settle))
	}
	if c.MaxBytes < minBytes || c.MaxBytes > maxBytes {
		errs = append(errs, fmt.Errorf("max_bytes: %v is outside %v..%v", c.MaxBytes, minBytes, maxBytes))
	}
	if c.Scan < 10*time.Second || c.Scan > 24*time.Hour {
		errs = append(errs, fmt.Errorf("scan: %v is outside 10s..24h", c.Scan))
	}
	return errors.Join(errs...)
}
