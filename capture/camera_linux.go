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

// movedAfter is the same for one with its serial number at another port: of cameras that share theirs, as cheap ones do, each is to find
// its own first.
const movedAfter = otherAfter / 2

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
	paired  bool   // it is H.264 that was looked for, among the nodes of the camera
}

// runDevice finds the camera, opens it, streams until ctx ends or something fails, and closes it.
func (c *Camera) runDevice(ctx context.Context) error {
	at, err := c.locate(ctx)
	if err != nil {
		return err
	}
	p := c.plan(at)
	c.alone = false // that holds for one run
	d, err := c.host.openDevice(p.path, wish{formats: p.formats, size: c.cfg.Size.or(defaultSize), rate: c.cfg.Rate})
	if err != nil {
		c.alone = p.paired && classify(err) != faultAbsent
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
	c.alone = p.paired && !c.good && classify(err) != faultAbsent
	return err
}

// locate finds the camera. One that stands in its place is taken after a while, unless it is another of ours.
func (c *Camera) locate(ctx context.Context) (place, error) {
	at, err := c.host.find(c.src, c.known.identity)
	if err != nil || !at.other && !at.moved {
		return at, err
	}
	wait := otherAfter
	if at.moved {
		wait = movedAfter
	}
	if err := sleepUntil(ctx, time.Now().Add(wait)); err != nil {
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
	plain := !wanted && (c.alone || !pair || c.masked())
	if c.formats != nil && !wanted || plain && c.src.by == byPath {
		return p
	}
	self, siblings := c.host.siblings(at)
	if len(siblings) == 0 {
		return p
	}
	nodes := append([]*device{self}, siblings...)
	if plain { // what was open before may have been the node with H.264
		p.path = offering(nodes, pictureFormats(), self).path
		return p
	}
	h264 := []video.FourCC{video.H264}
	main := self
	if wanted || c.src.by != byPath {
		main = offering(nodes, h264, self)
	}
	if !main.offers(h264) {
		return p
	}
	beside := offering(slices.DeleteFunc(nodes, func(d *device) bool { return d == main }), pictureFormats(), nil)
	if beside == nil && !wanted {
		return p
	}
	p.path, p.paired = main.path, true
	if beside != nil && pair && !c.alone {
		p.beside = beside.path
	}
	if !wanted {
		p.formats = append(h264, formatOrder[:]...)
	}
	return p
}

// offering gives the first of some nodes with one of the formats, else another.
func offering(nodes []*device, formats []video.FourCC, other *device) *device {
	for _, d := range nodes {
		if d.offers(formats) {
			return d
		}
	}
	return other
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
