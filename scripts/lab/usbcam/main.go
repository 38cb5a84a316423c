// Command usbcam is a USB webcam in user space, plugged into the running kernel through vhci_hcd
// (USB/IP), so that uvcvideo sees real hardware: UVC 1.0, bulk, 640x480 MJPEG and YUYV at 30, 15,
// 10 or 5 pictures a second. It runs in the lab's guest, as root.
//
//	usbcam -film film.mjpeg -walk 35,25,105,2 -shown shown.txt -commands FIFO
//
// Pictures are sent in order, each once; the file shown gets a line for each one sent: number,
// mode, wall clock in milliseconds. After the last JPEG the film starts over, so make it long enough.
// Raw pictures are drawn by package scene, whose figures -walk gives. Commands, a line each: plug, unplug, run, stall, trunc, err, empty, exit. The camera
// starts unplugged.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"

	"camward/scripts/lab/scene"
)

func main() {
	film := flag.String("film", "", "JPEG pictures, one after the other")
	walk := flag.String("walk", "35,25,105,2", "raw pictures: when the figure walks, see package scene")
	shown := flag.String("shown", "/dev/null", "log of the pictures sent")
	commands := flag.String("commands", "", "FIFO to read commands from")
	serial := flag.String("serial", "0001", "the camera's USB serial number")
	flag.Parse()
	if err := run(*film, *walk, *shown, *commands, *serial); err != nil {
		fmt.Fprintln(os.Stderr, "usbcam:", err)
		os.Exit(1)
	}
}

func run(filmFile, walk, shownFile, fifo, serial string) error {
	times, err := scene.ParseTimes(walk)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filmFile)
	if err != nil {
		return err
	}
	film, err := newFilm(data, scene.New(width, height, times))
	if err != nil {
		return fmt.Errorf("%s: %w", filmFile, err)
	}
	shown, err := os.Create(shownFile)
	if err != nil {
		return err
	}
	defer shown.Close()
	// Opened for writing too, so that it doesn't end when one writer closes it.
	in, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	return obey(in, newCamera(film, serial, shown))
}

// obey carries out commands until "exit" or the end of r.
func obey(r io.Reader, c *camera) error {
	var p *plug
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var err error
		switch cmd := lines.Text(); cmd {
		case "plug":
			if p == nil {
				p, err = plugIn(c)
			}
		case "unplug":
			if p != nil {
				err = p.pullOut()
				p = nil
			}
		case string(modeRun), string(modeStall), string(modeTrunc), string(modeErr), string(modeEmpty):
			c.setMode(mode(cmd))
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
