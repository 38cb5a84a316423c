package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"camward/scripts/lab/v4l2"
)

// probeMain reads a device and prints one line of what the driver did.
func probeMain(args []string) {
	flags := flag.NewFlagSet("probe", flag.ExitOnError)
	device := flags.String("device", "", "node")
	format := flags.String("format", "YUYV", "FourCC")
	size := flags.String("size", "320x180", "of the pictures")
	limit := flags.Duration("for", 2*time.Second, "how long to read")
	_ = flags.Parse(args)
	var w, h uint32
	if _, err := fmt.Sscanf(*size, "%dx%d", &w, &h); err != nil {
		fmt.Println("size:", err)
		os.Exit(2)
	}
	fmt.Println(readDevice(*device, w, h, v4l2.FourCC(*format), *limit))
}

// readDevice streams for a while and sums up what came.
func readDevice(path string, w, h, fourcc uint32, limit time.Duration) string {
	n, err := v4l2.Open(path, true)
	if err != nil {
		return "open: " + errno(err)
	}
	defer n.Close()
	var bufs [][]byte
	steps := []struct {
		name string
		do   func() error
	}{
		{"S_FMT", func() error { _, _, _, _, err := n.SetFormat(v4l2.Capture, w, h, fourcc); return err }},
		{"REQBUFS", func() (err error) { bufs, err = n.MapBuffers(v4l2.Capture, 4); return err }},
		{"QBUF", func() (err error) {
			for i := range 4 {
				err = errors.Join(err, n.Queue(v4l2.Capture, i, 0))
			}
			return err
		}},
		{"STREAMON", func() error { return n.StreamOn(v4l2.Capture) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return s.name + " fails with " + errno(err)
		}
	}
	return drain(n, bufs, limit)
}

// drain takes buffers until the time is over or one fails.
func drain(n v4l2.Node, bufs [][]byte, limit time.Duration) string {
	var whole, flagged, empty, noEnd, missing int
	var last uint32
	sum := func(end string) string {
		parts := []string{fmt.Sprintf("%d buffers", whole+flagged+empty+noEnd)}
		for _, c := range []struct {
			n    int
			what string
		}{{flagged, "with the error flag"}, {empty, "empty"}, {noEnd, "JPEGs without an end"}, {missing, "missing by their sequence"}} {
			if c.n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
			}
		}
		if end != "" {
			parts = append(parts, end)
		}
		return strings.Join(parts, ", ")
	}
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		events, err := n.Poll(100)
		if err != nil {
			return sum("poll fails with " + errno(err))
		}
		if events == 0 {
			continue
		}
		b, err := n.Dequeue(v4l2.Capture)
		if err != nil {
			return sum(fmt.Sprintf("poll 0x%x, DQBUF fails with %s", events, errno(err)))
		}
		switch {
		case b.Flags&v4l2.FlagError != 0:
			flagged++
		case b.Used == 0:
			empty++
		case cutJPEG(bufs[b.Index][:b.Used]):
			noEnd++
		default:
			whole++
		}
		if last > 0 && b.Sequence > last+1 {
			missing += int(b.Sequence - last - 1)
		}
		last = b.Sequence
		if err := n.Queue(v4l2.Capture, b.Index, 0); err != nil {
			return sum("QBUF fails with " + errno(err))
		}
	}
	return sum("")
}

// cutJPEG tells a JPEG that does not end as one.
func cutJPEG(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0xff, 0xd8}) && !bytes.HasSuffix(bytes.TrimRight(b, "\x00"), []byte{0xff, 0xd9})
}

// errno names the kernel's number in an error.
func errno(err error) string {
	var e unix.Errno
	if errors.As(err, &e) {
		return unix.ErrnoName(e)
	}
	return err.Error()
}

// A reader is a probe under way.
type reader struct {
	cmd *exec.Cmd
	out *strings.Builder
}

// probe begins to read a device in a process of its own.
func probe(device, format, size string, limit time.Duration) *reader {
	r := &reader{cmd: exec.Command("drill", "probe", "-device", device, "-format", format, "-size", size, "-for", limit.String()), out: new(strings.Builder)}
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		fmt.Fprintln(r.out, err)
	}
	return r
}

// result waits for its end and gives its line.
func (r *reader) result() string {
	_ = r.cmd.Wait()
	return strings.TrimSpace(r.out.String())
}
