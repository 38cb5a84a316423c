// Command drill puts an agent in the lab's guest through the faults that cameras have, watches what it does and how long it takes,
// and writes a row for each (package rows). It runs as root, on vivid and on usbcam.
//
//	drill -sets vivid,usb -share /share -cloud http://10.0.2.2:8080 -token TOKEN [-quick]
//	drill probe -device /dev/video0 -format YUYV -size 320x180 -for 2s
//
// The second form reads a device the plain way and says what the driver answers: it is a process of its own, so that what a fault leaves behind
// in one does not spoil the next.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"camward/scripts/lab/rows"
)

// A drill is one run of the program.
type drill struct {
	share, cloud, token string
	quick               bool
	out                 *os.File
	began               time.Time
	failed, agents      int
}

// sets are what can be asked for, in the order in which they run.
var sets = []struct {
	name string
	run  func(*drill) error
}{
	{"vivid", (*drill).vivid},
	{"formats", (*drill).formats},
	{"usb", (*drill).usb},
	{"replug", (*drill).replug},
	{"two", (*drill).two},
	{"bandwidth", (*drill).bandwidth},
	{"h264", (*drill).h264},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "probe" {
		probeMain(os.Args[2:])
		return
	}
	d := &drill{began: time.Now()}
	var names string
	flag.StringVar(&names, "sets", "", "comma-separated sets of faults")
	flag.StringVar(&d.share, "share", "/share", "folder of the host")
	flag.StringVar(&d.cloud, "cloud", "", "address of the cloud")
	flag.StringVar(&d.token, "token", "", "upload token")
	flag.BoolVar(&d.quick, "quick", false, "only what is quick")
	flag.Parse()
	if err := d.run(strings.Split(names, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

// run runs the sets that are named. A row that went wrong is the host's to judge; an error is one that kept rows from being made.
func (d *drill) run(names []string) (err error) {
	if d.out, err = os.Create(filepath.Join(d.share, "rows")); err != nil {
		return err
	}
	defer d.out.Close()
	for _, s := range sets {
		if !slices.Contains(names, s.name) {
			continue
		}
		if err := s.run(d); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	d.say("done, %d rows failed", d.failed)
	return nil
}

// say tells the console how far we are.
func (d *drill) say(format string, args ...any) {
	fmt.Printf("drill: %5.1f "+format+"\n", append([]any{time.Since(d.began).Seconds()}, args...)...)
}

// row provokes one fault. What the agent a logs meanwhile goes into the row; try fills in the rest and says what is wrong.
func (d *drill) row(a *agent, r rows.Row, try func(r *rows.Row) error) {
	var from int
	if a != nil {
		from = a.logged()
	}
	if err := try(&r); err != nil {
		r.Err = err.Error()
		d.failed++
	}
	if a != nil {
		r.Log = a.linesSince(from)
	}
	d.say("%s: %s: %s; again after %s %s", r.Set, r.Fault, r.Driver, r.Time(), r.Err)
	if err := rows.Write(d.out, r); err != nil {
		d.say("row is lost: %v", err)
	}
}

// until waits for something to come true.
func until(limit time.Duration, what string, ok func() bool) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %s", limit, what)
		}
	}
}
