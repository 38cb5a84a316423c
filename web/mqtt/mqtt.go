// Package mqtt makes the camera known to Home Assistant by MQTT discovery: motion, pictures, uptime, what waits for upload, and
// whether the device is there at all.
//
// The client speaks the part of MQTT 3.1.1 (OASIS, 2014) that this takes, which every broker knows; section numbers are of that standard.
// Everything that is published is retained, and published anew when Home Assistant tells its own start (its birth
// message). The broker says that the device is gone (its last will) when the connection breaks.
package mqtt

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	maxImage     = 1 << 20 // bytes
	lookMotion   = 250 * time.Millisecond
	lookQueue    = 10 * time.Second
	uptimeEvery  = time.Minute
	snapshotTime = 10 * time.Second
	birthSpread  = 2 * time.Second // in which the devices of a house answer Home Assistant's start
)

// Info is what is said of the device.
type Info struct {
	MAC     string // 12 hexadecimal digits
	Name    string // such as the host's name
	Maker   string
	Model   string
	Version string
	PageURL string // of the camera's own page, http or https; may be empty
}

// A Camera is one camera of the device. The functions may be slow, since nothing but this package waits for them, and are called from
// several goroutines.
type Camera struct {
	Name     string
	Motion   func() Motion                             // asked four times a second
	Snapshot func(ctx context.Context) ([]byte, error) // a JPEG that is the caller's to keep
}

// Motion is what the detector sees.
type Motion struct {
	Moving bool
	Score  float64 // the picture of an event is replaced by one with a clearly higher score
	Events uint64  // stretches of motion since the start, so that a short one is not missed
}

// Queue is what waits for upload.
type Queue struct {
	Files int
	Bytes int64
}

