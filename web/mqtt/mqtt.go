// Package mqtt makes the camera known to Home Assistant by MQTT discovery: motion, pictures, uptime, what waits for upload, and
// whether the device is there at all. The broker must speak MQTT 5, as Mosquitto does since 1.6.
//
// Everything that is published is retained, and published anew when Home Assistant tells its own start (its birth
// message). The broker says that the device is gone (its last will) when the connection breaks.
package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"camward/internal/transport"
)

const (
	dialWithin   = 10 * time.Second
	answerWithin = 10 * time.Second // to each packet
	farewell     = 2 * time.Second
	keepAlive    = 20 // seconds; the broker calls a device gone after one and a half of it
	maxReceived  = 4 << 10
	maxImage     = 1 << 20 // bytes
	maxHeader    = 1 << 10 // of a publication, with its topic
	lookMotion   = 250 * time.Millisecond
	lookQueue    = 10 * time.Second
	tellUptime   = time.Minute
	snapshotTime = 10 * time.Second
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
	defer s.end(ctx)
	c.stands(true, nil)
	c.log.Info("connected", zap.String("broker", c.cfg.URL))
	defer c.log.Info("disconnected", zap.String("broker", c.cfg.URL))
	if err := s.tellAll(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case err := <-s.lost:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	for i := range c.cameras {
		wanted := make(chan struct{}, 1) // a picture that is wanted twice is taken once
		g.Go(func() error { return s.watch(ctx, &c.cameras[i], wanted) })
		g.Go(func() error { return s.picture(ctx, &c.cameras[i], wanted) })
	}
	g.Go(func() error { return s.sensors(ctx) })
	return g.Wait()
}

// A session is one connection to the broker.
type session struct {
	*Client
	client *paho.Client
	conn   net.Conn
	qos    byte
	image  int           // the largest that may be published, bytes
	lost   chan error    // why it ended, at most one
	birth  chan struct{} // Home Assistant has come up
}

// connect dials, says who is there and what is to be said when the line breaks, and asks to be told of Home Assistant's start.
func (c *Client) connect(ctx context.Context) (*session, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{Client: c, conn: conn, qos: 1, image: maxImage, lost: make(chan error, 1), birth: make(chan struct{}, 1)}
	end := func(err error) {
		select {
		case s.lost <- err:
		default:
		}
	}
	s.client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn), PacketTimeout: answerWithin,
		OnClientError:      func(err error) { end(fmt.Errorf("broker %s: %w", conn.RemoteAddr(), err)) },
		OnServerDisconnect: func(d *paho.Disconnect) { end(fmt.Errorf("the broker hung up: %s", reason(d.ReasonCode))) },
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			if string(p.Packet.Payload) == "online" {
				select {
				case s.birth <- struct{}{}:
				default:
				}
			}
			return true, nil
		}},
	})
	size, most := uint32(maxReceived), uint16(8)
	ack, err := s.client.Connect(ctx, &paho.Connect{
		ClientID: "camward-" + c.info.MAC, CleanStart: true, KeepAlive: keepAlive,
		Username: c.cfg.User, UsernameFlag: c.cfg.User != "",
		Password: []byte(c.cfg.Password.Reveal()), PasswordFlag: c.cfg.Password != "",
		Properties:  &paho.ConnectProperties{MaximumPacketSize: &size, ReceiveMaximum: &most, RequestProblemInfo: true},
		WillMessage: &paho.WillMessage{Topic: c.availability(), Payload: []byte(offline), QoS: 1, Retain: true},
	})
	switch {
	case ack != nil && ack.ReasonCode >= 0x80:
		return nil, fmt.Errorf("the broker refuses: %s", reason(ack.ReasonCode))
	case err != nil:
		return nil, fmt.Errorf("no MQTT 5 broker answers at %s: %w", conn.RemoteAddr(), err)
	}
	s.limit(ack.Properties)
	_, err = s.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: c.cfg.DiscoveryPrefix + "/status", QoS: s.qos, RetainHandling: 2}}})
	if err != nil {
		s.end(ctx)
		return nil, fmt.Errorf("subscribe to Home Assistant's status: %w", err)
	}
	return s, nil
}

