package m2m

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// keyPatience is how many pictures the hardware may take to obey a request for a key picture.
const keyPatience = 8

// Hardware finds the board's encoder at the first use and remembers where it was. The zero value is ready.
// Its methods may be called concurrently.
type Hardware struct {
	host host // the zero value is this machine

	mu    sync.Mutex
	known string // path of the node that encoded last
}

// New opens an encoder for cfg. Errors are ErrAbsent if there is none, ErrUnsupported if it cannot do cfg, or
// what the driver answered.
func (h *Hardware) New(cfg h264.Config) (*Encoder, error) {
	if err := validate(cfg); err != nil {
		return nil, err
	}
	d, n, err := h.open()
	if err != nil {
		return nil, err
	}
	s, err := openSession(d, jobOf(cfg, n.Input))
	if err != nil {
		return nil, fmt.Errorf("open hardware encoder %v: %w", n, err)
	}
	e := &Encoder{cfg: cfg, node: n, s: s}
	e.headers.wantWidth, e.headers.wantHeight = s.job.width, s.job.height
	return e, nil
}

// New opens the board's encoder as [Hardware.New] does, without remembering where it is.
func New(cfg h264.Config) (*Encoder, error) { return new(Hardware).New(cfg) }

// open opens the encoder where it was last, or looks for it: nodes are numbered anew when drivers are loaded.
func (h *Hardware) open() (device, Node, error) {
	from := h.host
	if from.open == nil {
		from = system()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known != "" {
		if d, n, err := from.openEncoder(h.known); err == nil {
			return d, n, nil
		}
		h.known = ""
	}
	n, err := from.find(video.H264)
	if err != nil {
		return nil, Node{}, err
	}
	d, n, err := from.openEncoder(n.Path)
	if err == nil {
		h.known = n.Path
	}
	return d, n, err
}

// openEncoder opens a node and keeps it open if it is an encoder.
func (h host) openEncoder(path string) (device, Node, error) {
	d, err := h.open(path)
	if err != nil {
		return nil, Node{}, fmt.Errorf("open hardware encoder %s: %w", path, err)
	}
	n, err := judge(d, path, video.H264)
	if err != nil {
		return nil, Node{}, errors.Join(err, d.close())
	}
	return d, n, nil
}

// jobOf says what the driver is asked for.
func jobOf(cfg h264.Config, input video.FourCC) job {
	period := int32(cfg.KeyInterval)
	if period == 0 {
		period = 1 << 20 // to many drivers 0 means a default of theirs
	}
	return job{
		coded: video.H264, input: input,
		width: cfg.Width &^ 1, height: cfg.Height &^ 1, rate: cfg.Rate,
		controls: []control{
			{id: ctrlBitrate, values: []int32{int32(cfg.Bitrate)}, required: true},
			{id: ctrlProfile, values: []int32{profileConstrainedBaseline, profileBaseline}}, // the SPS is looked at
			{id: ctrlLevel, values: []int32{levelOf(cfg)}},
			{id: ctrlBFrames, values: []int32{0}},
			{id: ctrlIPeriod, values: []int32{period}}, // counted in EncodeTo, too
			{id: ctrlGOPSize, values: []int32{period}},
			{id: ctrlHeaderMode, values: []int32{headerJoined}},
			{id: ctrlRepeatHeader, values: []int32{1}}, // put before each key picture in EncodeTo where it lacks
		},
	}
}

// An Encoder makes an H.264 constrained baseline stream on the board's hardware, an
// h264.VideoEncoder. It holds a descriptor and memory of the driver until Close. The luma of full range pictures is
// brought into 16..235, for hardware does not write the range into the stream. Its methods must not be called
// concurrently.
type Encoder struct {
	cfg      h264.Config
	node     Node
	s        *session // nil once closed
	headers  headers
	started  bool
	sinceKey int // pictures after the last key picture
	asked    int // pictures since a key picture was asked for; 0 if it was not
	fault    error
}

// Node says which device encodes.
func (e *Encoder) Node() Node { return e.node }

// EncodeTo makes one access unit, as h264.VideoEncoder says, and returns at the latest after StallAfter. A key
// picture that forceKey or KeyInterval asks for may come some pictures later. After an error of the hardware each
// call returns it, and only Close is of use; that may take the driver seconds.
func (e *Encoder) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error) {
	switch {
	case e.s == nil:
		return video.Packet{}, errClosed
	case e.fault != nil:
		return video.Packet{}, e.fault
	}
	if err := checkPicture(img, e.cfg.Width, e.cfg.Height); err != nil {
		return video.Packet{}, err
	}
	p, err := e.encode(buf, img, mono, seq, forceKey)
	if err != nil {
		e.fault = fmt.Errorf("encode picture %d on %v: %w", seq, e.node, err)
		return video.Packet{}, e.fault
	}
	return p, nil
}

