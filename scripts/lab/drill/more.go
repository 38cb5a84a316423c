package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"camward/scripts/lab/rows"
)

// two is a broken camera beside a good one in the same agent.
func (d *drill) two() error {
	good, err := d.newWebcam(0, cardA, "0001")
	if err != nil {
		return err
	}
	bad, err := d.newWebcam(1, cardB, "0002")
	if err != nil {
		return err
	}
	if err := errors.Join(good.do("plug"), bad.do("plug")); err != nil {
		return err
	}
	if _, err := good.node(); err != nil {
		return err
	}
	if _, err := bad.node(); err != nil {
		return err
	}
	a, err := d.start("name: good, source: 'serial:0001', "+webcamSettings, "name: bad, source: 'name:other usb', "+webcamSettings)
	if err != nil {
		return err
	}
	d.row(a, rows.Row{Set: "two cameras", Fault: "one of two cameras breaks", Made: "empty pictures, then hanging, then unplugged, 3 s each", Driver: "as above",
		Did: "the other one went on"}, func(r *rows.Row) error {
		for i := range 2 {
			if _, err := a.frames(i, 10, 30*time.Second); err != nil {
				return err
			}
		}
		before := a.camera(0).Capture
		for _, c := range []string{"empty", "stall", "unplug"} {
			if err := bad.do(c); err != nil {
				return err
			}
			time.Sleep(3 * time.Second)
		}
		after := a.camera(0).Capture
		got, drops, broken := after.Frames-before.Frames, after.Drops-before.Drops, after.Errored-before.Errored
		r.Did += fmt.Sprintf(": it got %d, and missed %d", got, drops+broken)
		const dueLeast, standstill = 20, 2 // of 45 in 9 s; and what an emulated processor that stands still for a second may miss
		if got < dueLeast || drops+broken > standstill {
			return fmt.Errorf("the good camera got %d pictures, %d drops, %d broken", got, drops, broken)
		}
		if err := bad.do("run"); err != nil {
			return err
		}
		return plugAgain(a, 1, bad, r)
	})
	return errors.Join(a.stop(), good.end(), bad.end())
}

// bandwidth is a camera behind a bus that has not enough of it.
func (d *drill) bandwidth() error {
	w, err := d.newWebcam(0, cardA, "0001", "-shape", "isochronous")
	if err != nil {
		return err
	}
	// Of 320x240 YUYV at 30, 15, 10 and 5 pictures a second, which take 2304, 1152, 768 and 384 bytes a microframe, the bus carries the last.
	if err := w.do("budget 512", "plug"); err != nil {
		return err
	}
	node, err := w.node()
	if err != nil {
		return err
	}
	seen := probe(node, "YUYV", "320x240", time.Second).result()
	for _, step := range []struct {
		budget, want, size string
		rate               float64
	}{{"512", "a lower rate", "320x240", 5}, {"192", "a smaller size too", "160x120", 10}} {
		if d.quick && step.budget != "512" {
			continue
		}
		if err := w.do("budget " + step.budget); err != nil {
			return err
		}
		a, err := d.start("name: bandwidth, source: " + node + ", format: YUYV, size: 320x240, rate: 30, clip: {heartbeat: 0s}")
		if err != nil {
			return err
		}
		d.row(a, rows.Row{Set: "usb", Fault: "the USB bus has not the bandwidth, " + step.want + " goes", Made: "isochronous camera; " + step.budget + " bytes a microframe are left", Driver: seen,
			Did: "stepped down"}, func(r *rows.Row) error {
			if _, err := a.frames(0, 5, 40*time.Second); err != nil {
				return err
			}
			c := a.camera(0).Capture
			r.Did += fmt.Sprintf(": status says %q", c.Reduced)
			if size := fmt.Sprintf("%dx%d", c.Format.Width, c.Format.Height); size != step.size || c.Format.Rate > step.rate+0.1 || c.Reduced == "" {
				return fmt.Errorf("%s at %.4g pictures a second, reduced %q; want %s at %.4g", size, c.Format.Rate, c.Reduced, step.size, step.rate)
			}
			return nil
		})
		if err := a.stop(); err != nil {
			return err
		}
	}
	return w.end()
}

// h264 is a camera with a second interface for H.264, whose stream changes its parameters in a walk. The host compares what arrives.
func (d *drill) h264() error {
	w, err := d.newWebcam(0, cardA, "0264", "-shape", "h264", "-h264", d.share+"/film.h264")
	if err != nil {
		return err
	}
	if err := w.do("plug"); err != nil {
		return err
	}
	if err := until(20*time.Second, "a node with H.264", func() bool { return len(indexed(cardA, "2")) == 1 }); err != nil {
		return err
	}
	a, err := d.start("name: h264, source: 'serial:0264', rate: 10, size: 640x480, clip: {pre_roll: 2s, post_roll: 2s, heartbeat: 0s}")
	if err != nil {
		return err
	}
	d.row(a, rows.Row{Set: "h264", Fault: "an H.264 camera changes its parameter sets", Made: "x264's stream, another profile and level in a walk", Driver: "a new SPS before an IDR",
		Did: "began a new file, without a gap"}, func(*rows.Row) error {
		if err := until(30*time.Second, "the camera is open", func() bool { return a.camera(0).Capture.Frames > 5 }); err != nil {
			return err
		}
		if c := a.camera(0).Capture; c.Format.Format != "H264" || c.Detect == "" {
			return fmt.Errorf("granted %s, detection looks at %q", c.Format.Format, c.Detect)
		}
		if err := until(60*time.Second, "all of the film", func() bool { return w.pictures() >= filmH264 }); err != nil {
			return err
		}
		return until(30*time.Second, "two clips", func() bool { return a.camera(0).Clip.Clips >= 2 })
	})
	err = a.idle()
	if b, e := get("/metrics"); e == nil {
		err = errors.Join(err, os.WriteFile(d.share+"/metrics", b, 0o600))
	}
	shown, readErr := os.ReadFile(w.shown)
	err = errors.Join(err, readErr, os.WriteFile(d.share+"/shown", shown, 0o600))
	return errors.Join(err, a.stop(), w.end())
}

// filmH264 is how many pictures of the film must be shown for its walk to be over.
const filmH264 = 112