// limit keeps to what the broker takes: it hangs up on more.
func (s *session) limit(p *paho.ConnackProperties) {
	if p == nil {
		return
	}
	if p.MaximumQoS != nil {
		s.qos = min(s.qos, *p.MaximumQoS)
	}
	if p.MaximumPacketSize != nil {
		s.image = min(s.image, int(*p.MaximumPacketSize)-maxHeader)
	}
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	address, secure, err := c.cfg.broker()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	d := net.Dialer{Control: transport.Control(2 * keepAlive * time.Second)}
	if !secure {
		return d.DialContext(ctx, "tcp", address)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.cfg.CAFile != "" {
		pem, err := os.ReadFile(c.cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.ca_file: %s holds no certificate in PEM", c.cfg.CAFile)
		}
	}
	return (&tls.Dialer{NetDialer: &d, Config: cfg}).DialContext(ctx, "tcp", address)
}

// end says goodbye, if ctx and not the connection has ended, and waits until nothing of the session runs any more.
func (s *session) end(ctx context.Context) {
	if ctx.Err() != nil {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		stop := context.AfterFunc(bye, func() { s.conn.Close() })
		defer stop()
		s.publish(bye, s.availability(), []byte(offline)) //nolint:errcheck // the broker's will says the same
	}
	s.client.Disconnect(&paho.Disconnect{}) //nolint:errcheck // it closes whatever comes of it
	<-s.client.Done()
}

func (s *session) publish(ctx context.Context, topic string, payload []byte) error {
	_, err := s.client.Publish(ctx, &paho.Publish{Topic: topic, Payload: payload, QoS: s.qos, Retain: true})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	return nil
}

// sensors publishes what is known of the device as a whole, and everything when Home Assistant comes up. A short random wait keeps many
// devices from answering at once.
func (s *session) sensors(ctx context.Context) error {
	queue, uptime := time.NewTicker(lookQueue), time.NewTicker(tellUptime)
	defer queue.Stop()
	defer uptime.Stop()
	var last Queue
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-uptime.C:
			err = s.tellUptime(ctx)
		case <-queue.C:
			var now Queue
			if now, err = s.queue(); err != nil || now == last {
				err = nil // why it cannot be read is told elsewhere
				continue
			}
			last = now
			err = s.tellQueue(ctx, now)
		case <-s.birth:
			select {
			case <-ctx.Done():
			case <-time.After(rand.N(2 * time.Second)):
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
		if now.Moving && (!told.Moving || now.Score > best*clearly) {
			best = now.Score
			want()
		}
		if passed {
			want()
			if err := s.tellMotion(ctx, cam, true); err != nil {
				return err
			}
		}
		if passed || now.Moving != told.Moving {
			if err := s.tellMotion(ctx, cam, now.Moving); err != nil {
				return err
			}
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
		case len(jpeg) > s.image:
			s.log.Debug("picture is too large to be published", zap.String("camera", cam.Name), zap.Int("bytes", len(jpeg)))
			continue
		}
		if err := s.publish(ctx, cam.image, jpeg); err != nil {
			return err
		}
	}
}

// reason words MQTT's reason codes (MQTT 5.0 2.4) that a person can do something about.
func reason(code byte) string {
	switch code {
	case packets.ConnackBadUsernameOrPassword, packets.ConnackNotAuthorized:
		return "user or password is wrong, or may not publish here (mqtt.user, mqtt.password)"
	case packets.ConnackUnsupportedProtocolVersion:
		return "it does not speak MQTT 5"
	case packets.ConnackServerUnavailable, packets.ConnackServerBusy, packets.DisconnectServerShuttingDown:
		return "it is not available at the moment"
	case packets.DisconnectSessionTakenOver:
		return "another client took over this device's name"
	}
	return fmt.Sprintf("reason code 0x%02x", code)
}
