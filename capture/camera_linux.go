package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/video"
)

// otherAfter is how long a camera is waited for before another one in its place is taken: two cameras that come back together
// may have changed their numbers.
const otherAfter = time.Second

// known is what is remembered of the device last opened.
type known struct {
	identity
	card string
	slow bool // its first picture takes its time
}

// A plan says what is to be opened.
type plan struct {
	path    string
	formats []video.FourCC
	beside  string // node for detection; empty for none
	always  bool   // also if the format turns out not to be H.264
}

// runDevice finds the camera, opens it, streams until ctx ends or something fails, and closes it.
func (c *Camera) runDevice(ctx context.Context) error {
	at, err := c.locate(ctx)
	if err != nil {
		return err
	}
	p := c.plan(at)
	d, err := c.host.openDevice(p.path, wish{formats: p.formats, size: c.cfg.Size.or(defaultSize), rate: c.cfg.Rate})
	if err != nil {
		if p.path != at.path && classify(err) != faultAbsent {
			c.alone = !c.alone // do without its second node the next time
		}
		return err
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	defer d.close()
	c.remember(p.path, d)
	c.opened(d)
	defer c.closing()
	c.granted(p.path, d.card, d.form)
	c.reduced(d.reduced)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before anything is waited for
	if p.beside != "" && (p.always || d.form.FourCC == video.H264) {
		beside.Go(func() { c.runBeside(ctx, p.beside) })
	}
	opened := time.Now()
	err = d.stream(ctx, c.pool, c)
	if errors.Is(err, errStalled) && !c.good || c.good && c.firstAt.Sub(opened) > time.Second {
		c.known.slow = true
	}
	return err
}

// locate finds the camera. One that stands in its place is taken after a while, unless it is another of ours.
func (c *Camera) locate(ctx context.Context) (place, error) {
	at, err := c.host.find(c.src, c.known.identity)
	if err != nil || !at.other {
		return at, err
	}
	if err := sleepUntil(ctx, time.Now().Add(otherAfter)); err != nil {
		return at, err
	}
	if at, err = c.host.find(c.src, c.known.identity); err != nil || !at.other {
		return at, err
	}
	if c.host.ours(at.path) {
		return at, fmt.Errorf("camera %s: %w; at %s is another one of this program", c.src.path, ErrAbsent, at.path)
	}
	c.log.Info("another camera is in its place", zap.String("device", at.path), zap.String("card", at.node.card), zap.String("before", c.known.card))
	return at, nil
}

// plan decides which node of the camera is recorded in which formats, and whether another is looked at for detection.
func (c *Camera) plan(at place) plan {
	p := plan{path: at.path, formats: c.formats}
	if p.formats == nil {
		p.formats = formatOrder[:]
	}
	pair := c.detect != nil && c.cfg.DetectSource != "none"
	if s := c.cfg.DetectSource; pair && s != "" && s != "auto" && nodeName(s) != nodeName(at.path) {
		p.beside, p.always = s, true
		return p
	}
	wanted := slices.Contains(c.formats, video.H264) // and nothing else
	if c.alone || c.formats != nil && !wanted || c.formats == nil && (!pair || c.masked()) {
		return p
	}
	self, siblings := c.host.siblings(at)
	if len(siblings) == 0 {
		return p
	}
	h264 := []video.FourCC{video.H264}
	main := self
	if !self.offers(h264) && (wanted || c.src.by != byPath) {
		for _, s := range siblings {
			if s.offers(h264) {
				main = s
				break
			}
		}
	}
	if !main.offers(h264) {
		return p
	}
	beside := ""
	for _, s := range append([]*device{self}, siblings...) {
		if s != main && s.offers(pictureFormats()) {
			beside = s.path
			break
		}
	}
	if beside == "" && !wanted {
		return p
	}
	p.path = main.path
	if pair {
		p.beside = beside
	}
	if !wanted {
		p.formats = append(h264, formatOrder[:]...)
	}
	return p
}

// masked reports whether there is a privacy mask, for which H.264 would have to be decoded.
func (c *Camera) masked() bool {
	c.privacy.mu.Lock()
	defer c.privacy.mu.Unlock()
	return len(c.privacy.shapes) > 0
}

// siblings are the other nodes of the same camera that capture: of one USB device, or of one device on one bus.
func (h host) siblings(at place) (self *device, list []*device) {
	nodes, err := h.nodes()
	if err != nil || at.node.parent == "" {
		return nil, nil
	}
	for _, n := range nodes {
		if n.parent != at.node.parent || n.name == at.node.name {
			continue
		}
		if self == nil {
			if self, err = h.probe(at.path); err != nil {
				return nil, nil // opening it will say why
			}
		}
		if d, err := h.probe(h.nodePath(n)); err == nil && d.bus == self.bus {
			list = append(list, d)
		}
	}
	return self, list
}

// remember notes what was opened, to know it again.
func (c *Camera) remember(path string, d *device) {
	id := c.host.node(nodeName(path)).identity
	if id == c.known.identity && d.card == c.known.card {
		if !c.known.slow {
			d.first = stallAfter
		}
		return
	}
	c.known = known{identity: id, card: d.card}
}

// reduced notes what the USB bus has no room for.
func (c *Camera) reduced(line string) {
	c.mu.Lock()
	c.status.Reduced = line
	c.mu.Unlock()
	if line != "" && line != c.scarce {
		c.log.Warn("the USB bus has not the bandwidth for what was asked", zap.String("reduced", line))
	}
	c.scarce = line
}
