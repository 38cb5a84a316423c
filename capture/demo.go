package capture

import (
	"context"
	"fmt"
	"time"

	"camward/capture/demo"
	"camward/codec/jpeg"
	"camward/video"
)

// demoQuality gives about 40 kB a picture at 640x480, as a webcam does.
const demoQuality = 80

// runDemo renders and delivers the demo scene in real time. A picture whose time has passed
// when its turn comes is left out, as by a camera whose driver had no buffer.
func (c *Camera) runDemo(ctx context.Context) error {
	size := c.src.size.or(c.cfg.Size).or(defaultSize)
	o := demo.Options{Width: size.Width, Height: size.Height, Rate: or(c.src.rate, c.cfg.Rate), First: c.src.first, Every: c.src.every}
	scene := demo.New(o)
	form := video.Format{FourCC: video.MJPEG, Width: o.Width, Height: o.Height, Rate: o.Rate, FullRange: true}
	c.granted("demo:", "demo scene", form)
	interval := time.Duration(float64(time.Second) / o.Rate)
	start, mono := time.Now(), video.Now()
	var pic video.I420
	var enc []byte
	for n := uint64(0); ; n++ {
		if late := uint64(max(time.Since(start), 0) / interval); late > n {
			n = late
		}
		at := time.Duration(n) * interval
		if err := sleepUntil(ctx, start.Add(at)); err != nil {
			return err
		}
		scene.Render(&pic, n, time.Now())
		var err error
		if enc, err = jpeg.Encode(enc, &pic, demoQuality); err != nil {
			return fmt.Errorf("demo scene: %w", err)
		}
		f := c.pool.Get(len(enc))
		copy(f.Data, enc)
		f.Format, f.Seq, f.Mono = form, n, mono+at
		if err := c.deliver(f); err != nil {
			return err
		}
	}
}
