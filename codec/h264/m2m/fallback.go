package m2m

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/video"
)

const (
	firstRetry = 30 * time.Second // after the first fault; doubled with each that follows
	lastRetry  = 10 * time.Minute
	aloneRetry = time.Second     // instead of firstRetry where there is no software to go on with
	proven     = time.Minute     // how long the hardware works before its faults are forgotten
	closeWait  = 2 * time.Second // for hardware that is slow to let go
	maxRefused = 16              // sizes remembered that the hardware cannot do
)

// A Fallback makes encoders that use hardware while it works and software while it does not. It holds what is
// known of the hardware, which all of them share, so there is one for each encoder of the board. Its methods may
// be called concurrently.
//
// After a fault the hardware is left alone for 30 s, twice as long after each that follows, at most 10 min; then
// one encoder tries it with its next picture. A minute without a fault makes the next one count as the first.
type Fallback struct {
	hardware, software h264.Factory
	log                *zap.Logger

	mu      sync.Mutex
	epoch   int           // faults so far
	faulty  bool          // since the last fault no encoder has proven it well
	last    error         // the last fault, also that a size cannot be done
	retryAt time.Time     // if faulty
	delay   time.Duration // after the next fault
	refused map[size]bool // what the hardware cannot do
}

var errNoSoftware = errors.New("no H.264 encoder in this build")

type size struct{ width, height int }

// NewFallback wires; nothing is opened. A nil software means that there is none in this build: then hardware
// that failed is tried again after a second at first, and until then Encode fails.
func NewFallback(hardware, software h264.Factory, log *zap.Logger) *Fallback {
	f := &Fallback{hardware: hardware, software: software, log: log, refused: make(map[size]bool)}
	f.delay = f.first()
	return f
}

