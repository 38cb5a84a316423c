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
	picture(c coding, s size, n int) []byte
}

// A camera is the device's memory between control requests and pictures. One camera lives
// through several plugs; its picture number goes on.
type camera struct {
	scene pictures
	shown io.Writer // one line for each picture sent

	mu         sync.Mutex
	shape      shape
	mode       mode
	agreed     []setting // of each stream
	budget     int       // bytes a microframe that the bus can give to an isochronous stream; 0: all there are
	brightness byte
	next       int       // number of the next picture
	h264       time.Time // when the last picture of H.264 was sent
}

func newCamera(scene pictures, s shape, shown io.Writer) *camera {
	c := &camera{scene: scene, shape: s, shown: shown, mode: modeRun, brightness: 128}
	for _, stream := range s.streams {
		c.agreed = append(c.agreed, stream.first())
	}
	return c
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

// control answers a request on endpoint 0 with data and a status: 0, or a negative errno of the kernel.
func (c *camera) control(setup [8]byte, out []byte) ([]byte, int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind, request := setup[0], setup[1]
	value, index := int(le.Uint16(setup[2:])), int(le.Uint16(setup[4:]))
	if standard := kind&0x60 == 0; standard {
		return c.standard(request, value, index)
	}
	const probeControl, commitControl, brightnessControl = 1, 2, 2
	var in []byte
	ok := false
	switch selector, stream := value>>8, index-1; {
	case stream >= 0 && stream < len(c.agreed) && (selector == probeControl || selector == commitControl):
		in, ok = c.probeRequest(stream, request, out)
	case index == processingUnit<<8|controlInterface && selector == brightnessControl:
		in, ok = c.brightnessRequest(request, out)
	}
	if !ok {
		return nil, errPipe
	}
	return in, 0
}

func (c *camera) standard(request byte, value, index int) ([]byte, int32) {
	switch request {
	case reqGetStatus:
		return []byte{0, 0}, 0
	case reqSetInterface:
		return nil, c.setAlternate(value)
	case reqClearFeature, reqSetFeature, reqSetConfig:
		return nil, 0
	case reqGetDescriptor:
		var b []byte
		switch value >> 8 {
		case descDevice:
			b = deviceDescriptor()
		case descConfig:
			b = c.shape.config()
		case descString:
			b = c.shape.stringDescriptor(value & 0xff)
		}
		if b != nil {
			return b, 0
		}
	}
	return nil, errPipe
}

// setAlternate refuses more bandwidth than the budget. A host controller that has none left gives the driver this same errno, which
// vhci_hcd, having no bandwidth of its own, passes on.
func (c *camera) setAlternate(alternate int) int32 {
	if alternate > 0 && alternate <= len(alternates) && c.budget > 0 && alternates[alternate-1] > c.budget {
		return errNoSpace
	}
	return 0
}

// probeRequest is the negotiation of UVC 1.0 section 4.3.1.1.
func (c *camera) probeRequest(stream int, request byte, out []byte) ([]byte, bool) {
	s := c.shape.streams[stream]
	switch request {
	case setCur:
		if len(out) < sizeOfProbe {
			return nil, false
		}
		c.agreed[stream] = s.negotiate(out)
		return nil, true
	case getCur:
		return s.probe(c.agreed[stream]), true
	case getMin, getDef:
		return s.probe(s.first()), true
	case getMax:
		return s.probe(setting{len(s.formats), 1, intervals[len(intervals)-1]}), true
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

// set changes something under the camera's lock.
func (c *camera) set(change func(*camera)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// setMode changes how the camera behaves from the next picture on.
func (c *camera) setMode(m mode) { c.set(func(c *camera) { c.mode = m }) }

// stream sends the pictures of one stream at the agreed rate until the host is gone. A picture due while the
// host doesn't read is not taken, so numbers count what was shown and not what time passed.
func (c *camera) stream(d *device, stream int) {
	var frameID byte
	for due := time.Now(); ; {
		s, _ := c.current(stream)
		interval := time.Duration(s.interval) * 100
		if due = due.Add(interval); time.Since(due) > interval {
			due = time.Now() // behind: don't catch up with a burst
		}
		time.Sleep(time.Until(due))
		if d.isGone() {
			return
		}
		s, m := c.current(stream) // either may have changed meanwhile
		if m == modeStall || !d.waiting(stream+1) {
			continue
		}
		if !c.sendPicture(d, stream, s, m, frameID) {
			return
		}
		frameID ^= 1
	}
}

func (c *camera) current(stream int) (setting, mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agreed[stream], c.mode
}

// take gives the number of the picture to send. While H.264 is streamed, which can't leave out pictures, it alone counts, and another
// stream shows the scene as far as it is.
func (c *camera) take(what coding) (n int, counts bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if what == codingH264 {
		c.h264 = now
	} else if now.Sub(c.h264) < time.Second {
		return c.next, false
	}
	c.next++
	return c.next - 1, true
}

// sendPicture sends one picture in as many payloads as it takes and notes its number.
func (c *camera) sendPicture(d *device, stream int, s setting, m mode, frameID byte) bool {
	form := c.shape.streams[stream]
	n, counts := c.take(form.coding(s))
	pic := c.scene.picture(form.coding(s), form.size(s), n)
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
	for first := true; first || len(pic) > 0; {
		ok := d.send(stream+1, func(space int) []byte {
			if !first && len(pic) == 0 {
				return nil // the rest of an isochronous transfer
			}
			k := min(len(pic), min(space, form.payload(s))-payloadHeader)
			f := flags
			if k == len(pic) {
				f |= endOfFrame
			}
			payload := append([]byte{payloadHeader, f}, pic[:k]...)
			pic, first = pic[k:], false
			return payload
		})
		if !ok {
			return false
		}
	}
	if counts {
		fmt.Fprintf(c.shown, "%d %s %d\n", n, m, start.UnixMilli())
	}
	return true
}