func (e *Encoder) encode(buf []byte, img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error) {
	deadline := time.Now().Add(StallAfter)
	if err := e.askKey(forceKey); err != nil {
		return video.Packet{}, err
	}
	stamp, err := e.s.put(img, mono, deadline)
	if err != nil {
		return video.Packet{}, err
	}
	data, c, err := e.await(stamp, deadline)
	if err != nil {
		return video.Packet{}, err
	}
	if err := e.account(c); err != nil {
		return video.Packet{}, err
	}
	return video.Packet{Data: e.headers.unit(buf, data, c), Mono: mono, Seq: seq, Key: c.key}, nil
}

// askKey asks for a key picture if one is wanted or due. The first needs no asking.
func (e *Encoder) askKey(force bool) error {
	if !e.started {
		return nil
	}
	if e.asked == 0 && !force && (e.cfg.KeyInterval == 0 || e.sinceKey+1 < e.cfg.KeyInterval) {
		return nil
	}
	e.asked++
	return e.s.setControl(ctrlForceKey, 1)
}

// await takes results until that of the picture; parameter sets may come apart from it.
func (e *Encoder) await(stamp int64, deadline time.Time) ([]byte, content, error) {
	for {
		data, at, err := e.s.get(deadline)
		if err != nil {
			return nil, content{}, err
		}
		c := inspect(data)
		if c.sps || c.pps {
			if err := e.headers.note(data); err != nil {
				return nil, c, err
			}
		}
		switch {
		case !c.slices:
			continue
		case at != stamp: // what comes after it refers to a picture that nobody got
			return nil, c, fmt.Errorf("result stamped %d us, the picture was %d us", at, stamp)
		}
		return data, c, nil
	}
}

// account keeps the count of key pictures, and refuses a stream that cannot be decoded from where it should.
func (e *Encoder) account(c content) error {
	switch {
	case c.key && !e.headers.complete():
		return errors.New("key picture without parameter sets")
	case c.key:
		e.started, e.sinceKey, e.asked = true, 0, 0
		return nil
	case !e.started:
		return errors.New("the first picture is not a key picture")
	case e.asked >= keyPatience:
		return fmt.Errorf("no key picture, although asked for %d times", e.asked)
	}
	e.sinceKey++
	return nil
}

// SetBitrate changes the wanted average from the next picture on.
func (e *Encoder) SetBitrate(bps int) error {
	switch {
	case e.s == nil:
		return errClosed
	case e.fault != nil:
		return e.fault
	}
	if err := checkBitrate(bps); err != nil {
		return err
	}
	if err := e.s.setControl(ctrlBitrate, int32(bps)); err != nil {
		e.fault = fmt.Errorf("set bit rate on %v: %w", e.node, err)
		return e.fault
	}
	e.cfg.Bitrate = bps
	return nil
}

// Close gives everything back to the driver. Calling it again does nothing.
func (e *Encoder) Close() {
	if e.s != nil {
		e.s.close()
		e.s = nil
	}
}
