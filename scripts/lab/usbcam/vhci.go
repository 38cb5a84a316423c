package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// vhci is the first virtual host controller. Its first eight ports are high-speed.
const vhci = "/sys/devices/platform/vhci_hcd.0/"

// A plug is the camera in its socket.
type plug struct {
	port int
	end  *os.File // our end of the connection
	done chan struct{}
}

// plugIn attaches the camera to the kernel's controller and streams whenever asked to.
func plugIn(c *camera, port int) (*plug, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	defer unix.Close(fds[0]) // the kernel holds its own reference
	p := &plug{port: port, end: os.NewFile(uintptr(fds[1]), "usb"), done: make(chan struct{})}
	d := newDevice(p.end, c.control)
	var streams sync.WaitGroup
	for i := range c.shape.streams {
		streams.Go(func() { c.stream(d, i) })
	}
	go func() {
		defer close(p.done)
		_ = d.serve() // ends with the connection
		streams.Wait()
	}()
	const highSpeed = 3
	deviceID := 1<<16 | port + 2
	attach := fmt.Sprintf("%d %d %d %d", port, fds[0], deviceID, highSpeed)
	if err := os.WriteFile(vhci+"attach", []byte(attach), 0); err != nil {
		p.end.Close()
		<-p.done
		return nil, fmt.Errorf("attach to vhci: %w", err)
	}
	return p, nil
}

// pullOut detaches the camera, as if its cable were pulled, and waits until it is out.
func (p *plug) pullOut() error {
	if err := os.WriteFile(vhci+"detach", []byte(strconv.Itoa(p.port)), 0); err != nil {
		return fmt.Errorf("detach from vhci: %w", err)
	}
	<-p.done
	return p.end.Close()
}
