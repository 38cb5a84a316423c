// Command vividfeed shows the lab's scene to vivid's capture node: it loops vivid's HDMI output
// back into its HDMI input and streams raw pictures to the output, so that what the agent captures
// is known pixel for pixel. It runs in the lab's guest, as root.
//
//	vividfeed -capture /dev/video0 -output /dev/video1 -rate 4 -walk 32,24,104,1 -shown shown.txt
//
// vivid captures 60 pictures a second and repeats one until the next comes, so a number is seen many
// times. The file shown gets a line for each new picture: number, "run", wall clock in milliseconds.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"camward/scripts/lab/scene"
)

const width, height = 640, 480

func main() {
	capture := flag.String("capture", "/dev/video0", "vivid's capture node")
	output := flag.String("output", "/dev/video1", "vivid's output node")
	rate := flag.Float64("rate", 4, "new pictures a second")
	walk := flag.String("walk", "32,24,104,1", "when the figure walks, see package scene")
	shownFile := flag.String("shown", "/dev/null", "log of the pictures shown")
	flag.Parse()
	err := func() error {
		times, err := scene.ParseTimes(*walk)
		if err != nil {
			return err
		}
		shown, err := os.Create(*shownFile)
		if err != nil {
			return err
		}
		defer shown.Close()
		out, err := connect(*capture, *output)
		if err != nil {
			return err
		}
		return feed(out, scene.New(width, height, times), time.Duration(float64(time.Second) / *rate), shown)
	}()
	fmt.Fprintln(os.Stderr, "vividfeed:", err)
	os.Exit(1)
}

// connect wires output to input and returns the open output node. The capture node keeps its
// settings after it is closed, since they are the device's.
func connect(capturePath, outputPath string) (node, error) {
	const inputHDMI, outputHDMI, textNone = 3, 1, 2
	in, err := open(capturePath)
	if err != nil {
		return node{}, err
	}
	defer unix.Close(in.fd)
	out, err := open(outputPath)
	if err != nil {
		return node{}, err
	}
	for _, step := range []func() error{
		func() error { return in.setInput(inputHDMI) },
		func() error { return out.setOutput(outputHDMI) },
		in.setVGA,
		out.setVGA,
		func() error { return in.setControl("OSD Text Mode", textNone) },
		func() error { return in.setControl("Loop Video", 1) },
	} {
		if err := step(); err != nil {
			return node{}, err
		}
	}
	return out, nil
}

// feed streams the scene until something fails.
func feed(out node, s *scene.Scene, interval time.Duration, shown io.Writer) error {
	size, err := out.setOutputFormat(width, height)
	if err != nil {
		return err
	}
	bufs, err := out.mapBuffers(3)
	if err != nil {
		return err
	}
	next := time.Now()
	for n := 0; ; n++ {
		i := n
		if n == len(bufs) {
			if err := out.streamOn(); err != nil {
				return err
			}
			fmt.Println("vividfeed: streaming")
		}
		if n >= len(bufs) {
			// The driver keeps the last one queued and shows it until there is another.
			if i, err = out.dequeue(); err != nil {
				return err
			}
			next = next.Add(interval)
			time.Sleep(time.Until(next))
		}
		copy(bufs[i][:size], s.YUYV(n))
		if err := out.queue(i, size); err != nil {
			return err
		}
		fmt.Fprintf(shown, "%d run %d\n", n, time.Now().UnixMilli())
	}
}
