package main

import (
	"errors"
	"fmt"
	"time"

	"camward/scripts/lab/rows"
)

// replug pulls the cable of a camera again and again, and holds what the agent takes of the system against what it took before.
func (d *drill) replug() error {
	w, err := d.newWebcam(0, cardA, "0001")
	if err != nil {
		return err
	}
	if err := w.do("seek 100", "plug"); err != nil { // nobody walks there: recording takes memory of its own
		return err
	}
	node, err := w.node()
	if err != nil {
		return err
	}
	a, err := d.start("name: replug, source: " + node + ", " + webcamSettings)
	if err != nil {
		return err
	}
	times := 20
	if d.quick {
		times = 4
	}
	d.row(a, rows.Row{Set: "usb", Fault: fmt.Sprintf("%d re-plugs in a row", times), Made: "unplugged for half a second, three seconds apart", Driver: "as above",
		Did: "opened it each time"}, func(r *rows.Row) error { return d.flap(a, w, times, r) })
	if d.quick {
		return errors.Join(a.stop(), w.end())
	}
	d.row(a, rows.Row{Set: "usb", Fault: "a loose cable: 6 re-plugs in 3 s", Made: "plugged in for a quarter of a second each", Driver: "nodes that are gone before they can be read",
		Did: "opened it after the last"}, func(r *rows.Row) error {
		for range 6 {
			if err := w.do("unplug"); err != nil {
				return err
			}
			time.Sleep(250 * time.Millisecond)
			if err := w.do("plug"); err != nil {
				return err
			}
			time.Sleep(250 * time.Millisecond)
		}
		if err := w.do("unplug"); err != nil {
			return err
		}
		time.Sleep(250 * time.Millisecond)
		return plugAgain(a, 0, w, r)
	})
	return errors.Join(a.stop(), w.end())
}

// flap re-plugs so many times and looks for leaks.
func (d *drill) flap(a *agent, w *webcam, times int, r *rows.Row) error {
	every := 3 * time.Second // twenty in a minute
	if d.quick {
		every = 2 * time.Second
	}
	var errs []error
	var before footprint
	for i := range times {
		if _, err := a.frames(0, 2, 30*time.Second); err != nil {
			return fmt.Errorf("before plug %d: %w", i+1, err)
		}
		if i == 1 { // the first one may make what stays
			before = a.footprint()
		}
		began := time.Now()
		if err := w.do("unplug"); err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
		if err := plugAgain(a, 0, w, r); err != nil {
			errs = append(errs, fmt.Errorf("plug %d: %w", i+1, err))
		}
		time.Sleep(max(0, every-time.Since(began)))
	}
	if _, err := a.frames(0, 2, 30*time.Second); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if m := r.Median(); m > soon {
		errs = append(errs, fmt.Errorf("pictures came %.1f s after the node, half of the times, want %.1f s", m, soon))
	}
	after := a.footprint()
	r.Did += fmt.Sprintf("; descriptors %.0f before and %.0f after, goroutines %.0f and %.0f, memory %.1f and %.1f MiB", before.descriptors, after.descriptors,
		before.goroutines, after.goroutines, before.memory/(1<<20), after.memory/(1<<20))
	const slack, growth = 3, 4 << 20 // connections of this program and the poll's; the collector's mood
	if after.descriptors > before.descriptors+slack || after.goroutines > before.goroutines+slack || after.memory > before.memory+growth {
		errs = append(errs, fmt.Errorf("it grew: %+v, then %+v", before, after))
	}
	return errors.Join(errs...)
}