// ForBoard makes the Fallback of this machine: its V4L2 encoder, and OpenH264 where that is built in. A second
// one would not know what the first has learnt.
func ForBoard(log *zap.Logger) *Fallback {
	hw := new(Hardware)
	hardware := func(c h264.Config) (h264.VideoEncoder, error) {
		e, err := hw.New(c)
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	if !h264.Available {
		return NewFallback(hardware, nil, log)
	}
	return NewFallback(hardware, h264.Software, log)
}

func (f *Fallback) first() time.Duration {
	if f.software == nil {
		return aloneRetry
	}
	return firstRetry
}

// NewEncoder is an h264.Factory of Switches. It checks cfg, reporting every fault at once, and opens the hardware, or
// the software where that fails. Without software the error never is h264.ErrUnavailable, since hardware may come back.
func (f *Fallback) NewEncoder(cfg h264.Config) (h264.VideoEncoder, error) {
	s, err := f.newSwitch(cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (f *Fallback) newSwitch(cfg h264.Config) (*Switch, error) {
	if err := validate(cfg); err != nil {
		return nil, err
	}
	s := &Switch{shared: f, cfg: cfg}
	if s.tryHardware() {
		return s, nil
	}
	if err := s.needSoftware(); err != nil {
		return nil, err
	}
	return s, nil
}

// claim reports whether the hardware may be tried now, and which epoch that is in. Of several encoders that ask
// after a fault, one is told to try.
func (f *Fallback) claim(sz size) (epoch int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused[sz] {
		return 0, false
	}
	if f.faulty {
		now := time.Now()
		if now.Before(f.retryAt) {
			return 0, false
		}
		f.retryAt = now.Add(f.delay)
	}
	return f.epoch, true
}

// failed records a fault that an encoder of an epoch met. Others of the same epoch met the same fault, which counts once.
func (f *Fallback) failed(epoch int, sz size, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = err
	if errors.Is(err, ErrUnsupported) {
		if len(f.refused) >= maxRefused {
			clear(f.refused)
		}
		f.refused[sz] = true
		f.log.Info("hardware encoder not used for this size", zap.Int("width", sz.width), zap.Int("height", sz.height), zap.Error(err))
		return
	}
	if epoch != f.epoch {
		return
	}
	f.epoch++
	again := f.faulty
	f.faulty = true
	wait := f.delay
	if errors.Is(err, ErrAbsent) {
		wait = lastRetry // nodes do not come by themselves, and looking opens every camera
	} else {
		f.delay = min(2*f.delay, lastRetry)
	}
	switch {
	case errors.Is(err, ErrAbsent):
		f.log.Debug("no hardware encoder", zap.Error(err))
	case again:
		f.log.Debug("hardware encoder failed again", zap.Duration("retry", wait), zap.Error(err))
	default:
		f.log.Warn("hardware encoder failed, software goes on", zap.Duration("retry", wait), zap.Error(err))
	}
	f.retryAt = time.Now().Add(wait)
}

// fault is the last one.
func (f *Fallback) fault() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// worked records that an encoder of an epoch made its first picture (0), or has worked for so long.
func (f *Fallback) worked(epoch int, span time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch != f.epoch {
		return // there was a fault since
	}
	if f.faulty {
		f.faulty = false
		f.log.Info("hardware encoder works again")
	}
	if span >= proven {
		f.delay = f.first()
	}
}

// A Switch is an encoder that changes between hardware and software without losing a picture: the one that
// the hardware fails at goes to the software. The first packet after each change is an IDR picture with SPS and
// PPS. The sets differ from those before; whoever keeps them apart takes them from each key packet. Its methods
// must not be called concurrently.
type Switch struct {
	shared *Fallback
	cfg    h264.Config

	hw, sw           h264.VideoEncoder
	hwFresh, swFresh bool          // has made no packet that was handed out since it was changed to
	epoch            int           // that hw was opened in
	since            time.Time     // hw was opened
	proved           bool          // hw has worked long enough to be trusted anew
	letGo            chan struct{} // closed when the hardware that failed has been released; nil if there is none
	closed           bool
}

// Hardware reports whether the next picture goes to the hardware.
func (s *Switch) Hardware() bool { return s.hw != nil }

// EncodeTo is h264.VideoEncoder's. It takes up to StallAfter longer when the hardware stalls, and fails only if the
// software fails, too, or if there is none.
func (s *Switch) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error) {
	if s.closed {
		return video.Packet{}, errClosed
	}
	if err := checkPicture(img, s.cfg.Width, s.cfg.Height); err != nil {
		return video.Packet{}, err // whichever encoder it is, this is not its fault
	}
	if s.hw != nil || s.tryHardware() {
		p, err := encodeWith(s.hw, s.hwFresh, buf, img, mono, seq, forceKey)
		if err == nil {
			s.hardwareWorked()
			return p, nil
		}
		s.dropHardware(err)
	}
	if err := s.needSoftware(); err != nil {
		return video.Packet{}, err
	}
	p, err := encodeWith(s.sw, s.swFresh, buf, img, mono, seq, forceKey)
	if err == nil {
		s.swFresh = false
	}
	return p, err
}

// encodeWith makes sure that the first packet after a change can be decoded by itself.
func encodeWith(c h264.VideoEncoder, fresh bool, buf []byte, img *video.I420, mono time.Duration, seq uint64, forceKey bool) (video.Packet, error) {
	p, err := c.EncodeTo(buf, img, mono, seq, forceKey || fresh)
	if err != nil || !fresh {
		return p, err
	}
	if sps, pps := h264.ParameterSets(p.Data); !p.Key || sps == nil || pps == nil {
		return video.Packet{}, errors.New("the first picture of an encoder is not a key picture with its parameter sets")
	}
	return p, nil
}

// tryHardware opens the hardware if it is time to. The software, if any, stays until the hardware has proven
// itself with a picture, so that its stream can go on as if nothing had been.
func (s *Switch) tryHardware() bool {
	if s.letGo != nil {
		select {
		case <-s.letGo:
			s.letGo = nil
		default:
			return false // it is not free yet
		}
	}
	epoch, ok := s.shared.claim(s.size())
	if !ok {
		return false
	}
	hw, err := s.shared.hardware(s.cfg)
	if err != nil {
		s.shared.failed(epoch, s.size(), err)
		return false
	}
	s.hw, s.hwFresh, s.epoch, s.since, s.proved = hw, true, epoch, time.Now(), false
	return true
}

func (s *Switch) size() size { return size{s.cfg.Width, s.cfg.Height} }

func (s *Switch) hardwareWorked() {
	switch {
	case s.hwFresh:
		s.hwFresh = false
		if s.sw != nil {
			s.sw.Close()
			s.sw = nil
		}
		s.shared.worked(s.epoch, 0)
	case !s.proved && time.Since(s.since) >= proven:
		s.proved = true
		s.shared.worked(s.epoch, proven)
	}
}

// dropHardware lets go of hardware that failed. A driver may take seconds for that, so it is not waited for here.
func (s *Switch) dropHardware(err error) {
	s.shared.failed(s.epoch, s.size(), err)
	hw, done := s.hw, make(chan struct{})
	s.hw, s.letGo = nil, done
	go func() {
		defer close(done)
		hw.Close()
	}()
}

// needSoftware makes the software encoder if there is none yet.
func (s *Switch) needSoftware() error {
	if s.sw != nil {
		return nil
	}
	if s.shared.software == nil {
		return fmt.Errorf("%w, and the hardware encoder: %w", errNoSoftware, s.shared.fault())
	}
	sw, err := s.shared.software(s.cfg)
	if err != nil {
		return fmt.Errorf("make software encoder: %w", err)
	}
	s.sw, s.swFresh = sw, true
	return nil
}

// SetBitrate changes the wanted average from the next picture on, whichever encoder makes it.
func (s *Switch) SetBitrate(bps int) error {
	if s.closed {
		return errClosed
	}
	if err := checkBitrate(bps); err != nil {
		return err
	}
	s.cfg.Bitrate = bps
	if s.hw != nil {
		if err := s.hw.SetBitrate(bps); err != nil {
			s.dropHardware(err) // the next picture goes to the software, made with this bit rate
		}
	}
	if s.sw != nil {
		return s.sw.SetBitrate(bps)
	}
	return nil
}

// Close frees both encoders. It waits at most 2 s for hardware that is slow to let go. Calling it again does nothing.
func (s *Switch) Close() {
	if s.closed {
		return
	}
	s.closed = true
	if s.hw != nil {
		s.hw.Close()
		s.hw = nil
	}
	if s.sw != nil {
		s.sw.Close()
		s.sw = nil
	}
	if s.letGo == nil {
		return
	}
	limit := time.NewTimer(closeWait)
	defer limit.Stop()
	select {
	case <-s.letGo:
	case <-limit.C:
	}
}
