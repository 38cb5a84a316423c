package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"camward/scripts/lab/rows"
	"camward/scripts/lab/v4l2"
)

const (
	cardA, cardB   = "Lab USB Camera", "Other USB Camera"
	webcamSettings = "rate: 5, format: MJPG, size: 640x480, clip: {pre_roll: 3s, post_roll: 2s, heartbeat: 0s}"
)

// usbFault is how the camera behaves badly while it stays plugged in.
type usbFault struct {
	mode, fault, did string
	silent           bool // no picture comes
	length           time.Duration
}

var usbFaults = []usbFault{
	{"trunc", "each picture is cut in half", "recorded what there is; a picture that cannot be read is counted", false, 2 * time.Second},
	{"err", "each payload carries the error bit", "closed and opened it again after 2 s", true, 6 * time.Second},
	{"empty", "each picture is empty", "closed and opened it again after 2 s", true, 6 * time.Second},
	{"stall", "the camera hangs, for more than five times 2 s", "closed and opened it again after each 2 s", true, 13 * time.Second},
}

// usb is a webcam that is unplugged, and misbehaves, while the agent records it and somebody watches.
func (d *drill) usb() error {
	w, err := d.newWebcam(0, cardA, "0001")
	if err != nil {
		return err
	}
	if err := w.do("plug"); err != nil {
		return err
	}
	node, err := w.node()
	if err != nil {
		return err
	}
	faults := usbFaults
	if d.quick {
		faults = []usbFault{{usbFaults[3].mode, "the camera hangs", usbFaults[3].did, true, 3 * time.Second}}
	}
	seen := map[string]string{}
	for _, f := range faults {
		seen[f.mode] = d.probeUSB(w, node, f.mode, "run")
	}
	seen["unplug"] = d.probeUSB(w, node, "unplug", "plug")
	if node, err = w.node(); err != nil {
		return err
	}
	if err := w.do("seek 10"); err != nil { // the walk is yet to come
		return err
	}
	a, err := d.start("name: usb, source: " + node + ", " + webcamSettings)
	if err != nil {
		return err
	}
	d.row(a, rows.Row{Set: "usb", Fault: "unplugged while it is recorded and watched, plugged in again", Made: "detached from the bus in a walk", Driver: seen["unplug"],
		Did: "closed the clip, playable, and sent it; opened the camera again; the viewer saw it go on"}, func(r *rows.Row) error {
		return d.unplugInWalk(a, w, r)
	})
	for _, f := range faults {
		d.row(a, rows.Row{Set: "usb", Fault: f.fault, Made: fmt.Sprintf("for %v", f.length), Driver: seen[f.mode], Did: f.did}, func(r *rows.Row) error {
			return f.meet(a, w, r)
		})
	}
	d.row(a, rows.Row{Set: "usb", Fault: "plugged in again under another number", Made: "another program holds the old node open", Driver: "the old number stays taken until it is closed",
		Did: "found it by its USB identity"}, func(r *rows.Row) error { return renumber(a, w, r) })
	if d.quick {
		return errors.Join(a.idle(), a.stop(), w.end())
	}
	d.row(a, rows.Row{Set: "usb", Fault: "another camera is plugged in instead", Made: "other serial number and name, same port", Driver: "the node's card is another",
		Did: "took it, and said so"}, func(r *rows.Row) error { return other(a, w, r) })
	if err := a.idle(); err != nil {
		d.say("%v", err)
	}
	return errors.Join(a.stop(), w.end())
}

// probeUSB shows another program what happens between two commands to the camera.
func (d *drill) probeUSB(w *webcam, node, fault, after string) string {
	if d.quick {
		return "-"
	}
	r := probe(node, "MJPG", "640x480", 1500*time.Millisecond)
	time.Sleep(500 * time.Millisecond)
	err := w.do(fault)
	seen := r.result()
	if err = errors.Join(err, w.do(after)); err != nil {
		return err.Error()
	}
	return seen
}

// unplugInWalk pulls the cable when an event is being recorded, with a viewer at the stream.
func (d *drill) unplugInWalk(a *agent, w *webcam, r *rows.Row) error {
	bytes := watch()
	if err := until(60*time.Second, "the walk is recorded", func() bool { return a.camera(0).Clip.Recording && a.camera(0).Motion.Events > 0 }); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	d.say("unplugging after %d pictures", w.pictures())
	if err := w.do("unplug"); err != nil {
		return err
	}
	if err := until(5*time.Second, "the loss is noticed", func() bool { return !a.camera(0).Capture.Running }); err != nil {
		return err
	}
	if err := until(10*time.Second, "the clip is closed", func() bool { return a.camera(0).Clip.Clips > 0 }); err != nil {
		return err
	}
	seen := bytes.count()
	err := plugAgain(a, 0, w, r)
	if e := until(10*time.Second, "the viewer sees pictures again", func() bool { return bytes.count() > seen+20_000 }); e != nil {
		err = errors.Join(err, e)
	}
	bytes.stop()
	return err
}

