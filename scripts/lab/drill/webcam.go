package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A webcam is a usbcam process.
type webcam struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	product string
	shown   string // its log of pictures
}

// newWebcam starts a USB camera that is not plugged in yet.
func (d *drill) newWebcam(port int, product, serial string, flags ...string) (*webcam, error) {
	w := &webcam{product: product, shown: fmt.Sprintf("/tmp/shown-%s", serial)}
	args := []string{"-film", filepath.Join(d.share, "film.mjpeg"), "-product", product, "-serial", serial, "-port", strconv.Itoa(port), "-shown", w.shown}
	w.cmd = exec.Command("usbcam", append(args, flags...)...)
	w.cmd.Stderr = os.Stderr
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewScanner(out)
	return w, w.cmd.Start()
}

// do gives a command and waits until it is carried out.
func (w *webcam) do(commands ...string) error {
	for _, c := range commands {
		if _, err := fmt.Fprintln(w.in, c); err != nil {
			return fmt.Errorf("usbcam: %s: %w", c, err)
		}
		if !w.out.Scan() {
			return fmt.Errorf("usbcam ended at %q", c)
		}
		if name, ok := strings.CutPrefix(c, "product "); ok {
			w.product = name
		}
	}
	return nil
}

// end unplugs the camera and ends the process.
func (w *webcam) end() error {
	if err := w.do("unplug"); err != nil {
		return err
	}
	w.in.Close()
	return w.cmd.Wait()
}

// node waits until the camera's (first) node is there and gives its path.
func (w *webcam) node() (path string, err error) {
	err = until(20*time.Second, "a node of "+w.product, func() bool {
		nodes := nodesOf(w.product)
		if len(nodes) > 0 {
			path = nodes[0]
		}
		return len(nodes) > 0
	})
	return path, err
}

// nodesOf lists the first node of each device of a card, which gives pictures; its others carry metadata or a second stream.
func nodesOf(card string) []string { return indexed(card, "0") }

// indexed lists a card's nodes by their place in the device. uvcvideo counts streams and their metadata alike, so a second stream has index 2.
func indexed(card, index string) (paths []string) {
	found, _ := filepath.Glob("/sys/class/video4linux/video*")
	for _, dir := range found {
		name, _ := os.ReadFile(filepath.Join(dir, "name"))
		at, _ := os.ReadFile(filepath.Join(dir, "index"))
		dev := "/dev/" + filepath.Base(dir)
		if _, err := os.Stat(dev); err == nil && strings.HasPrefix(string(name), card) && strings.TrimSpace(string(at)) == index {
			paths = append(paths, dev)
		}
	}
	return paths
}

// pictures counts what the camera has sent so far.
func (w *webcam) pictures() int {
	b, _ := os.ReadFile(w.shown)
	return strings.Count(string(b), "\n")
}
