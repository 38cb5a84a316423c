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

	"camward/scripts/lab/scene"
	"camward/scripts/lab/v4l2"
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
func connect(capturePath, outputPath string) (v4l2.Node, error) {
	const inputHDMI, outputHDMI, textNone = 3, 1, 2
	in, err := v4l2.Open(capturePath, false)
	if err != nil {
		return v4l2.Node{}, err
	}
	defer in.Close()
	out, err := v4l2.Open(outputPath, false)
	if err != nil {
		return v4l2.Node{}, err
	}
	for _, step := range []func() error{
		func() error { return in.SetInput(inputHDMI) },
		func() error { return out.SetOutput(outputHDMI) },
		in.SetVGA,
		out.SetVGA,
		func() error { return in.SetControl("OSD Text Mode", textNone) },
		func() error { return in.SetControl("Loop Video", 1) },
	} {
		if err := step(); err != nil {
			return v4l2.Node{}, err
		}
	}
	return out, nil
}

// feed streams the scene until something fails.
func feed(out v4l2.Node, s *scene.Scene, interval time.Duration, shown io.Writer) error {
	yuyv := v4l2.FourCC("YUYV")
	w, h, code, size, err := out.SetFormat(v4l2.Output, width, height, yuyv)
	if err != nil {
		return err
	}
	if w != width || h != height || code != yuyv {
		return fmt.Errorf("granted %dx%d %#x", w, h, code)
	}
	bufs, err := out.MapBuffers(v4l2.Output, 3)
	if err != nil {
		return err
	}
	next := time.Now()
	for n := 0; ; n++ {
		i := n
		if n == len(bufs) {
			if err := out.StreamOn(v4l2.Output); err != nil {
				return err
			}
			fmt.Println("vividfeed: streaming")
		}
		if n >= len(bufs) {
			// The driver keeps the last one queued and shows it until there is another.
			shown, err := out.Dequeue(v4l2.Output)
			if err != nil {
				return err
			}
			i = shown.Index
			next = next.Add(interval)
			time.Sleep(time.Until(next))
		}
		copy(bufs[i][:size], s.YUYV(n))
		if err := out.Queue(v4l2.Output, i, size); err != nil {
			return err
		}
		fmt.Fprintf(shown, "%d run %d\n", n, time.Now().UnixMilli())
	}
}