// plugAgain plugs the camera in and notes how long it took.
func plugAgain(a *agent, i int, w *webcam, r *rows.Row) error {
	before := a.camera(i).Capture.Frames
	if err := w.do("plug"); err != nil {
		return err
	}
	if _, err := w.node(); err != nil {
		return err
	}
	return recovered(a, i, before, r)
}

// meet has the agent meet a misbehaving camera.
func (f usbFault) meet(a *agent, w *webcam, r *rows.Row) error {
	sent := w.pictures()
	if _, err := a.frames(0, 5, 30*time.Second); err != nil {
		return fmt.Errorf("before the fault: %w; the camera has sent %d meanwhile", err, w.pictures()-sent)
	}
	before := a.camera(0)
	if err := w.do(f.mode); err != nil {
		return err
	}
	time.Sleep(f.length)
	silent := a.camera(0).Capture.Frames
	if f.silent && a.camera(0).Capture.LastError == "" {
		return errors.New("the fault was not noticed")
	}
	if err := w.do("run"); err != nil {
		return err
	}
	began := time.Now()
	if err := until(30*time.Second, "pictures again", func() bool { return a.camera(0).Capture.Frames > silent }); err != nil {
		return err
	}
	if f.silent {
		r.Recovery = append(r.Recovery, time.Since(began).Seconds())
		const most = 9 // a pause of 5 s, and what an attempt under way still waits
		if r.Recovery[0] > most {
			return fmt.Errorf("pictures came again after %.1f s, want %d s at most", r.Recovery[0], most)
		}
		return nil
	}
	after := a.camera(0)
	r.Driver += fmt.Sprintf("; of %d pictures %d were not read and %d discarded", after.Capture.Frames-before.Capture.Frames,
		after.Motion.Unreadable-before.Motion.Unreadable, after.Capture.Errored-before.Capture.Errored)
	return nil
}

// renumber holds the old node open, so that the camera comes back under another number.
func renumber(a *agent, w *webcam, r *rows.Row) error {
	old, err := w.node()
	if err != nil {
		return err
	}
	held, err := v4l2.Open(old, true)
	if err != nil {
		return err
	}
	if err = w.do("unplug"); err == nil {
		time.Sleep(time.Second)
		err = plugAgain(a, 0, w, r)
	}
	held.Close()
	if err != nil {
		return err
	}
	now := a.camera(0).Capture.Device
	r.Driver += fmt.Sprintf(": %s became %s", old, now)
	if now == old {
		return fmt.Errorf("it still is %s", old)
	}
	return nil
}

// other plugs in a camera of another make, and then the first one again.
func other(a *agent, w *webcam, r *rows.Row) error {
	for _, camera := range []struct{ card, serial string }{{cardB, "0009"}, {cardA, "0001"}} {
		if err := w.do("unplug", "serial "+camera.serial, "product "+camera.card); err != nil {
			return err
		}
		time.Sleep(time.Second)
		if err := plugAgain(a, 0, w, r); err != nil {
			return fmt.Errorf("%s: %w", camera.card, err)
		}
		if got := a.camera(0).Capture.Card; len(got) < len(camera.card) || got[:len(camera.card)] != camera.card {
			return fmt.Errorf("the agent says its card is %q, want %q", got, camera.card)
		}
	}
	return nil
}

// A viewer reads the agent's MJPEG stream as a browser does: when it ends, it asks for it again.
type viewer struct {
	bytes chan int // how many came so far; asked for by count
	end   chan struct{}
}

func watch() *viewer {
	v := &viewer{bytes: make(chan int), end: make(chan struct{})}
	arrived := make(chan int)
	go func() {
		for {
			select {
			case <-v.end:
				return
			default:
				v.read(arrived)
			}
		}
	}()
	go func() {
		for sum := 0; ; {
			select {
			case n := <-arrived:
				sum += n
			case v.bytes <- sum:
			case <-v.end:
				return
			}
		}
	}()
	return v
}

// read takes one stream until it ends.
func (v *viewer) read(arrived chan<- int) {
	resp, err := http.Get(base + "/stream.mjpeg")
	if err != nil {
		time.Sleep(200 * time.Millisecond)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, resp.Body)
		time.Sleep(200 * time.Millisecond)
		return
	}
	for buf := make([]byte, 32<<10); ; {
		n, err := resp.Body.Read(buf)
		select {
		case arrived <- n:
		case <-v.end:
			return
		}
		if err != nil {
			return
		}
	}
}

func (v *viewer) count() int { return <-v.bytes }
func (v *viewer) stop()      { close(v.end) }
