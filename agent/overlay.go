package agent

import (
	"context"
	"encoding/base64"
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/motion"
	"camward/video"
)

// queueOverlay is the name on a camera's hub of what measures its pictures.
const queueOverlay = "overlay"

const (
	tellDetector = time.Second / 15 // the shortest time between two messages of what the detector sees, on average
	tellPicture  = time.Second / 2  // between two of focus and light, which take a whole picture's decoding
)

// An overlay tells listeners what the detector sees. While there are none it costs one atomic load a picture.
type overlay struct {
	heard atomic.Bool
	wake  chan struct{} // listeners came or went

	mu        sync.Mutex
	listeners []chan []byte

	// Of the goroutine that detects.
	view  motion.View
	next  time.Duration // stamp of the picture from which on the next message is due
	scene bool          // there was a scene change since the last message
}

func newOverlay() *overlay { return &overlay{wake: make(chan struct{}, 1)} }

// Narrate tells what the detector sees, as JSON messages, until stop is called: {"type":"detector",...} at most 15 a second and
// {"type":"picture",...} twice a second. The queue holds depth messages; one that is full loses messages. Nothing is computed while nobody
// listens. stop may be called twice; the channel is not closed. Safe for concurrent use.
func (p *pipeline) Narrate(depth int) (messages <-chan []byte, stop func()) {
	return p.overlay.listen(depth)
}

func (o *overlay) listen(depth int) (<-chan []byte, func()) {
	c := make(chan []byte, max(depth, 1))
	o.change(func() { o.listeners = append(o.listeners, c) })
	return c, func() {
		o.change(func() { o.listeners = slices.DeleteFunc(o.listeners, func(l chan []byte) bool { return l == c }) })
	}
}

func (o *overlay) change(do func()) {
	o.mu.Lock()
	do()
	o.heard.Store(len(o.listeners) > 0)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default: // somebody is to be woken already
	}
}

// send gives a message to every listener with room for it. It is not changed afterwards.
func (o *overlay) send(message []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.listeners {
		select {
		case l <- message:
		default:
		}
	}
}

// seen tells what the detector made of the picture stamped mono, if somebody listens and it is time.
func (o *overlay) seen(d *motion.Detector, mono time.Duration, dec motion.Decision) {
	if !o.heard.Load() {
		o.scene = false
		return
	}
	o.scene = o.scene || dec.SceneChange
	if mono < o.next && o.next-mono < time.Second { // farther ahead: stamps began anew
		return
	}
	o.next = max(o.next, mono-tellDetector) + tellDetector
	if o.next-mono > time.Second {
		o.next = mono + tellDetector
	}
	d.View(&o.view)
	o.send(detectorMessage(&o.view, o.scene))
	o.scene = false
}

// detectorMessage is {"type":"detector",...}: cells are a bitmap, row by row without gaps, the first cell in the highest bit.
func detectorMessage(v *motion.View, scene bool) []byte {
	b := append(make([]byte, 0, 1024), `{"type":"detector","moving":`...)
	b = strconv.AppendBool(b, v.Moving)
	b = appendNumber(append(b, `,"score":`...), max(v.Share, v.Score))
	b = appendNumber(append(b, `,"min_area":`...), v.MinArea)
	b = appendNumber(append(b, `,"contrast":`...), v.Threshold)
	b = appendNumber(append(b, `,"gain":`...), v.Gain)
	b = strconv.AppendBool(append(b, `,"learning":`...), v.Learning)
	b = strconv.AppendBool(append(b, `,"scene_change":`...), scene)
	b = strconv.AppendInt(append(b, `,"grid":[`...), int64(v.Cols), 10)
	b = strconv.AppendInt(append(b, ','), int64(v.Rows), 10)
	b = append(b, `],"cells":"`...)
	b = base64.StdEncoding.AppendEncode(b, bitmap(v))
	b = append(b, `","boxes":[`...)
	for i, r := range v.Boxes[:v.N] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumbers(b, r.X0, r.Y0, r.X1, r.Y1)
	}
	return append(b, "]}"...)
}

func bitmap(v *motion.View) []byte {
	m := make([]byte, (v.Cols*v.Rows+7)/8)
	for y, row := range v.Cells[:v.Rows] {
		for ; row != 0; row &= row - 1 {
			at := y*v.Cols + bits.TrailingZeros64(row)
			m[at/8] |= 0x80 >> (at % 8)
		}
	}
	return m
}

// pictureMessage is {"type":"picture",...}.
func pictureMessage(m *video.Measure) []byte {
	b := appendNumber(append(make([]byte, 0, 512), `{"type":"picture","focus":`...), m.Focus)
	b = appendNumber(append(b, `,"mean":`...), m.Mean)
	b = appendNumber(append(b, `,"dark":`...), m.Dark)
	b = appendNumber(append(b, `,"bright":`...), m.Bright)
	b = appendNumbers(append(b, `,"histogram":`...), m.Histogram[:]...)
	return append(b, '}')
}

func appendNumber(b []byte, v float64) []byte { return strconv.AppendFloat(b, v, 'g', 4, 64) }

func appendNumbers(b []byte, list ...float64) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, v)
	}
	return append(b, ']')
}

// look measures pictures while somebody listens, beside the detector so that it waits for nothing.
func (p *pipeline) look(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.overlay.wake:
			p.measure(ctx)
		}
	}
}

// measure returns when nobody listens any more, or ctx ends.
func (p *pipeline) measure(ctx context.Context) {
	if !p.overlay.heard.Load() {
		return
	}
	sub := p.hub.Subscribe(queueOverlay, 1)
	defer sub.Close()
	full := fullReader{jpeg: jpeg.NewDecoder()}
	defer full.jpeg.Close()
	var next time.Duration
	for p.overlay.heard.Load() {
		select {
		case <-ctx.Done():
			return
		case <-p.overlay.wake:
		case f := <-sub.Frames():
			if f.Mono >= next || next-f.Mono > tellPicture {
				next = f.Mono + tellPicture
				if m, err := full.measure(f); err == nil {
					p.overlay.send(pictureMessage(m))
				}
			}
			f.Release()
		}
	}
}

// fullReader brings a frame of any format to its luma in full size, and measures it.
type fullReader struct {
	jpeg *jpeg.Decoder
	img  video.I420
	m    video.Measure
}

func (r *fullReader) measure(f *video.Frame) (*video.Measure, error) {
	var err error
	if f.Format.FourCC == video.MJPEG {
		err = r.jpeg.I420(&r.img, f.Data)
	} else {
		err = h264.ToI420(&r.img, f)
	}
	if err != nil && !errors.Is(err, jpeg.ErrTruncated) {
		return nil, err
	}
	r.m.Look(&video.Plane{Pix: r.img.Y, Width: r.img.Width, Height: r.img.Height, Stride: r.img.YStride}, r.img.FullRange)
	return &r.m, nil
}
