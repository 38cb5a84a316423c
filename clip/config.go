package clip

import (
	"errors"
	"fmt"
	"time"

	"camward/camio"
)

// Config says what is recorded of an event. Begin with Default; the zero value is not valid.
type Config struct {
	// PreRoll is how much a clip shows from before the first moving picture: 0 to 60s, default 5s.
	PreRoll time.Duration `yaml:"pre_roll"`
	// PostRoll is how much it shows from after the last moving picture, and the longest rest that
	// does not end an event: 1s to 60s, default 5s.
	PostRoll time.Duration `yaml:"post_roll"`
	// MaxLength ends a clip; an event that lasts longer goes on in the next clip without a gap:
	// 5s to 1h, default 60s.
	MaxLength time.Duration `yaml:"max_length"`
	// Heartbeat is the time between pictures that say the camera lives: 10s to 24h, default 10m; 0 for none.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// SnapshotEvery is the time between further pictures of an event while it moves: 1s to 1h; 0, the default, for none
	// beside the snapshot of its peak and the one that each clip has from its own span. It also paces the pictures of mode image,
	// where 0 is a second.
	SnapshotEvery time.Duration `yaml:"snapshot_every"`
	// Timestamp writes the local date and time into the lower left corner of snapshots and heartbeats. Default false.
	Timestamp bool `yaml:"timestamp"`
	// Bitrate of clips that are encoded here, bits per second: 64000 to 50000000; 0, the default,
	// chooses one from the size and rate of the pictures.
	Bitrate int `yaml:"bitrate"`
	// Mode is "video" (the default: clips and snapshots of each event) or "image" (pictures alone, one a
	// second or as SnapshotEvery says).
	Mode camio.UploadMode `yaml:"mode"`
	// RingBytes bounds the memory for pictures that wait, the pre-roll among them: 1 MiB to 1 GiB,
	// default 24 MiB. Beside it, pictures that wait to be written as JPEG hold at most a quarter of that, and what a raw camera's
	// packets leave behind an eighth. Without an event a quarter of it stays free for what arrives while the
	// pre-roll is encoded, so a long pre-roll of large pictures is cut short.
	RingBytes int `yaml:"ring_bytes"`
	// Rotation is how a player should turn the picture, degrees clockwise: 0, 90, 180 or 270.
	Rotation int `yaml:"rotation"`
	// JPEGQuality of pictures that the camera did not deliver as JPEG: 1 to 100, default 85.
	JPEGQuality int `yaml:"jpeg_quality"`
}

// Default gives the settings that suit most cameras.
func Default() Config {
	return Config{
		PreRoll: 5 * time.Second, PostRoll: 5 * time.Second, MaxLength: time.Minute,
		Heartbeat: 10 * time.Minute, Mode: camio.UploadVideo, RingBytes: 24 << 20, JPEGQuality: 85,
	}
}

// Validate reports every fault at once, each under its key.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("clip.%s: %s", key, fmt.Sprintf(format, args...)))
	}
	duration := func(key string, d, lo, hi time.Duration) {
		if d < lo || d > hi {
			bad(key, "%v is outside %v..%v", d, lo, hi)
		}
	}
	duration("pre_roll", c.PreRoll, 0, time.Minute)
	duration("post_roll", c.PostRoll, time.Second, time.Minute)
	duration("max_length", c.MaxLength, 5*time.Second, time.Hour)
	if c.Heartbeat != 0 {
		duration("heartbeat", c.Heartbeat, 10*time.Second, 24*time.Hour)
	}
	if c.SnapshotEvery != 0 {
		duration("snapshot_every", c.SnapshotEvery, time.Second, time.Hour)
	}
	if c.Bitrate != 0 && (c.Bitrate < 64_000 || c.Bitrate > 50_000_000) {
		bad("bitrate", "%d is outside 64000..50000000 bits per second, and not 0", c.Bitrate)
	}
	if c.Mode != camio.UploadVideo && c.Mode != camio.UploadImage {
		bad("mode", "%q is neither video nor image", c.Mode)
	}
	if c.RingBytes < 1<<20 || c.RingBytes > 1<<30 {
		bad("ring_bytes", "%d is outside 1048576..1073741824", c.RingBytes)
	}
	switch c.Rotation {
	case 0, 90, 180, 270:
	default:
		bad("rotation", "%d is not 0, 90, 180 or 270", c.Rotation)
	}
	if c.JPEGQuality < 1 || c.JPEGQuality > 100 {
		bad("jpeg_quality", "%d is outside 1..100", c.JPEGQuality)
	}
	return errors.Join(errs...)
}