// Status is how the connection stands.
type Status struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`                // of being connected or not
	LastError string    `json:"last_error,omitempty"` // why it was lost or could not be made
}

// A Client publishes one device. Its methods are safe for concurrent use.
type Client struct {
	cfg     Config
	info    Info
	cameras []camera
	queue   func() (Queue, error)
	started time.Time
	log     *zap.Logger

	mu     sync.Mutex
	status Status
}

// New checks cfg, which must name a broker.
func New(cfg Config, info Info, cameras []Camera, queue func() (Queue, error), log *zap.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.URL == "" {
		return nil, errors.New("mqtt.url: not set")
	}
	info.MAC = strings.ToLower(info.MAC)
	c := &Client{
		cfg: cfg, info: info, cameras: named(cameras), queue: queue, started: time.Now(), log: log.Named("mqtt"),
		status: Status{Since: time.Now()},
	}
	for i := range c.cameras {
		cam := &c.cameras[i]
		cam.motion, cam.image = c.topic(cam.id+"/motion"), c.topic(cam.id+"/image")
	}
	return c, nil
}

// Status says how the connection stands.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

func (c *Client) stands(connected bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if connected != c.status.Connected {
		c.status.Connected, c.status.Since = connected, time.Now()
	}
	c.status.LastError = ""
	if err != nil {
		c.status.LastError = err.Error()
	}
}

// Run connects once and publishes until ctx ends; then it says that the device is gone and returns ctx's cause. A
// connection that is lost or cannot be made is an error, and Run can be called again.
func (c *Client) Run(ctx context.Context) error {
	err := c.run(ctx)
	if ctx.Err() != nil {
		c.stands(false, nil)
		return context.Cause(ctx)
	}
	c.stands(false, err)
	return err
}

func (c *Client) run(ctx context.Context) error {
	s, err := c.connect(ctx)
	if err != nil {
		return err
	}
	return s.live(ctx)
}

// live keeps the session until ctx ends, when there is a moment left for what is being sent and for the farewell, or until it is lost.
func (s *session) live(ctx context.Context) error {
	defer s.conn.Close()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(farewell, func() { s.conn.Close() }) })()
	alive, lost := context.WithCancelCause(ctx)
	var reading sync.WaitGroup
	reading.Go(func() { lost(s.read()) })
	err := s.serve(alive)
	if ctx.Err() != nil {
		s.leave() // the broker closes at once, if it lives
	} else {
		s.conn.Close()
	}
	reading.Wait()
	return err
}

// serve publishes until ctx ends, for whatever reason, which it returns, or until publishing fails.
func (s *session) serve(ctx context.Context) error {
	if err := s.subscribe(ctx); err != nil {
		return err
	}
	if err := s.tellAll(ctx); err != nil {
		return err
	}
	s.stands(true, nil)
	s.log.Info("connected", zap.String("broker", s.cfg.URL))
	defer s.log.Info("disconnected", zap.String("broker", s.cfg.URL))
	g, gctx := errgroup.WithContext(ctx)
	for i := range s.cameras {
		wanted := make(chan struct{}, 1) // a picture that is wanted twice is taken once
		g.Go(func() error { return s.watch(gctx, &s.cameras[i], wanted) })
		g.Go(func() error { return s.picture(gctx, &s.cameras[i], wanted) })
	}
	g.Go(func() error { return s.sensors(gctx) })
	g.Go(func() error { return s.ping(gctx) })
	err := g.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// sensors publishes what is known of the device as a whole, and everything when Home Assistant comes up. A short random wait keeps many
// devices from answering at once.
func (s *session) sensors(ctx context.Context) error {
	queue, uptime := time.NewTicker(lookQueue), time.NewTicker(uptimeEvery)
	defer queue.Stop()
	defer uptime.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-uptime.C:
			err = s.tellUptime(ctx)
		case <-queue.C:
			if now, failed := s.queue(); failed == nil && now != s.told { // why it cannot be read is told elsewhere
				err = s.tellQueue(ctx, now)
			}
		case <-s.birth:
			select {
			case <-ctx.Done():
			case <-time.After(rand.N(birthSpread)):
				err = s.tellAll(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

// watch publishes a camera's motion as it begins and ends, and wants pictures of it.
func (s *session) watch(ctx context.Context, cam *camera, wanted chan<- struct{}) error {
	look := time.NewTicker(lookMotion)
	defer look.Stop()
	want := func() {
		select {
		case wanted <- struct{}{}:
		default:
		}
	}
	told, best := cam.Motion(), 0.0
	if err := s.tellMotion(ctx, cam, told.Moving); err != nil {
		return err
	}
	want()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		now := cam.Motion()
		passed := now.Events != told.Events && !now.Moving && !told.Moving // it began and ended between two looks
		if passed {
			if err := s.tellMotion(ctx, cam, true); err != nil {
				return err
			}
		}
		if passed || now.Moving != told.Moving {
			if err := s.tellMotion(ctx, cam, now.Moving); err != nil {
				return err
			}
		}
		if passed || now.Moving && (!told.Moving || now.Score > best*clearly) {
			best = now.Score
			want()
		}
		told = now
	}
}

// clearly is how much more must move before an event's picture is replaced.
const clearly = 1.25

// picture publishes pictures of a camera when they are wanted, and each ImageEvery.
func (s *session) picture(ctx context.Context, cam *camera, wanted <-chan struct{}) error {
	var every <-chan time.Time
	if s.cfg.ImageEvery > 0 {
		t := time.NewTicker(s.cfg.ImageEvery)
		defer t.Stop()
		every = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wanted:
		case <-every:
		}
		within, cancel := context.WithTimeout(ctx, snapshotTime)
		jpeg, err := cam.Snapshot(within)
		cancel()
		switch {
		case err != nil:
			s.log.Debug("no picture", zap.String("camera", cam.Name), zap.Error(err))
			continue
		case len(jpeg) > maxImage, len(jpeg) == 0: // the latter would take the last one back
			s.log.Debug("picture is not published for its size", zap.String("camera", cam.Name), zap.Int("bytes", len(jpeg)))
			continue
		}
		if err := s.publish(ctx, cam.image, jpeg); err != nil {
			return err
		}
	}
}
