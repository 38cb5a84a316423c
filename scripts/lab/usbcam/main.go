// Command usbcam is a USB webcam in user space, plugged into the running kernel through vhci_hcd
// (USB/IP), so that uvcvideo sees real hardware: UVC 1.0, at 30, 15, 10 or 5 pictures a second. It runs in the lab's guest, as root.
//
//	usbcam -film film.mjpeg -walk 35,25,105,2 -shown shown.txt -commands FIFO
//
// There are three shapes: "plain" with MJPEG and YUYV in 640x480 over a bulk endpoint, "isochronous" with YUYV in 320x240 and 160x120 over an endpoint with
// alternate settings, and "h264" with a second video streaming interface, whose pictures are the file -h264 (made with access unit delimiters).
//
// Pictures are sent in order, each once; the file shown gets a line for each one sent: number,
// mode, wall clock in milliseconds. After the last JPEG the film starts over, so make it long enough.
// Raw pictures are drawn by package scene, whose figures -walk gives. The camera starts unplugged. Commands, a line each, and each answered on the standard
// output once it is done:
//
//	plug, unplug
//	run, stall, trunc, err, empty   how it behaves, see mode
//	serial TEXT, product TEXT       who it is from the next plug on
//	budget N                        the bytes a microframe that the bus has for an isochronous stream; more is answered with ENOSPC
//	seek N                          the number of the next picture
//	exit
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"camward/scripts/lab/scene"
)

type options struct {
	film, h264, walk, shown, commands, shape, serial, product string
	port                                                      int
}

func main() {
	var o options
	flag.StringVar(&o.film, "film", "", "JPEG pictures, one after the other")
	flag.StringVar(&o.h264, "h264", "", "H.264 byte stream of the second interface")
	flag.StringVar(&o.walk, "walk", "35,25,105,2", "raw pictures: when the figure walks, see package scene")
	flag.StringVar(&o.shown, "shown", "/dev/null", "log of the pictures sent")
	flag.StringVar(&o.commands, "commands", "", "FIFO to read commands from; empty: the standard input")
	flag.StringVar(&o.shape, "shape", "plain", "plain, isochronous or h264")
	flag.StringVar(&o.serial, "serial", "0001", "the camera's USB serial number")
	flag.StringVar(&o.product, "product", "Lab USB Camera", "the camera's name")
	flag.IntVar(&o.port, "port", 0, "socket of the virtual host controller, 0 to 7")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "usbcam:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	film, err := o.openFilm()
	if err != nil {
		return err
	}
	streams, ok := shapes[o.shape]
	if !ok {
		return fmt.Errorf("no shape %q", o.shape)
	}
	shown, err := os.Create(o.shown)
	if err != nil {
		return err
	}
	defer shown.Close()
	in := os.Stdin
	if o.commands != "" {
		// Opened for writing too, so that it doesn't end when one writer closes it.
		if in, err = os.OpenFile(o.commands, os.O_RDWR, 0); err != nil {
			return err
		}
		defer in.Close()
	}
	return obey(in, newCamera(film, shape{o.product, o.serial, streams}, shown), o.port)
}

func (o options) openFilm() (*film, error) {
	times, err := scene.ParseTimes(o.walk)
	if err != nil {
		return nil, err
	}
	jpegs, err := os.ReadFile(o.film)
	if err != nil {
		return nil, err
	}
	var h264 []byte
	if o.h264 != "" {
		if h264, err = os.ReadFile(o.h264); err != nil {
			return nil, err
		}
	}
	film, err := newFilm(jpegs, h264, times)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", o.film, o.h264, err)
	}
	return film, nil
}

// obey carries out commands until "exit" or the end of r.
func obey(r io.Reader, c *camera, port int) error {
	var p *plug
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var err error
		switch cmd, text, _ := strings.Cut(lines.Text(), " "); cmd {
		case "plug":
			if p == nil {
				p, err = plugIn(c, port)
			}
		case "unplug":
			if p != nil {
				err = p.pullOut()
				p = nil
			}
		case string(modeRun), string(modeStall), string(modeTrunc), string(modeErr), string(modeEmpty):
			c.setMode(mode(cmd))
		case "serial":
			c.set(func(c *camera) { c.shape.serial = text })
		case "product":
			c.set(func(c *camera) { c.shape.product = text })
		case "budget", "seek":
			var n int
			n, err = strconv.Atoi(text)
			c.set(func(c *camera) {
				if cmd == "seek" {
					c.next = n
				} else {
					c.budget = n
				}
			})
		case "exit":
			return nil
		default:
			err = fmt.Errorf("no such command: %q", cmd)
		}
		if err != nil {
			return err
		}
		fmt.Println("usbcam:", lines.Text())
	}
	return nil
}
