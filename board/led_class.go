package board

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

const ledClass = "sys/class/leds"

// led is one folder of the LED class.
type led struct {
	root *os.Root
	dir  string

	max      string          // brightness when on
	triggers map[string]bool // that this kernel has
	trigger  string          // what was in force before
	was      string          // brightness before
	now      string          // trigger that was set last
}

func openLED(root *os.Root, dir string) (*led, error) {
	d := &led{root: root, dir: dir, triggers: map[string]bool{}, trigger: "none"}
	if d.was = d.read("brightness"); d.was == "" {
		return nil, fmt.Errorf("light %s cannot be read", path.Base(dir))
	}
	if n, err := strconv.Atoi(d.read("max_brightness")); err == nil && n > 0 {
		d.max = strconv.Itoa(n)
	} else {
		d.max = "255"
	}
	// Like "none mmc0 [heartbeat] timer": the one in brackets is in force.
	for t := range strings.FieldsSeq(d.read("trigger")) {
		if name := strings.Trim(t, "[]"); name != t {
			d.trigger = name
			d.triggers[name] = true
		} else {
			d.triggers[t] = true
		}
	}
	return d, d.set("none")
}

func (d *led) read(file string) string { return readLine(d.root.FS(), path.Join(d.dir, file)) }

// write never makes a file: in sysfs there is nothing to make, and its absence says that the kernel lacks the ability.
func (d *led) write(file, text string) error {
	f, err := d.root.OpenFile(path.Join(d.dir, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("light %s: %w", path.Base(d.dir), unwrapPath(err))
	}
	_, err = f.WriteString(text + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("light %s: %w", path.Base(d.dir), unwrapPath(err))
	}
	return nil
}

// set puts a trigger in force. A light without triggers has "none".
func (d *led) set(trigger string) error {
	if d.now == trigger {
		return nil
	}
	if len(d.triggers) > 0 {
		if err := d.write("trigger", trigger); err != nil {
			return err
		}
	}
	d.now = trigger
	return nil
}

// light switches by hand.
func (d *led) light(on bool) error {
	if err := d.set("none"); err != nil {
		return err
	}
	if !on {
		return d.write("brightness", "0")
	}
	return d.write("brightness", d.max)
}

// byKernel hands pattern to the kernel and tells whether it took it: steady light, the timer trigger for one flash, the pattern trigger for more.
func (d *led) byKernel(pattern []time.Duration) bool {
	switch {
	case len(pattern) == 1:
		return d.light(true) == nil
	case len(pattern) == 2 && d.triggers["timer"]:
		return d.set("timer") == nil && d.write("delay_on", millis(pattern[0])) == nil && d.write("delay_off", millis(pattern[1])) == nil
	case d.triggers["pattern"]:
		return d.set("pattern") == nil && d.write("repeat", "-1") == nil && d.write("pattern", d.tuples(pattern)) == nil
	}
	return false
}

// tuples writes pattern as brightness and milliseconds. The kernel fades from each tuple to the next, so each comes a second time with
// no time to fade in (Documentation/ABI/testing/sysfs-class-led-trigger-pattern).
func (d *led) tuples(pattern []time.Duration) string {
	var b strings.Builder
	for i, t := range pattern {
		level := d.max
		if i%2 == 1 {
			level = "0"
		}
		fmt.Fprintf(&b, "%s %s %s 0 ", level, millis(t), level)
	}
	return strings.TrimSpace(b.String())
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// restore makes the light what it was; by then nobody is left who could mend an error.
func (d *led) restore() {
	if d.triggers[d.trigger] && d.trigger != "none" {
		d.set("none") //nolint:errcheck
		d.now = ""
		d.set(d.trigger) //nolint:errcheck
		return
	}
	d.set("none")                //nolint:errcheck
	d.write("brightness", d.was) //nolint:errcheck
}

// unwrapPath drops a path error's path, which the caller has named in its own words.
func unwrapPath(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}
