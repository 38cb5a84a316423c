package capture

import (
	"context"
	"time"

	"go.uber.org/zap"

	"camward/video"
)

// besideRate is the most that detection needs, in pictures per second.
const besideRate = 15

// runBeside looks at a second node for detection until ctx ends or the node fails; then detection gets the camera's own frames again.
func (c *Camera) runBeside(ctx context.Context, path string) {
	d, err := c.host.openDevice(path, wish{formats: pictureFormats(), size: defaultSize, rate: min(c.cfg.Rate, besideRate), small: true})
	if err == nil {
		c.looking(path)
		c.log.Info("detection looks at a second device", zap.String("device", path), zap.Stringer("format", d.form))
		err = d.stream(ctx, c.pool, &beside{c: c})
		d.close()
		c.looking("")
	}
	if ctx.Err() != nil {
		return
	}
	if fault := err.Error(); fault != c.besideFault {
		c.log.Warn("detection has no second device", zap.Error(err))
		c.besideFault = fault
	}
}

// looking notes which second node detection looks at; empty for none.
func (c *Camera) looking(path string) {
	c.second.Store(path != "")
	c.mu.Lock()
	c.status.Detect = path
	c.mu.Unlock()
}

// beside is the output of a second node: its frames are for detection alone, and nobody counts them.
type beside struct {
	c    *Camera
	last time.Duration // Mono of the last frame
}

func (b *beside) granted(string, string, video.Format) {}

func (b *beside) discard(reason string) {
	b.c.log.Debug("picture for detection discarded", zap.String("reason", reason))
}

func (b *beside) deliver(f *video.Frame) error {
	f, err := b.c.privacy.apply(f, b.c.pool)
	if err != nil {
		b.discard(err.Error())
		return nil
	}
	if f != nil {
		f.Mono = forward(f.Mono, b.last)
		b.last = f.Mono
		b.c.detect.Publish(f)
		f.Release()
	}
	return nil
}
