// Package mqtt makes the camera known to Home Assistant by MQTT discovery: motion, pictures, uptime, what waits for upload, and
// whether the device is there at all.
package mqtt

import (
	"context"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// Config says which broker is told. Begin with Default; without a URL nothing is.
type Config struct {
	URL             string        `yaml:"url"`              // mqtt://host[:1883] or mqtts://host[:8883]; empty, the default: off
	User            string        `yaml:"user"`             // default none
	Password        camio.Secret  `yaml:"password"`         // default none
	CAFile          string        `yaml:"ca_file"`          // PEM, the only authorities to trust; default the system's
	DiscoveryPrefix string        `yaml:"discovery_prefix"` // default homeassistant
	BaseTopic       string        `yaml:"base_topic"`       // what this device publishes stands under BASE/MAC; default camward
	ImageEvery      time.Duration `yaml:"image_every"`      // a picture each time besides those of motion, 1s to 24h; default 0, none
}

// Default is off.
func Default() Config { return Config{DiscoveryPrefix: "homeassistant", BaseTopic: "camward"} }

// Validate reports every fault at once, each under its key.
func (c Config) Validate() error { return nil }

// Info is what is said of the device.
type Info struct {
	MAC     string // 12 hexadecimal digits
	Name    string // such as the host's name
	Maker   string
	Model   string
	Version string
	PageURL string // of the camera's own page, http or https; may be empty
}

// A Camera is one camera of the device. The functions are called from one goroutine of this package and may be slow: nothing but
// this package waits for them.
type Camera struct {
	Name     string
	Motion   func() Motion                             // asked four times a second
	Snapshot func(ctx context.Context) ([]byte, error) // a JPEG that is the caller's to keep
}

// Motion is what the detector sees.
type Motion struct {
	Moving bool
	Score  float64 // the picture with the highest one of an event is what is shown
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
	Since     time.Time `json:"since"`
	LastError string    `json:"last_error,omitempty"`
}

// A Client publishes one device. Its methods are safe for concurrent use.
type Client struct {
	cfg     Config
	info    Info
	cameras []Camera
	queue   func() (Queue, error)
	log     *zap.Logger
}

// New checks cfg, which must name a broker.
func New(cfg Config, info Info, cameras []Camera, queue func() (Queue, error), log *zap.Logger) (*Client, error) {
	return &Client{cfg: cfg, info: info, cameras: cameras, queue: queue, log: log.Named("mqtt")}, cfg.Validate()
}

// Status says how the connection stands.
func (c *Client) Status() Status { return Status{} }

// Run keeps a connection to the broker until ctx ends, then says that the device is gone and returns ctx's cause. It
// returns an error when the connection is lost or cannot be made; it can be called again.
func (c *Client) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
