package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A mode is how the camera behaves while it streams.
type mode string

// The modes, which are also the commands that select them.
const (
	modeRun   mode = "run"   // whole pictures at the agreed rate
	modeStall mode = "stall" // nothing comes any more
	modeTrunc mode = "trunc" // each picture is cut in half
	modeErr   mode = "err"   // each payload carries the error bit
	modeEmpty mode = "empty" // headers without a picture
)

// pictures hands out the scene, numbered from 0; every number is shown once.
type pictures interface {
	mjpeg(n int) []byte
	yuyv(n int) []byte
}

// A camera is the device's memory between control requests and pictures. One camera lives
// through several plugs; its picture number goes on.
type camera struct {
	scene  pictures
	serial string
	shown  io.Writer // one line for each picture sent

	mu         sync.Mutex
	mode       mode
	agreed     setting
	brightness byte
	next       int // number of the next picture
}

func newCamera(scene pictures, serial string, shown io.Writer) *camera {
	return &camera{scene: scene, serial: serial, shown: shown, mode: modeRun, brightness: 128,
		agreed: setting{formatMJPEG, intervals[0]}}
}

// Standard and class requests: USB 2.0 table 9-4, UVC 1.0 table A-8.
const (
	reqGetStatus     = 0
	reqClearFeature  = 1
	reqSetFeature    = 3
	reqGetDescriptor = 6
	reqSetConfig     = 9
	reqSetInterface  = 11

	setCur  = 0x01
	getCur  = 0x81
	getMin  = 0x82
	getMax  = 0x83
	getRes  = 0x84
	getLen  = 0x85
	getInfo = 0x86
	getDef  = 0x87
)

// control answers a request on endpoint 0; false stalls it.
func (c *camera) control(setup [8]byte, out []byte) ([]byte, bool) {
	kind, request := setup[0], setup[1]
	value, index := int(le.Uint16(setup[2:])), int(le.Uint16(setup[4:]))
	if standard := kind&0x60 == 0; standard {
		return c.standard(request, value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	const probeControl, commitControl, brightnessControl = 1, 2, 2
	switch selector := value >> 8; {
	case index == streamInterface && (selector == probeControl || selector == commitControl):
		return c.probeRequest(request, out)
	case index == processingUnit<<8|controlInterface && selector == brightnessControl:
		return c.brightnessRequest(request, out)
	}
	return nil, false
}

func (c *camera) standard(request byte, value int) ([]byte, bool) {
	switch request {
	case reqGetStatus:
		return []byte{0, 0}, true
	case reqClearFeature, reqSetFeature, reqSetConfig, reqSetInterface:
		return nil, true
	case reqGetDescriptor:
		var b []byte
		switch value >> 8 {
		case descDevice:
			b = deviceDescriptor()
		case descConfig:
			b = configDescriptor()
		case descString:
			b = stringDescriptor(value&0xff, c.serial)
		}
		return b, b != nil
	}
	return nil, false
}

// probeRequest is the negotiation of UVC 1.0 section 4.3.1.1.
func (c *camera) probeRequest(request byte, out []byte) ([]byte, bool) {
	switch request {
	case setCur:
		if len(out) < sizeOfProbe {
			return nil, false
		}
		c.agreed = negotiate(out)
		return nil, true
	case getCur:
		return c.agreed.probe(), true
	case getMin, getDef:
		return setting{formatMJPEG, intervals[0]}.probe(), true
	case getMax:
		return setting{formatYUYV, intervals[len(intervals)-1]}.probe(), true
	case getLen:
		return u16(sizeOfProbe), true
	case getInfo:
		return []byte{3}, true // GET and SET
	}
	return nil, false
}

func (c *camera) brightnessRequest(request byte, out []byte) ([]byte, bool) {
	switch request {
	case setCur:
		if len(out) < 1 {
			return nil, false
		}
		c.brightness = out[0]
		return nil, true
	case getCur:
		return u16(int(c.brightness)), true
	case getMin:
		return u16(0), true
	case getMax:
		return u16(255), true
	case getRes:
		return u16(1), true
	case getDef:
		return u16(128), true
	case getLen:
		return u16(2), true
	case getInfo:
		return []byte{3}, true
	}
	return nil, false
}

// setMode changes how the camera behaves from the next picture on.
func (c *camera) setMode(m mode) {
	c.mu.Lock()
	c.mode = m
	c.mu.Unlock()
}

// stream sends pictures at the agreed rate until the host is gone. A picture due while the
// host doesn't read is not taken, so numbers count what was shown and not what time passed.
func (c *camera) stream(d *device) {
	var frameID byte
	for due := time.Now(); ; {
		s, _ := c.current()
		interval := time.Duration(s.interval) * 100
		if due = due.Add(interval); time.Since(due) > interval {
			due = time.Now() // behind: don't catch up with a burst
		}
		time.Sleep(time.Until(due))
		if d.isGone() {
			return
		}
		s, m := c.current() // either may have changed meanwhile
		if m == modeStall || !d.waiting() {
			continue
		}
		if !c.sendPicture(d, s, m, frameID) {
			return
		}
		frameID ^= 1
	}
}

func (c *camera) current() (setting, mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agreed, c.mode
}

// sendPicture sends one picture in as many payloads as it takes and notes its number.
func (c *camera) sendPicture(d *device, s setting, m mode, frameID byte) bool {
	c.mu.Lock()
	n := c.next
	c.next++
	c.mu.Unlock()
	var pic []byte
	if s.format == formatYUYV {
		pic = c.scene.yuyv(n)
	} else {
		pic = c.scene.mjpeg(n)
	}
	const endOfHeader, endOfFrame, failed = 0x80, 0x02, 0x40 // UVC 1.0 table 2-5
	flags := endOfHeader | frameID
	switch m {
	case modeTrunc:
		pic = pic[:len(pic)/2]
	case modeErr:
		flags |= failed
	case modeEmpty:
		pic = nil
	}
	start := time.Now()
	for first := true; first || len(pic) > 0; first = false {
		ok := d.send(func(space int) []byte {
			k := min(len(pic), min(space, maxPayload)-2)
			f := flags
			if k == len(pic) {
				f |= endOfFrame
			}
			payload := append([]byte{2, f}, pic[:k]...)
			pic = pic[k:]
			return payload
		})
		if !ok {
			return false
		}
	}
	fmt.Fprintf(c.shown, "%d %s %d\n", n, m, start.UnixMilli())
	return true
}
