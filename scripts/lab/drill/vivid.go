package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"camward/scripts/lab/rows"
	"camward/scripts/lab/v4l2"
)

// vivid's fault controls (drivers/media/test-drivers/vivid/vivid-ctrls.c), all but the first buttons.
const (
	vividDropped    = 0x00f0f040 + iota // percentage of buffers
	vividDisconnect                     // the nodes answer ENODEV until the last user has closed them
	vividDequeue                        // marks a buffer as broken
	vividRequest                        // the next REQBUFS fails
	vividPrepare                        // the next QBUF fails
	vividStart                          // the next STREAMON fails
	vividFatal                          // the queue fails until it is stopped
)

const (
	vividNode   = "/dev/video0"
	vividConfig = "name: vivid, source: " + vividNode + ", size: 320x180, rate: 10, format: YUYV, clip: {heartbeat: 0s}"
	vividProbe  = 2 * time.Second
)

// press sets a control of a device that others use meanwhile.
func press(device string, id uint32, value int32) error {
	n, err := v4l2.Open(device, false)
	if err != nil {
		return err
	}
	defer n.Close()
	return n.SetControlID(id, value)
}

// loadVivid loads the driver anew, with parameters, and waits for its first node.
func loadVivid(parameters ...string) error {
	if out, err := exec.Command("rmmod", "vivid").CombinedOutput(); err != nil {
		return fmt.Errorf("rmmod vivid: %w: %s", err, out)
	}
	if out, err := exec.Command("insmod", append([]string{"/modules/vivid.ko"}, parameters...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("insmod vivid: %w: %s", err, out)
	}
	return until(5*time.Second, "vivid's node", func() bool { _, err := os.Stat(vividNode); return err == nil })
}

// A vividFault is one of the driver's own.
type vividFault struct {
	fault, made, did string
	control          uint32
	value            int32
	opening          bool // it meets who opens the device, not who streams
}

var vividFaults = []vividFault{
	{"buffers get lost", "control: percentage of dropped buffers 50, for 2 s", "went on; counted the gaps in the sequence as drops", vividDropped, 50, false},
	{"a buffer is marked as broken", "control: dequeue error, three times", "went on without that picture, and counted it", vividDequeue, 1, false},
	{"the driver gives no buffers", "control: queue setup error, then a reopening", "released everything, tried again", vividRequest, 1, true},
	{"the driver takes no buffer back", "control: buffer prepare error, while streaming", "closed and opened it again", vividPrepare, 1, false},
	{"the stream does not start", "control: start streaming error, then a reopening", "released everything, tried again", vividStart, 1, true},
	{"the stream fails for good", "control: fatal streaming error", "closed and opened it again", vividFatal, 1, false},
	{"the device disconnects, its node stays", "control: disconnect", "closed it at once, which brings the driver back, and opened it again", vividDisconnect, 1, false},
}

// vivid is the faults that the driver makes by itself, all in the life of one agent: none may leave anything behind for the next.
func (d *drill) vivid() error {
	if err := loadVivid("n_devs=1", "node_types=0x1"); err != nil {
		return err
	}
	var faults []vividFault
	var seen []string
	for i, f := range vividFaults {
		if d.quick && i != 1 && i != 5 && i != 6 {
			continue
		}
		faults, seen = append(faults, f), append(seen, d.probeVivid(f))
	}
	a, err := d.start(vividConfig)
	if err != nil {
		return err
	}
	for i, f := range faults {
		d.row(a, rows.Row{Set: "vivid", Fault: f.fault, Made: f.made, Did: f.did, Driver: seen[i]}, func(r *rows.Row) error {
			return f.meet(a, r)
		})
	}
	d.row(a, rows.Row{Set: "vivid", Fault: "the device is taken away and comes back", Made: "driver unbound in sysfs, bound again after a second",
		Driver: "the node goes, poll 0x18, ENODEV", Did: "closed it at once, waited for the node, opened it again"}, func(r *rows.Row) error {
		return unbind(a, r)
	})
	return a.stop()
}

// probeVivid lets another program see the fault, with nobody else at the device.
func (d *drill) probeVivid(f vividFault) string {
	if d.quick {
		return "-"
	}
	if f.opening {
		if err := press(vividNode, f.control, f.value); err != nil {
			return err.Error()
		}
		return probe(vividNode, "YUYV", "320x180", vividProbe).result()
	}
	r := probe(vividNode, "YUYV", "320x180", vividProbe)
	time.Sleep(vividProbe / 2)
	err := press(vividNode, f.control, f.value)
	seen := r.result()
	if f.control == vividDropped {
		err = errors.Join(err, press(vividNode, f.control, 0))
	}
	if err != nil {
		return err.Error()
	}
	return seen
}

// meet lets the agent meet the fault while it streams.
func (f vividFault) meet(a *agent, r *rows.Row) error {
	if _, err := a.frames(0, 5, 30*time.Second); err != nil {
		return fmt.Errorf("before the fault: %w", err)
	}
	switch f.control {
	case vividDropped:
		return lose(a)
	case vividDequeue:
		return flag3(a)
	}
	began := time.Now()
	if err := press(vividNode, f.control, f.value); err != nil {
		return err
	}
	if f.opening {
		if err := press(vividNode, vividFatal, 1); err != nil {
			return err
		}
	}
	// The fault strikes at once, or with the next buffer; one that was full before it may still come.
	if _, err := a.frames(0, 3, 30*time.Second); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	r.Recovery = append(r.Recovery, took)
	const limit = 5 // with the pause before a second attempt, and the time that three pictures take
	if took > limit {
		return fmt.Errorf("pictures came again after %.1f s, want %d s at most", took, limit)
	}
	return nil
}

// lose has the driver lose half of the buffers for two seconds.
func lose(a *agent) error {
	before := a.camera(0).Capture
	if err := press(vividNode, vividDropped, 50); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	if err := press(vividNode, vividDropped, 0); err != nil {
		return err
	}
	after := a.camera(0).Capture
	if after.Drops < before.Drops+3 || after.Frames < before.Frames+3 {
		return fmt.Errorf("%d drops were counted and %d pictures came", after.Drops-before.Drops, after.Frames-before.Frames)
	}
	return nil
}

// flag3 has the driver mark three buffers as broken.
func flag3(a *agent) error {
	before := a.camera(0).Capture
	for range 3 {
		if err := press(vividNode, vividDequeue, 1); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
	}
	if _, err := a.frames(0, 3, 5*time.Second); err != nil {
		return err
	}
	if n := a.camera(0).Capture.Errored - before.Errored; n != 3 {
		return fmt.Errorf("%d broken pictures were counted, 3 were made", n)
	}
	return nil
}

// unbind takes the driver from the device, and gives it back.
func unbind(a *agent, r *rows.Row) error {
	if _, err := a.frames(0, 5, 30*time.Second); err != nil {
		return fmt.Errorf("before the fault: %w", err)
	}
	const driver = "/sys/bus/platform/drivers/vivid/"
	if err := os.WriteFile(driver+"unbind", []byte("vivid.0"), 0); err != nil {
		return err
	}
	if err := until(5*time.Second, "the loss is noticed", func() bool { return !a.camera(0).Capture.Running }); err != nil {
		return err
	}
	time.Sleep(time.Second)
	before := a.camera(0).Capture.Frames
	if err := os.WriteFile(driver+"bind", []byte("vivid.0"), 0); err != nil {
		return err
	}
	if err := until(5*time.Second, "vivid's node", func() bool { return len(nodesOf("vivid")) > 0 }); err != nil {
		return err
	}
	return recovered(a, 0, before, r)
}

// How long after its node is there a camera must give pictures again: soon, in the middle of several times, and late for each. An emulated processor on a
// busy machine stands still for a second now and then, which is no fault of the agent.
const soon, late = 2.0, 4.0

// recovered waits for a picture of camera i after the first n, and notes how long that took from now, when the node is there.
func recovered(a *agent, i int, n uint64, r *rows.Row) error {
	began := time.Now()
	if err := until(30*time.Second, "pictures again", func() bool { return a.camera(i).Capture.Frames > n }); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	r.Recovery = append(r.Recovery, took)
	if took > late {
		return fmt.Errorf("pictures came %.1f s after the node, want %.1f s, on a busy machine %.1f s at most", took, soon, late)
	}
	return nil
}
